package work_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Several processes on one store, whose clocks are days apart, share work that
// is added all the time: nothing runs twice at once, and nothing is missed.
func TestReplicasNeverRunOneKeyAtOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		l := newLedger()
		handler := l.handle(func(_ context.Context, _ work.Item, call int) (time.Time, error) {
			switch {
			case call%5 == 0:
				return time.Time{}, errors.New("now and then it fails")
			case call%7 == 0:
				return time.Time{}, &work.Later{}
			}
			return time.Time{}, nil
		})
		var stops []func() error
		for _, skew := range []time.Duration{-3 * 24 * time.Hour, 0, 3 * 24 * time.Hour} {
			db := w.connect(t)
			o := quick(t)
			o.MaxAttempts = 1000
			o.PerInstallation = 4
			o.Now = func() time.Time { return time.Now().Add(skew) }
			q := work.New(db, db, o)
			q.Handle("issue", handler)
			stops = append(stops, start(t, q))
		}
		db := w.connect(t)
		teller := work.New(db, db, quick(t)) // has no handlers, only tells
		stops = append(stops, start(t, teller))
		keys := numbered("issue", 8)
		var wg sync.WaitGroup
		for _, name := range []string{space1, space2} {
			s := create(t, db, name)
			for i := range 2 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(i), 7))
					for range 60 {
						if err := l.raise(t.Context(), s, keys[r.IntN(len(keys))]); err != nil {
							t.Error(err)
							return
						}
						teller.Wake(name)
					}
				})
			}
		}
		wg.Wait()
		atRest(t, db, space1, space2)
		for _, stop := range stops {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
		for _, name := range []string{space1, space2} {
			s := create(t, db, name)
			es, err := s.Scan(t.Context(), "count/", "", 100)
			if err != nil {
				t.Fatal(err)
			}
			var raised []string
			for _, e := range es {
				raised = append(raised, e.Key[len("count/"):])
			}
			l.check(t, s, raised...)
		}
	})
}

// severed is a store that a process loses for good when cut is set.
type severed struct {
	store
	cut *atomic.Bool
}

var errCut = errors.Join(storage.ErrUnavailable, errors.New("the process is dead"))

func (d severed) Open(ctx context.Context, name string) (storage.Space, error) {
	if d.cut.Load() {
		return nil, errCut
	}
	s, err := d.store.Open(ctx, name)
	return severedSpace{s, d.cut}, err
}

func (d severed) Create(ctx context.Context, name string) (storage.Space, error) {
	if d.cut.Load() {
		return nil, errCut
	}
	s, err := d.store.Create(ctx, name)
	return severedSpace{s, d.cut}, err
}

type severedSpace struct {
	storage.Space
	cut *atomic.Bool
}

func (s severedSpace) Get(ctx context.Context, keys ...string) ([]storage.Entry, error) {
	if s.cut.Load() {
		return nil, errCut
	}
	return s.Space.Get(ctx, keys...)
}

func (s severedSpace) Scan(ctx context.Context, prefix, after string, limit int) ([]storage.Entry, error) {
	if s.cut.Load() {
		return nil, errCut
	}
	return s.Space.Scan(ctx, prefix, after, limit)
}

func (s severedSpace) Apply(ctx context.Context, b *storage.Batch) error {
	if s.cut.Load() {
		return errCut
	}
	return s.Space.Apply(ctx, b)
}

func TestTheClaimOfADeadProcessIsTakenOverAfterItsLease(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		s := create(t, db, space1)
		var cut atomic.Bool
		o := quick(t)
		o.Drain, o.Lease = time.Millisecond, time.Hour // real time does not end it
		dead := work.New(severed{db, &cut}, nil, o)
		begun := make(chan work.Item)
		dead.Handle("issue", func(ctx context.Context, it work.Item) (time.Time, error) {
			begun <- it
			<-ctx.Done()
			return time.Time{}, ctx.Err()
		})
		add(t, s, "issue/1")
		dead.Wake(space1)
		stop := start(t, dead)
		receive(t, begun, "the call in the process that dies")
		cut.Store(true)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if st := status(t, s, "issue/1"); st.State != work.Running {
			t.Fatalf("after the death: %+v, want the claim left behind", st)
		}

		// The other process's clock is a day behind, and moves when told to.
		c := &clock{now: time.Now().Add(-24 * time.Hour)}
		o = quick(t)
		o.Now = c.Now
		q := work.New(db, db, o)
		taken, probe := make(chan work.Item, 1), make(chan bool)
		q.Handle("issue", func(_ context.Context, it work.Item) (time.Time, error) {
			taken <- it
			return time.Time{}, nil
		})
		q.Handle("probe", func(context.Context, work.Item) (time.Time, error) {
			probe <- true
			return time.Time{}, nil
		})
		start(t, q)
		look := func() { // when this returns, the space was looked at
			add(t, s, "probe")
			q.Wake(space1)
			receive(t, probe, "the probe")
		}
		look()
		for range 3 {
			c.Add(19 * time.Minute)
			look()
		}
		if len(taken) > 0 {
			t.Error("taken over before the lease was over")
		}
		c.Add(4 * time.Minute)
		q.Wake(space1)
		if it := receive(t, taken, "the takeover"); it.Attempt != 2 {
			t.Errorf("attempt %d, want 2", it.Attempt)
		}
		atRest(t, db, space1)
	})
}

