package action_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/storage"
)

var errCrash = fmt.Errorf("%w: the process died", storage.ErrUnavailable)

// crash fails at the n-th point that a process passes, and at all after it.
type crash struct{ n, passed int }

func (c *crash) hook(context.Context, string) error {
	if c.passed++; c.passed >= c.n {
		return errCrash
	}
	return nil
}

// fate is what becomes of the first request.
type fate string

const (
	lands     fate = "lands"
	times     fate = "times out"
	landsLate fate = "times out and lands late"
)

// Whatever becomes of the first request, a process dies at each point in turn,
// the next one a few points later, and so on, until one gets through: the effect
// must have happened exactly once, and its result be known.
func TestCrashesDoNothingTwiceAndLoseNothing(t *testing.T) {
	onEveryStore(t, func(t *testing.T, db storage.DB) {
		for _, f := range []fate{lands, times, landsLate} {
			points := 0
			for n := 1; ; n++ {
				met := crashAt(t, db, f, n)
				if t.Failed() {
					t.Fatalf("the first request %s, crash at point %d", f, n)
				}
				if !met {
					break
				}
				points++
			}
			if points < 6 {
				t.Errorf("the first request %s: only %d points were passed", f, points)
			}
		}
	})
}

// crashAt reports whether the n-th point was met.
func crashAt(t *testing.T, db storage.DB, f fate, n int) bool {
	c := newClock()
	world := &outside{clock: c}
	name := fmt.Sprintf("p/%d/%s", n, f)
	create(t, db, name)
	first := true
	e := world.effect("7")
	e.Do = func(context.Context) (any, error) {
		wasFirst := first
		first = false
		switch {
		case !wasFirst || f == lands:
			return world.make("7", 0), nil
		case f == landsLate:
			world.make("7", time.Minute)
		}
		return nil, action.Unknown(errors.New("time-out"))
	}
	met := false
	for life := 0; ; life++ {
		if life > 50 {
			t.Fatal("it does not come to an end")
		}
		died := &crash{n: n + 3*life}
		l := action.New(action.Options{Now: c.Now, Hook: died.hook})
		s, err := storage.Watched(db, died.hook).Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		var rec action.Record
		for range 10 {
			if rec, err = l.Once(t.Context(), s, create7(), true, e); err == nil || errors.Is(err, errCrash) {
				break
			}
			c.Add(5 * time.Second)
		}
		c.Add(15 * time.Second) // until the next process is up
		met = met || errors.Is(err, errCrash)
		if err != nil {
			continue
		}
		if got := world.count(); got != 1 || rec.State != action.Done || len(rec.Result) == 0 {
			t.Errorf("%d issues were made; %+v", got, rec)
		}
		kept, _, err := action.New(action.Options{Now: c.Now}).Get(t.Context(), create(t, db, name), rec.Key)
		if err != nil || kept.State != action.Done || string(kept.Result) != string(rec.Result) {
			t.Errorf("kept %+v, %v; returned %+v", kept, err, rec)
		}
		return met
	}
}
