package work

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// How long the workers stop after the store failed: twice as long each time.
const (
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
)

// grace is how long, at the end of a drain, cancelled handlers have at most to
// return, and after that the recording of their ends.
const grace = 2 * time.Second

var errDrained = errors.New("the process is stopping")

// dispatcher decides what is worked on next. Its fields belong to the goroutine
// of run; items run in goroutines of their own and report when they ended.
type dispatcher struct {
	q *Queue

	handling  context.Context // of handlers; outlives the context of run
	cancel    context.CancelCauseFunc
	recording context.Context // of the recording of their ends; outlives handling
	abandon   context.CancelFunc
	finished  chan finished
	running   int

	places  map[string]*place
	tenants []*tenant
	turn    int // whose turn it is among the tenants

	page  string           // the last hint that was read; "" to begin again
	poll  bool             // the hints are to be read
	down  time.Duration    // the last pause; 0 while the store answers
	pause <-chan time.Time // ends the pause; nil without one
	dull  map[string]bool  // kinds without a handler that were named in the log
}

// tenant is an installation with work.
type tenant struct {
	installation int64
	places       []*place
	turn         int // which place is next
	running      int
}

// place is a space that may have something due.
type place struct {
	name     string
	tenant   *tenant
	space    storage.Space // nil until it was opened
	lookAt   time.Time     // when to look there again
	hint     uint64        // the version of its hint that is accounted for
	after    string        // the due entry after which the next look starts
	ready    []candidate   // what the last look found
	inFlight map[string]bool
	claims   map[string]sighting // of others, by key
}

// candidate is a key that may be claimed.
type candidate struct {
	key  string
	void uint64 // the version of the run entry whose claim was found void; else 0
}

// sighting is when this process first saw a claim.
type sighting struct {
	version uint64
	at      time.Time
}

// finished is the end of an item; err is set if the store failed.
type finished struct {
	place *place
	key   string
	err   error
}

// newDispatcher makes a dispatcher whose items run within ctx.
func newDispatcher(ctx context.Context, q *Queue) *dispatcher {
	d := &dispatcher{
		q:        q,
		finished: make(chan finished, q.o.Workers),
		places:   map[string]*place{},
		poll:     true,
		dull:     map[string]bool{},
	}
	d.recording, d.abandon = context.WithCancel(ctx)
	d.handling, d.cancel = context.WithCancelCause(d.recording)
	return d
}

// run works until ctx is done, then drains.
func (d *dispatcher) run(ctx context.Context) error {
	poll := time.NewTicker(d.q.o.Poll)
	defer poll.Stop()
	for ctx.Err() == nil {
		d.takeWoken()
		if err := d.fill(ctx); err != nil && ctx.Err() == nil {
			d.fail(err)
		}
		d.wait(ctx, poll.C)
	}
	return d.drain()
}

// takeWoken marks the spaces that were woken.
func (d *dispatcher) takeWoken() {
	d.q.mu.Lock()
	defer d.q.mu.Unlock()
	for name := range d.q.woken {
		d.place(name).lookAt = time.Time{}
	}
	clear(d.q.woken)
}

// fill starts items until there is no room or nothing to do.
func (d *dispatcher) fill(ctx context.Context) error {
	if d.pause != nil {
		return nil
	}
	if d.poll {
		if err := d.readHints(ctx); err != nil {
			return err
		}
		d.poll = false
		d.recover()
	}
	for d.running < d.q.o.Workers && ctx.Err() == nil {
		p, c, err := d.pick(ctx)
		if err != nil {
			return err
		}
		if p == nil {
			return nil
		}
		d.start(p, c)
	}
	return nil
}

// wait returns when there may be something to do.
func (d *dispatcher) wait(ctx context.Context, poll <-chan time.Time) {
	timer := time.NewTimer(d.untilNextLook())
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-d.q.wake:
	case f := <-d.finished:
		d.finish(f)
	case <-timer.C:
	case <-poll:
		d.poll = true
	case <-d.pause:
		// The first thing to do is to read the hints, which shows whether the
		// store is back.
		d.pause, d.poll = nil, true
	}
}

// untilNextLook is how long no look is due, as far as a look could be made now:
// what is at its limit is looked at when an item ends.
func (d *dispatcher) untilNextLook() time.Duration {
	next := d.q.o.Poll
	if d.pause != nil || d.running >= d.q.o.Workers {
		return next
	}
	now := d.q.o.Now()
	for _, p := range d.places {
		if p.tenant.running < d.q.o.PerInstallation {
			next = min(next, p.lookAt.Sub(now))
		}
	}
	return max(next, time.Millisecond)
}

// pick finds the next item: installations take turns, and the spaces of one do.
// The place is nil if there is nothing to do.
func (d *dispatcher) pick(ctx context.Context) (*place, candidate, error) {
	d.forgetTenants()
	for i := range d.tenants {
		n := (d.turn + i) % len(d.tenants)
		t := d.tenants[n]
		if t.running >= d.q.o.PerInstallation {
			continue
		}
		p, err := d.pickOf(ctx, t)
		if err != nil {
			return nil, candidate{}, err
		}
		if p != nil {
			d.turn = n + 1
			c := p.ready[0]
			p.ready = p.ready[1:]
			return p, c, nil
		}
	}
	return nil, candidate{}, nil
}