func TestRetryOfWhatRunsDoesNotLetOthersIn(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		l := newLedger()
		begun, end, probe := make(chan int), make(chan bool), make(chan bool)
		var queues []*work.Queue
		for range 2 {
			db := w.connect(t)
			q := work.New(db, db, quick(t))
			q.Handle("issue", l.handle(func(ctx context.Context, _ work.Item, call int) (time.Time, error) {
				begun <- call
				select {
				case <-end:
				case <-ctx.Done():
				}
				return time.Time{}, ctx.Err()
			}))
			q.Handle("probe", func(context.Context, work.Item) (time.Time, error) {
				probe <- true
				return time.Time{}, nil
			})
			queues = append(queues, q)
			start(t, q)
		}
		db := w.connect(t)
		s := create(t, db, space1)
		if err := l.raise(t.Context(), s, "issue/1"); err != nil {
			t.Fatal(err)
		}
		queues[0].Wake(space1)
		receive(t, begun, "the call")
		if err := work.Retry(t.Context(), s, "issue/1"); err != nil {
			t.Fatal(err)
		}
		for range 5 { // looks of both
			add(t, s, "probe")
			queues[0].Wake(space1)
			receive(t, probe, "the probe")
		}
		end <- true
		if got := receive(t, begun, "the call once more"); got != 2 {
			t.Errorf("call %d", got)
		}
		end <- true
		atRest(t, db, space1)
		l.check(t, s, "issue/1")
	})
}

func TestAnExclusiveStoreVoidsEarlierClaims(t *testing.T) {
	db := openBolt(t)
	s := create(t, db, space1)
	var b storage.Batch
	work.Add(&b, "issue/1")
	b.Set("work/run/issue/1", []byte(`{"attempts":1,"claim":{"owner":"earlier","lease":3600000000000}}`))
	if err := s.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	o := quick(t)
	o.Exclusive = true
	q := work.New(db, db, o)
	q.Handle("issue", func(context.Context, work.Item) (time.Time, error) { return time.Time{}, nil })
	start(t, q)
	atRest(t, db, space1)
}

func TestTheSweepFindsWorkWithoutHints(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		o := quick(t)
		o.Sweep = 20 * time.Millisecond
		q := work.New(db, nil, o)
		did := make(chan string, 10)
		q.Handle("issue", func(_ context.Context, it work.Item) (time.Time, error) {
			did <- it.Key
			return time.Time{}, nil
		})
		s := create(t, db, space1)
		add(t, s, "issue/1")
		start(t, q)
		receive(t, did, "what was due at the start")
		atRest(t, db, space1)
		add(t, s, "issue/2")
		receive(t, did, "what was added without a word")
		atRest(t, db, space1)
	})
}

// A hint is taken away when nothing is due; work that is added at this very
// moment must not lose its own.
func TestAHintThatWasWrittenMeanwhileStays(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		s, app := create(t, db, space1), create(t, db, "app")
		var did, added atomic.Bool
		hook := func(ctx context.Context, point string) error {
			if point != "commit.before:app" || !did.Load() || added.Swap(true) {
				return nil
			}
			add(t, s, "issue/2")
			var hint storage.Batch
			hint.Set("hint/"+space1, []byte("{}"))
			return app.Apply(ctx, &hint)
		}
		q := work.New(storage.Watched(db, hook), nil, quick(t))
		second := make(chan bool)
		q.Handle("issue", func(_ context.Context, it work.Item) (time.Time, error) {
			if it.Key == "issue/2" {
				second <- true
			}
			did.Store(true)
			return time.Time{}, nil
		})
		add(t, s, "issue/1")
		start(t, q)
		receive(t, second, "what was added as the hint was taken away")
		atRest(t, db, space1)
	})
}

func TestATenantThatComesBackIsNoticed(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		q := work.New(db, db, quick(t))
		begun, end := make(chan string), make(chan bool)
		q.Handle("issue", func(_ context.Context, it work.Item) (time.Time, error) {
			begun <- it.Key
			<-end
			return time.Time{}, nil
		})
		start(t, q)
		add(t, create(t, db, space1), "issue/1")
		q.Wake(space1)
		receive(t, begun, "the work of the first tenant")
		if err := db.Drop(t.Context(), space1); err != nil {
			t.Fatal(err)
		}
		// The handler of the first one still runs, on a handle that is void.
		add(t, create(t, db, space1), "issue/2")
		q.Wake(space1)
		if key := receive(t, begun, "the work of the second tenant"); key != "issue/2" {
			t.Errorf("did %s", key)
		}
		close(end)
		atRest(t, db, space1)
	})
}

func TestADroppedTenantIsForgotten(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		q := work.New(db, db, quick(t))
		begun, end := make(chan work.Item), make(chan bool)
		q.Handle("issue", func(_ context.Context, it work.Item) (time.Time, error) {
			begun <- it
			<-end
			return time.Time{}, nil
		})
		start(t, q)
		s := create(t, db, space1)
		add(t, s, "issue/1", "issue/2", "issue/3")
		q.Wake(space1)
		receive(t, begun, "a call")
		receive(t, begun, "a call")
		if err := db.Drop(t.Context(), space1); err != nil {
			t.Fatal(err)
		}
		end <- true
		end <- true
		eventually(t, "its hint is gone", func() bool {
			app := create(t, db, "app")
			es, err := app.Scan(t.Context(), "hint/", "", 10)
			if err != nil {
				t.Fatal(err)
			}
			return len(es) == 0
		})
		if err := q.Ready(); err != nil {
			t.Errorf("the queue is not ready: %v", err)
		}
		// A tenant that comes back is a new one.
		s = create(t, db, space1)
		add(t, s, "issue/4")
		q.Wake(space1)
		if it := receive(t, begun, "the work of the new tenant"); it.Key != "issue/4" {
			t.Errorf("did %s", it.Key)
		}
		end <- true
		atRest(t, db, space1)
	})
}
