package github

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/work"
)

// paced is a fake on which writes succeed.
func paced(t *testing.T, p Pace) (*App, *clock) {
	f := newFake(t, map[string]http.HandlerFunc{
		newIssues:                                says(201, map[string]any{"number": 5}),
		"POST /repos/acme/web/issues/5/comments": says(201, map[string]any{"id": 7}),
		newCommits:                               says(201, map[string]any{"sha": commitSHA}),
	})
	return f.app(p)
}

func TestPace(t *testing.T) {
	a, c := paced(t, Pace{Write: time.Second, Issue: 3 * time.Second, Wait: 3 * time.Second})
	for _, file := range []bool{true, false, true, false, false} {
		var err error
		if file {
			_, err = a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"})
		} else {
			_, err = a.CreateComment(t.Context(), acme, 5, "text")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := []time.Duration{time.Second, 2 * time.Second, time.Second, time.Second}; !slices.Equal(c.slept, want) {
		t.Errorf("waits %v, want %v", c.slept, want)
	}
}

// Objects need not wait as long as what people see, and what people see need not
// wait longer for them.
func TestPaceOfObjects(t *testing.T) {
	a, c := paced(t, Pace{Write: time.Second, Object: 350 * time.Millisecond, Wait: time.Second})
	for _, visible := range []bool{true, false, false, true, false, true} {
		var err error
		if visible {
			_, err = a.CreateComment(t.Context(), acme, 5, "text")
		} else {
			_, err = a.CreateCommit(t.Context(), acme, "fix", treeSHA, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	// The fourth waits what is left of the second since the first.
	if want := []time.Duration{350, 350, 350, 350, 650}; !slices.EqualFunc(c.slept, want, func(d, ms time.Duration) bool { return d == ms*time.Millisecond }) {
		t.Errorf("waits %v, want %v ms", c.slept, want)
	}
}

// What would wait too long comes back later, when its turn is.
func TestPaceTooFarAway(t *testing.T) {
	a, c := paced(t, Pace{Issue: 3 * time.Second, Wait: 2 * time.Second})
	if _, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"}); err != nil {
		t.Fatal(err)
	}
	_, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"})
	var later *work.Later
	if !errors.As(err, &later) || later.Until.Sub(c.now) != 3*time.Second || len(c.slept) != 0 {
		t.Errorf("%v until %v, want three seconds later", err, later)
	}
	// The lane is free again for what may go.
	if _, err := a.CreateComment(t.Context(), acme, 5, "text"); err != nil {
		t.Errorf("another write: %v", err)
	}
}

func TestIssuesInAnHour(t *testing.T) {
	a, c := paced(t, Pace{Hourly: 2, Wait: time.Second})
	start := c.now
	for range 2 {
		if _, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"}); err != nil {
			t.Fatal(err)
		}
		c.now = c.now.Add(time.Minute)
	}
	_, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"})
	var later *work.Later
	if !errors.As(err, &later) || !later.Until.Equal(start.Add(time.Hour)) {
		t.Errorf("third in an hour: %v, want it at the first's hour", err)
	}
	c.now = start.Add(time.Hour)
	if _, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"}); err != nil {
		t.Errorf("after an hour: %v", err)
	}
}

// Two writes of one installation are never under way together.
func TestWritesAreSerial(t *testing.T) {
	var mu sync.Mutex
	var inside int
	f := newFake(t, map[string]http.HandlerFunc{newIssues: func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		inside++
		if inside > 1 {
			t.Error("two writes at once")
		}
		mu.Unlock()
		defer func() { mu.Lock(); inside--; mu.Unlock() }()
		answer(w, 201, map[string]any{"number": 5})
	}})
	a, _ := f.app(Pace{Wait: time.Minute})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestTurnIsNotWaitedForForEver(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	f := newFake(t, map[string]http.HandlerFunc{newIssues: func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-release
		answer(w, 201, map[string]any{"number": 5})
	}})
	a, _ := f.app(Pace{})
	done := make(chan error, 1)
	go func() {
		_, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"})
		done <- err
	}()
	<-started
	var later *work.Later
	if _, err := a.CreateComment(t.Context(), acme, 5, "text"); !errors.As(err, &later) {
		t.Errorf("while another writes: %v, want a *work.Later", err)
	}
	a.pace.Wait = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.CreateComment(ctx, acme, 5, "text"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while waiting: %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLanesAreDropped(t *testing.T) {
	ls := lanes{of: map[int64]*lane{}}
	start := time.Now()
	limited := ls.get(1, start)
	limited.leaveAlone(start.Add(3*time.Hour), ErrPaced)
	busy := ls.get(2, start)
	<-busy.turn
	for i := range int64(maxLanes) {
		ls.get(10+i, start).wrote = start
	}
	ls.get(3, start.Add(2*time.Hour))
	if len(ls.of) != 3 || ls.of[1] != limited || ls.of[2] != busy {
		t.Errorf("%d lanes, want the new one, the limited one and the busy one", len(ls.of))
	}
}

// After a pause a few writes follow each other at once; a series keeps the pace.
func TestBurst(t *testing.T) {
	a, c := paced(t, Pace{Write: time.Second, Burst: 3, Issue: 3 * time.Second, Wait: 9 * time.Second})
	say := func() {
		if _, err := a.CreateComment(t.Context(), acme, 5, "text"); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		say()
	}
	if want := []time.Duration{time.Second, time.Second}; !slices.Equal(c.slept, want) {
		t.Errorf("waits %v, want %v: three at once, then one a second", c.slept, want)
	}
	c.sleep(t.Context(), time.Minute) // a pause saves no more than a burst
	c.slept = nil
	for range 4 {
		say()
	}
	if _, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"}); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{time.Second, 3 * time.Second}; !slices.Equal(c.slept, want) {
		t.Errorf("waits %v, want %v: a new issue waits until all before it is paid for", c.slept, want)
	}
}
