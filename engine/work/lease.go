package work

import (
	"context"
	"errors"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// keepLease renews the claim at every third of the lease until ctx is done. When
// it knows that the claim is lost, or can no longer be sure that it is not, it
// calls lost.
func (q *Queue) keepLease(ctx context.Context, h *held, lose context.CancelCauseFunc) {
	third := q.o.Lease / 3
	// Others count the lease from when they see a renewal, this process from
	// before it asked for it, and it gives up a sixth early: a handler that obeys
	// its context has stopped when they begin.
	surely := q.o.Lease - q.o.Lease/6
	since, wait := q.o.Now(), third
	for {
		pause(ctx, wait)
		if ctx.Err() != nil {
			return
		}
		asked := q.o.Now()
		left := surely - asked.Sub(since)
		err := q.renew(ctx, h, max(min(third, left), time.Millisecond))
		switch left = surely - q.o.Now().Sub(since); {
		case ctx.Err() != nil:
			return
		case err == nil:
			since, wait = asked, third
		case errors.Is(err, errLost) || left <= 0:
			h.log.Warn().Err(err).Msg("lease lost, handler cancelled")
			lose(errLost)
			return
		default:
			h.log.Warn().Err(err).Msg("lease not renewed, trying again")
			wait = min(q.o.Lease/12, left)
		}
	}
}

// renew writes the run entry again, which gives it a new version; errLost if the
// claim is not ours any more.
func (q *Queue) renew(ctx context.Context, h *held, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var err error
	for range conflicts {
		var es []storage.Entry
		if es, err = h.space.Get(ctx, runPrefix+h.key); err == nil {
			r := decode[run](q, es[0])
			if !q.owns(r) {
				return errLost
			}
			var b storage.Batch
			b.RequireEntry(es[0])
			b.SetJSON(runPrefix+h.key, r)
			err = h.space.Apply(ctx, &b)
		}
		if !errors.Is(err, storage.ErrConflict) {
			break
		}
	}
	if errors.Is(err, storage.ErrNoSpace) {
		return errLost
	}
	return err
}

// owns reports whether the claim on a key is one of this queue. It has one item
// for a key at a time, so its name is enough.
func (q *Queue) owns(r run) bool { return r.Claim != nil && r.Claim.Owner == q.owner }
