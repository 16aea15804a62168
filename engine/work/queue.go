package work

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// Options of a queue; what is zero gets the value named.
type Options struct {
	Workers         int           // items at once in this process: 8
	PerInstallation int           // of them for one installation, the app's own work being one more: 2
	Lease           time.Duration // a claim that is not renewed for so long is void: 30 s
	Poll            time.Duration // between two readings of the hints: 15 s
	Sweep           time.Duration // between two searches of all spaces: 10 min
	Deadline        time.Duration // of one call of a handler: 2 min
	Drain           time.Duration // how long the end of Run waits for handlers: 20 s
	BackoffMin      time.Duration // the first backoff is a random part of it: 1 s
	BackoffMax      time.Duration // and no backoff is longer than this: 15 min
	MaxAttempts     int           // failures until a dead letter: 20
	// Exclusive says that no other process shares the store, so that claims that
	// an earlier one left behind need not be waited for.
	Exclusive bool

	Log  zerolog.Logger
	Now  func() time.Time // time.Now
	Rand func() float64   // in [0, 1), from several goroutines: math/rand/v2
}

// storeTimeout bounds one conversation with the store.
const storeTimeout = 10 * time.Second

var (
	errNotRunning = errors.New("work: not started")
	errStopped    = errors.New("work: stopped")
)

// Queue hands out due work. Make one per process with New, name the handlers
// with Handle, then call Run.
type Queue struct {
	db       storage.DB
	bell     storage.Bell
	o        Options
	owner    string // of claims, different in every process and start
	handlers map[string]Handler

	mu          sync.Mutex
	ready       error               // what Ready says
	app         storage.Space       // holds the hints; nil until it was opened
	woken       map[string]struct{} // spaces to look at, not yet seen by the dispatcher
	unpublished map[string]struct{} // spaces whose hint is not yet written

	wake    chan struct{} // tells the dispatcher of woken
	publish chan struct{} // tells the publisher of unpublished
}

// New makes a queue on a store. The bell may be nil: then work that another
// process added is found by polling.
func New(db storage.DB, bell storage.Bell, o Options) *Queue {
	positive(&o.Workers, 8)
	positive(&o.PerInstallation, 2)
	positive(&o.Lease, 30*time.Second)
	positive(&o.Poll, 15*time.Second)
	positive(&o.Sweep, 10*time.Minute)
	positive(&o.Deadline, 2*time.Minute)
	positive(&o.Drain, 20*time.Second)
	positive(&o.BackoffMin, time.Second)
	positive(&o.BackoffMax, 15*time.Minute)
	positive(&o.MaxAttempts, 20)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = mathrand.Float64
	}
	return &Queue{
		db:          db,
		bell:        bell,
		o:           o,
		owner:       rand.Text(),
		handlers:    map[string]Handler{},
		ready:       errNotRunning,
		woken:       map[string]struct{}{},
		unpublished: map[string]struct{}{},
		wake:        make(chan struct{}, 1),
		publish:     make(chan struct{}, 1),
	}
}

func positive[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// Handle names the handler of a kind of work; call it before Run. It panics if
// the kind has one already. Work of a kind that has no handler stays due and is
// left to others: it may be meant for a newer build.
func (q *Queue) Handle(kind string, h Handler) {
	if _, twice := q.handlers[kind]; twice {
		panic(fmt.Sprintf("work: two handlers for %q", kind))
	}
	q.handlers[kind] = h
}

// Wake says that a batch that adds work was applied to the spaces: the workers
// of this process look there at once, those of others as soon as the hint is
// written and the bell rung, which happens in the background while Run runs. It
// does not block and cannot fail: what is lost on the way is found by the sweep.
// Spaces whose name is too long for a hint are ignored: no work is done there.
func (q *Queue) Wake(spaces ...string) {
	q.mu.Lock()
	for _, s := range spaces {
		if hintable(s) {
			q.woken[s] = struct{}{}
			q.unpublished[s] = struct{}{}
		}
	}
	q.mu.Unlock()
	signal(q.wake)
	signal(q.publish)
}

// look has the dispatcher look at a space, without telling other processes.
func (q *Queue) look(space string) {
	if !hintable(space) {
		return
	}
	q.mu.Lock()
	q.woken[space] = struct{}{}
	q.mu.Unlock()
	signal(q.wake)
}

// signal leaves a token in a channel of capacity one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run works until ctx is done. Then it takes nothing new, waits up to
// Options.Drain for the handlers that run, cancels those that are left, and
// returns: nil, or an error that says how many did not stop. Stop what calls Wake
// before: what it says after Run is found by the sweep of another process or of
// the next start. Run can be called once.
func (q *Queue) Run(ctx context.Context) error {
	q.mu.Lock()
	again := q.ready != errNotRunning
	q.ready = errors.New("work: starting")
	q.mu.Unlock()
	if again {
		return errors.New("run work: called twice")
	}

	// The publisher outlives the workers: what they wake at the end is still told.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var others sync.WaitGroup
	others.Go(func() { q.publishHints(background) })
	others.Go(func() { q.listen(ctx) })
	others.Go(func() { q.sweepSpaces(ctx) })

	err := newDispatcher(background, q).run(ctx)
	q.setReady(errStopped)
	stop()
	others.Wait()
	return err
}

// Ready is nil while the workers work, and otherwise says why they do not: not
// started, the store is away, stopped.
func (q *Queue) Ready() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ready
}

func (q *Queue) setReady(err error) {
	q.mu.Lock()
	q.ready = err
	q.mu.Unlock()
}

// pause waits, shorter if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
