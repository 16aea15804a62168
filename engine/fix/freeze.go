package fix

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// stamped is how much later than a review GitHub may date the comments that were
// submitted with it: it writes whole seconds, and writes them one after the other.
const stamped = time.Second

// freeze keeps the comments on lines of the reviews that were noted, as they were
// when the reviews were submitted. It is done at once, also while a round goes on.
func (r *Runs) freeze(ctx context.Context, space storage.Space, at github.At, of *run.Run, notes []note) error {
	var all []github.ReviewComment
	asked, may := false, writers(r.Host, at)
	for i := range notes {
		n := &notes[i]
		if n.Frozen {
			continue
		}
		if !asked {
			var err error
			if all, err = r.lineComments(ctx, at, of); err != nil {
				return err
			}
			asked = true
		}
		if n.At.IsZero() { // the delivery did not say
			n.At = r.Now().UTC()
		}
		var err error
		if n.Comments, err = until(ctx, all, n.At, n.id, proposedFor(of), may); err != nil {
			return err
		}
		n.Frozen = true
		var b storage.Batch
		b.RequireEntry(n.entry)
		b.SetJSON(n.entry.Key, n.asked)
		if err := space.Apply(ctx, &b); err != nil {
			return fmt.Errorf("freeze review %d: %w", n.id, err)
		}
		entries, err := space.Get(ctx, n.entry.Key)
		if err != nil {
			return fmt.Errorf("read review %d: %w", n.id, err)
		}
		n.entry = entries[0]
	}
	return nil
}

// lineComments returns the comments on lines of a run's proposal, all of them.
func (r *Runs) lineComments(ctx context.Context, at github.At, of *run.Run) ([]github.ReviewComment, error) {
	all, err := r.Host.PullComments(ctx, at, of.Pull.Number)
	switch {
	case isGone(err):
		return nil, nil
	case errors.Is(err, github.ErrTooMany):
		zerolog.Ctx(ctx).Warn().Err(err).Str("run", of.ID).Msg("comments on lines are not taken to the agent")
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("list review comments of pull request %d: %w", of.Pull.Number, err)
	}
	return all, nil
}

// proposedFor is when the round was asked for whose proposal people look at: what was
// said before was taken to the agent already.
func proposedFor(of *run.Run) (since time.Time) {
	for _, round := range of.Rounds {
		if round.Commit != "" {
			since = round.Asked
		}
	}
	return since
}

// until picks what people with write permission had written on lines at a moment, and
// not changed since; others' words are not taken to the agent. review is the one that
// was submitted then, 0 if none was. GitHub does not tell which threads are resolved.
func until(ctx context.Context, all []github.ReviewComment, at time.Time, review int64, since time.Time, may func(context.Context, string) (bool, error)) ([]said, error) {
	var list []said
	for _, c := range all {
		last := at
		if review != 0 && c.Review == review {
			last = at.Add(stamped)
		}
		if c.Bot || c.At.Before(since) || c.At.After(last) || c.Updated.After(last) {
			continue
		}
		if ok, err := may(ctx, c.Author); err != nil || !ok {
			if err != nil {
				return nil, err
			}
			continue
		}
		list = append(list, said{c.ID, c.At, brief.ReviewComment{
			Path: clip(c.Path, 500), Line: c.Line, Hunk: clip(c.Hunk, maxHunk), Body: clip(c.Body, maxBody), By: c.Author,
		}})
	}
	return room(list), nil
}

// room cuts a list of comments to what the agent gets at most.
func room(list []said) []said {
	left := maxReview
	for i, c := range list {
		if left -= len(c.Body) + len(c.Hunk); left < 0 || i == maxReviewed {
			return list[:i]
		}
	}
	return list
}

// words are comments as the agent gets them.
func words(list []said) (comments []brief.ReviewComment) {
	for _, c := range list {
		comments = append(comments, c.ReviewComment)
	}
	return comments
}

// writers says who has write permission, and remembers it for a while.
func writers(host Grounds, at github.At) func(ctx context.Context, login string) (bool, error) {
	known := make(map[string]bool)
	return func(ctx context.Context, login string) (bool, error) {
		if may, ok := known[login]; ok || len(known) >= maxAuthors {
			return may, nil
		}
		may, err := host.Permission(ctx, at, login)
		if err != nil {
			return false, fmt.Errorf("ask what %s may do: %w", login, err)
		}
		known[login] = may >= github.Write
		return known[login], nil
	}
}
