package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/traffic"
)

// keepDeliveries is how long the ids of GitHub's deliveries are remembered.
// GitHub redelivers those of the last three days.
const keepDeliveries = 4 * 24 * time.Hour

// keepReleases is how long the releases of a project are remembered: longer than
// any watch over a fix (see policy.Watch) takes to its end.
const keepReleases = 150 * 24 * time.Hour

// How much of the audit trail of a project is kept.
const (
	keepAudit  = 365 * 24 * time.Hour
	keepAudits = 50_000
)

// tidy throws away what a project keeps no longer, once a day.
func tidy(ctx context.Context, space storage.Space, log *action.Log, now time.Time) error {
	if err := trim(ctx, space, "delivery/", now.Add(-keepDeliveries)); err != nil {
		return err
	}
	if err := trim(ctx, space, "release/", now.Add(-keepReleases)); err != nil {
		return err
	}
	if err := fix.Tidy(ctx, space, now); err != nil {
		return err
	}
	_, err := log.Trim(ctx, space, keepAudit, keepAudits)
	return err
}

// tidyHome throws away what an installation as a whole keeps no longer.
func tidyHome(ctx context.Context, home storage.Space, sources Sources, log *action.Log, now time.Time) error {
	if err := trim(ctx, home, "delivery/", now.Add(-keepDeliveries)); err != nil {
		return err
	}
	installation := project.Installation(home.Name())
	if err := traffic.Tidy(ctx, home, func(ctx context.Context, id string) (bool, error) {
		src, err := sources.Source(ctx, id)
		if errors.Is(err, source.ErrNone) {
			return true, nil
		}
		return err == nil && src.Installation != installation, err
	}); err != nil {
		return err
	}
	_, err := log.Trim(ctx, home, keepAudit, keepAudits)
	return err
}

// trim deletes what is below a prefix and from before a moment, some at a time.
func trim(ctx context.Context, space storage.Space, prefix string, before time.Time) error {
	after := ""
	for {
		entries, err := space.Scan(ctx, prefix, after, 250)
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		var b storage.Batch
		for _, e := range entries {
			after = e.Key
			var v struct {
				At time.Time `json:"at"`
			}
			if err := storage.GetJSON(e, &v); err != nil {
				return err
			}
			if v.At.Before(before) {
				b.Delete(e.Key)
			}
		}
		if len(b.Ops) > 0 {
			if err := space.Apply(ctx, &b); err != nil {
				return fmt.Errorf("forget %s: %w", prefix, err)
			}
		}
		if len(entries) < 250 {
			return nil
		}
	}
}
