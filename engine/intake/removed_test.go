package intake_test

import (
	"context"
	"errors"
	"testing"

	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

type finds func(id string) (*source.Source, error)

func (f finds) Source(_ context.Context, id string) (*source.Source, error) { return f(id) }
func (f finds) Repositories(context.Context, int64) ([]string, error)       { return nil, nil }

// What is held of a source that was removed on the pages goes with it. What the
// server's file does not name any more waits until it does; and while the store is
// away nothing is taken for gone.
func TestHeldOfARemovedSource(t *testing.T) {
	w := world(t, false)
	const connected, others = "sentry-101-abcdefghij", "sentry-202-abcdefghij"
	for i, id := range []string{connected, others, "sentry"} {
		readings := event(w, string(rune('a'+i)), "frontend", "")
		readings[0].Feedback.Source = id
		readings[0].Feedback.ID = id
		src := source.Source{Installation: installation, ID: id, Kind: source.Sentry}
		if _, err := w.Intake.Take(t.Context(), &src, readings); err != nil {
			t.Fatal(err)
		}
	}
	release := func(f finds) error {
		_, err := intake.Release(w.Projects, f, func(...string) {}, w.Now)(t.Context(), work.Item{Space: home(w)})
		return err
	}
	left := func() map[string]bool {
		ids := make(map[string]bool)
		for _, f := range held(w) {
			ids[f.Source] = true
		}
		return ids
	}
	if err := release(func(string) (*source.Source, error) { return nil, storage.ErrUnavailable }); !errors.Is(err, storage.ErrUnavailable) || len(left()) != 3 {
		t.Errorf("the store is away: %v, left %v", err, left())
	}
	here := source.Source{Installation: installation, ID: connected}
	if err := release(func(id string) (*source.Source, error) {
		if id == connected {
			return &here, nil
		}
		return nil, source.ErrNone
	}); err != nil || len(left()) != 3 {
		t.Errorf("it is there: %v, left %v", err, left())
	}
	if err := release(func(string) (*source.Source, error) { return nil, source.ErrNone }); err != nil || left()[connected] || !left()["sentry"] || !left()[others] {
		t.Errorf("it was removed: %v, left %v", err, left())
	}
}
