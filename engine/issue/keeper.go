package issue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Issues is what the keeper does with issues on GitHub.
type Issues interface {
	CreateIssue(ctx context.Context, at github.At, n github.NewIssue) (github.Issue, error)
	GetIssue(ctx context.Context, at github.At, number int) (github.Issue, error)
	Revise(ctx context.Context, at github.At, number int, revise func(now github.Issue) (github.Edit, error)) (github.Issue, error)
	OwnIssuesSince(ctx context.Context, at github.At, since time.Time) ([]github.Issue, error)
}

// People is what the keeper asks about the issues that people open.
type People interface {
	OpenIssues(ctx context.Context, at github.At) ([]github.Issue, error)
	Permission(ctx context.Context, at github.At, who github.Person) (github.Permission, error)
}

// Comments is what the keeper does with comments on GitHub.
type Comments interface {
	CreateComment(ctx context.Context, at github.At, number int, body string) (github.Comment, error)
	DeleteComment(ctx context.Context, at github.At, id int64) error
	OwnCommentsSince(ctx context.Context, at github.At, number int, since time.Time) ([]github.Comment, error)
}

// Commits is what the keeper asks about commits on GitHub.
type Commits interface {
	// Compare says how head, a commit or a tag, stands to base; found is false if
	// the repository lacks one of them.
	Compare(ctx context.Context, at github.At, base, head string) (c github.Comparison, found bool, err error)
}

// Host is where issues are kept.
type Host interface {
	Issues
	Comments
	Commits
}

// Judge says what the language model takes a cluster of posts for.
type Judge interface {
	Verdict(ctx context.Context, posts []string) (Verdict, error)
}

// Keeper keeps one issue per cluster in line with what the cluster amounts to.
// It is the only writer of issues: every change of an issue happens in the work
// of its cluster, one after another.
type Keeper struct {
	host     Host   // nil: nothing is written, everything is a preview
	people   People // nil: what people open is not known
	judge    Judge  // may be nil
	projects *project.Registry
	log      *action.Log
	sources  Sources
	mac      func(space, cluster string) string
	wake     func(spaces ...string)
	now      func() time.Time
	opened   opened
}

// Sources finds the source that feedback came from; source.ErrNone if there is none.
type Sources interface {
	Source(ctx context.Context, id string) (*source.Source, error)
}

// NewKeeper returns a keeper. Without a host everything is recorded and nothing
// is done; without people no problem joins an issue that somebody opened. mac
// makes the keyed hash of a cluster's marker; wake is told of spaces that have work
// due.
func NewKeeper(host Host, people People, judge Judge, projects *project.Registry, sources Sources, log *action.Log,
	mac func(space, cluster string) string, wake func(spaces ...string), now func() time.Time) *Keeper {
	return &Keeper{host: host, people: people, judge: judge, projects: projects, sources: sources, log: log, mac: mac, wake: wake, now: now}
}

// Register names the keeper's handlers to a queue.
func (k *Keeper) Register(q interface {
	Handle(kind string, h work.Handler)
}) {
	q.Handle("issue", k.calm(k.issue))
	q.Handle("look", k.calm(k.look))
	q.Handle("file", k.calm(k.file))
}

// publish says of each member whether its text may be quoted in public now: what is
// said of its source today counts, not what was said when it came. A post is public
// by itself. Of a source that is gone nothing is quoted.
func (k *Keeper) publish(ctx context.Context, members []Member) error {
	public := make(map[string]bool) // by source
	for _, m := range members {
		f := m.Feedback
		if f.Kind != feedback.Report || !f.Public {
			continue
		}
		may, asked := public[f.Source]
		if !asked {
			src, err := k.sources.Source(ctx, f.Source)
			if err != nil && !errors.Is(err, source.ErrNone) {
				return fmt.Errorf("see what may be quoted: %w", err)
			}
			may = err == nil && src.Public
			public[f.Source] = may
		}
		f.Public = may
	}
	return nil
}

// By is who asks for what the app does of itself.
const By = "soulcaster"

// suspendedPause is how long work waits for a suspended installation.
const suspendedPause = 10 * time.Minute

