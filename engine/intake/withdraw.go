package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// withdraw takes out what was deleted at its source and is not where its route
// points now: routes change, and what was stored or held under an older one must
// go too. Deletions are few, so it can afford to look everywhere that the tenant
// has something.
func (in *Intake) withdraw(ctx context.Context, installation int64, readings []feedback.Reading, answers []Answer) error {
	at := unfound(readings, answers)
	if len(at) == 0 {
		return nil
	}
	if err := in.each(ctx, readings, at, func(some []int) error {
		return in.hold(ctx, installation, readings, some, answers)
	}); err != nil {
		return err
	}
	names, err := in.projects.Projects(ctx, installation)
	if err != nil {
		return err
	}
	for _, name := range names {
		if at = unfound(readings, answers); len(at) == 0 {
			return nil
		}
		space, err := in.projects.Open(ctx, name)
		if err == nil {
			err = in.each(ctx, readings, at, func(some []int) error {
				return in.into(ctx, space, readings, some, answers)
			})
		}
		if err != nil && !errors.Is(err, storage.ErrNoSpace) {
			return fmt.Errorf("take out deleted feedback: %w", err)
		}
	}
	return nil
}

// unfound are the readings that say that their feedback was deleted, of which
// nothing was found so far: known feedback is a duplicate.
func unfound(readings []feedback.Reading, answers []Answer) (at []int) {
	for i, r := range readings {
		if r.Removed && answers[i].Status == Accepted {
			at = append(at, i)
		}
	}
	return at
}

// each does something to the readings, a batch at a time.
func (in *Intake) each(ctx context.Context, readings []feedback.Reading, at []int, do func(some []int) error) error {
	for len(at) > 0 {
		n := min(len(at), perBatch)
		if err := in.alone(ctx, readings, at[:n], func() error { return do(at[:n]) }); err != nil {
			return err
		}
		at = at[n:]
	}
	return nil
}
