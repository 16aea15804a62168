package fix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
// when the reviews were submitted. It is done at once, also while a round goes on. It
// reports whether all are kept; if not, it goes on where it was in another look.
func (r *Runs) freeze(ctx context.Context, space storage.Space, at github.At, of *run.Run, notes []note) (whole bool, err error) {
	var all []github.ReviewComment
	whole = true
	asked, may := false, newWriters(r.Host, at, maxAuthors)
	for i := range notes {
		n := &notes[i]
		if n.Frozen {
			continue
		}
		if !asked {
			if all, err = r.lineComments(ctx, at, of); err != nil {
				return false, err
			}
			asked = true
		}
		if n.At.IsZero() { // the delivery did not say
			n.At = r.Now().UTC()
		}
		maps.Copy(may.known, n.May)
		// If who reviewed may not write, the whole review does not count.
		if n.Comments, n.Frozen, err = until(ctx, all, n.At, n.id, proposedFor(of), n.ByID, may); err != nil {
			return false, err
		}
		if n.May = nil; !n.Frozen {
			n.Comments, n.May, whole = nil, maps.Clone(may.known), false
		}
		var b storage.Batch
		b.RequireEntry(n.entry)
		b.SetJSON(n.entry.Key, n.asked)
		if err := space.Apply(ctx, &b); err != nil {
			return false, fmt.Errorf("freeze review %d: %w", n.id, err)
		}
		entries, err := space.Get(ctx, n.entry.Key)
		if err != nil {
			return false, fmt.Errorf("read review %d: %w", n.id, err)
		}
		n.entry = entries[0]
	}
	return whole, nil
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
// was submitted then, 0 if none was; by is the id of who may write for certain. It is whole if
// all authors were asked for. GitHub does not tell which threads are resolved.
func until(ctx context.Context, all []github.ReviewComment, at time.Time, review int64, since time.Time, by int64, may *permissions) (list []said, whole bool, err error) {
	whole = true
	all = slices.SortedStableFunc(slices.Values(all), func(a, b github.ReviewComment) int { return b.At.Compare(a.At) })
	for _, c := range all {
		last := at
		if review != 0 && c.Review == review {
			last = at.Add(stamped)
		}
		if c.Bot || c.At.Before(since) || c.At.After(last) || c.Updated.After(last) {
			continue
		}
		if by == 0 || c.AuthorID != by {
			ok, asked, err := may.writes(ctx, github.Person{ID: c.AuthorID, Login: c.Author})
			if err != nil {
				return nil, false, err
			}
			whole = whole && asked
			if !ok {
				continue
			}
		}
		list = append(list, said{c.ID, c.At, brief.ReviewComment{
			Path: clip(c.Path, 500), Line: c.Line, Hunk: clip(c.Hunk, maxHunk), Body: clip(c.Body, maxBody), By: c.Author,
		}})
	}
	slices.SortStableFunc(list, func(a, b said) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return room(list), whole, nil
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

// permissions is who has write permission, as far as it was asked in one look.
type permissions struct {
	host  Grounds
	at    github.At
	known map[int64]bool // by id
	left  int            // how many more are asked for
}

// newWriters asks for the permissions of at most so many people.
func newWriters(host Grounds, at github.At, most int) *permissions {
	return &permissions{host: host, at: at, known: make(map[int64]bool), left: most}
}

// open reports whether it can be said what somebody may do.
func (p *permissions) open(id int64) bool {
	_, known := p.known[id]
	return known || p.left > 0
}

// writes says whether somebody has write permission. Who was not asked for may have it.
func (p *permissions) writes(ctx context.Context, who github.Person) (may, asked bool, err error) {
	if may, known := p.known[who.ID]; known || p.left == 0 {
		return may, known, nil
	}
	p.left--
	has, err := p.host.Permission(ctx, p.at, who)
	if err != nil {
		return false, false, fmt.Errorf("ask what %s may do: %w", who.Login, err)
	}
	p.known[who.ID] = has >= github.Write
	return p.known[who.ID], true, nil
}
