package github

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-github/v66/github"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/project"
)

// MaxBody is the longest body of an issue or a comment that is sent, in bytes.
// GitHub refuses new ones of more than 65,536 characters; edits of more than
// 262,144 bytes were seen to be answered 200 and ignored.
const MaxBody = 65_536

// Issue is an issue as it is now. GitHub counts pull requests among them.
type Issue struct {
	Number      int
	NodeID      string
	URL         string // for people
	Title       string
	Body        string
	Labels      []string
	Assignees   []string // logins
	Comments    int
	Author      string // login
	AuthorID    int64
	AuthorBot   bool   // it is an App, or another program with an account of its own
	State       string // open, closed
	StateReason string // completed, not_planned, duplicate, reopened, or empty
	Locked      bool
	PullRequest bool
	CreatedAt   time.Time
	ClosedAt    time.Time // zero while it is open
	ClosedBy    string    // login; listings do not say
}

// NewIssue is what an issue is made of.
type NewIssue struct {
	Title  string
	Body   string
	Labels []string
}

// CreateIssue makes an issue. Labels that do not exist are made.
func (a *App) CreateIssue(ctx context.Context, at At, n NewIssue) (Issue, error) {
	if err := fits(n.Body); err != nil {
		return Issue{}, fmt.Errorf("create issue in %s: %w", at.Repo, err)
	}
	request := &github.IssueRequest{Title: &n.Title, Body: &n.Body}
	if len(n.Labels) > 0 {
		request.Labels = &n.Labels
	}
	create := func() (issue Issue, err error) {
		what := "create issue in " + at.Repo.String()
		err = a.write(ctx, at, newIssue, what, func(c *github.Client, r project.Repo) (*github.Response, error) {
			i, resp, err := c.Issues.Create(ctx, r.Owner, r.Name, request)
			issue = anIssue(i)
			return resp, err
		})
		if err == nil && issue.Number == 0 {
			return issue, action.Unknown(fmt.Errorf("%s: the answer names none", what))
		}
		return issue, err
	}
	issue, err := create()
	// GitHub makes missing labels by itself; a server that does not complains of
	// them, and has made nothing.
	if invalid := (*ValidationError)(nil); errors.As(err, &invalid) && (invalid.about("labels") || invalid.about("label")) {
		if err := a.makeLabels(ctx, at, n.Labels); err != nil {
			return Issue{}, err
		}
		issue, err = create()
	}
	if err != nil {
		return Issue{}, err
	}
	return issue, nil
}

// GetIssue asks for an issue. ErrMoved: it was transferred to another
// repository; ErrGone: it was deleted, or the repository has issues turned off;
// ErrNotFound: it never was, or this installation may not see the repository
// any more.
func (a *App) GetIssue(ctx context.Context, at At, number int) (issue Issue, err error) {
	err = a.read(ctx, at, fmt.Sprintf("get issue %s#%d", at.Repo, number), func(c *github.Client) (*github.Response, error) {
		i, resp, err := c.Issues.Get(ctx, at.Repo.Owner, at.Repo.Name, number)
		issue = anIssue(i)
		return resp, err
	})
	if err != nil {
		return Issue{}, err
	}
	return issue, nil
}

// Edit is what changes about an issue; what is nil stays.
type Edit struct {
	Title       *string
	Body        *string
	State       *string // open, closed
	StateReason *string // with State: completed, not_planned, reopened
}

// Revise reads an issue, asks revise what to change about it as it is now, and
// changes that, all within one turn of the installation's writes: what people
// write between the two is what they write within a moment. An error of revise is
// returned as it is, and nothing is changed; an empty Edit changes nothing.
// It returns the issue as it is then. ErrNotKept says that GitHub accepted a new
// body and has another one.
func (a *App) Revise(ctx context.Context, at At, number int, revise func(now Issue) (Edit, error)) (issue Issue, err error) {
	what := fmt.Sprintf("edit issue %s#%d", at.Repo, number)
	var e Edit
	var refused error
	err = a.write(ctx, at, write, what, func(c *github.Client, r project.Repo) (*github.Response, error) {
		i, resp, err := c.Issues.Get(ctx, r.Owner, r.Name, number)
		if err != nil {
			return resp, err
		}
		issue = anIssue(i)
		if e, refused = revise(issue); refused == nil && e.Body != nil {
			refused = fits(*e.Body)
		}
		if refused != nil || e == (Edit{}) {
			return resp, nil
		}
		i, resp, err = c.Issues.Edit(ctx, r.Owner, r.Name, number, &github.IssueRequest{
			Title: e.Title, Body: e.Body, State: e.State, StateReason: e.StateReason,
		})
		issue = anIssue(i)
		return resp, err
	})
	switch {
	case err != nil:
		return Issue{}, err
	case refused != nil:
		return issue, refused
	}
	return a.verify(ctx, at, number, e, issue)
}

