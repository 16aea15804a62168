package work_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/work"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience ends a test that hangs; nothing is expected to take that long.
const patience = time.Minute

// store is a store with its bell.
type store interface {
	storage.DB
	storage.Bell
}

// world is a real store that processes connect to.
type world struct {
	connect func(t *testing.T) store
}

// onEveryStore runs a test on each kind of store.
func onEveryStore(t *testing.T, test func(t *testing.T, w world)) {
	t.Run("bolt", func(t *testing.T) { test(t, boltWorld(t)) })
	t.Run("redis", func(t *testing.T) { test(t, redisWorld(t)) })
}

func boltWorld(t *testing.T) world {
	db := openBolt(t)
	return world{connect: func(*testing.T) store { return db }}
}

func openBolt(t *testing.T) store {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// clock is a clock that moves when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// quick are options for tests in real time: what waits waits little.
func quick(t *testing.T) work.Options {
	o := work.Options{Poll: 10 * time.Millisecond, Sweep: time.Hour, BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond}
	if os.Getenv("WORK_TEST_LOG") != "" {
		o.Log = zerolog.New(zerolog.NewTestWriter(t)).With().Timestamp().Logger()
	}
	return o
}

// start runs a queue until the test ends or stop is called, which returns what
// Run returned.
func start(t *testing.T, q *work.Queue) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("Run does not return")
		}
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return stop
}

func create(t *testing.T, db storage.DB, name string) storage.Space {
	t.Helper()
	s, err := db.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// add makes keys due, and does not wake anybody.
func add(t *testing.T, s storage.Space, keys ...string) {
	t.Helper()
	for page := range slices.Chunk(keys, 400) {
		var b storage.Batch
		for _, k := range page {
			work.Add(&b, k)
		}
		if err := s.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
}

// receive returns the next value of a channel.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// eventually waits until ok says so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// leftovers returns the keys of a space that are work's.
func leftovers(t *testing.T, db storage.DB, space string) []string {
	t.Helper()
	var keys []string
	for name, prefix := range map[string]string{space: "work/", project.AppSpace: "hint/" + space} {
		es, err := create(t, db, name).Scan(t.Context(), prefix, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			keys = append(keys, e.Key+"="+string(e.Value))
		}
	}
	return keys
}

// atRest waits until nothing of work is left in the spaces.
func atRest(t *testing.T, db storage.DB, spaces ...string) {
	t.Helper()
	var last []string
	defer func() {
		if t.Failed() {
			t.Logf("left: %q", last)
		}
	}()
	for _, name := range spaces {
		eventually(t, "nothing is due in "+name, func() bool {
			last = leftovers(t, db, name)
			return len(last) == 0
		})
	}
}

func status(t *testing.T, s storage.Space, key string) work.Status {
	t.Helper()
	st, err := work.Get(t.Context(), s, key)
	if err != nil && !errors.Is(err, work.ErrNotFound) {
		t.Fatal(err)
	}
	return st
}

// ledger is work whose result can be checked: each key has a counter beside it
// that is raised by whoever adds the key, and the last value that a handler saw.
type ledger struct {
	mu      sync.Mutex
	running map[string]bool
	seen    map[string]int
	calls   map[string]int
	overlap []string // keys that ran twice at once
}

func newLedger() *ledger {
	return &ledger{running: map[string]bool{}, seen: map[string]int{}, calls: map[string]int{}}
}

// raise raises the counter of a key and makes it due, in one batch.
func (l *ledger) raise(ctx context.Context, s storage.Space, key string) error {
	for {
		es, err := s.Get(ctx, "count/"+key)
		if err != nil {
			return err
		}
		n := 0
		if err := storage.GetJSON(es[0], &n); err != nil {
			return err
		}
		var b storage.Batch
		b.RequireEntry(es[0])
		b.SetJSON("count/"+key, n+1)
		work.Add(&b, key)
		if err := s.Apply(ctx, &b); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
}

// handle is a handler that sees the counter, then does then.
func (l *ledger) handle(then func(ctx context.Context, it work.Item, call int) (time.Time, error)) work.Handler {
	return func(ctx context.Context, it work.Item) (time.Time, error) {
		id := it.Space.Name() + ":" + it.Key
		l.mu.Lock()
		if l.running[id] {
			l.overlap = append(l.overlap, id)
		}
		l.running[id] = true
		l.calls[id]++
		call := l.calls[id]
		l.mu.Unlock()
		defer func() {
			l.mu.Lock()
			delete(l.running, id)
			l.mu.Unlock()
		}()

		es, err := it.Space.Get(ctx, "count/"+it.Key)
		if err != nil {
			return time.Time{}, err
		}
		var n int
		if err := json.Unmarshal(es[0].Value, &n); err != nil {
			return time.Time{}, err
		}
		var again time.Time
		if then != nil {
			if again, err = then(ctx, it, call); err != nil {
				return again, err
			}
		}
		l.mu.Lock()
		l.seen[id] = max(l.seen[id], n)
		l.mu.Unlock()
		return again, nil
	}
}

// check says whether every counter was seen, and nothing ran twice at once.
func (l *ledger) check(t *testing.T, s storage.Space, keys ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.overlap) > 0 {
		t.Errorf("ran twice at once: %q", l.overlap)
	}
	for _, key := range keys {
		es, err := s.Get(t.Context(), "count/"+key)
		if err != nil {
			t.Fatal(err)
		}
		var want int
		if err := storage.GetJSON(es[0], &want); err != nil {
			t.Fatal(err)
		}
		if got := l.seen[s.Name()+":"+key]; got != want {
			t.Errorf("%s in %s: the last value seen is %d, want %d", key, s.Name(), got, want)
		}
	}
}
