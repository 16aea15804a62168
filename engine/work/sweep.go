package work

import (
	"context"
	"errors"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// sweepSpaces looks for due work in all spaces, at once and then every so often,
// whatever the hints say.
func (q *Queue) sweepSpaces(ctx context.Context) {
	for ctx.Err() == nil {
		wait := q.o.Sweep
		if err := q.sweepOnce(ctx); err != nil && ctx.Err() == nil {
			q.o.Log.Warn().Err(err).Msg("sweep for due work failed; it is tried again")
			wait = min(wait, q.o.Poll)
		}
		pause(ctx, wait)
	}
}

func (q *Queue) sweepOnce(ctx context.Context) error {
	for after := ""; ; {
		names, err := q.listSpaces(ctx, after)
		if err != nil {
			return fmt.Errorf("list spaces: %w", err)
		}
		for _, name := range names {
			found, err := q.hasDue(ctx, name)
			if err != nil {
				return fmt.Errorf("sweep %s: %w", name, err)
			}
			if found {
				q.look(name)
			}
		}
		if len(names) < hintPage {
			return nil
		}
		after = names[len(names)-1]
	}
}

func (q *Queue) listSpaces(ctx context.Context, after string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return q.db.List(ctx, "", after, hintPage)
}

func (q *Queue) hasDue(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	space, err := q.db.Open(ctx, name)
	if err == nil {
		var es []storage.Entry
		if es, err = space.Scan(ctx, duePrefix, "", 1); err == nil {
			return len(es) > 0, nil
		}
	}
	if errors.Is(err, storage.ErrNoSpace) {
		return false, nil
	}
	return false, err
}