// verify makes sure that an edit that GitHub accepted was kept.
func (a *App) verify(ctx context.Context, at At, number int, e Edit, issue Issue) (Issue, error) {
	if e.Body == nil || sameText(issue.Body, *e.Body) {
		return issue, nil
	}
	// The answer to the edit may be older than the edit: ask before complaining.
	issue, err := a.GetIssue(ctx, at, number)
	if err != nil {
		return Issue{}, err
	}
	if !sameText(issue.Body, *e.Body) {
		return issue, fmt.Errorf("edit issue %s#%d: %w", at.Repo, number, ErrNotKept)
	}
	return issue, nil
}

// clockSlack is how far this host's clock may be ahead of GitHub's without a
// listing missing anything. GitHub's times are whole seconds, cut.
const clockSlack = 2 * time.Minute

// Bounds of a listing: pages, and entries on a page.
const (
	maxPages = 20
	perPage  = 100
)

// OwnIssuesSince lists the issues that the App created since a moment (and up
// to two minutes before, for clocks that disagree), newest first, in any state.
// It reads the list of issues, which is current, and not the search, which lags.
// ErrTooMany if there are more than 2,000.
func (a *App) OwnIssuesSince(ctx context.Context, at At, since time.Time) ([]Issue, error) {
	login, err := a.login(ctx)
	if err != nil {
		return nil, err
	}
	since = since.Add(-clockSlack)
	options := &github.IssueListByRepoOptions{
		Creator: login, State: "all", Sort: "created", Direction: "desc",
		ListOptions: github.ListOptions{PerPage: perPage},
	}
	what := "list own issues of " + at.Repo.String()
	var own []Issue
	for range maxPages {
		page, err := a.issues(ctx, at, what, options)
		if err != nil {
			return nil, err
		}
		for _, issue := range page {
			if issue.CreatedAt.Before(since) {
				return own, nil
			}
			if strings.EqualFold(issue.Author, login) && !issue.PullRequest {
				own = append(own, issue)
			}
		}
		if options.Page == 0 {
			return own, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", what, ErrTooMany)
}

// maxOpen is how many pages of open issues are read.
const maxOpen = 5

// OpenIssues lists open issues, those that changed last first: the first 500, pull
// requests counted and left out.
func (a *App) OpenIssues(ctx context.Context, at At) (open []Issue, err error) {
	options := &github.IssueListByRepoOptions{
		State: "open", Sort: "updated", Direction: "desc",
		ListOptions: github.ListOptions{PerPage: perPage},
	}
	for range maxOpen {
		page, err := a.issues(ctx, at, "list open issues of "+at.Repo.String(), options)
		if err != nil {
			return nil, err
		}
		for _, issue := range page {
			if !issue.PullRequest {
				open = append(open, issue)
			}
		}
		if options.Page == 0 {
			break
		}
	}
	return open, nil
}

// issues reads one page of a listing, and has the options name the next one: 0 if there is
// none.
func (a *App) issues(ctx context.Context, at At, what string, options *github.IssueListByRepoOptions) (page []Issue, err error) {
	var list []*github.Issue
	next := 0
	err = a.read(ctx, at, what, func(c *github.Client) (resp *github.Response, err error) {
		list, resp, err = c.Issues.ListByRepo(ctx, at.Repo.Owner, at.Repo.Name, options)
		if resp != nil {
			next = resp.NextPage
		}
		return resp, err
	})
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		page = append(page, anIssue(i))
	}
	options.Page = next
	return page, nil
}

func anIssue(i *github.Issue) Issue {
	issue := Issue{
		Number:      i.GetNumber(),
		NodeID:      i.GetNodeID(),
		URL:         i.GetHTMLURL(),
		Title:       i.GetTitle(),
		Body:        i.GetBody(),
		Author:      i.GetUser().GetLogin(),
		AuthorID:    i.GetUser().GetID(),
		AuthorBot:   i.GetUser().GetType() == "Bot",
		Comments:    i.GetComments(),
		State:       i.GetState(),
		StateReason: i.GetStateReason(),
		Locked:      i.GetLocked(),
		PullRequest: i != nil && i.PullRequestLinks != nil,
		CreatedAt:   i.GetCreatedAt().Time,
		ClosedAt:    i.GetClosedAt().Time,
		ClosedBy:    i.GetClosedBy().GetLogin(),
	}
	if i != nil {
		for _, l := range i.Labels {
			issue.Labels = append(issue.Labels, l.GetName())
		}
		for _, u := range i.Assignees {
			issue.Assignees = append(issue.Assignees, u.GetLogin())
		}
	}
	return issue
}

// fits refuses a body that GitHub would refuse, or take and not keep.
func fits(body string) error {
	if len(body) > MaxBody {
		return &ValidationError{
			Message: fmt.Sprintf("a body of %d bytes, the most is %d", len(body), MaxBody),
			Fields:  []Field{{Name: "body", Code: "too long"}},
		}
	}
	return nil
}

// sameText compares what was sent with what was kept, but for line ends.
func sameText(a, b string) bool {
	plain := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return plain(a) == plain(b)
}
