package work_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const space1, space2 = "p/1/web", "p/2/web"

func TestDueWorkIsDoneOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		q := work.New(db, db, quick(t))
		items := make(chan work.Item, 100)
		q.Handle("issue", func(_ context.Context, it work.Item) (time.Time, error) {
			items <- it
			return time.Time{}, nil
		})
		q.Handle("assign", func(_ context.Context, it work.Item) (time.Time, error) {
			items <- it
			return time.Time{}, nil
		})
		s1, s2 := create(t, db, space1), create(t, db, space2)
		add(t, s1, "issue/a/b", "assign", "issue/a/b")
		stop := start(t, q)
		add(t, s2, "issue/7")
		q.Wake(space2)
		atRest(t, db, space1, space2)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for range len(items) {
			it := <-items
			got[fmt.Sprintf("%s %s|%s %s %d", it.Space.Name(), it.Kind, it.Subject, it.Key, it.Attempt)]++
		}
		want := map[string]int{
			"p/1/web issue|a/b issue/a/b 1": 1, "p/1/web assign| assign 1": 1, "p/2/web issue|7 issue/7 1": 1,
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("handled %v, want %v", got, want)
		}
	})
}

func TestWorkAddedWhileItIsDoneIsDoneAgain(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		for _, c := range []struct {
			name  string
			again time.Time
			err   error
		}{
			{"done", time.Time{}, nil},
			{"again later", time.Now().Add(time.Hour), nil},
			{"dead", time.Time{}, work.Dead(errors.New("no such thing"))},
			{"the last failure", time.Time{}, errors.New("it is broken")},
		} {
			t.Run(c.name, func(t *testing.T) {
				o := quick(t)
				o.MaxAttempts = 1
				q := work.New(db, db, o)
				begun, end := make(chan int), make(chan bool)
				calls := 0
				q.Handle("issue", func(context.Context, work.Item) (time.Time, error) {
					calls++
					begun <- calls
					<-end
					if calls > 1 {
						return time.Time{}, nil
					}
					return c.again, c.err
				})
				s := create(t, db, space1)
				add(t, s, "issue/1")
				start(t, q)
				receive(t, begun, "the first call")
				add(t, s, "issue/1")
				q.Wake(space1)
				end <- true
				receive(t, begun, "the second call")
				end <- true
				atRest(t, db, space1)
			})
		}
	})
}

func TestAgainComesInItsTime(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		c := newClock()
		o := quick(t)
		o.Now = c.Now
		q := work.New(db, db, o)
		calls := make(chan time.Time, 10)
		q.Handle("soak", func(context.Context, work.Item) (time.Time, error) {
			now := c.Now()
			calls <- now
			return now.Add(time.Hour), nil
		})
		probe := make(chan bool)
		q.Handle("probe", func(context.Context, work.Item) (time.Time, error) {
			probe <- true
			return time.Time{}, nil
		})
		s := create(t, db, space1)
		add(t, s, "soak/1")
		start(t, q)
		look := func() { // when this returns, the space was looked at
			add(t, s, "probe")
			q.Wake(space1)
			receive(t, probe, "the probe")
		}
		first := receive(t, calls, "the first call")
		eventually(t, "the next time is recorded", func() bool {
			return status(t, s, "soak/1").At.Equal(first.Add(time.Hour))
		})
		c.Add(time.Hour - time.Second)
		look()
		if len(calls) > 0 {
			t.Error("called again before its time")
		}
		second := c.Add(time.Second)
		if got := receive(t, calls, "the second call"); !got.Equal(second) {
			t.Errorf("called at %v, want %v", got, second)
		}
		eventually(t, "the next time is recorded", func() bool {
			return status(t, s, "soak/1").At.Equal(second.Add(time.Hour))
		})
		add(t, s, "soak/1")
		q.Wake(space1)
		receive(t, calls, "the call for what was added before the time")
	})
}

