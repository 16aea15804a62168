package backfill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/fetch"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/reddit"
	"github.com/soulcaster/soulcaster/engine/sentryapi"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/draft"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	// stepTime is when a step ends, so that others get their turn and the deadline
	// of its context is far.
	stepTime = 30 * time.Second
	// receiveTime is how long a file may take to be stored; what is older was cut
	// short by a crash.
	receiveTime = 15 * time.Minute
	// patience is how often a step may fail for reasons that are no one's to mend.
	patience = 8
)

// sitting is one step of one import.
type sitting struct {
	*Backfill
	space   storage.Space
	project project.Project
	entry   storage.Entry
	i       Import
	now     time.Time
	began   time.Time
}

// handle is the handler of [Work]. Whatever it does is written with how far it got,
// or can be done again without a difference, so that a crash costs one step.
func (b *Backfill) handle(ctx context.Context, it work.Item) (time.Time, error) {
	s := &sitting{Backfill: b, space: it.Space, now: b.c.Now().UTC(), began: time.Now()}
	var err error
	if s.i, s.entry, err = load(ctx, it.Space, it.Subject); errors.Is(err, ErrNone) {
		return time.Time{}, nil
	} else if err != nil {
		return time.Time{}, err
	}
	if s.project, _, err = project.Load(ctx, it.Space); err != nil {
		return time.Time{}, err
	}
	again, err := s.step(ctx)
	var later *work.Later
	var away *embed.UnavailableError
	switch {
	case err == nil:
		return again, nil
	case errors.Is(err, storage.ErrConflict):
		return s.now, nil // somebody said something meanwhile: look again
	case ctx.Err() != nil, errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrNoSpace):
		return time.Time{}, err
	case errors.As(err, &later):
		why := later.Err.Error()
		if errors.As(err, &away) {
			why = "the embedder is away"
		} else if s.i.State == Fetching {
			why = s.asked() + " " + why
		}
		return time.Time{}, errors.Join(err, s.hinder(ctx, why+"; it goes on by itself"))
	case errors.Is(err, cluster.ErrMoving):
		return s.now.Add(time.Minute), s.hinder(ctx, "waits: "+err.Error())
	}
	if why := s.final(err); why != "" {
		return s.now, s.fail(ctx, why)
	}
	if it.Attempt >= patience {
		zerolog.Ctx(ctx).Error().Err(err).Str("import", s.i.ID).Msg("an import fails")
		return s.now, s.fail(ctx, "something went wrong; the log says what. What was imported so far stays; start it again")
	}
	return time.Time{}, err
}

// asked is whom the import reads from.
func (s *sitting) asked() string {
	if s.i.Kind == Reddit {
		return "Reddit:"
	}
	return "Sentry:"
}

// final is why an import cannot go on, for people, or empty if it may.
func (s *sitting) final(err error) string {
	for _, is := range []error{sentryapi.ErrToken, sentryapi.ErrUnknown, sentryapi.ErrAnswer, reddit.ErrClient, reddit.ErrUnknown, reddit.ErrAnswer, errSource} {
		if errors.Is(err, is) {
			return is.Error()
		}
	}
	for _, is := range []error{fetch.ErrPrivate, fetch.ErrPlain, fetch.ErrRedirect, fetch.ErrTooLarge} {
		if errors.Is(err, is) {
			return s.asked() + " " + is.Error()
		}
	}
	var refused *fetch.StatusError
	if errors.As(err, &refused) {
		return s.asked() + " " + refused.Error()
	}
	return ""
}

// errSource says that a source cannot be asked any more.
var errSource = errors.New("the source was removed, or cannot be asked any more")

// hinder notes what holds an import up.
func (s *sitting) hinder(ctx context.Context, why string) error {
	if s.i.Trouble == why {
		return nil
	}
	s.i.Trouble = why
	return s.save(ctx, nil)
}

func (s *sitting) fail(ctx context.Context, why string) error {
	s.i.step(Failed, 0)
	s.i.Trouble = why
	return s.save(ctx, nil)
}

