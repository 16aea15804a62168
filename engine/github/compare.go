package github

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-github/v66/github"
)

// Comparison says how a commit stands to another.
type Comparison struct {
	Status string // identical, ahead, behind or diverged: head as seen from base
	Ahead  int    // commits
	Behind int
}

// Compare asks how head, a branch or a commit, stands to base. found is false,
// with a nil error, if the repository is there and lacks one of them, or they have
// no commit in common.
func (a *App) Compare(ctx context.Context, at At, base, head string) (c Comparison, found bool, err error) {
	what := fmt.Sprintf("compare %s with %s in %s", short(head), short(base), at.Repo)
	if err := errors.Join(checkBranch(base), checkBranch(head)); err != nil { // a commit's name could be a branch's
		return Comparison{}, false, fmt.Errorf("%s: %w", what, err)
	}
	var got *github.CommitsComparison
	err = a.read(ctx, at, what, func(c *github.Client) (resp *github.Response, err error) {
		got, resp, err = c.Repositories.CompareCommits(ctx, at.Repo.Owner, at.Repo.Name, base, head, &github.ListOptions{PerPage: 1})
		return resp, err
	})
	if errors.Is(err, ErrNotFound) {
		return Comparison{}, false, a.missing(ctx, at, "")
	}
	if err != nil {
		return Comparison{}, false, err
	}
	c = Comparison{Status: got.GetStatus(), Ahead: got.GetAheadBy(), Behind: got.GetBehindBy()}
	switch c.Status {
	case "identical", "ahead", "behind", "diverged":
		return c, true, nil
	}
	return Comparison{}, false, fmt.Errorf("%s: unknown status %q", what, short(c.Status))
}