// pickOf returns a place of the tenant that has something ready, or nil.
func (d *dispatcher) pickOf(ctx context.Context, t *tenant) (*place, error) {
	places := slices.Clone(t.places) // a look may take one out
	for i := range places {
		n := (t.turn + i) % len(places)
		p := places[n]
		if len(p.ready) == 0 && !p.lookAt.After(d.q.o.Now()) {
			if err := d.look(ctx, p); err != nil {
				if storeAway(err) {
					return nil, err
				}
				d.setAside(p, err)
			}
		}
		// A look may list a key twice if the space changes meanwhile.
		for len(p.ready) > 0 && p.inFlight[p.ready[0].key] {
			p.ready = p.ready[1:]
		}
		if len(p.ready) > 0 {
			t.turn = n + 1
			return p, nil
		}
	}
	return nil, nil
}

func (d *dispatcher) start(p *place, c candidate) {
	p.inFlight[c.key] = true
	p.tenant.running++
	d.running++
	space := p.space
	go func() {
		d.finished <- finished{p, c.key, d.q.work(d.handling, d.recording, space, c)}
	}()
}

func (d *dispatcher) finish(f finished) {
	delete(f.place.inFlight, f.key)
	f.place.tenant.running--
	d.running--
	f.place.lookAt = time.Time{}
	switch {
	case f.err == nil:
	case storeAway(f.err):
		d.fail(f.err)
	default:
		d.setAside(f.place, f.err)
	}
}

// setAside leaves a space alone for a while, so that what is wrong with one
// tenant's data is not everybody's trouble.
func (d *dispatcher) setAside(p *place, err error) {
	d.q.o.Log.Error().Err(err).Str("project", p.name).Msg("work is set aside for a while")
	p.ready, p.lookAt = nil, d.q.o.Now().Add(d.q.o.Poll)
}

// storeAway reports whether an error says that the store does not answer.
func storeAway(err error) bool {
	return errors.Is(err, storage.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// fail stops the workers for a while, because the store failed.
func (d *dispatcher) fail(err error) {
	if d.pause != nil {
		return
	}
	if d.down == 0 {
		d.q.o.Log.Error().Err(err).Msg("workers wait for the store")
	}
	d.q.setReady(err)
	d.down = min(max(2*d.down, minPause), maxPause)
	d.pause = time.After(d.down/2 + time.Duration(d.q.o.Rand()*float64(d.down/2)))
}

// recover notes that the store answers.
func (d *dispatcher) recover() {
	if d.down > 0 {
		d.q.o.Log.Info().Msg("the store is back, workers go on")
	}
	d.down = 0
	d.q.setReady(nil)
}

// place returns what is known of a space, making it known.
func (d *dispatcher) place(name string) *place {
	if p := d.places[name]; p != nil {
		return p
	}
	installation := project.Installation(name)
	i := slices.IndexFunc(d.tenants, func(t *tenant) bool { return t.installation == installation })
	if i < 0 {
		i = len(d.tenants)
		d.tenants = append(d.tenants, &tenant{installation: installation})
	}
	p := &place{name: name, tenant: d.tenants[i], inFlight: map[string]bool{}, claims: map[string]sighting{}}
	p.tenant.places = append(p.tenant.places, p)
	d.places[name] = p
	return p
}

// forget drops a space that has nothing due.
func (d *dispatcher) forget(p *place) {
	if len(p.inFlight) > 0 {
		return // the end of the last item brings it back here
	}
	delete(d.places, p.name)
	p.tenant.places = slices.DeleteFunc(p.tenant.places, func(o *place) bool { return o == p })
}

func (d *dispatcher) forgetTenants() {
	d.tenants = slices.DeleteFunc(d.tenants, func(t *tenant) bool { return len(t.places) == 0 })
}

// readHints marks the spaces whose hints are new. It reads one page of them; the
// next call goes on from there.
func (d *dispatcher) readHints(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	es, err := d.q.scanHints(ctx, d.page)
	if err != nil {
		return err
	}
	d.page = ""
	if len(es) == hintPage {
		d.page = es[len(es)-1].Key
	}
	now := d.q.o.Now()
	for _, e := range es {
		name := e.Key[len(hintPrefix):]
		_, known := d.places[name]
		p := d.place(name)
		if p.hint == e.Version {
			continue
		}
		p.hint, p.lookAt = e.Version, time.Time{}
		var h hint
		if !known && storage.GetJSON(e, &h) == nil {
			p.lookAt = now.Add(believable(now, h.At).Sub(now))
		}
	}
	return nil
}

// drain waits for the items that run, then cancels them.
func (d *dispatcher) drain() error {
	defer d.abandon()
	d.q.setReady(errDrained)
	if d.await(d.q.o.Drain) {
		return nil
	}
	d.cancel(errDrained)
	if d.await(min(grace, d.q.o.Drain)) {
		return nil
	}
	d.abandon()
	if d.await(min(grace, d.q.o.Drain)) {
		return nil
	}
	return fmt.Errorf("drain work: %d items did not stop", d.running)
}

// await reports whether all items ended in the time given.
func (d *dispatcher) await(most time.Duration) bool {
	t := time.NewTimer(most)
	defer t.Stop()
	for d.running > 0 {
		select {
		case f := <-d.finished:
			d.running--
			if f.err != nil {
				d.q.o.Log.Warn().Err(f.err).Str("project", f.place.name).Str("work", f.key).Msg("the end of work was not recorded; it is done again")
			}
		case <-t.C:
			return false
		}
	}
	return true
}
