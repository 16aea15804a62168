package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/storage"
)

const (
	// claimAgain is how long the task that claimed its brief may claim it again,
	// unless it has sent a heartbeat: the answer may have been lost.
	claimAgain = 10 * time.Minute
	// grace is how long after its deadline an attempt may hand over what there is.
	grace = 3 * time.Minute
	// tries bounds how often a change of the run is decided anew because somebody
	// else changed it.
	tries = 5
)

// Projects opens the spaces of projects and says what holds for them;
// [*project.Registry] does.
type Projects interface {
	Open(ctx context.Context, space string) (storage.Space, error)
	Policy(p project.Project) policy.Policy
}

// Tokens makes tokens that read one repository; [*github.App] does.
type Tokens interface {
	ReadToken(ctx context.Context, at github.At) (github.Token, error)
}

// Tasks knows what was started; a task.Launcher does.
type Tasks interface {
	Describe(ctx context.Context, ids ...string) ([]task.Task, error)
}

// Config is what sessions need. All but Tasks is required.
type Config struct {
	App      storage.Space // where the index of runs is
	Projects Projects
	// Mac is the keyed hash of a text for a space: what Claim and Token are made with.
	Mac    func(space, text string) string
	Tokens Tokens
	// Tasks is asked whether the task that claims a brief is the one that was
	// started for it. Without it, whoever has the claim is believed.
	Tasks     Tasks
	CloneURL  func(r project.Repo) string // ends in .git, below the repository's own address
	RevokeURL string                      // where a read token is revoked
	Model     brief.Model
	Beat      time.Duration // between two heartbeats
	Limits    brief.Limits
	Wake      func(spaces ...string) // told where work became due
	Now       func() time.Time
}

// Sessions lets containers in. It is safe for concurrent use.
type Sessions struct {
	c Config

	mu      sync.Mutex
	storing map[string]bool // runs whose result is being stored
}

// New returns the sessions of an app.
func New(c Config) *Sessions { return &Sessions{c: c, storing: map[string]bool{}} }

// Claim is the secret that an attempt's container exchanges for its brief.
func Claim(mac func(space, text string) string, space, id string, attempt int) string {
	return mac(space, "claim/"+id+"/"+strconv.Itoa(attempt))
}

// Token is the secret that the container of an attempt shows with all that it
// asks once it has its brief.
func Token(mac func(space, text string) string, space, id string, attempt int) string {
	return mac(space, "token/"+id+"/"+strconv.Itoa(attempt))
}

// Session is what a container with a good token may do. It belongs to one attempt,
// which may be over.
type Session struct {
	s       *Sessions
	space   storage.Space
	id      string
	attempt int
}

// Open lets in who brings the token of an attempt of the run, also of one that is
// over: what may still be done is each method's to say. ErrNoRun and ErrToken mean
// that nobody is let in.
func (s *Sessions) Open(ctx context.Context, id, token string) (*Session, error) {
	space, r, _, err := s.find(ctx, id)
	if errors.Is(err, ErrNoRun) {
		// The work of a run that is there, so that the time does not tell.
		secret.Equal(Token(s.c.Mac, project.AppSpace, "none", 1), token)
	}
	if err != nil {
		return nil, err
	}
	if r.Attempt == nil {
		return nil, ErrToken
	}
	for n := r.Attempt.N; n > 0; n-- {
		if secret.Equal(Token(s.c.Mac, space.Name(), r.ID, n), token) {
			return &Session{s: s, space: space, id: r.ID, attempt: n}, nil
		}
	}
	return nil, ErrToken
}

// Space is the space of the run's project.
func (x *Session) Space() storage.Space { return x.space }

// Attempt is the number of the attempt that the session belongs to.
func (x *Session) Attempt() int { return x.attempt }

// Live is nil while the attempt may use the model, and otherwise ErrOver.
func (x *Session) Live(ctx context.Context) error {
	_, _, err := x.live(ctx)
	return err
}

// live returns the run if the session's attempt goes on.
func (x *Session) live(ctx context.Context) (*run.Run, storage.Entry, error) {
	r, was, err := x.load(ctx)
	if err != nil {
		return nil, was, err
	}
	if stop := x.stop(r); stop != "" {
		return nil, was, fmt.Errorf("%w: %s", ErrOver, stop)
	}
	return r, was, nil
}

// stop says why the session's attempt is not to go on, "" if it is.
func (x *Session) stop(r *run.Run) string {
	a := r.Attempt
	switch {
	case a == nil || a.N != x.attempt:
		return "another attempt took its place"
	case r.Wish != nil:
		return "the run is to end: " + string(r.Wish.Reason)
	case a.Stop != "":
		return "the attempt is to end: " + string(a.Stop)
	case a.Result:
		return "the result was handed over"
	case !works(r.State):
		return "the run is " + string(r.State)
	case !a.Deadline.IsZero() && x.s.c.Now().After(a.Deadline.Add(grace)):
		return "its time is up"
	}
	return ""
}

// works reports whether a run in this state has an agent at work.
func works(s run.State) bool { return s == run.Launching || s == run.Working }

func (x *Session) load(ctx context.Context) (*run.Run, storage.Entry, error) {
	r, was, err := run.Load(ctx, x.space, x.id)
	return r, was, gone(err)
}

// find returns a run with its space; ErrNoRun if there is none.
func (s *Sessions) find(ctx context.Context, id string) (storage.Space, *run.Run, storage.Entry, error) {
	var r *run.Run
	var was storage.Entry
	var space storage.Space
	name, err := run.Where(ctx, s.c.App, id)
	if err == nil {
		space, err = s.c.Projects.Open(ctx, name)
	}
	if err == nil {
		r, was, err = run.Load(ctx, space, id)
	}
	return space, r, was, gone(err)
}

// gone makes ErrNoRun of what the store says of a run that is not there, or whose
// installation is not.
func gone(err error) error {
	if errors.Is(err, run.ErrNone) || errors.Is(err, storage.ErrNoSpace) {
		return fmt.Errorf("%w (%w)", ErrNoRun, err)
	}
	return err
}
