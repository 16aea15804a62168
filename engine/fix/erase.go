package fix

import (
	"context"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Erase removes what the app's space says of the runs of an installation that is gone:
// who waits, what was counted, where the runs were. It reports whether there was
// anything. Places stay until their tasks have ended, which the work "tasks" sees to.
func Erase(ctx context.Context, app storage.Space, installation int64) (there bool, err error) {
	below := project.Space(installation, "")
	for _, prefix := range []string{countPrefix + project.InstallationSpace(installation) + "/", countPrefix + below} {
		any, err := dropped(ctx, app, prefix)
		if there = there || any; err != nil {
			return there, err
		}
	}
	places, err := each(ctx, app, slotPrefix, func(e storage.Entry) (bool, error) {
		var s Slot
		err := storage.GetJSON(e, &s)
		return s.Installation == installation, err
	}, func(b *storage.Batch, _ storage.Entry) { work.Add(b, TasksWork) })
	if there = there || places; err != nil {
		return there, err
	}
	tickets, err := each(ctx, app, ticketPrefix, func(e storage.Entry) (bool, error) {
		var t Ticket
		err := storage.GetJSON(e, &t)
		return t.Installation == installation, err
	}, func(b *storage.Batch, e storage.Entry) { b.Delete(e.Key) })
	if there = there || tickets; err != nil || places {
		return there, err // the tasks of a run are found by where it was
	}
	index, err := run.UnindexAll(ctx, app, below)
	return there || index, err
}

// dropped deletes what stands below a prefix, and reports whether there was anything.
func dropped(ctx context.Context, app storage.Space, prefix string) (bool, error) {
	entries, err := app.Scan(ctx, prefix, "", 1)
	if err != nil {
		return false, fmt.Errorf("list %s: %w", prefix, err)
	}
	return len(entries) > 0, drop(ctx, app, prefix)
}

// each does something about the entries below a prefix that are meant, a page at a time,
// and reports whether there was one.
func each(ctx context.Context, app storage.Space, prefix string, meant func(storage.Entry) (bool, error), do func(*storage.Batch, storage.Entry)) (found bool, err error) {
	for after := ""; ; {
		entries, err := app.Scan(ctx, prefix, after, page/2)
		if err != nil {
			return found, fmt.Errorf("list %s: %w", prefix, err)
		}
		var b storage.Batch
		for _, e := range entries {
			after = e.Key
			is, err := meant(e)
			if err != nil {
				return found, err
			}
			if is {
				found = true
				do(&b, e)
			}
		}
		if len(b.Ops) > 0 {
			if err := app.Apply(ctx, &b); err != nil {
				return found, fmt.Errorf("erase %s: %w", prefix, err)
			}
		}
		if len(entries) < page/2 {
			return found, nil
		}
	}
}
