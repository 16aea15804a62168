package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// HeldWork is the key of due work that says that an installation's held feedback
// may have a route now.
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
	ids := distinct(readings, at)
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = heldPrefix + id
	}
	entries, err := home.Get(ctx, keys...)
	if err != nil {
		return fmt.Errorf("read held feedback: %w", err)
	}
	known := make(map[string]*Held)
	for i, e := range entries {
		if e.Exists() {
			h := new(Held)
			if err := storage.GetJSON(e, h); err != nil {
				return err
			}
			known[ids[i]] = h
		}
	}
	for _, i := range at {
		r, a := readings[i], &answers[i]
		a.ID, a.State = r.Feedback.ID, Unrouted(r.Feedback.Project)
		h := known[a.ID]
		switch {
		case h != nil:
			h.Feedback.Merge(r)
			a.Status = Duplicate
		case r.StateOnly, r.Removed:
			a.Status, a.State = Accepted, "noted: nothing is known of it, so there is nothing to change"
		default:
			known[a.ID] = &Held{Feedback: *r.Feedback}
			a.Status = Accepted
		}
	}
	var b storage.Batch
	for i, id := range ids {
		if h := known[id]; h != nil {
			b.RequireEntry(entries[i])
			b.SetJSON(entries[i].Key, h)
		}
	}
	if err := home.Apply(ctx, &b); err != nil {
		return fmt.Errorf("hold feedback: %w", err)
	}
	return nil
}

// Release is the handler of HeldWork: it moves held feedback whose project has a
// route now to its project. Feedback is stored there before it is deleted here,
// under the same id, so that a crash in between neither loses nor doubles it.
func Release(projects *project.Registry, sources interface {
	Source(ctx context.Context, id string) (*source.Source, bool)
}, wake func(spaces ...string), now func() time.Time) work.Handler {
	return func(ctx context.Context, it work.Item) (time.Time, error) {
		installation := project.Installation(it.Space.Name())
		after := ""
		for {
			entries, err := it.Space.Scan(ctx, heldPrefix, after, 100)
			if err != nil {
				return time.Time{}, fmt.Errorf("list held feedback: %w", err)
			}
			for _, e := range entries {
				after = e.Key
				var h Held
				if err := storage.GetJSON(e, &h); err != nil {
					return time.Time{}, err
				}
				src, ok := sources.Source(ctx, h.Feedback.Source)
				if !ok || src.Installation != installation {
					continue
				}
				repo, ok := src.Route(h.Feedback.Project)
				if !ok {
					continue
				}
				if err := move(ctx, projects, installation, repo, it.Space, e, h, wake, now()); err != nil {
					return time.Time{}, err
				}
			}
			if len(entries) < 100 {
				return time.Time{}, nil
			}
		}
	}
}

func move(ctx context.Context, projects *project.Registry, installation int64, repo string,
	home storage.Space, e storage.Entry, h Held, wake func(...string), now time.Time) error {
	r, err := project.ParseRepo(repo)
	if err != nil {
		return work.Dead(err)
	}
	space, err := projects.Ensure(ctx, installation, r)
	if err != nil {
		return fmt.Errorf("open project %s: %w", repo, err)
	}
	var b storage.Batch
	b.Require(feedbackPrefix+h.Feedback.ID, 0)
	b.SetJSON(feedbackPrefix+h.Feedback.ID, h.Feedback)
	wait(&b, now, h.Feedback.ID)
	work.Add(&b, AssignWork)
	if err := space.Apply(ctx, &b); err != nil && !errors.Is(err, storage.ErrConflict) {
		return fmt.Errorf("release held feedback: %w", err)
	}
	wake(space.Name())
	var gone storage.Batch
	gone.RequireEntry(e)
	gone.Delete(e.Key)
	if err := home.Apply(ctx, &gone); err != nil && !errors.Is(err, storage.ErrConflict) {
		return fmt.Errorf("release held feedback: %w", err)
	}
	return nil
}
