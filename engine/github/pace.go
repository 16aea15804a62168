package github

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/soulcaster/soulcaster/engine/work"
)

// Pace is how fast one installation is written to, and how patient a call is.
// Every process keeps its own; between replicas GitHub's secondary limits, which
// are obeyed, do the rest.
type Pace struct {
	// Write is the least time between two writes. GitHub's "Best practices for
	// using the REST API" asks for one request after another, with at least a
	// second between those that write.
	Write time.Duration
	// Burst is how many writes may follow each other at once after a pause, as if
	// each had come a second after the one before: what a person waits for (a
	// reaction, then an answer) is not held up by advice that is about long series.
	// The limits themselves count by the minute: 80 creations, 900 points of which a
	// write costs five. 0 is 1; new issues have no part in it.
	Burst int
	// Object is the least time between a write and one of a git object. Nobody
	// sees an object, nobody is told of it, and until a branch holds it, it is
	// part of nothing: it is no content in the sense of GitHub's limits on
	// creating that, and waiting a second for each would make a commit of ten
	// files wait a dozen. What counts it is the limit of 900 points a minute, of
	// which a write costs five: 180 writes a minute, one in 333 ms.
	Object time.Duration
	// Issue is the least time between two new issues, and Hourly the most of
	// them in an hour. GitHub documents 80 and 500 creations a minute and an
	// hour, with lower limits in places; users measured 20 a minute and 150 an
	// hour for issues (cli/cli#4801).
	Issue  time.Duration
	Hourly int
	// Wait is the longest that a call waits in place for its turn: long enough for
	// a comment after another write, too short for a second issue, so that a row
	// of new issues does not keep the installation's workers from other work. What
	// would take longer is a [*work.Later].
	Wait time.Duration
	// Retry is the wait before a read is tried again after an outage. It doubles
	// with each try and is halved at most by chance.
	Retry time.Duration
}

// DefaultPace is the pace for github.com.
func DefaultPace() Pace {
	return Pace{Write: time.Second, Burst: 3, Object: 350 * time.Millisecond, Issue: 3 * time.Second, Hourly: 100, Wait: time.Second, Retry: 300 * time.Millisecond}
}

// ErrPaced is why a write waits although GitHub has not complained.
var ErrPaced = errors.New("github: writing to the installation at the pace that GitHub allows")

// kind is what a call costs.
type kind int

const (
	write kind = iota
	newIssue
	object // of git: a blob, a tree, a commit
)

// lane is the way to GitHub of one installation.
type lane struct {
	turn chan struct{} // holds one token, which the write under way has

	mu     sync.Mutex
	rest   time.Time // GitHub asked to be left alone until then
	why    error
	wrote  time.Time    // what is no object
	paid   time.Time    // until when the writes so far last, at one in Pace.Write
	stored time.Time    // an object
	issues []time.Time  // when the last Hourly of them were made, oldest first
	booked [3]time.Time // by kind: the last moment that somebody was told to come back at
}

// every is the least time between two writes of a kind.
func (p Pace) every(k kind) time.Duration {
	switch k {
	case newIssue:
		return max(p.Write, p.Issue)
	case object:
		return p.Object
	}
	return p.Write
}

// book gives each of those that are sent away a moment of its own, so that they
// do not all come back for the same turn.
func (l *lane) book(k kind, first time.Time, every time.Duration) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.booked[k] = l.booked[k].Add(every); l.booked[k].Before(first) {
		l.booked[k] = first
	}
	return l.booked[k]
}

// enter waits for the turn of a write and returns what ends it. It is a
// [*work.Later] if the turn is too far away.
func (a *App) enter(ctx context.Context, l *lane, k kind) (leave func(), err error) {
	asked := a.now()
	patience := time.NewTimer(a.pace.Wait)
	defer patience.Stop()
	select {
	case <-l.turn:
	default:
		select {
		case <-l.turn:
		case <-patience.C:
			return nil, &work.Later{Until: l.book(k, asked.Add(a.pace.Wait), a.pace.every(k)), Err: ErrPaced}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	free := func() { l.turn <- struct{}{} }

	until, why := l.next(k, a.pace)
	wait := until.Sub(a.now())
	if wait > a.pace.Wait {
		free()
		return nil, &work.Later{Until: l.book(k, until, a.pace.every(k)), Err: why}
	}
	if wait > 0 {
		if err := a.sleep(ctx, wait); err != nil {
			free()
			return nil, err
		}
	}
	return func() {
		l.mu.Lock()
		if k == object {
			l.stored = a.now()
		} else {
			l.wrote = a.now()
			l.paid = later(l.paid, l.wrote).Add(a.pace.Write)
		}
		if k == newIssue {
			l.issues = append(l.issues, l.wrote)
			if extra := len(l.issues) - max(a.pace.Hourly, 1); extra > 0 {
				l.issues = l.issues[extra:]
			}
		}
		l.mu.Unlock()
		free()
	}, nil
}

// next returns when a write may happen, and why not before.
func (l *lane) next(k kind, p Pace) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, why := l.paid, ErrPaced
	switch k {
	case write:
		until = until.Add(-time.Duration(max(p.Burst, 1)-1) * p.Write)
	case object:
		until = l.wrote.Add(p.Object)
	}
	until = later(until, l.stored.Add(p.Object))
	if n := len(l.issues); k == newIssue && n > 0 {
		until = later(until, l.issues[n-1].Add(p.Issue))
		if p.Hourly > 0 && n >= p.Hourly {
			until = later(until, l.issues[0].Add(time.Hour))
		}
	}
	if l.rest.After(until) {
		until, why = l.rest, l.why
	}
	return until, why
}

// later is the later one of two moments.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// resting is a [*work.Later] while GitHub wants to be left alone.
func (l *lane) resting(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.rest) {
		return &work.Later{Until: l.rest, Err: fmt.Errorf("not asked: %w", l.why)}
	}
	return nil
}

// leaveAlone remembers that GitHub wants to be left alone.
func (l *lane) leaveAlone(until time.Time, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.rest) {
		l.rest, l.why = until, why
	}
}

// lanes are the lanes of all installations; the App itself has lane 0.
type lanes struct {
	mu sync.Mutex
	of map[int64]*lane
}

// maxLanes is how many are kept before those are dropped that have nothing to
// remember.
const maxLanes = 10_000

func (ls *lanes) get(installation int64, now time.Time) *lane {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.of[installation]; l != nil {
		return l
	}
	if len(ls.of) >= maxLanes {
		for id, l := range ls.of {
			l.mu.Lock()
			idle := len(l.turn) == 1 && now.After(l.rest) && now.Sub(l.wrote) > time.Hour && now.Sub(l.stored) > time.Hour
			l.mu.Unlock()
			if idle {
				delete(ls.of, id)
			}
		}
	}
	l := &lane{turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	ls.of[installation] = l
	return l
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