func TestFailuresEndInADeadLetter(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		o := quick(t)
		o.MaxAttempts = 3
		q := work.New(db, db, o)
		attempts := make(chan int, 100)
		q.Handle("bad", func(_ context.Context, it work.Item) (time.Time, error) {
			attempts <- it.Attempt
			return time.Time{}, errors.New("it is broken: " + strings.Repeat("x", 5000))
		})
		q.Handle("worse", func(_ context.Context, it work.Item) (time.Time, error) {
			attempts <- it.Attempt
			panic("it is very broken")
		})
		s := create(t, db, space1)
		start(t, q)
		for _, c := range []struct{ key, why string }{{"bad/1", "it is broken"}, {"worse/1", "panic: it is very broken"}} {
			add(t, s, c.key)
			q.Wake(space1)
			for want := 1; want <= 3; want++ {
				if got := receive(t, attempts, "an attempt"); got != want {
					t.Errorf("%s: attempt %d, want %d", c.key, got, want)
				}
			}
			eventually(t, c.key+" is dead", func() bool { return status(t, s, c.key).State == work.Died })
			st := status(t, s, c.key)
			if st.Attempts != 3 || !strings.HasPrefix(st.Error, c.why) || len(st.Error) > 1000 {
				t.Errorf("dead letter %+v", st)
			}
		}
		if list, err := work.ListDead(t.Context(), s, "bad/1", 10); err != nil || len(list) != 1 || list[0].Key != "worse/1" {
			t.Errorf("dead letters after bad/1: %+v, %v", list, err)
		}
		if list, err := work.List(t.Context(), s, "", 10); err != nil || len(list) != 0 {
			t.Errorf("still due: %+v, %v", list, err)
		}
	})
}

func TestLaterIsNoFailure(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		o := quick(t)
		o.MaxAttempts = 2
		q := work.New(db, db, o)
		l := newLedger()
		q.Handle("issue", l.handle(func(_ context.Context, it work.Item, call int) (time.Time, error) {
			switch {
			case it.Attempt != 1:
				return time.Time{}, work.Dead(fmt.Errorf("attempt %d at call %d", it.Attempt, call))
			case call < 4:
				return time.Time{}, fmt.Errorf("github: %w", &work.Later{Err: errors.New("rate limit")})
			case call < 8:
				return time.Time{}, fmt.Errorf("read: %w", storage.ErrUnavailable)
			}
			return time.Time{}, nil
		}))
		s := create(t, db, space1)
		if err := l.raise(t.Context(), s, "issue/1"); err != nil {
			t.Fatal(err)
		}
		start(t, q)
		atRest(t, db, space1)
		l.check(t, s, "issue/1")
	})
}

func TestRetryAndDrop(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		c := newClock()
		o := quick(t)
		o.Now = c.Now
		q := work.New(db, db, o)
		calls := make(chan string, 100)
		answer := map[string]error{
			"issue/dead":    work.Dead(errors.New("gone")),
			"issue/waiting": &work.Later{Until: c.Now().Add(time.Hour), Err: errors.New("rate limit")},
		}
		q.Handle("issue", func(_ context.Context, it work.Item) (time.Time, error) {
			calls <- it.Key
			return time.Time{}, answer[it.Key]
		})
		s := create(t, db, space1)
		start(t, q)
		for _, change := range []struct {
			name string
			do   func(ctx context.Context, space storage.Space, key string, also ...work.Also) error
			runs bool
		}{{"retry", work.Retry, true}, {"drop", work.Drop, false}} {
			for _, key := range []string{"issue/dead", "issue/waiting"} {
				add(t, s, key)
				q.Wake(space1)
				receive(t, calls, "the call of "+key)
				eventually(t, key+" has failed", func() bool { return status(t, s, key).Error != "" && status(t, s, key).State != work.Running })
				if err := change.do(t.Context(), s, key); err != nil {
					t.Fatalf("%s %s: %v", change.name, key, err)
				}
				q.Wake(space1)
				if change.runs {
					receive(t, calls, change.name+" of "+key)
					eventually(t, key+" has failed", func() bool { return status(t, s, key).Error != "" && status(t, s, key).State != work.Running })
					if err := work.Drop(t.Context(), s, key); err != nil {
						t.Fatal(err)
					}
					q.Wake(space1)
				}
				atRest(t, db, space1)
				if err := change.do(t.Context(), s, key); !errors.Is(err, work.ErrNotFound) {
					t.Errorf("%s of nothing: %v", change.name, err)
				}
			}
		}
	})
}

