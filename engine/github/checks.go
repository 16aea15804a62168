package github

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/go-github/v66/github"
)

// CheckRun is one check of a commit that has ended.
type CheckRun struct {
	ID         int64
	Name       string
	App        string // slug of the App that ran it
	Conclusion string // success, failure, timed_out, cancelled, …
	Title      string
	Summary    string // Markdown of whoever wrote the check
}

// FailedChecks lists the checks of a commit whose latest run has ended and failed,
// by name. A check that runs again has not failed yet. ErrTooMany if the commit
// has more than 2,000.
func (a *App) FailedChecks(ctx context.Context, at At, sha string) ([]CheckRun, error) {
	what := fmt.Sprintf("list checks of %s in %s", short(sha), at.Repo)
	if err := checkSHA(sha); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	options := &github.ListCheckRunsOptions{Filter: github.String("latest"), ListOptions: github.ListOptions{PerPage: perPage}}
	latest := make(map[[2]string]*github.CheckRun) // by App and name: GitHub's "latest" is so within one event that started it
	for page := 0; ; page++ {
		if page == maxPages {
			return nil, fmt.Errorf("%s: %w", what, ErrTooMany)
		}
		var list *github.ListCheckRunsResults
		var next int
		err := a.read(ctx, at, what, func(c *github.Client) (resp *github.Response, err error) {
			list, resp, err = c.Checks.ListCheckRunsForRef(ctx, at.Repo.Owner, at.Repo.Name, sha, options)
			if resp != nil {
				next = resp.NextPage
			}
			return resp, err
		})
		if err != nil {
			return nil, err
		}
		if list == nil {
			return nil, fmt.Errorf("%s: the answer is empty", what)
		}
		for _, c := range list.CheckRuns {
			key := [2]string{c.GetApp().GetSlug(), c.GetName()}
			if known := latest[key]; known == nil || c.GetID() > known.GetID() {
				latest[key] = c
			}
		}
		if next == 0 {
			break
		}
		options.Page = next
	}
	var failed []CheckRun
	for _, c := range latest {
		if c.GetStatus() == "completed" && isFailing(c.GetConclusion()) {
			failed = append(failed, CheckRun{
				ID:         c.GetID(),
				Name:       c.GetName(),
				App:        c.GetApp().GetSlug(),
				Conclusion: c.GetConclusion(),
				Title:      c.GetOutput().GetTitle(),
				Summary:    c.GetOutput().GetSummary(),
			})
		}
	}
	slices.SortFunc(failed, func(a, b CheckRun) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return failed, nil
}

// isFailing reports whether a conclusion says that something is wrong with the
// commit. Cancelled and stale say nothing of it, action_required waits for a
// person.
func isFailing(conclusion string) bool {
	return conclusion == "failure" || conclusion == "timed_out"
}
