package work_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soulcaster/soulcaster/engine/work"
)

// These tests run in a bubble in which time passes as soon as everybody waits,
// with the default times of a queue and the real embedded store.

func TestALeaseIsKeptWhileTheHandlerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openBolt(t)
		s := create(t, db, space1)
		add(t, s, "issue/1")
		l := newLedger()
		if err := l.raise(t.Context(), s, "issue/1"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			q := work.New(db, db, work.Options{Deadline: time.Hour})
			q.Handle("issue", l.handle(func(context.Context, work.Item, int) (time.Time, error) {
				time.Sleep(30 * time.Minute)
				return time.Time{}, nil
			}))
			start(t, q)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		l.check(t, s, "issue/1")
		if n := l.calls[space1+":issue/1"]; n != 1 {
			t.Errorf("called %d times", n)
		}
		if left := leftovers(t, db, space1); len(left) > 0 {
			t.Errorf("left %q", left)
		}
	})
}

func TestALeaseOutlivesAShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openBolt(t)
		s := create(t, db, space1)
		add(t, s, "issue/1")
		var cut atomic.Bool
		q := work.New(severed{db, &cut}, db, work.Options{Deadline: time.Hour})
		calls := 0
		q.Handle("issue", func(ctx context.Context, _ work.Item) (time.Time, error) {
			calls++
			select {
			case <-time.After(10 * time.Minute):
			case <-ctx.Done():
				t.Errorf("cancelled: %v", context.Cause(ctx))
			}
			return time.Time{}, nil
		})
		start(t, q)
		time.Sleep(5*time.Minute + 5*time.Second)
		cut.Store(true)
		time.Sleep(14 * time.Second)
		if q.Ready() == nil {
			t.Error("ready without a store")
		}
		cut.Store(false)
		time.Sleep(5 * time.Second)
		if err := q.Ready(); err != nil {
			t.Errorf("not ready soon after the outage: %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if left := leftovers(t, db, space1); calls != 1 || len(left) > 0 {
			t.Errorf("called %d times, left %q", calls, left)
		}
	})
}

func TestOthersFindWorkWhoseHintCouldNotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openBolt(t)
		s := create(t, db, space1)
		var cut atomic.Bool
		teller := work.New(severed{db, &cut}, nil, work.Options{})
		start(t, teller)
		q := work.New(db, nil, work.Options{Sweep: time.Hour})
		done := make(chan bool, 1)
		q.Handle("issue", func(context.Context, work.Item) (time.Time, error) {
			done <- true
			return time.Time{}, nil
		})
		start(t, q)
		time.Sleep(time.Minute)
		add(t, s, "issue/1")
		cut.Store(true)
		teller.Wake(space1)
		time.Sleep(20 * time.Second)
		cut.Store(false)
		from := time.Now()
		if <-done; time.Since(from) > 21*time.Second {
			t.Errorf("found %v after the outage", time.Since(from))
		}
	})
}

func TestALostLeaseCancelsTheHandlerBeforeOthersBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openBolt(t)
		s := create(t, db, space1)
		add(t, s, "issue/1")
		var cut atomic.Bool
		began := time.Now()
		var cancelled, taken time.Duration
		first := work.New(severed{db, &cut}, db, work.Options{})
		first.Handle("issue", func(ctx context.Context, _ work.Item) (time.Time, error) {
			cut.Store(true)
			<-ctx.Done()
			cancelled = time.Since(began)
			return time.Time{}, ctx.Err()
		})
		start(t, first)
		time.Sleep(time.Second) // now the first one has it
		second := work.New(db, db, work.Options{})
		second.Handle("issue", func(context.Context, work.Item) (time.Time, error) {
			taken = time.Since(began)
			return time.Time{}, nil
		})
		start(t, second)
		time.Sleep(time.Hour)
		synctest.Wait()
		if cancelled < 20*time.Second || cancelled > 27*time.Second {
			t.Errorf("cancelled after %v, want it well within the lease of 30 s", cancelled)
		}
		if taken < 31*time.Second || taken > time.Minute {
			t.Errorf("taken over after %v, want it when the lease is over", taken)
		}
	})
}

func TestDroppedWorkIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openBolt(t)
		s := create(t, db, space1)
		add(t, s, "issue/1")
		q := work.New(db, db, work.Options{})
		var cause error
		q.Handle("issue", func(ctx context.Context, _ work.Item) (time.Time, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return time.Time{}, ctx.Err()
		})
		start(t, q)
		time.Sleep(time.Second)
		if err := work.Drop(t.Context(), s, "issue/1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if cause == nil || cause.Error() != "the lease was lost" {
			t.Errorf("cancelled because of %v", cause)
		}
		if left := leftovers(t, db, space1); len(left) > 0 {
			t.Errorf("left %q", left)
		}
	})
}

func TestWorkComesWhenItIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openBolt(t)
		s := create(t, db, space1)
		q := work.New(db, db, work.Options{Rand: func() float64 { return 0.5 }, Poll: time.Hour, Sweep: time.Hour})
		var at []time.Duration
		began := time.Now()
		answers := []func() (time.Time, error){
			func() (time.Time, error) {
				return time.Time{}, &work.Later{Until: time.Now().Add(time.Hour)}
			},
			func() (time.Time, error) { return time.Time{}, errors.New("failed") },          // half a second
			func() (time.Time, error) { return time.Time{}, errors.New("failed again") },    // a second
			func() (time.Time, error) { return time.Time{}, errors.New("and once more") },   // two
			func() (time.Time, error) { return time.Now().Add(10 * 24 * time.Hour), nil },   // a week at most
			func() (time.Time, error) { return time.Now().Add(time.Second), nil },           // a second
			func() (time.Time, error) { return time.Now().Add(-time.Hour), nil },            // at once
			func() (time.Time, error) { return time.Time{}, errors.New("a first failure") }, // half a second
			func() (time.Time, error) { return time.Time{}, nil },
		}
		q.Handle("soak", func(context.Context, work.Item) (time.Time, error) {
			at = append(at, time.Since(began))
			return answers[len(at)-1]()
		})
		add(t, s, "soak/1")
		start(t, q)
		time.Sleep(30 * 24 * time.Hour)
		synctest.Wait()
		week := 7 * 24 * time.Hour
		gaps := []time.Duration{0, time.Hour, time.Second / 2, time.Second, 2 * time.Second, week, time.Second, 0, time.Second / 2}
		if len(at) != len(gaps) {
			t.Fatalf("called %d times, at %v", len(at), at)
		}
		var last time.Duration
		for i, gap := range gaps {
			if got := at[i] - last; got < gap || got > gap+10*time.Millisecond {
				t.Errorf("call %d came %v after the one before, want %v", i, got, gap)
			}
			last = at[i]
		}
	})
}

func TestWithoutABellWorkIsFoundByPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openBolt(t)
		s := create(t, db, space1)
		teller := work.New(db, nil, work.Options{})
		start(t, teller)
		q := work.New(db, nil, work.Options{})
		done := make(chan time.Time, 10)
		q.Handle("issue", func(context.Context, work.Item) (time.Time, error) {
			done <- time.Now()
			return time.Time{}, nil
		})
		start(t, q)
		time.Sleep(time.Minute)
		add(t, s, "issue/1")
		teller.Wake(space1)
		added := time.Now()
		if took := (<-done).Sub(added); took > 15*time.Second {
			t.Errorf("what another process told was found after %v", took)
		}
		add(t, s, "issue/1")
		added = time.Now()
		if took := (<-done).Sub(added); took > 10*time.Minute {
			t.Errorf("what nobody told was found after %v", took)
		}
	})
}

func TestAHandlerThatTakesTooLongHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openBolt(t)
		s := create(t, db, space1)
		add(t, s, "issue/1")
		q := work.New(db, db, work.Options{MaxAttempts: 1})
		q.Handle("issue", func(ctx context.Context, _ work.Item) (time.Time, error) {
			<-ctx.Done()
			_, err := s.Get(ctx, "x") // says that the store is away
			return time.Time{}, err
		})
		start(t, q)
		time.Sleep(2*time.Minute - time.Second)
		synctest.Wait()
		if st := status(t, s, "issue/1"); st.State != work.Running {
			t.Errorf("just before its deadline: %+v", st)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st := status(t, s, "issue/1"); st.State != work.Died {
			t.Errorf("after its deadline: %+v", st)
		}
	})
}

func TestDrain(t *testing.T) {
	for _, c := range []struct {
		name   string
		takes  time.Duration // the handler, after the end of Run's context; it obeys its own
		ran    time.Duration // Run went on for
		isDone bool
	}{
		{"handlers that end are waited for", 10 * time.Second, 10 * time.Second, true},
		{"those that do not are cancelled", time.Hour, 20 * time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := openBolt(t)
				s := create(t, db, space1)
				q := work.New(db, db, work.Options{Workers: 1})
				calls := 0
				q.Handle("issue", func(ctx context.Context, _ work.Item) (time.Time, error) {
					calls++
					select {
					case <-time.After(time.Minute + c.takes):
						return time.Time{}, nil
					case <-ctx.Done():
						return time.Time{}, ctx.Err()
					}
				})
				add(t, s, "issue/1")
				stop := start(t, q)
				time.Sleep(time.Minute)
				add(t, s, "issue/2")
				q.Wake(space1)
				synctest.Wait()
				from := time.Now()
				if err := stop(); err != nil {
					t.Error(err)
				}
				if ran := time.Since(from); ran != c.ran {
					t.Errorf("drained for %v, want %v", ran, c.ran)
				}
				if calls != 1 {
					t.Errorf("%d calls, want nothing new to begin", calls)
				}
				st := status(t, s, "issue/1")
				if (st.Key == "") != c.isDone || st.State == work.Running || st.Attempts != 0 {
					t.Errorf("afterwards: %+v", st)
				}
				// What was told at the end is told to others.
				es, err := create(t, db, "app").Get(t.Context(), "hint/"+space1)
				if err != nil || !es[0].Exists() {
					t.Errorf("the hint is %+v, %v", es, err)
				}
			})
		})
	}
}

func TestAHandlerThatDoesNotStopIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openBolt(t)
		s := create(t, db, space1)
		add(t, s, "issue/1")
		q := work.New(db, db, work.Options{})
		end := make(chan bool)
		q.Handle("issue", func(context.Context, work.Item) (time.Time, error) {
			<-end
			return time.Time{}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := q.Run(ctx); err == nil {
			t.Error("Run does not say that a handler goes on")
		}
		close(end)
		synctest.Wait()
		if err := q.Run(t.Context()); err == nil {
			t.Error("Run can be called twice")
		}
	})
}

// What kills the process each time it is tried does not do so for ever.
func TestWorkThatNeverEndsBecomesADeadLetter(t *testing.T) {
	db := openBolt(t)
	s := create(t, db, space1)
	add(t, s, "issue/1")
	for process := 1; process <= 4; process++ {
		o := quick(t)
		o.MaxAttempts, o.Exclusive, o.Drain = 3, true, time.Millisecond
		var cut atomic.Bool
		q := work.New(severed{db, &cut}, nil, o)
		begun := make(chan int, 1)
		q.Handle("issue", func(ctx context.Context, it work.Item) (time.Time, error) {
			cut.Store(true)
			begun <- it.Attempt
			<-ctx.Done()
			return time.Time{}, ctx.Err()
		})
		stop := start(t, q)
		if process <= 3 {
			if got := receive(t, begun, "a call"); got != process {
				t.Errorf("attempt %d, want %d", got, process)
			}
		} else {
			eventually(t, "it is dead", func() bool { return status(t, s, "issue/1").State == work.Died })
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}
