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

// AssignWork is the key of due work that says that a project has feedback which
// waits to be assigned to a cluster.
const AssignWork = "assign"

// IssueWork is the key of due work that says that what a cluster amounts to may
// differ from what its issue says.
func IssueWork(cluster string) string { return "issue/" + cluster }

// Status says what became of one element.
type Status string

// The statuses.
const (
	Accepted  Status = "accepted"  // it is new
	Duplicate Status = "duplicate" // it is known; what it adds was counted
	Rejected  Status = "rejected"  // it could not be read
)

// Answer is what the sender of one element is told.
type Answer struct {
	Index  int
	Status Status
	ID     string // of the feedback, the first one's if it is a duplicate
	State  string // where it is, and what it waits for
	Error  *feedback.FieldError
}

// Where says where feedback is that is in a project already.
type Where interface {
	// Where returns one line per feedback ("issue #7", "held: 1 of 2 people"),
	// and the cluster that it is in, "" if in none.
	Where(ctx context.Context, space storage.Space, ids ...string) (lines, clusters []string, err error)
}

// Intake takes readings in. It is safe for concurrent use.
type Intake struct {
	projects *project.Registry
	where    Where
	wake     func(spaces ...string)
	now      func() time.Time
}

// New returns an intake. wake is told of spaces that have work due.
func New(projects *project.Registry, where Where, wake func(spaces ...string), now func() time.Time) *Intake {
	return &Intake{projects: projects, where: where, wake: wake, now: now}
}

const (
	// perBatch is how many readings one batch stores: a feedback is at most some
	// 100 KB, and most are below 4.
	perBatch   = 40
	batchBytes = 512 << 10
	// tries is how often a batch is tried against others that change the same
	// feedback at the same time.
	tries = 20
)

// Take stores the readings of one source and returns an answer for each, in
// order. When it returns without an error, all of them are durable and their
// work is due. It is storage.ErrNoSpace when the source's installation is gone.
func (in *Intake) Take(ctx context.Context, src *source.Source, readings []feedback.Reading) ([]Answer, error) {
	answers := make([]Answer, len(readings))
	byRepo := make(map[string][]int) // repository, "" if held → positions
	var order []string
	for i, r := range readings {
		answers[i].Index = r.Index
		if r.Err != nil {
			answers[i].Status, answers[i].Error = Rejected, r.Err
			continue
		}
		repo, _ := src.Route(r.Feedback.Project)
		if byRepo[repo] == nil {
			order = append(order, repo)
		}
		byRepo[repo] = append(byRepo[repo], i)
	}
	if len(readings) == 0 {
		// Nothing to store, but the tenant must be there all the same.
		_, err := in.projects.Space(ctx, src.Installation)
		return answers, err
	}
	for _, repo := range order {
		at := byRepo[repo]
		for len(at) > 0 {
			n := share(readings, at)
			if err := in.store(ctx, src, repo, readings, at[:n], answers); err != nil {
				return nil, err
			}
			at = at[n:]
		}
	}
	return answers, nil
}

// share is how many of the next readings fit into one batch.
func share(readings []feedback.Reading, at []int) int {
	size := 0
	for n, i := range at {
		size += len(readings[i].Feedback.Body) + 2000 + 200*frames(readings[i].Feedback)
		if n > 0 && (n == perBatch || size > batchBytes) {
			return n
		}
	}
	return len(at)
}

func frames(f *feedback.Feedback) int {
	n := 0
	for _, e := range f.Exceptions {
		n += 5 + len(e.Frames)
	}
	return n
}

// store stores some readings that belong to one repository, or are held.
func (in *Intake) store(ctx context.Context, src *source.Source, repo string, readings []feedback.Reading, at []int, answers []Answer) error {
	for range tries {
		var err error
		if repo == "" {
			err = in.hold(ctx, src.Installation, readings, at, answers)
		} else {
			err = in.file(ctx, src.Installation, repo, readings, at, answers)
		}
		if !errors.Is(err, storage.ErrConflict) {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("store feedback: %w", errors.Join(storage.ErrUnavailable, ctx.Err()))
		}
	}
	return fmt.Errorf("store feedback: too many others change the same at once: %w", storage.ErrUnavailable)
}

// file stores readings in their project.
func (in *Intake) file(ctx context.Context, installation int64, repo string, readings []feedback.Reading, at []int, answers []Answer) error {
	r, err := project.ParseRepo(repo)
	if err != nil {
		return err
	}
	space, err := in.projects.Ensure(ctx, installation, r)
	if err != nil {
		return fmt.Errorf("open project %s: %w", repo, err)
	}
	ids := distinct(readings, at)
	known, entries, err := Load(ctx, space, ids...)
	if err == nil {
		var lines, clusters []string
		if lines, clusters, err = in.where.Where(ctx, space, ids...); err == nil {
			err = in.fold(ctx, space, readings, at, answers, ids, known, entries, lines, clusters)
		}
	}
	if errors.Is(err, storage.ErrNoSpace) {
		in.projects.Forget(installation, r)
	}
	return err
}

// fold folds the readings into what is known of them, and writes that.
func (in *Intake) fold(ctx context.Context, space storage.Space, readings []feedback.Reading, at []int, answers []Answer,
	ids []string, known []*feedback.Feedback, entries []storage.Entry, lines, clusters []string) error {
	type held struct {
		f               *feedback.Feedback
		changed, assign bool
	}
	now := in.now().UTC()
	all := make(map[string]*held, len(ids))
	place := make(map[string]int, len(ids))
	for i, id := range ids {
		all[id], place[id] = &held{f: known[i]}, i
	}
	for _, i := range at {
		r := readings[i]
		h := all[r.Feedback.ID]
		a := &answers[i]
		a.ID = r.Feedback.ID
		switch {
		case h.f == nil && r.StateOnly:
			a.Status, a.State = Accepted, "noted: nothing is known of it, so there is nothing to change"
		case h.f == nil && r.Removed:
			a.Status, a.State = Accepted, "noted: it was deleted at its source, and nothing of it is stored"
		case h.f == nil:
			f := *r.Feedback
			h.f, h.changed, h.assign = &f, true, true
			a.Status, a.State = Accepted, Grouping
		default:
			change := h.f.Merge(r)
			h.changed = h.changed || change.Any()
			h.assign = h.assign || change.Enriched || change.Removed
			a.Status, a.State = Duplicate, lines[place[a.ID]]
		}
	}

	var b storage.Batch
	for i, id := range ids {
		h := all[id]
		if h.f == nil || !h.changed {
			continue
		}
		b.RequireEntry(entries[i])
		b.SetJSON(entries[i].Key, h.f)
		if h.assign {
			wait(&b, now, id)
			work.Add(&b, AssignWork)
		}
		if clusters[i] != "" {
			work.Add(&b, IssueWork(clusters[i]))
		}
	}
	if len(b.Ops) > 0 {
		b.SetJSON(arrivedKey, now)
	}
	if err := space.Apply(ctx, &b); err != nil {
		return fmt.Errorf("store feedback: %w", err)
	}
	if len(b.Ops) > 0 {
		in.wake(space.Name())
	}
	return nil
}

// Grouping is the state of feedback that was stored a moment ago.
const Grouping = "stored: it will be grouped with what describes the same problem"

// distinct returns the ids of the readings, each once.
func distinct(readings []feedback.Reading, at []int) []string {
	ids := make([]string, 0, len(at))
	seen := make(map[string]bool, len(at))
	for _, i := range at {
		if id := readings[i].Feedback.ID; !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}
