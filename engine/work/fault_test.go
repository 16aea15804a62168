package work_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// fault makes the n-th commit of a process fail at one of the two points.
type fault struct {
	point string // "commit.before" or "commit.after"
	n     int
	dies  bool // the process dies there; else only this commit fails

	mu    sync.Mutex
	seen  int
	cut   atomic.Bool // the process is dead
	fired chan struct{}
}

func (f *fault) hook(_ context.Context, point string) error {
	if f.cut.Load() {
		return errCut
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !strings.HasPrefix(point, f.point) {
		return nil
	}
	if f.seen++; f.seen != f.n {
		return nil
	}
	f.cut.Store(f.dies)
	close(f.fired)
	return fmt.Errorf("%w: at %s", storage.ErrUnavailable, point)
}

func (f *fault) hit() bool {
	select {
	case <-f.fired:
		return true
	default:
		return false
	}
}

// watched is a store whose changes are watched.
type watched struct {
	storage.DB
	storage.Bell
}

// One small day of work is lived again and again, and each time one commit more
// is let go well before one fails, or before the process dies there and another
// one takes over. Nothing may be lost, run twice at once, or be left behind.
func TestNoCommitThatFailsLosesWork(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		for _, dies := range []bool{false, true} {
			for _, point := range []string{"commit.before", "commit.after"} {
				name := fmt.Sprintf("%s, dies=%v", point, dies)
				t.Run(name, func(t *testing.T) {
					n := 1
					for ; ; n++ {
						f := &fault{point: point, n: n, dies: dies, fired: make(chan struct{})}
						if !liveWithFault(t, db, f, fmt.Sprintf("p/%d/%v%s", n, dies, point[len("commit."):])) {
							break
						}
						if t.Failed() {
							t.Fatalf("at commit %d", n)
						}
					}
					if n < 10 {
						t.Errorf("only %d commits, the day is too short", n)
					}
					t.Logf("%d commits", n)
				})
			}
		}
	})
}

// liveWithFault lives the day in a space, and reports whether the fault was met.
func liveWithFault(t *testing.T, db store, f *fault, name string) bool {
	l := newLedger()
	s := create(t, db, name)
	keys := []string{"plain/1", "fails/1", "again/1", "added/1"}
	handle := func(q *work.Queue) {
		q.Handle("plain", l.handle(nil))
		q.Handle("fails", l.handle(func(_ context.Context, _ work.Item, call int) (time.Time, error) {
			if call == 1 {
				return time.Time{}, errors.New("at first it fails")
			}
			return time.Time{}, nil
		}))
		q.Handle("again", l.handle(func(_ context.Context, _ work.Item, call int) (time.Time, error) {
			if call == 1 {
				return time.Now(), nil
			}
			return time.Time{}, nil
		}))
		q.Handle("added", l.handle(func(ctx context.Context, it work.Item, call int) (time.Time, error) {
			if call == 1 {
				// By somebody whose commits do not fail.
				return time.Time{}, l.raise(ctx, s, it.Key)
			}
			return time.Time{}, nil
		}))
	}
	for _, key := range keys {
		if err := l.raise(t.Context(), s, key); err != nil {
			t.Fatal(err)
		}
	}

	o := quick(t)
	o.Lease = time.Hour // no claim ends by itself here
	o.Drain = 10 * time.Millisecond
	first := work.New(watched{storage.Watched(db, f.hook), db}, db, o)
	handle(first)
	first.Wake(name)
	stop := start(t, first)
	if f.dies {
		eventually(t, "the process died, or all is done", func() bool {
			return f.hit() || len(leftovers(t, db, name)) == 0
		})
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		o.Exclusive = true // the claims of the dead need not be waited for
		next := work.New(db, db, o)
		handle(next)
		stop = start(t, next)
	}
	atRest(t, db, name)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	l.check(t, s, keys...)
	if dead, err := work.ListDead(t.Context(), s, "", 10); err != nil || len(dead) > 0 {
		t.Errorf("dead letters %+v, %v", dead, err)
	}
	// A hint that was written late says too much; whoever reads it takes it away.
	stop = start(t, work.New(db, db, o))
	atRest(t, db, name)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	return f.hit()
}
