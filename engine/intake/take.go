package intake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/traffic"
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
	Where(ctx context.Context, space storage.Space, ids ...string) ([]Place, error)
}

// Place is where a feedback is.
type Place struct {
	Line    string        // as people read it: "issue #7", "held: 1 of 2 people"
	Cluster string        // "" if it is in none
	Entry   storage.Entry // that says so: unchanged as long as the place is
}

// Traffic counts what comes to the project of a space.
type Traffic interface {
	Project(space string, c traffic.Counts)
}

// Intake takes readings in. It is safe for concurrent use.
type Intake struct {
	projects *project.Registry
	where    Where
	traffic  Traffic
	wake     func(spaces ...string)
	now      func() time.Time
	turns    turns
}

// New returns an intake. wake is told of spaces that have work due.
func New(projects *project.Registry, where Where, counts Traffic, wake func(spaces ...string), now func() time.Time) *Intake {
	return &Intake{projects: projects, where: where, traffic: counts, wake: wake, now: now}
}

const (
	// perBatch is how many readings one batch stores: at most five operations each.
	perBatch = 90
	// batchBytes is what they may take up by a guess; where it is wrong, the
	// batch is split.
	batchBytes = 512 << 10
	// tries is how often a batch is tried against other processes that change
	// the same feedback at the same time.
	tries = 20
)

// Take stores the readings of one source and returns an answer for each, in
// order. When it returns without an error, all of them are durable and their
// work is due. When it returns one, some may be: what is sent again is known. It
// is storage.ErrNoSpace when the source's installation is gone.
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
		err := in.store(ctx, readings, byRepo[repo], func(at []int) error {
			if repo == "" {
				return in.hold(ctx, src.Installation, readings, at, answers)
			}
			return in.file(ctx, src.Installation, repo, readings, at, answers)
		})
		if err != nil {
			return nil, err
		}
	}
	return answers, in.withdraw(ctx, src.Installation, readings, answers)
}

// Into is Take for readings whose project somebody chose: they are stored in its
// space, whatever the routes of their source say.
func (in *Intake) Into(ctx context.Context, space storage.Space, readings []feedback.Reading) ([]Answer, error) {
	answers := make([]Answer, len(readings))
	var at []int
	for i, r := range readings {
		answers[i].Index = r.Index
		if r.Err != nil {
			answers[i].Status, answers[i].Error = Rejected, r.Err
			continue
		}
		at = append(at, i)
	}
	err := in.store(ctx, readings, at, func(at []int) error {
		err := in.into(ctx, space, readings, at, answers)
		if err == nil {
			in.count(space.Name(), at, answers)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// share is how many of the next readings fit into one batch, as far as can be
// told before it is made.
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

// store has the readings stored, as many at a time as fit into a batch.
func (in *Intake) store(ctx context.Context, readings []feedback.Reading, at []int, try func(at []int) error) error {
	for len(at) > 0 {
		n := share(readings, at)
		if err := in.some(ctx, readings, at[:n], try); err != nil {
			return err
		}
		at = at[n:]
	}
	return nil
}

// some has readings stored with one batch, or halves of them if they do not fit.
func (in *Intake) some(ctx context.Context, readings []feedback.Reading, at []int, try func(at []int) error) error {
	err := in.alone(ctx, readings, at, func() error { return try(at) })
	if errors.Is(err, errTooBig) && len(at) > 1 {
		half := len(at) / 2
		if err := in.some(ctx, readings, at[:half], try); err != nil {
			return err
		}
		return in.some(ctx, readings, at[half:], try)
	}
	return err
}

// alone runs try while no other goroutine of this process changes the feedback
// of these readings, and again where another process did.
func (in *Intake) alone(ctx context.Context, readings []feedback.Reading, at []int, try func() error) error {
	done, err := in.turns.take(ctx, distinct(readings, at))
	if err != nil {
		return fmt.Errorf("store feedback: %w", errors.Join(storage.ErrUnavailable, err))
	}
	defer done()
	for n := range tries {
		if err = try(); !errors.Is(err, storage.ErrConflict) {
			return err
		}
		pause := time.NewTimer(rand.N(time.Duration(n+1) * time.Millisecond))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return fmt.Errorf("store feedback: %w", errors.Join(storage.ErrUnavailable, ctx.Err()))
		}
	}
	return fmt.Errorf("store feedback: others change the same all the time: %w: %w", storage.ErrUnavailable, err)
}

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
