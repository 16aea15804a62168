package main

import (
	"context"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/embed/gemini"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/model"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// quotas are what installations may use.
func quotas(cfg *config.Config) func(installation int64) quota.Limits {
	return func(installation int64) quota.Limits {
		q := cfg.QuotasOf(installation)
		return quota.Limits{Reports: q.ReportsPerDay, Clusters: q.Clusters, Bytes: int64(q.Megabytes) * 1e6, Micros: int64(q.Dollars) * 1e6}
	}
}

// runsUsed says how many runs of the agent an installation used; nil where there are
// none.
func runsUsed(cfg *config.Config, app storage.Space, can bool, now func() time.Time) func(context.Context, int64) ([]quota.Use, error) {
	if !can || cfg.Launcher.Kind == config.LauncherNone {
		return nil
	}
	all := caps(cfg)
	return func(ctx context.Context, installation int64) ([]quota.Use, error) {
		return fix.Used(ctx, app, installation, all.Of(installation), now())
	}
}

// cost is told what Gemini used, and tells what that cost where the price is known.
func cost(spent func(ctx context.Context, micros int64)) func(context.Context, gemini.Usage) {
	return func(ctx context.Context, u gemini.Usage) {
		if price, ok := model.ListPrice(strings.TrimPrefix(u.Model, "models/"), clock()); ok {
			spent(ctx, price.Of(u.Input, u.Output))
		}
	}
}

// free is for what nobody pays for.
func free(context.Context, int64) {}