// calm turns what is no failure of the work itself into another look: a record
// that somebody else changed meanwhile, an installation that is suspended.
func (k *Keeper) calm(h work.Handler) work.Handler {
	return func(ctx context.Context, it work.Item) (time.Time, error) {
		again, err := h(ctx, it)
		var later *work.Later
		switch {
		case err == nil, errors.As(err, &later):
			return again, err
		case errors.Is(err, storage.ErrConflict):
			return k.now(), nil
		case errors.Is(err, github.ErrSuspended), errors.Is(err, github.ErrUninstalled):
			return time.Time{}, &work.Later{Until: k.now().Add(suspendedPause), Err: err}
		}
		return again, err
	}
}

// sitting is one look at one cluster and its issue.
type sitting struct {
	*Keeper
	space   storage.Space
	id      string // of the cluster
	project project.Project
	policy  policy.Policy
	live    bool
	problem Problem
	now     time.Time

	kept      Kept
	entry     storage.Entry // that kept was read from
	standing  Line
	batch     storage.Batch // what is saved with them
	forgotten bool          // nothing is left of the cluster: the record goes too
	news      bool          // there may be news of the repository
	fresh     []string      // releases that the problem was not seen in before
}

// issue is the handler of a cluster's work.
func (k *Keeper) issue(ctx context.Context, it work.Item) (time.Time, error) {
	s, wait, err := k.sit(ctx, it.Space, it.Subject)
	if err != nil || !wait.IsZero() {
		return wait, err
	}
	var again time.Time
	wish, asked, err := s.wished(ctx)
	begun := false
	if err == nil {
		_, begun, err = s.begun(ctx)
	}
	switch {
	case err != nil:
	case wish != nil && !begun:
		err = s.obey(ctx, wish, asked)
		again = s.now // and then look at what is left to do
	case s.kept.Number == 0:
		again, err = s.file(ctx)
	default:
		again, err = s.keep(ctx)
	}
	if err != nil {
		s.trouble(ctx, err)
		return time.Time{}, err
	}
	return again, s.save(ctx)
}

// bigCluster and bigPause: to sum up a cluster costs reading all of it, so a big
// one is not summed up more often than this.
const (
	bigCluster = 500
	bigPause   = 30 * time.Second
)

// sit reads what is known of a cluster. A time that is not zero says that it was
// summed up a moment ago and when to come again.
func (k *Keeper) sit(ctx context.Context, space storage.Space, id string) (*sitting, time.Time, error) {
	s := &sitting{Keeper: k, space: space, id: id, now: k.now().UTC()}
	var err error
	if s.project, _, err = project.Load(ctx, space); err != nil {
		return nil, time.Time{}, err
	}
	s.policy = k.projects.Policy(s.project)
	s.live = k.host != nil && s.policy.Mode == policy.Live && s.project.Unavailable == ""

	entries, err := space.Get(ctx, keptPrefix+id, linePrefix+id, fixedPrefix+id)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read issue of cluster %s: %w", id, err)
	}
	s.entry = entries[0]
	s.kept.Cluster = id
	if err := storage.GetJSON(entries[0], &s.kept); err != nil {
		return nil, time.Time{}, err
	}
	if err := storage.GetJSON(entries[1], &s.standing); err != nil {
		return nil, time.Time{}, err
	}
	if was := s.standing; was.Reports > bigCluster {
		if until := was.At.Add(bigPause); until.After(s.now) {
			return nil, until, nil
		}
	}
	if s.problem, err = k.problem(ctx, space, id, s.policy); err != nil {
		return nil, time.Time{}, err
	}
	s.fresh = s.kept.See(s.problem, s.now)
	return s, time.Time{}, s.merged(entries[2])
}

// problem sums up a cluster.
func (k *Keeper) problem(ctx context.Context, space storage.Space, id string, pol policy.Policy) (Problem, error) {
	c, err := clusterOf(ctx, space, id)
	if err != nil {
		return Problem{}, err
	}
	if err := k.publish(ctx, c.Members); err != nil {
		return Problem{}, err
	}
	return Summarise(c, pol), nil
}

func (s *sitting) at() github.At {
	return github.At{Installation: s.project.Installation, Repo: s.project.Repo}
}

// marked reports whether a body is marked as this cluster's, by us.
func (s *sitting) marked(body string) bool {
	cluster, ok := FindMarker(body, s.macOf)
	return ok && cluster == s.id
}

// macOf makes the keyed hash of a cluster's marker in this project.
func (s *sitting) macOf(cluster string) string { return s.mac(s.space.Name(), cluster) }

