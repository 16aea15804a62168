package backfill

import (
	"context"
	"errors"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// Clear drops the imports of a project that have not ended, and what is remembered of
// the results of the others, because somebody's feedback is erased and may be among it.
// It reports whether something that was read is still there: it goes with the work of
// its import.
func (b *Backfill) Clear(ctx context.Context, space storage.Space, by By) (left bool, err error) {
	all, err := List(ctx, space)
	if err != nil {
		return false, err
	}
	var results storage.Batch
	for _, i := range all {
		var ended *StateError
		if !i.State.Ended() {
			if _, err := b.Drop(ctx, space, i.ID, by); err != nil && !errors.As(err, &ended) && !errors.Is(err, ErrNone) {
				return false, err
			}
		}
		results.Delete(resultPrefix + i.ID)
	}
	if err := space.Apply(ctx, &results); err != nil {
		return false, fmt.Errorf("forget results of imports: %w", err)
	}
	for _, prefix := range []string{partPrefix, "draft/"} {
		entries, err := space.Scan(ctx, prefix, "", 1)
		if err != nil {
			return false, fmt.Errorf("look what imports have read: %w", err)
		}
		left = left || len(entries) > 0
	}
	return left, nil
}
