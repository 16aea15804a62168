package fix

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// keepLog is how long after its end a run's log is kept; its record stays.
const keepLog = 30 * 24 * time.Hour

// tidyPage is how many pieces of logs are deleted at once; each may be long.
const tidyPage = 50

// Tidy throws away what a project keeps no longer of its runs: old logs, and results
// that nobody took. Call it once a day.
func Tidy(ctx context.Context, space storage.Space, now time.Time) error {
	if err := tidy(ctx, space, "run-log/", func(r *run.Run) bool { return !r.Ended.IsZero() && now.Sub(r.Ended) >= keepLog }); err != nil {
		return err
	}
	return tidy(ctx, space, "run-result/", func(r *run.Run) bool { return !r.State.Alive() && now.Sub(r.Ended) >= keepIndex })
}

// tidy deletes what stands below a prefix for the runs that are old.
func tidy(ctx context.Context, space storage.Space, prefix string, old func(r *run.Run) bool) error {
	for after := ""; ; {
		entries, err := space.Scan(ctx, prefix, after, 1)
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		if len(entries) == 0 {
			return nil
		}
		id, _, _ := strings.Cut(entries[0].Key[len(prefix):], "/")
		r, _, err := run.Load(ctx, space, id)
		if err != nil && !errors.Is(err, run.ErrNone) {
			return err
		}
		if r == nil || old(r) {
			if err := drop(ctx, space, prefix+id+"/"); err != nil {
				return err
			}
		}
		after = prefix + id + "0" // the next one after all that begin with the id and a slash
	}
}

func drop(ctx context.Context, space storage.Space, prefix string) error {
	for {
		entries, err := space.Scan(ctx, prefix, "", tidyPage)
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		var b storage.Batch
		for _, e := range entries {
			b.Delete(e.Key)
		}
		if err := space.Apply(ctx, &b); err != nil {
			return fmt.Errorf("delete %s: %w", prefix, err)
		}
		if len(entries) < tidyPage {
			return nil
		}
	}
}
