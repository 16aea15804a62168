package enginetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/soulcaster/soulcaster/engine/github"
)

// proposals is what a repository holds beside its issues.
type proposals struct {
	refs     map[string]string // commit by branch
	parents  map[string]string // of commits
	pulls    []*github.Pull
	reviews  map[int64]github.Review
	reviewed map[int64]int // pull request by review
	comments map[int][]github.ReviewComment
	checks   map[string][]github.CheckRun
}

func (g *GitHub) of(r *repo) *proposals {
	if g.proposals == nil {
		g.proposals = make(map[int64]*proposals)
	}
	p := g.proposals[r.Repo.ID]
	if p == nil {
		p = &proposals{refs: map[string]string{"main": "base0"}, parents: make(map[string]string),
			reviews: make(map[int64]github.Review), reviewed: make(map[int64]int), comments: make(map[int][]github.ReviewComment), checks: make(map[string][]github.CheckRun)}
		g.proposals[r.Repo.ID] = p
	}
	return p
}

func isPull(i *github.Issue) bool { return strings.HasPrefix(i.NodeID, "PR_") }

// Push puts a branch on a new commit, as a person would.
func (g *GitHub) Push(id int64, branch, sha string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.of(g.repos[id])
	p.parents[sha] = p.refs[branch]
	p.refs[branch] = sha
}

// Pulls returns copies of a repository's pull requests.
func (g *GitHub) Pulls(id int64) []github.Pull {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []github.Pull
	for _, p := range g.of(g.repos[id]).pulls {
		all = append(all, *p)
	}
	return all
}

// Branch returns the commits of a branch, newest first.
func (g *GitHub) Branch(id int64, branch string) (commits []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.of(g.repos[id])
	for sha := p.refs[branch]; sha != ""; sha = p.parents[sha] {
		commits = append(commits, sha)
	}
	return commits
}

// ChangePull lets a person change a pull request.
func (g *GitHub) ChangePull(id int64, number int, change func(p *github.Pull)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.of(g.repos[id]).pulls {
		if p.Number == number {
			change(p)
		}
	}
}

// Merge lets a person merge a pull request.
func (g *GitHub) Merge(id int64, number int, by string) {
	g.ChangePull(id, number, func(p *github.Pull) {
		p.State, p.Merged, p.MergeSHA, p.MergedAt, p.MergedBy = "closed", true, "merge-of-"+p.HeadSHA, g.Now(), by
	})
}

// AddReview lets somebody review a pull request, with comments on its lines.
func (g *GitHub) AddReview(id int64, pull int, r github.Review, comments ...github.ReviewComment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.of(g.repos[id])
	r.At, r.AuthorID = g.Now(), ID(r.Author)
	p.reviews[r.ID], p.reviewed[r.ID] = r, pull
	for _, c := range comments {
		c.Review, c.AuthorID, c.At, c.Updated = r.ID, ID(c.Author), g.Now(), g.Now()
		p.comments[pull] = append(p.comments[pull], c)
	}
}

// EditLine lets a person change what a comment on a line says.
func (g *GitHub) EditLine(id int64, pull int, comment int64, body string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, c := range g.of(g.repos[id]).comments[pull] {
		if c.ID == comment {
			c.Body, c.Updated = body, g.Now()
			g.of(g.repos[id]).comments[pull][i] = c
		}
	}
}

// Fail lets checks of a commit fail.
func (g *GitHub) Fail(id int64, sha string, checks ...github.CheckRun) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.of(g.repos[id]).checks[sha] = checks
}

// look reads what a repository holds, as an installation may.
func look[T any](g *GitHub, at github.At, do func(r *repo, p *proposals) (T, error)) (T, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.at(at)
	if err != nil {
		var none T
		return none, err
	}
	return do(r, g.of(r))
}

// Ref returns the commit of a branch.
func (g *GitHub) Ref(_ context.Context, at github.At, branch string) (string, bool, error) {
	sha, err := look(g, at, func(_ *repo, p *proposals) (string, error) { return p.refs[branch], nil })
	return sha, sha != "", err
}

// Commit makes a commit that no branch is on.
func (g *GitHub) Commit(at github.At, sha, parent string) error {
	return g.write("commit", func() error {
		r, err := g.at(at)
		if err == nil {
			g.of(r).parents[sha] = parent
		}
		return err
	})
}

// Parent returns the parent of a commit.
func (g *GitHub) Parent(at github.At, sha string) (string, error) {
	return look(g, at, func(_ *repo, p *proposals) (string, error) { return p.parents[sha], nil })
}

