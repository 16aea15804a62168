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

// Sources finds a source by its id, and the repositories that an installation's sources
// feed; source.ErrNone if there is none.
type Sources interface {
	Source(ctx context.Context, id string) (*source.Source, error)
	Repositories(ctx context.Context, installation int64) ([]string, error)
}

// Release is the handler of HeldWork, which is due once routes may lead elsewhere. It
// makes a project of each repository that a source feeds, so that people can look at its
// settings and import what happened before, whether anything arrived or not; and it moves
// held feedback whose project has a route now to its project. Feedback is stored there
// before it is deleted here, under the same id, so that a crash in between neither loses
// nor doubles it.
//
// What is held of a source that was removed on the pages is deleted: nothing can
// route it any more. A source that the server's file does not name may be named
// again, and what is held of it waits.
func Release(projects *project.Registry, sources Sources, wake func(spaces ...string), now func() time.Time) work.Handler {
	return func(ctx context.Context, it work.Item) (time.Time, error) {
		installation := project.Installation(it.Space.Name())
		if err := prepare(ctx, projects, sources, installation, wake); err != nil {
			return time.Time{}, err
		}
		find := finder(sources)
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
				src, err := find(ctx, h.Feedback.Source)
				if err != nil {
					return time.Time{}, err
				}
				if src == nil && removed(h.Feedback.Source, installation) {
					if err := drop(ctx, it.Space, e); errors.Is(err, storage.ErrConflict) {
						return now(), nil // it was deleted at its source meanwhile: look again
					} else if err != nil {
						return time.Time{}, err
					}
				}
				if src == nil || src.Installation != installation {
					continue
				}
				name, ok := src.Route(h.Feedback.Project)
				if !ok {
					continue
				}
				repo, err := project.ParseRepo(name)
				if err != nil {
					return time.Time{}, work.Dead(err)
				}
				space, err := projects.Ensure(ctx, installation, repo)
				if err != nil {
					return time.Time{}, fmt.Errorf("open project %s: %w", repo, err)
				}
				switch err := move(ctx, it.Space, e.Key, space, now()); {
				case errors.Is(err, storage.ErrConflict):
					return now(), nil // it changes all the time: look again
				case errors.Is(err, storage.ErrNoSpace):
					projects.Forget(installation, repo)
					return time.Time{}, err
				case err != nil:
					return time.Time{}, err
				}
				wake(space.Name())
			}
			if len(entries) < 100 {
				return time.Time{}, nil
			}
		}
	}
}

// prepare makes the projects of the repositories that sources feed.
func prepare(ctx context.Context, projects *project.Registry, sources Sources, installation int64, wake func(spaces ...string)) error {
	names, err := sources.Repositories(ctx, installation)
	switch {
	case errors.Is(err, source.ErrNone): // it was uninstalled a moment ago
		return nil
	case err != nil:
		return fmt.Errorf("see what sources feed: %w", err)
	}
	for _, name := range names {
		repo, err := project.ParseRepo(name)
		if err != nil {
			return work.Dead(err)
		}
		space, err := projects.Ensure(ctx, installation, repo)
		if err != nil {
			return fmt.Errorf("open project %s: %w", repo, err)
		}
		wake(space.Name())
	}
	return nil
}

// finder returns what finds a source, nil if there is none, and asks for each once.
func finder(sources Sources) func(ctx context.Context, id string) (*source.Source, error) {
	known := make(map[string]*source.Source)
	return func(ctx context.Context, id string) (*source.Source, error) {
		src, ok := known[id]
		if ok {
			return src, nil
		}
		src, err := sources.Source(ctx, id)
		switch {
		case errors.Is(err, source.ErrNone):
			src = nil
		case err != nil:
			return nil, fmt.Errorf("look for the source of held feedback: %w", err)
		}
		known[id] = src
		return src, nil
	}
}

// removed reports whether a source that is not there was removed for good: the ids
// of those that people connect are never given again.
func removed(id string, installation int64) bool {
	_, owner, ok := source.Owner(id)
	return ok && owner == installation
}

// drop deletes held feedback.
func drop(ctx context.Context, home storage.Space, e storage.Entry) error {
	var b storage.Batch
	b.RequireEntry(e)
	b.Delete(e.Key)
	if err := home.Apply(ctx, &b); err != nil {
		return fmt.Errorf("delete held feedback of a source that was removed: %w", err)
	}
	return nil
}

// move moves the feedback under a key of the installation's space to a project.
func move(ctx context.Context, home storage.Space, key string, space storage.Space, now time.Time) (err error) {
	for range tries {
		var entries []storage.Entry
		if entries, err = home.Get(ctx, key); err != nil {
			return fmt.Errorf("read held feedback: %w", err)
		}
		if !entries[0].Exists() {
			return nil
		}
		var h Held
		if err = storage.GetJSON(entries[0], &h); err != nil {
			return err
		}
		if err = settle(ctx, space, h.Feedback, now); err == nil {
			var gone storage.Batch
			gone.RequireEntry(entries[0])
			gone.Delete(key)
			err = home.Apply(ctx, &gone)
		}
		if !errors.Is(err, storage.ErrConflict) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("release held feedback: %w", err)
	}
	return nil
}

// settle stores what was held in its project, where some of it may be known: it
// came again since the route was named, or the last move was cut short.
func settle(ctx context.Context, space storage.Space, held feedback.Feedback, now time.Time) error {
	known, entries, err := Load(ctx, space, held.ID)
	if err != nil {
		return err
	}
	f := &held
	if known[0] != nil {
		f = combine(held, known[0])
	}
	value, err := Encode(f)
	if err != nil {
		return err
	}
	var b storage.Batch
	b.RequireEntry(entries[0])
	b.Set(entries[0].Key, value)
	wait(&b, now, f.ID)
	work.Add(&b, AssignWork)
	return space.Apply(ctx, &b)
}

// combine folds what a project knows of a feedback into what was held of it,
// which is the older. To combine again changes nothing: events are told apart by
// their ids, and other counts are what Sentry says, of which the greater holds.
func combine(held feedback.Feedback, known *feedback.Feedback) *feedback.Feedback {
	for _, event := range known.Events {
		held.Merge(feedback.Reading{Feedback: known, Event: event})
	}
	held.Merge(feedback.Reading{Feedback: known, Removed: known.Removed})
	return &held
}
