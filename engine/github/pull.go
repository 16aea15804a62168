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

// NewPull is a pull request to open.
type NewPull struct {
	Title string `json:"title"`
	Body  string `json:"body"`
	Head  string `json:"head"` // branch of the same repository
	Base  string `json:"base"` // branch
	Draft bool   `json:"draft"`
}

// Pull is a pull request.
type Pull struct {
	Number   int
	URL      string // for people
	Title    string
	Body     string
	State    string // open or closed
	Draft    bool
	Author   string // login
	Head     string // branch
	HeadSHA  string
	HeadRepo int64 // id of the repository that the branch is in; 0 if it is gone
	Base     string
	Merged   bool
	MergeSHA string // the commit that merged it, if Merged
	MergedAt time.Time
	MergedBy string // login
	ClosedAt time.Time
}

// CreatePull opens a pull request. ErrExists if one of the branch is open already;
// ErrNoDrafts if it was to be a draft and the repository has none.
func (a *App) CreatePull(ctx context.Context, at At, n NewPull) (pull Pull, err error) {
	what := fmt.Sprintf("open pull request of %s in %s", n.Head, at.Repo)
	if err := errors.Join(checkBranch(n.Head), checkBranch(n.Base), fits(n.Body)); err != nil {
		return Pull{}, fmt.Errorf("%s: %w", what, err)
	}
	err = a.write(ctx, at, write, what, func(c *github.Client, r project.Repo) (*github.Response, error) {
		made, resp, err := c.PullRequests.Create(ctx, r.Owner, r.Name, &github.NewPullRequest{
			Title: &n.Title, Body: &n.Body, Head: &n.Head, Base: &n.Base, Draft: &n.Draft,
		})
		pull = aPull(made)
		return resp, err
	})
	err = meaning(what, err, "pull request already exists", ErrExists)
	err = meaning(what, err, "draft pull requests are not supported", ErrNoDrafts)
	if err != nil {
		return Pull{}, err
	}
	if pull.Number == 0 {
		return Pull{}, action.Unknown(fmt.Errorf("%s: the answer names none", what))
	}
	return pull, nil
}

// GetPull asks for a pull request.
func (a *App) GetPull(ctx context.Context, at At, number int) (pull Pull, err error) {
	err = a.read(ctx, at, fmt.Sprintf("get pull request %s#%d", at.Repo, number), func(c *github.Client) (*github.Response, error) {
		p, resp, err := c.PullRequests.Get(ctx, at.Repo.Owner, at.Repo.Name, number)
		pull = aPull(p)
		return resp, err
	})
	if err != nil {
		return Pull{}, err
	}
	return pull, nil
}

// EditPull replaces the title and the body of a pull request; what is nil stays.
// ErrNotKept as for [App.Revise].
func (a *App) EditPull(ctx context.Context, at At, number int, title, body *string) (Pull, error) {
	what := fmt.Sprintf("edit pull request %s#%d", at.Repo, number)
	if body != nil {
		if err := fits(*body); err != nil {
			return Pull{}, fmt.Errorf("%s: %w", what, err)
		}
	}
	pull, err := a.changePull(ctx, at, number, what, &github.PullRequest{Title: title, Body: body})
	if err != nil {
		return Pull{}, err
	}
	if body != nil && !sameText(pull.Body, *body) {
		return pull, fmt.Errorf("%s: %w", what, ErrNotKept)
	}
	return pull, nil
}

// ClosePull closes a pull request without merging it. That it is closed already is
// success, and so is that it was merged: look at Merged.
func (a *App) ClosePull(ctx context.Context, at At, number int) (Pull, error) {
	what := fmt.Sprintf("close pull request %s#%d", at.Repo, number)
	return a.changePull(ctx, at, number, what, &github.PullRequest{State: github.String("closed")})
}

func (a *App) changePull(ctx context.Context, at At, number int, what string, to *github.PullRequest) (pull Pull, err error) {
	err = a.write(ctx, at, write, what, func(c *github.Client, r project.Repo) (*github.Response, error) {
		p, resp, err := c.PullRequests.Edit(ctx, r.Owner, r.Name, number, to)
		pull = aPull(p)
		return resp, err
	})
	if err != nil {
		return Pull{}, err
	}
	return pull, nil
}

// PullsByHead lists the pull requests of a branch of this repository, newest
// first, in any state. ErrTooMany if there are more than a hundred.
func (a *App) PullsByHead(ctx context.Context, at At, branch string) ([]Pull, error) {
	what := fmt.Sprintf("list pull requests of %s in %s", branch, at.Repo)
	if err := checkBranch(branch); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var page []*github.PullRequest
	var next int
	err := a.read(ctx, at, what, func(c *github.Client) (resp *github.Response, err error) {
		page, resp, err = c.PullRequests.List(ctx, at.Repo.Owner, at.Repo.Name, &github.PullRequestListOptions{
			State: "all", Head: at.Repo.Owner + ":" + branch, Sort: "created", Direction: "desc",
			ListOptions: github.ListOptions{PerPage: perPage},
		})
		if resp != nil {
			next = resp.NextPage
		}
		return resp, err
	})
	if err != nil {
		return nil, err
	}
	if next != 0 {
		return nil, fmt.Errorf("%s: %w", what, ErrTooMany)
	}
	var pulls []Pull
	for _, p := range page {
		// A filter that GitHub does not understand is one that it does not apply.
		if pull := aPull(p); pull.Head == branch && inSame(p, at.Repo) {
			pulls = append(pulls, pull)
		}
	}
	return pulls, nil
}

// inSame reports whether the branch of a pull request is in the repository itself.
// That of a fork has an owner of its own.
func inSame(p *github.PullRequest, repo project.Repo) bool {
	if id := p.GetHead().GetRepo().GetID(); id != 0 && repo.ID != 0 {
		return id == repo.ID
	}
	return strings.EqualFold(p.GetHead().GetUser().GetLogin(), repo.Owner)
}

func aPull(p *github.PullRequest) Pull {
	pull := Pull{
		Number:   p.GetNumber(),
		URL:      p.GetHTMLURL(),
		Title:    p.GetTitle(),
		Body:     p.GetBody(),
		State:    p.GetState(),
		Draft:    p.GetDraft(),
		Author:   p.GetUser().GetLogin(),
		Head:     p.GetHead().GetRef(),
		HeadSHA:  p.GetHead().GetSHA(),
		HeadRepo: p.GetHead().GetRepo().GetID(),
		Base:     p.GetBase().GetRef(),
		Merged:   p.GetMerged() || !p.GetMergedAt().IsZero(), // listings have the moment only
		MergedAt: p.GetMergedAt().Time,
		MergedBy: p.GetMergedBy().GetLogin(),
		ClosedAt: p.GetClosedAt().Time,
	}
	if pull.Merged { // before, it names a trial
		pull.MergeSHA = p.GetMergeCommitSHA()
	}
	return pull
}