// MoveBranch makes a branch, or moves it on to a commit that follows.
func (g *GitHub) MoveBranch(_ context.Context, at github.At, branch, sha string) error {
	return g.write("move branch", func() error {
		r, err := g.at(at)
		if err != nil {
			return err
		}
		p := g.of(r)
		if now := p.refs[branch]; now != "" && now != sha && p.parents[sha] != now {
			return github.ErrNotFastForward
		}
		p.refs[branch] = sha
		for _, pull := range p.pulls {
			if pull.Head == branch {
				pull.HeadSHA = sha
			}
		}
		return nil
	})
}

// CreatePull opens a pull request.
func (g *GitHub) CreatePull(_ context.Context, at github.At, n github.NewPull) (pull github.Pull, err error) {
	err = g.write("create pull", func() error {
		r, err := g.at(at)
		if err != nil {
			return err
		}
		p := g.of(r)
		for _, other := range p.pulls {
			if other.Head == n.Head && other.State == "open" {
				return errors.New("a pull request of this branch is open already")
			}
		}
		number := len(r.issues) + 1
		url := fmt.Sprintf("https://github.example/%s/pull/%d", r.Repo, number)
		r.issues = append(r.issues, &github.Issue{Number: number, NodeID: fmt.Sprintf("PR_%d", number), URL: url, Title: n.Title, Author: App, State: "open", CreatedAt: g.Now()})
		made := &github.Pull{Number: number, URL: url, Title: n.Title, Body: n.Body, State: "open", Draft: n.Draft, Author: App,
			Head: n.Head, HeadSHA: p.refs[n.Head], HeadRepo: r.Repo.ID, Base: n.Base}
		p.pulls = append(p.pulls, made)
		pull = *made
		return nil
	})
	return pull, err
}

// GetPull returns a pull request.
func (g *GitHub) GetPull(_ context.Context, at github.At, number int) (github.Pull, error) {
	return look(g, at, func(_ *repo, p *proposals) (github.Pull, error) {
		for _, pull := range p.pulls {
			if pull.Number == number {
				return *pull, nil
			}
		}
		return github.Pull{}, github.ErrNotFound
	})
}

// PullsByHead returns the pull requests of a branch, newest first.
func (g *GitHub) PullsByHead(_ context.Context, at github.At, branch string) ([]github.Pull, error) {
	return look(g, at, func(_ *repo, p *proposals) (all []github.Pull, err error) {
		for _, pull := range slices.Backward(p.pulls) {
			if pull.Head == branch {
				all = append(all, *pull)
			}
		}
		return all, nil
	})
}

// ClosePull closes a pull request.
func (g *GitHub) ClosePull(ctx context.Context, at github.At, number int) (github.Pull, error) {
	err := g.write("close pull", func() error {
		r, err := g.at(at)
		if err != nil {
			return err
		}
		for _, pull := range g.of(r).pulls {
			if pull.Number == number && pull.State == "open" {
				pull.State, pull.ClosedAt = "closed", g.Now()
			}
		}
		return nil
	})
	if err != nil {
		return github.Pull{}, err
	}
	return g.GetPull(ctx, at, number)
}

// Review returns a review.
func (g *GitHub) Review(_ context.Context, at github.At, _ int, id int64) (github.Review, error) {
	return look(g, at, func(_ *repo, p *proposals) (github.Review, error) {
		r, ok := p.reviews[id]
		if !ok {
			return r, github.ErrNotFound
		}
		return r, nil
	})
}

// Reviews returns the reviews of a pull request, oldest first.
func (g *GitHub) Reviews(_ context.Context, at github.At, pull int) ([]github.Review, error) {
	return look(g, at, func(_ *repo, p *proposals) (all []github.Review, err error) {
		for id, r := range p.reviews {
			if p.reviewed[id] == pull {
				all = append(all, r)
			}
		}
		slices.SortFunc(all, func(a, b github.Review) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
		return all, nil
	})
}

// PullComments returns the comments on the lines of a pull request.
func (g *GitHub) PullComments(_ context.Context, at github.At, pull int) ([]github.ReviewComment, error) {
	return look(g, at, func(_ *repo, p *proposals) ([]github.ReviewComment, error) {
		return slices.Clone(p.comments[pull]), nil
	})
}

// FailedChecks returns the checks of a commit that failed.
func (g *GitHub) FailedChecks(_ context.Context, at github.At, sha string) ([]github.CheckRun, error) {
	return look(g, at, func(_ *repo, p *proposals) ([]github.CheckRun, error) { return slices.Clone(p.checks[sha]), nil })
}

// EditComment replaces the body of a comment.
func (g *GitHub) EditComment(_ context.Context, at github.At, id int64, body string) (comment github.Comment, err error) {
	err = g.write("edit comment", func() error {
		r, err := g.at(at)
		if err != nil {
			return err
		}
		for _, all := range r.comments {
			for i := range all {
				if all[i].ID == id {
					all[i].Body = body
					comment = all[i]
					return nil
				}
			}
		}
		return github.ErrNotFound
	})
	return comment, err
}
