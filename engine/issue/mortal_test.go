package issue_test

import (
	"errors"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/enginetest"
)

var errCrash = errors.New("crash")

// mortal is a world whose app dies once, at a fault point.
type mortal struct {
	*enginetest.World
	point, passed int
	dead          bool
}

// everyPoint tells a story with an app that dies at the first fault point that it passes,
// then with one that dies at the second, and so on, until one lives: there have to be more
// points than least. The story begins with begin, in which nothing dies.
func everyPoint(t *testing.T, least int, begin func() *enginetest.World, story func(m *mortal)) {
	t.Helper()
	for n := 1; ; n++ {
		m := &mortal{World: begin(), point: n}
		m.Hook = func(string) error {
			if m.passed++; m.passed == n {
				m.dead = true
			}
			if m.dead { // nothing gets through any more
				return errCrash
			}
			return nil
		}
		story(m)
		switch {
		case t.Failed():
			t.Fatalf("where it crashed at point %d", n)
		case m.passed >= n:
		case n <= least:
			t.Fatalf("only %d fault points were passed", n-1)
		default:
			t.Logf("crashed at each of %d points", n-1)
			return
		}
	}
}

// does something, and starts the app again where it dies, until it is done.
func (m *mortal) does(something func() error) {
	m.T.Helper()
	for {
		err := something()
		if err == nil {
			return
		}
		if !errors.Is(err, errCrash) {
			m.T.Fatalf("point %d: %v", m.point, err)
		}
		m.Restart()
		m.dead = false
		m.Pass(2 * time.Minute) // what was begun is looked for after a while
	}
}
