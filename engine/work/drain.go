package work

import (
	"errors"
	"fmt"
	"time"
)

// grace is how long, at the end of a drain, cancelled handlers have at most to
// return, and after that the recording of their ends.
const grace = 2 * time.Second

var errDrained = errors.New("the process is stopping")

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
				log := d.q.logWork(f.place.name, f.key)
				log.Warn().Err(f.err).Msg("the end of work was not recorded; it is done again")
			}
		case <-t.C:
			return false
		}
	}
	return true
}
