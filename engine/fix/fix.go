package fix

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/publish"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Comments is what a run writes on its issue and its pull request.
type Comments interface {
	CreateComment(ctx context.Context, at github.At, number int, body string) (github.Comment, error)
	EditComment(ctx context.Context, at github.At, id int64, body string) (github.Comment, error)
	DeleteComment(ctx context.Context, at github.At, id int64) error
	OwnCommentsSince(ctx context.Context, at github.At, number int, since time.Time) ([]github.Comment, error)
}

// Grounds is what is asked before a task is started.
type Grounds interface {
	Permission(ctx context.Context, at github.At, who github.Person) (github.Permission, error)
	GetIssue(ctx context.Context, at github.At, number int) (github.Issue, error)
	Repository(ctx context.Context, at github.At) (github.Repository, error)
	Ref(ctx context.Context, at github.At, branch string) (sha string, found bool, err error)
}

// Reviews is what is asked of a proposal.
type Reviews interface {
	GetPull(ctx context.Context, at github.At, number int) (github.Pull, error)
	ClosePull(ctx context.Context, at github.At, number int) (github.Pull, error)
	Review(ctx context.Context, at github.At, pull int, id int64) (github.Review, error)
	Reviews(ctx context.Context, at github.At, pull int) ([]github.Review, error) // oldest first
	PullComments(ctx context.Context, at github.At, pull int) ([]github.ReviewComment, error)
	FailedChecks(ctx context.Context, at github.At, sha string) ([]github.CheckRun, error)
}

// Host is the server where repositories are; [*github.App] is one.
type Host interface {
	Comments
	Grounds
	Reviews
}

// Problems knows what is to be fixed; package issue does.
type Problems interface {
	// Evidence is what strangers said of a cluster, as far as it may be shown on the
	// repository.
	Evidence(ctx context.Context, space storage.Space, cluster string) ([]brief.Evidence, error)
	// Issue is the cluster's issue as it was last seen; its number is 0 if it has none.
	Issue(ctx context.Context, space storage.Space, cluster string) (run.Issue, error)
	// NoteMerge adds to the batch that the proposal of a run was merged.
	NoteMerge(b *storage.Batch, cluster string, m run.Merge)
}

// Publisher checks and proposes changes; [*publish.Publisher] does.
type Publisher interface {
	Check(ctx context.Context, c publish.Change) ([]run.Refusal, error)
	Commit(ctx context.Context, c publish.Change) (sha string, diff run.Diff, err error)
	Move(ctx context.Context, c publish.Change, sha string) error
	Propose(ctx context.Context, c publish.Change, sha string) (run.Pull, error)
	Checks(ctx context.Context, c publish.Change, from, by string) (sha string, err error)
	Redact(ctx context.Context, said string) string
}

// Config is what runs need; everything but Launcher, PublicURL and Checking is required.
type Config struct {
	App       storage.Space
	Projects  *project.Registry
	Host      Host
	Problems  Problems
	Publisher Publisher
	Launcher  task.Launcher // nil: none is configured, and nothing can be fixed
	Log       *action.Log
	Caps      Caps

	AgentURL  string // where the container reaches the app
	PublicURL string // where people reach it, without a slash at the end; "" if they cannot

	Marker func(space, text string) string // keyed hash that proves that a comment is ours
	Claims func(space, text string) string // keyed hash that the container's secrets are made of
	Wake   func(spaces ...string)          // told where work became due
	Now    func() time.Time

	Checking time.Duration // the most that checking and committing a change may take; 0: a minute
}

// Runs moves runs on. It is safe for concurrent use and keeps nothing in memory.
type Runs struct {
	Config
	admission *Admission
}

// New returns the runs of an app.
func New(c Config) *Runs {
	return &Runs{Config: c, admission: &Admission{app: c.App, projects: c.Projects, caps: c.Caps, wake: c.Wake, now: c.Now}}
}

// The kinds of due work: the first two in a project's space, the others in the
// app's.
const (
	RunWork   = "run"
	PullWork  = "pull"
	RunsWork  = "runs"
	TasksWork = "tasks"
)

// Register names the handlers to a queue.
func (r *Runs) Register(q interface {
	Handle(kind string, h work.Handler)
}) {
	q.Handle(RunWork, r.handle)
	q.Handle(PullWork, r.pull)
	q.Handle(RunsWork, r.admission.handle)
	q.Handle(TasksWork, r.watch)
}

// Hurry has the tasks looked at as soon as that may be done again: call it when the
// service said that one changed.
func (r *Runs) Hurry(ctx context.Context) error {
	var b storage.Batch
	work.Add(&b, TasksWork)
	if err := r.App.Apply(ctx, &b); err != nil {
		return fmt.Errorf("make the tasks due: %w", err)
	}
	r.Wake(r.App.Name())
	return nil
}

const (
	// look is how long a run waits for what nobody tells it.
	look = 30 * time.Second
	// suspendedPause is how long work waits for a suspended installation.
	suspendedPause = 10 * time.Minute
)

// calm turns what is no failure into another look, so that whatever is told of the
// run meanwhile is heeded at once. The time is zero if err is a failure.
func (r *Runs) calm(ctx context.Context, err error) (time.Time, error) {
	now := r.Now()
	var later *work.Later
	switch {
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrNoSpace):
		return time.Time{}, err
	case errors.As(err, &later):
		zerolog.Ctx(ctx).Info().Err(err).Msg("not now")
		if later.Until.After(now.Add(time.Second)) {
			return later.Until, nil
		}
		return now.Add(look), nil
	case errors.Is(err, storage.ErrConflict):
		return now, nil
	case errors.Is(err, github.ErrSuspended), errors.Is(err, github.ErrUninstalled):
		zerolog.Ctx(ctx).Info().Err(err).Msg("not while the installation is suspended")
		return now.Add(suspendedPause), nil
	}
	return time.Time{}, err
}

// isLater reports whether an error says that something could not be tried now.
func isLater(err error) bool {
	var later *work.Later
	return errors.As(err, &later) || errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrNoSpace)
}
