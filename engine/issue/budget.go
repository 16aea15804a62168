package issue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Candidate is a cluster that is enough for an issue and waits for a place in
// the day's budget.
type Candidate struct {
	Hurt Hurt `json:"hurt"`
	Live bool `json:"live"` // for a real issue, not for a preview
	// Since when it waits.
	Since time.Time `json:"since"`
}

// Spent is how many places of a day's budget were given.
type Spent struct {
	Live    int `json:"live"`
	Preview int `json:"preview"`
}

// maxCandidates bounds how many are kept in mind at a time, of all that wait.
const maxCandidates = 2000

// Feedback that arrives in a flood is grouped first, so that places go to what
// hurts most and not to what was grouped first; but no longer than floodPatience
// after the first candidate came.
const (
	floodPause    = time.Second
	floodPatience = 30 * time.Second
)

// file is the handler of "this project has candidates": it gives the places that
// the budget has now to those that hurt most people.
func (k *Keeper) file(ctx context.Context, it work.Item) (time.Time, error) {
	now := k.now().UTC()
	p, _, err := project.Load(ctx, it.Space)
	if err != nil {
		return time.Time{}, err
	}
	pol := k.projects.Policy(p)
	live := k.host != nil && pol.Mode == policy.Live
	waiting, err := candidates(ctx, it.Space, live)
	if err != nil || len(waiting) == 0 {
		return time.Time{}, err
	}
	if todo, err := intake.Waiting(ctx, it.Space, 1); err != nil {
		return time.Time{}, err
	} else if len(todo) > 0 && now.Sub(longest(waiting)) < floodPatience {
		return now.Add(floodPause), nil
	}

	key := budgetPrefix + now.Format(time.DateOnly)
	entries, err := it.Space.Get(ctx, key)
	if err != nil {
		return time.Time{}, fmt.Errorf("read budget: %w", err)
	}
	var spent Spent
	if err := storage.GetJSON(entries[0], &spent); err != nil {
		return time.Time{}, err
	}
	given := &spent.Preview
	if live {
		given = &spent.Live
	}
	places, _ := Places(pol.Budget.Issues, *given, now)
	n := min(places, len(waiting), 50)
	if n > 0 {
		var b storage.Batch
		b.RequireEntry(entries[0])
		for _, w := range waiting[:n] {
			if err := w.grant(ctx, it.Space, &b, now, live); err != nil {
				return time.Time{}, err
			}
			*given++
		}
		b.SetJSON(key, spent)
		if err := it.Space.Apply(ctx, &b); err != nil {
			return time.Time{}, fmt.Errorf("give places: %w", err)
		}
		k.wake(it.Space.Name())
		if err := k.forget(ctx, it.Space, now); err != nil {
			return time.Time{}, err
		}
		if n < places && n < len(waiting) {
			return now, nil
		}
	}
	waiting = waiting[n:]
	if len(waiting) == 0 {
		return time.Time{}, nil
	}
	_, again := Places(pol.Budget.Issues, *given, now)
	return again, k.tellWaiting(ctx, it.Space, waiting, HeldByBudget(pol.Budget.Issues, *given))
}

// longest is since when the first of them waits.
func longest(all []waiting) time.Time {
	since := all[0].Since
	for _, w := range all {
		if w.Since.Before(since) {
			since = w.Since
		}
	}
	return since
}

// waiting is a candidate with the entry that it was read from.
type waiting struct {
	Candidate
	cluster string
	entry   storage.Entry
}

// candidates returns those that wait, what hurts most first.
func candidates(ctx context.Context, space storage.Space, live bool) ([]waiting, error) {
	var all []waiting
	after := ""
	for {
		entries, err := space.Scan(ctx, candidatePrefix, after, 250)
		if err != nil {
			return nil, fmt.Errorf("list candidates: %w", err)
		}
		for _, e := range entries {
			after = e.Key
			w := waiting{cluster: e.Key[len(candidatePrefix):], entry: e}
			if err := storage.GetJSON(e, &w.Candidate); err != nil {
				return nil, err
			}
			if w.Live == live {
				all = append(all, w)
			}
		}
		if len(entries) < 250 {
			return worst(all), nil
		}
		if len(all) > 2*maxCandidates {
			all = worst(all)
		}
	}
}

// worst returns those that hurt most, at most maxCandidates, what hurts most first.
func worst(all []waiting) []waiting {
	slices.SortFunc(all, func(a, b waiting) int {
		return cmp.Or(b.Hurt.Compare(a.Hurt), strings.Compare(a.cluster, b.cluster))
	})
	return all[:min(len(all), maxCandidates)]
}

// grant adds to the batch that the candidate has a place.
func (w waiting) grant(ctx context.Context, space storage.Space, b *storage.Batch, now time.Time, live bool) error {
	entries, err := space.Get(ctx, keptPrefix+w.cluster)
	if err != nil {
		return fmt.Errorf("read issue of cluster %s: %w", w.cluster, err)
	}
	kept := Kept{Record: Record{Cluster: w.cluster}}
	if err := storage.GetJSON(entries[0], &kept); err != nil {
		return err
	}
	kept.Granted, kept.GrantLive = now, live
	b.RequireEntry(entries[0])
	b.SetJSON(entries[0].Key, kept)
	b.RequireEntry(w.entry)
	b.Delete(w.entry.Key)
	work.Add(b, intake.IssueWork(w.cluster))
	return nil
}

// tellWaiting writes on the clusters that found no place why they wait.
func (k *Keeper) tellWaiting(ctx context.Context, space storage.Space, all []waiting, standing Standing) error {
	for _, w := range all {
		entries, err := space.Get(ctx, linePrefix+w.cluster)
		if err != nil {
			return fmt.Errorf("read standing of cluster %s: %w", w.cluster, err)
		}
		var l Line
		if err := storage.GetJSON(entries[0], &l); err != nil {
			return err
		}
		if l.Text == standing.Reason {
			continue
		}
		l.Cluster, l.State, l.Text = w.cluster, standing.State, standing.Reason
		var b storage.Batch
		b.RequireEntry(entries[0])
		SetLine(&b, l)
		if err := space.Apply(ctx, &b); err != nil && !errors.Is(err, storage.ErrConflict) {
			return fmt.Errorf("write standing of cluster %s: %w", w.cluster, err)
		}
	}
	return nil
}

// keepBudgets is how many days of spent budgets are kept.
const keepBudgets = 7

// forget deletes the budgets of days long gone.
func (k *Keeper) forget(ctx context.Context, space storage.Space, now time.Time) error {
	entries, err := space.Scan(ctx, budgetPrefix, "", 100)
	if err != nil {
		return fmt.Errorf("list budgets: %w", err)
	}
	var b storage.Batch
	oldest := budgetPrefix + now.AddDate(0, 0, -keepBudgets).Format(time.DateOnly)
	for _, e := range entries {
		if e.Key < oldest {
			b.Delete(e.Key)
		}
	}
	if len(b.Ops) == 0 {
		return nil
	}
	return space.Apply(ctx, &b)
}
