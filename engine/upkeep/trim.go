package upkeep

import (
	"context"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// keepDeliveries is how long the ids of GitHub's deliveries are remembered.
// GitHub redelivers those of the last three days.
const keepDeliveries = 4 * 24 * time.Hour

// How much of the audit trail of a project is kept.
const (
	keepAudit  = 365 * 24 * time.Hour
	keepAudits = 50_000
)

// tidy throws away what a project keeps no longer, once a day.
func tidy(ctx context.Context, space storage.Space, log *action.Log, now time.Time) error {
	if err := trim(ctx, space, now); err != nil {
		return err
	}
	_, err := log.Trim(ctx, space, keepAudit, keepAudits)
	return err
}

// trim deletes the ids of old deliveries, some at a time.
func trim(ctx context.Context, space storage.Space, now time.Time) error {
	after := ""
	for {
		entries, err := space.Scan(ctx, "delivery/", after, 250)
		if err != nil {
			return fmt.Errorf("list deliveries: %w", err)
		}
		var b storage.Batch
		for _, e := range entries {
			after = e.Key
			var d struct {
				At time.Time `json:"at"`
			}
			if err := storage.GetJSON(e, &d); err != nil {
				return err
			}
			if now.Sub(d.At) > keepDeliveries {
				b.Delete(e.Key)
			}
		}
		if len(b.Ops) > 0 {
			if err := space.Apply(ctx, &b); err != nil {
				return fmt.Errorf("forget deliveries: %w", err)
			}
		}
		if len(entries) < 250 {
			return nil
		}
	}
}