func TestADeadLetterThatIsAddedAgainLives(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		q := work.New(db, db, quick(t))
		var answer atomic.Pointer[error]
		q.Handle("issue", func(context.Context, work.Item) (time.Time, error) {
			if err := answer.Load(); err != nil {
				return time.Time{}, work.Dead(*err)
			}
			return time.Time{}, nil
		})
		gone := errors.New("gone")
		answer.Store(&gone)
		s := create(t, db, space1)
		add(t, s, "issue/1")
		start(t, q)
		eventually(t, "it is dead", func() bool { return status(t, s, "issue/1").State == work.Died })
		answer.Store(nil)
		add(t, s, "issue/1")
		q.Wake(space1)
		atRest(t, db, space1) // and its letter is gone
	})
}

// What a look found may be put off by another process before it is claimed.
func TestWhatIsNotDueAnyMoreIsNotDone(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		o := quick(t)
		o.Workers, o.Rand = 1, func() float64 { return 0 }
		q := work.New(db, db, o)
		s := create(t, db, space1)
		add(t, s, "issue/1", "issue/2")
		calls := make(chan string, 10)
		q.Handle("issue", func(ctx context.Context, it work.Item) (time.Time, error) {
			calls <- it.Key
			var b storage.Batch
			b.SetJSON("work/due/issue/2", map[string]time.Time{"at": time.Now().Add(time.Hour)})
			work.Add(&b, "probe")
			return time.Time{}, s.Apply(ctx, &b)
		})
		q.Handle("probe", func(_ context.Context, it work.Item) (time.Time, error) {
			calls <- it.Key
			return time.Time{}, nil
		})
		start(t, q)
		for _, want := range []string{"issue/1", "probe"} {
			if got := receive(t, calls, want); got != want {
				t.Errorf("did %s, want %s", got, want)
			}
		}
	})
}

func TestWorkOfUnknownKindIsLeftToOthers(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		s := create(t, db, space1)
		add(t, s, "new/1", "old/1")
		old := work.New(db, db, quick(t))
		did := make(chan string, 10)
		note := func(_ context.Context, it work.Item) (time.Time, error) {
			did <- it.Key
			return time.Time{}, nil
		}
		old.Handle("old", note)
		start(t, old)
		if got := receive(t, did, "what the old build knows"); got != "old/1" {
			t.Errorf("did %s", got)
		}
		if st := status(t, s, "new/1"); st.State != work.Due {
			t.Errorf("new/1 is %+v, want it due", st)
		}
		next := work.New(db, db, quick(t))
		next.Handle("new", note)
		start(t, next)
		if got := receive(t, did, "what the new build knows"); got != "new/1" {
			t.Errorf("did %s", got)
		}
		atRest(t, db, space1)
	})
}

func TestKeysThatDoNotFitAreRefused(t *testing.T) {
	for _, c := range []struct {
		key string
		ok  bool
	}{
		{"", false}, {"a", true}, {strings.Repeat("k", work.MaxKey), true}, {strings.Repeat("k", work.MaxKey+1), false},
	} {
		var b storage.Batch
		work.Add(&b, c.key)
		if err := b.Check(); (err == nil) != c.ok || (err != nil && !errors.Is(err, storage.ErrInvalid)) {
			t.Errorf("a key of %d bytes: %v", len(c.key), err)
		}
	}
}
