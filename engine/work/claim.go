package work

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// conflicts is how often a batch that lost a race is made again on the spot.
const conflicts = 5

// claim makes the candidate ours; nil if it is not to be had any more.
func (q *Queue) claim(ctx context.Context, space storage.Space, c candidate) (*held, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	h := &held{space: space, key: c.key}
	for range conflicts {
		var b storage.Batch
		ok, err := q.claimBatch(ctx, h, c, &b)
		if err == nil && len(b.Ops) > 0 {
			err = space.Apply(ctx, &b)
		}
		switch {
		case errors.Is(err, storage.ErrConflict):
			continue
		case errors.Is(err, storage.ErrNoSpace):
			return nil, nil // the tenant is gone, and its work with it
		case err != nil:
			return nil, fmt.Errorf("claim work in %s: %w", space.Name(), err)
		case !ok:
			return nil, nil
		}
		h.log = q.logWork(space.Name(), h.key).With().Int("attempt", h.attempt).Logger()
		return h, nil
	}
	return nil, nil // hard fought for; the next look finds it again
}

// claimBatch fills a batch that claims the candidate, and h with what it claims.
// It reports false if there is nothing to claim.
func (q *Queue) claimBatch(ctx context.Context, h *held, c candidate, b *storage.Batch) (bool, error) {
	es, err := h.space.Get(ctx, duePrefix+h.key, runPrefix+h.key)
	if err != nil || !es[0].Exists() {
		return false, err
	}
	now := q.o.Now()
	r := decode[run](q, es[1])
	switch {
	case r.Claim != nil && es[1].Version != c.void:
		return false, nil
	case r.Claim == nil && dueTime(now, decode[due](q, es[0]), r).After(now):
		return false, nil
	}
	b.RequireEntry(es[0])
	b.RequireEntry(es[1])
	if r.Attempts >= q.o.MaxAttempts {
		// Only what took the process down with it, or lost its lease, comes here.
		log := q.logWork(h.space.Name(), h.key)
		log.Error().Int("attempt", r.Attempts).Msg("work that never came to an end is a dead letter")
		bury(b, h.key, deadLetter{Died: now.UTC().Round(0), Attempts: r.Attempts, Error: "begun and never ended; last error: " + r.Error})
		return false, nil
	}
	r.Attempts++
	r.NotBefore = time.Time{}
	r.Claim = &claim{Owner: q.owner, Lease: q.o.Lease}
	b.SetJSON(runPrefix+h.key, r)
	h.generation, h.attempt = es[0].Version, r.Attempts
	return true, nil
}

// bury makes a key a dead letter.
func bury(b *storage.Batch, key string, l deadLetter) {
	b.Delete(duePrefix + key)
	b.Delete(runPrefix + key)
	b.SetJSON(deadPrefix+key, l)
}
