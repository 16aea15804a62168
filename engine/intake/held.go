package intake

import (
	"context"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// HeldWork is the key of due work that says that an installation's sources feed other
// repositories than before, and that held feedback may have a route now.
const HeldWork = "held"

// Unrouted is the state of feedback whose Sentry project no route names.
func Unrouted(sentryProject string) string {
	if sentryProject == "" {
		return "held: its source names no repository"
	}
	return fmt.Sprintf("held: no route of its source names the Sentry project %q", sentryProject)
}

// Held is feedback that no route of its source names a repository for.
type Held struct {
	Feedback feedback.Feedback `json:"feedback"`
}

// hold stores readings that have no route in the installation's space.
func (in *Intake) hold(ctx context.Context, installation int64, readings []feedback.Reading, at []int, answers []Answer) error {
	home, err := in.projects.Space(ctx, installation)
	if err != nil {
		return err
	}
	return in.holdIn(ctx, home, readings, at, answers)
}

// holdIn is hold in a space that is open.
func (in *Intake) holdIn(ctx context.Context, home storage.Space, readings []feedback.Reading, at []int, answers []Answer) error {
	ids := distinct(readings, at)
	all, err := loadHeld(ctx, home, ids)
	if err != nil {
		return err
	}
	for _, i := range at {
		r := readings[i]
		p := all[r.Feedback.ID]
		p.fresh = Unrouted(r.Feedback.Project)
		p.place.Line = p.fresh
		p.fold(r, &answers[i])
	}
	var b storage.Batch
	for _, id := range ids {
		p := all[id]
		if !p.changed {
			continue
		}
		value, err := encodeHeld(p.f)
		if err != nil {
			return err
		}
		b.RequireEntry(p.entry)
		b.Set(p.entry.Key, value)
	}
	if err := fits(&b); err != nil {
		return err
	}
	if err := home.Apply(ctx, &b); err != nil {
		return fmt.Errorf("hold feedback: %w", err)
	}
	return nil
}

// loadHeld returns what is held of the ids, as pieces of no cluster.
func loadHeld(ctx context.Context, home storage.Space, ids []string) (map[string]*piece, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = heldPrefix + id
	}
	entries, err := home.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("read held feedback: %w", err)
	}
	all := make(map[string]*piece, len(ids))
	for i, e := range entries {
		p := &piece{entry: e}
		if e.Exists() {
			var h Held
			if err := storage.GetJSON(e, &h); err != nil {
				return nil, err
			}
			p.f = &h.Feedback
		}
		all[ids[i]] = p
	}
	return all, nil
}

// encodeHeld returns the JSON of a Held.
func encodeHeld(f *feedback.Feedback) ([]byte, error) {
	value, err := Encode(f)
	if err != nil {
		return nil, err
	}
	return append(append([]byte(`{"feedback":`), value...), '}'), nil
}