// say sets where the cluster stands, as people read it.
func (s *sitting) say(state State, format string, args ...any) {
	s.standing.State, s.standing.Text = state, fmt.Sprintf(format, args...)
}

// save writes the record and where the cluster stands, with whatever else was
// collected. It conflicts if somebody changed the record meanwhile.
func (s *sitting) save(ctx context.Context) error {
	s.batch.RequireEntry(s.entry)
	if s.forgotten {
		s.batch.Delete(keptPrefix + s.id)
		deleteLine(&s.batch, s.id)
	} else {
		s.noteReleases(&s.batch)
		s.batch.SetJSON(keptPrefix+s.id, s.kept)
		s.line(&s.batch)
	}
	if err := s.space.Apply(ctx, &s.batch); err != nil {
		return fmt.Errorf("remember issue of cluster %s: %w", s.id, err)
	}
	s.wake(s.space.Name())
	return nil
}

// line adds to the batch where the cluster stands.
func (s *sitting) line(b *storage.Batch) {
	l, p := s.standing, s.problem
	l.Cluster, l.At = s.id, s.now
	l.Number, l.URL = s.kept.Number, s.kept.URL
	l.Reports, l.People, l.Users, l.Events, l.Hurt = p.Reports, p.People, p.Users, p.Events, p.Hurt()
	l.Kinds, l.Cohesion, l.Trend, l.Made, l.First, l.Last = p.Kinds, p.Cohesion, p.Trend, p.Made, p.First, p.Last
	l.Title, l.Culprit = Title(Publish(p, s.policy)), p.culprit()
	if s.kept.State == "open" {
		l.Regressed = s.kept.RegressedAt
	}
	SetLine(b, l)
}

// LookWork is the key of due work that says that the issue of a cluster may have
// changed on GitHub.
func LookWork(cluster string) string { return "look/" + cluster }

// look is the handler of that work: it reads the issue as it is on GitHub. It writes
// nothing there, and no record where there is nothing new, as after each edit of our
// own, so it does not get in the way of the cluster's work.
func (k *Keeper) look(ctx context.Context, it work.Item) (time.Time, error) {
	if k.host == nil {
		return time.Time{}, nil
	}
	s, wait, err := k.sit(ctx, it.Space, it.Subject)
	if err != nil || !wait.IsZero() || s.kept.Number == 0 {
		return wait, err
	}
	if err := s.see(ctx); err != nil {
		return time.Time{}, err
	}
	kept, err := json.Marshal(s.kept)
	if err != nil {
		return time.Time{}, fmt.Errorf("encode issue of cluster %s: %w", s.id, err)
	}
	var b storage.Batch
	if !bytes.Equal(kept, s.entry.Value) {
		b.RequireEntry(s.entry)
		b.Set(keptPrefix+s.id, kept)
		s.noteReleases(&b)
	}
	work.Add(&b, intake.IssueWork(s.id))
	if err := s.space.Apply(ctx, &b); err != nil {
		return time.Time{}, fmt.Errorf("remember issue of cluster %s: %w", s.id, err)
	}
	k.wake(s.space.Name())
	return time.Time{}, nil
}

// see brings the record in line with the issue as it is on GitHub.
func (s *sitting) see(ctx context.Context) error {
	_, err := s.get(ctx)
	return err
}

// get asks for the issue and brings the record in line with it. A nil issue
// without an error is one that cannot be kept any more.
func (s *sitting) get(ctx context.Context) (*github.Issue, error) {
	i, err := s.host.GetIssue(ctx, s.at(), s.kept.Number)
	switch {
	case errors.Is(err, github.ErrMoved):
		s.kept.Gone = "it was transferred to another repository"
		return nil, nil
	case errors.Is(err, github.ErrGone):
		s.kept.Gone = "it was deleted"
		return nil, nil
	case errors.Is(err, github.ErrNotFound):
		s.kept.Gone = "GitHub does not show it any more"
		return nil, nil
	case err != nil:
		return nil, err
	}
	s.kept.Gone = ""
	s.kept.Locked = i.Locked
	switch {
	case i.State == "closed":
		s.kept.Close(i.StateReason, i.ClosedAt)
	case s.kept.State == "closed":
		s.kept.Reopen()
	default:
		s.kept.State = "open"
	}
	return &i, nil
}