// save writes how far the import got, with what else is to be written.
func (s *sitting) save(ctx context.Context, b *storage.Batch) error {
	if b == nil {
		b = new(storage.Batch)
	}
	s.i.Changed = s.now
	b.RequireEntry(s.entry)
	b.SetJSON(s.entry.Key, s.i)
	if err := s.space.Apply(ctx, b); err != nil {
		return fmt.Errorf("remember import %s: %w", s.i.ID, err)
	}
	entries, err := s.space.Get(ctx, s.entry.Key)
	if err != nil {
		return fmt.Errorf("remember import %s: %w", s.i.ID, err)
	}
	s.entry = entries[0]
	return nil
}

// over reports whether the step has taken long enough.
func (s *sitting) over() bool { return time.Since(s.began) >= stepTime }

func (s *sitting) draft() *draft.Space { return draft.On(s.space, "import-"+s.i.ID) }

// step does the next piece of what the import's state asks for, and returns when to
// go on; zero: when a person says something.
func (s *sitting) step(ctx context.Context) (time.Time, error) {
	switch {
	case s.i.State.Ended():
		return s.clear(ctx)
	case !s.now.Before(s.i.Expires) && s.i.State != Importing:
		s.i.step(Expired, 0)
		return s.now, s.save(ctx, nil)
	}
	if s.i.State.Trying() {
		whole, err := s.draft().Whole(ctx)
		if err != nil {
			return s.now, err
		}
		if !whole {
			s.i.step(Storing, s.i.Read)
			if err := s.save(ctx, nil); err != nil {
				return s.now, err
			}
		}
	}
	switch s.i.State {
	case Receiving:
		if s.now.Sub(s.i.Started) < receiveTime {
			return s.i.Started.Add(receiveTime), nil
		}
		return s.now, s.fail(ctx, "the file was not stored as a whole: send it again")
	case Fetching:
		src, err := s.source(ctx)
		if err != nil {
			return s.now, err
		}
		if s.i.Kind == Reddit {
			return s.now, s.fetchReddit(ctx, src)
		}
		return s.now, s.fetchSentry(ctx, src)
	case Storing:
		return s.now, s.try(ctx)
	case Grouping:
		return s.now, s.group(ctx)
	case Judging:
		return s.judge(ctx)
	case Summing:
		return s.now, s.sum(ctx)
	case Ready:
		return s.i.Expires, nil
	case Importing:
		return s.carry(ctx)
	}
	return time.Time{}, work.Dead(fmt.Errorf("import %s is in the state %q, which this build does not know", s.i.ID, s.i.State))
}

// source returns the source that is read from.
func (s *sitting) source(ctx context.Context) (*source.Source, error) {
	src, err := s.c.Sources.Source(ctx, s.i.Source)
	switch {
	case errors.Is(err, source.ErrNone):
		return nil, errSource
	case err != nil:
		return nil, err
	case src.Installation != s.project.Installation,
		s.i.Kind == Sentry && src.API == nil, s.i.Kind == Reddit && src.Client == nil:
		return nil, errSource
	}
	return src, nil
}

// clear deletes what was read for an import that has ended.
func (s *sitting) clear(ctx context.Context) (time.Time, error) {
	for !s.over() {
		gone, err := s.draft().Discard(ctx)
		if err != nil {
			return s.now, fmt.Errorf("discard the draft of import %s: %w", s.i.ID, err)
		}
		if !gone {
			continue
		}
		entries, err := s.space.Scan(ctx, partPrefix+s.i.ID+"/", "", 20)
		if err != nil {
			return s.now, fmt.Errorf("list parts of import %s: %w", s.i.ID, err)
		}
		var b storage.Batch
		for _, e := range entries {
			b.Delete(e.Key)
		}
		if s.i.State != Done {
			b.Delete(resultPrefix + s.i.ID) // it quotes what is not wanted
		}
		if err := s.space.Apply(ctx, &b); err != nil {
			return s.now, fmt.Errorf("delete parts of import %s: %w", s.i.ID, err)
		}
		if len(entries) < 20 {
			return time.Time{}, nil
		}
	}
	return s.now, nil
}
