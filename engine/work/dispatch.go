package work

import (
	"context"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

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
		d.resume()
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
