package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/singleflight"

	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	// issueWithin is how long a page waits for GitHub.
	issueWithin = 2 * time.Second
	// issueLife is how long an answer is believed, failureLife how long GitHub is not
	// asked again after there was none.
	issueLife   = time.Minute
	failureLife = 10 * time.Second
	// An installation's issues are asked for once in issueEvery, after issueBurst of them at
	// once: 1,200 an hour, of the 5,000 calls that GitHub allows at least. Who turns over
	// 10,000 problems leaves the work its share.
	issueEvery = 3 * time.Second
	issueBurst = 60
	// maxShown is how much of a body a page shows: the renderer's time can grow with the
	// square of what is written for that, and this much then takes it a second.
	maxShown = 32 << 10
	// maxIssueBytes bounds what is remembered.
	maxIssueBytes = 32 << 20
)

// Issues knows how issues are on GitHub, for a minute after it was asked. It is safe for
// concurrent use.
type Issues struct {
	ask      func(ctx context.Context, at github.At, number int) (github.Issue, error)
	now      func() time.Time
	within   time.Duration
	markdown *markdown

	flights singleflight.Group

	mu    sync.Mutex
	known map[issueID]*issueNow
	bytes int                 // of known
	paid  map[int64]time.Time // by installation: until when its questions so far last
	age   int                 // grows with everything that may have changed an answer
}

type issueID struct {
	installation, repository int64
	number                   int
}

// issueNow is how an issue is on GitHub, or why that is not known.
type issueNow struct {
	github.Issue
	HTML    template.HTML // of the body
	More    bool          // the body goes on
	Unknown string
	At      time.Time
	mark    string
}

// NewIssues returns what is asked through a function such as [github.App.GetIssue].
func NewIssues(ask func(ctx context.Context, at github.At, number int) (github.Issue, error), now func() time.Time) *Issues {
	return &Issues{ask: ask, now: now, within: issueWithin, markdown: newMarkdown(), known: make(map[issueID]*issueNow), paid: make(map[int64]time.Time)}
}

// Forget has GitHub asked anew about an issue: something was told that changes it.
func (s *Issues) Forget(installation, repository int64, number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(issueID{installation, repository, number})
	s.age++
}

func (s *Issues) drop(id issueID) {
	if known := s.known[id]; known != nil {
		s.bytes -= known.size()
		delete(s.known, id)
	}
}

