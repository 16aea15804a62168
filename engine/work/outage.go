package work

import (
	"context"
	"errors"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// How long the workers stop after the store failed: twice as long each time.
const (
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
)

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

// resume notes that the store answers.
func (d *dispatcher) resume() {
	if d.down > 0 {
		d.q.o.Log.Info().Msg("the store is back, workers go on")
	}
	d.down = 0
	d.q.setReady(nil)
}

// setAside leaves a space alone for a while, so that what is wrong with one
// tenant's data is not everybody's trouble.
func (d *dispatcher) setAside(p *place, err error) {
	log := d.q.logSpace(p.name)
	log.Error().Err(err).Msg("work is set aside for a while")
	p.ready, p.lookAt = nil, d.q.o.Now().Add(d.q.o.Poll)
}

// storeAway reports whether an error says that the store does not answer.
func storeAway(err error) bool {
	return errors.Is(err, storage.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
