package work

import (
	"context"
	"errors"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// record writes what came of a try. While the store is away it tries for the
// length of a lease; after that, or if the process ends, the item is done again,
// which is safe.
func (q *Queue) record(ctx context.Context, h *held, out outcome) error {
	if out.verdict == lost {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, q.o.Lease)
	defer cancel()
	for wait := minPause; ; wait = min(2*wait, maxPause) {
		err := q.recordOnce(ctx, h, out)
		if !errors.Is(err, storage.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		pause(ctx, wait)
	}
}

func (q *Queue) recordOnce(ctx context.Context, h *held, out outcome) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	var err error
	for range 4 * conflicts { // a busy key is added all the time
		var es []storage.Entry
		es, err = h.space.Get(ctx, duePrefix+h.key, runPrefix+h.key)
		if err == nil {
			r := decode[run](q, es[1])
			if !q.owns(r) {
				return nil // lost, or recorded by a batch whose answer was lost
			}
			var b storage.Batch
			q.recordBatch(&b, h, es[0], es[1], r, out)
			err = h.space.Apply(ctx, &b)
		}
		if !errors.Is(err, storage.ErrConflict) {
			break
		}
	}
	if errors.Is(err, storage.ErrNoSpace) {
		return nil
	}
	return err
}

// recordBatch fills a batch with what came of a try, given the entries as they
// are now.
func (q *Queue) recordBatch(b *storage.Batch, h *held, dueEntry, runEntry storage.Entry, r run, out outcome) {
	now := q.o.Now()
	unchanged := dueEntry.Version == h.generation
	b.RequireEntry(dueEntry)
	b.RequireEntry(runEntry)
	r.Claim, r.Error = nil, errorText(out.err)
	switch out.verdict {
	case done:
		b.Delete(runEntry.Key)
		b.Delete(deadPrefix + h.key)
		switch {
		case !unchanged: // added meanwhile: stays due
		case out.again.IsZero():
			b.Delete(dueEntry.Key)
		default:
			b.SetJSON(dueEntry.Key, due{At: cut(now, out.again)})
		}
		h.log.Debug().Time("again", out.again).Msg("work done")
		return
	case later:
		r.Attempts--
		if !out.released {
			r.Laters++
			r.NotBefore = q.notBefore(now, r, out.until)
		}
		h.log.Info().Err(out.err).Time("not_before", r.NotBefore).Msg("work put off")
	case dead, failed:
		if out.verdict == dead || r.Attempts >= q.o.MaxAttempts {
			if unchanged {
				h.log.Error().Err(out.err).Msg("work is a dead letter")
				bury(b, h.key, deadLetter{Died: now.UTC().Round(0), Attempts: r.Attempts, Error: r.Error})
				return
			}
			// What it is about changed since: that deserves one more try.
			r.Attempts = min(r.Attempts, q.o.MaxAttempts-1)
		}
		r.Laters = 0
		r.NotBefore = q.notBefore(now, r, time.Time{})
		h.log.Warn().Err(out.err).Time("not_before", r.NotBefore).Msg("work failed")
	}
	if !dueEntry.Exists() {
		b.Delete(runEntry.Key) // nothing is due: there is nothing to remember
		return
	}
	b.SetJSON(runEntry.Key, r)
}

// notBefore is when to try again: until if that lies ahead, else after a backoff.
func (q *Queue) notBefore(now time.Time, r run, until time.Time) time.Time {
	if !until.After(now) {
		until = now.Add(backoff(r.Attempts+r.Laters, q.o.BackoffMin, q.o.BackoffMax, q.o.Rand()))
	}
	return cut(now, until)
}