// of returns how an issue of a project is. mark says what the app did to it last: an
// answer from before that is not believed.
func (s *Issues) of(ctx context.Context, p project.Project, number int, mark string) (*issueNow, error) {
	id := issueID{p.Installation, p.Repo.ID, number}
	s.mu.Lock()
	known, age := s.known[id], s.age
	s.mu.Unlock()
	if known != nil && known.mark == mark && s.now().Sub(known.At) < known.life() {
		return known, nil
	}
	// All who look at an issue at a time wait for one answer, unless something was told
	// meanwhile that may change it.
	one := s.flights.DoChan(fmt.Sprintf("%v/%d/%s", id, age, mark), func() (any, error) {
		return s.find(context.WithoutCancel(ctx), id, p, mark, age), nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-one:
		return r.Val.(*issueNow), nil
	}
}

// find asks GitHub. The answer is remembered unless it was overtaken.
func (s *Issues) find(ctx context.Context, id issueID, p project.Project, mark string, age int) *issueNow {
	n := &issueNow{At: s.now(), mark: mark}
	if !s.pay(p.Installation, n.At) {
		n.Unknown = "many issues of this installation are looked at, and GitHub is asked for 20 of them in a minute: look again in a moment"
		return n
	}
	ctx, cancel := context.WithTimeout(ctx, s.within)
	defer cancel()
	var err error
	if n.Issue, err = s.ask(ctx, github.At{Installation: p.Installation, Repo: p.Repo}, id.number); err != nil {
		n.Unknown = notKnown(ctx, err)
	}
	shown := n.Body
	if n.More = len(shown) > maxShown; n.More {
		shown = strings.ToValidUTF8(shown[:maxShown], "")
	}
	n.HTML = s.markdown.html(shown)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.age != age {
		return n
	}
	s.drop(id)
	if s.bytes += n.size(); s.bytes > maxIssueBytes {
		clear(s.known)
		s.bytes = n.size()
	}
	s.known[id] = n
	return n
}

// pay reports whether GitHub may be asked for an issue of an installation, and counts it.
func (s *Issues) pay(installation int64, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	paid, ok := s.paid[installation]
	if paid.Before(now) {
		paid = now
	}
	if paid = paid.Add(issueEvery); paid.Sub(now) > issueBurst*issueEvery {
		return false
	}
	if !ok && len(s.paid) >= maxKnown {
		for other, until := range s.paid {
			if until.Before(now) {
				delete(s.paid, other)
			}
		}
	}
	s.paid[installation] = paid
	return true
}

func (n *issueNow) life() time.Duration {
	if n.Unknown != "" {
		return failureLife
	}
	return issueLife
}

// size is about how much of the memory it takes.
func (n *issueNow) size() int {
	size := 1<<10 + len(n.Title) + len(n.Body) + len(n.HTML)
	for _, all := range [][]string{n.Labels, n.Assignees} {
		for _, name := range all {
			size += 16 + len(name)
		}
	}
	return size
}

// issueNow returns how the issue of a problem is on GitHub; nil if it has none, or nobody
// asks. written is what the app wrote last.
func (p *Pages) issueNow(ctx context.Context, at *place, l issue.Line, written *issue.Written) (*issueNow, error) {
	if p.cfg.Issues == nil || l.Number == 0 || at.project.Repo.ID == 0 {
		return nil, nil
	}
	mark := string(l.State)
	if written != nil {
		mark += " " + written.At.UTC().String()
	}
	return p.cfg.Issues.of(ctx, at.project, l.Number, mark)
}

// apiIssueNow is what the API tells of an issue as it is on GitHub.
type apiIssueNow struct {
	Title       string    `json:"title"`
	State       string    `json:"state"` // open, closed
	StateReason string    `json:"state_reason,omitempty"`
	Labels      []string  `json:"labels"`
	Assignees   []string  `json:"assignees"`
	Comments    int       `json:"comments"`
	Body        string    `json:"body"` // Markdown
	At          time.Time `json:"at"`   // when GitHub said so
}

// tell adds how an issue is on GitHub to what the API tells of it.
func (n *issueNow) tell(a *apiIssue) {
	switch {
	case n == nil || a == nil:
	case n.Unknown != "":
		a.Unknown = n.Unknown
	default:
		a.Now = &apiIssueNow{n.Title, n.State, n.StateReason, append([]string{}, n.Labels...), append([]string{}, n.Assignees...), n.Comments, n.Body, n.At}
	}
}

// Standing is its state in words.
func (n *issueNow) Standing() string {
	switch {
	case n.State != "closed":
		return n.State
	case n.StateReason == "not_planned":
		return "closed as not planned"
	case n.StateReason == "duplicate":
		return "closed as a duplicate"
	}
	return "closed as completed"
}

// notKnown says in plain words why GitHub did not say how an issue is.
func notKnown(ctx context.Context, err error) string {
	var later *work.Later
	switch {
	case errors.Is(err, github.ErrMoved):
		return "it was moved to another repository"
	case errors.Is(err, github.ErrGone):
		return "it was deleted, or issues are turned off in its repository"
	case errors.Is(err, github.ErrNotFound):
		return "GitHub shows the app no such issue"
	case errors.Is(err, github.ErrForbidden):
		return "GitHub does not let the app see it"
	case errors.Is(err, github.ErrSuspended):
		return "the installation is suspended"
	case errors.Is(err, github.ErrUninstalled):
		return "the app is not installed there any more"
	case errors.Is(err, github.ErrUnauthorized):
		return "GitHub refuses the app's credentials"
	case errors.Is(err, context.DeadlineExceeded):
		return "GitHub did not answer in time"
	case errors.As(err, &later) && !later.Until.IsZero():
		return "GitHub wants to be left alone until " + later.Until.UTC().Format("15:04:05") + " UTC"
	}
	zerolog.Ctx(ctx).Warn().Err(err).Msg("GitHub does not say how an issue is")
	return "GitHub could not be asked"
}
