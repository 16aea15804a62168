package fix

import (
	"context"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Caps bound how much runs may do. What is zero bounds nothing.
type Caps struct {
	All Limits // of the whole app
	// Reserve is what one run may cost at most, in millionths of a US dollar: so much
	// of a month is kept for each run that goes on.
	Reserve int64
	// Requests is how many requests of the model one run may make.
	Requests int64
	// Of says what holds for an installation; nil: nothing but the above.
	Of func(installation int64) Limits
}

// Limits bound what the runs of one installation, or all of them, may do. What is
// zero bounds nothing.
type Limits struct {
	AtOnce   int   // tasks
	PerDay   int   // runs begun in a day (UTC)
	PerMonth int   // runs begun in a month (UTC)
	Micros   int64 // what the runs of a month may cost, in millionths of a US dollar
}

func (c Caps) of(installation int64) Limits {
	if c.Of == nil {
		return Limits{}
	}
	return c.Of(installation)
}

// Count is what was begun in a period, and what it cost.
type Count struct {
	Runs   int   `json:"runs"`
	Micros int64 `json:"micros,omitempty"` // of rounds that ended in it
}

const countPrefix = "run-count/"

// keepCounts is how long counts are kept: longer than any period.
const keepCounts = 62 * 24 * time.Hour

// everybody is the name under which all runs are counted.
const everybody = project.AppSpace

func dayKey(space string, at time.Time) string {
	return countPrefix + space + "/" + at.UTC().Format(time.DateOnly)
}

func monthKey(space string, at time.Time) string {
	return countPrefix + space + "/" + at.UTC().Format("2006-01")
}

// Spent returns what the runs of an installation came to this month.
func Spent(ctx context.Context, app storage.Space, installation int64, now time.Time) (Count, error) {
	var c Count
	entries, err := app.Get(ctx, monthKey(project.InstallationSpace(installation), now))
	if err != nil {
		return c, fmt.Errorf("read what installation %d spent: %w", installation, err)
	}
	return c, storage.GetJSON(entries[0], &c)
}

// Used says how many runs an installation used of its limits.
func Used(ctx context.Context, app storage.Space, installation int64, limits Limits, now time.Time) ([]quota.Use, error) {
	own := project.InstallationSpace(installation)
	counts, err := tallies(ctx, app, dayKey(own, now), monthKey(own, now))
	if err != nil {
		return nil, err
	}
	day, month := counts[0], counts[1]
	y, m, _ := now.UTC().Date()
	next := time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC)
	return []quota.Use{
		quota.Use{Name: "runs_day", Title: "runs today", Used: int64(day.Runs), Limit: int64(limits.PerDay), Resets: midnight(now)}.
			Say("runs of today were begun", "runs of today were begun: further ones wait until midnight UTC"),
		quota.Use{Name: "runs_month", Title: "runs this month", Used: int64(month.Runs), Limit: int64(limits.PerMonth), Resets: next}.
			Say("runs of this month were begun", "runs of this month were begun: further ones wait until the next month begins (UTC)"),
		quota.Use{Name: "runs_money", Title: "cost of runs this month", Used: month.Micros, Limit: limits.Micros, Unit: "micros", Resets: next}.
			Say("for runs of this month are spent", "for runs of this month are spent: further ones wait until the next month begins (UTC)"),
	}, nil
}

// tally is a count that may change, with the entry that it was read from.
type tally struct {
	Count
	entry storage.Entry
}

func tallies(ctx context.Context, app storage.Space, keys ...string) ([]tally, error) {
	entries, err := app.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("read counts: %w", err)
	}
	all := make([]tally, len(entries))
	for i, e := range entries {
		all[i].entry = e
		if err := storage.GetJSON(e, &all[i].Count); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// save adds the count to a batch, which conflicts if it changed meanwhile.
func (t tally) save(b *storage.Batch) {
	b.RequireEntry(t.entry)
	b.SetJSON(t.entry.Key, t.Count)
}

// midnight is when the next day begins (UTC).
func midnight(now time.Time) time.Time {
	return now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
}

// dollars writes micros for people.
func dollars(micros int64) string { return fmt.Sprintf("$%.2f", float64(micros)/1e6) }
