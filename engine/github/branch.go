package github

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/go-github/v66/github"

	"github.com/soulcaster/soulcaster/engine/project"
)

// Ref asks which commit a branch is at. found is false, with a nil error, if the
// repository is there and has no such branch.
func (a *App) Ref(ctx context.Context, at At, branch string) (sha string, found bool, err error) {
	what := fmt.Sprintf("look up branch %s of %s", branch, at.Repo)
	if err := checkBranch(branch); err != nil {
		return "", false, fmt.Errorf("%s: %w", what, err)
	}
	var ref *github.Reference
	err = a.read(ctx, at, what, func(c *github.Client) (resp *github.Response, err error) {
		ref, resp, err = c.Git.GetRef(ctx, at.Repo.Owner, at.Repo.Name, "heads/"+branch)
		return resp, err
	})
	if errors.Is(err, ErrNotFound) {
		return "", false, a.missing(ctx, at, "")
	}
	if err != nil {
		return "", false, err
	}
	sha = ref.GetObject().GetSHA()
	if ref.GetRef() != "refs/heads/"+branch || checkSHA(sha) != nil {
		return "", false, fmt.Errorf("%s: the answer is about something else", what)
	}
	return sha, true, nil
}

// CreateBranch makes a branch that is at a commit. ErrExists if there is one of
// that name; ErrForbidden also if the commit changes the repository's workflows,
// which takes a permission that the App does not ask for.
func (a *App) CreateBranch(ctx context.Context, at At, branch, sha string) error {
	what := fmt.Sprintf("create branch %s in %s", branch, at.Repo)
	if err := errors.Join(checkBranch(branch), checkSHA(sha)); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err := a.write(ctx, at, write, what, func(c *github.Client, r project.Repo) (*github.Response, error) {
		_, resp, err := c.Git.CreateRef(ctx, r.Owner, r.Name, reference(branch, sha))
		return resp, err
	})
	return meaning(what, err, "reference already exists", ErrExists)
}

// MoveBranch moves a branch on to a commit that follows the one it is at, which is
// success if it is at that one already. ErrNotFastForward if the commit does not
// follow; ErrNotFound if there is no such branch; ErrForbidden as for
// [App.CreateBranch]. It never forces.
func (a *App) MoveBranch(ctx context.Context, at At, branch, sha string) error {
	what := fmt.Sprintf("move branch %s of %s", branch, at.Repo)
	if err := errors.Join(checkBranch(branch), checkSHA(sha)); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err := a.write(ctx, at, write, what, func(c *github.Client, r project.Repo) (*github.Response, error) {
		_, resp, err := c.Git.UpdateRef(ctx, r.Owner, r.Name, reference(branch, sha), false)
		return resp, err
	})
	err = meaning(what, err, "not a fast forward", ErrNotFastForward)
	return meaning(what, err, "reference does not exist", ErrNotFound)
}

func reference(branch, sha string) *github.Reference {
	return &github.Reference{Ref: github.String("refs/heads/" + branch), Object: &github.GitObject{SHA: &sha}}
}

var (
	branchPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+@-]{0,199}$`)
	shaPattern    = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
)

// checkBranch refuses branches whose name git, a shell or a path could take for
// something else. It refuses some that git allows.
func checkBranch(name string) error {
	if !branchPattern.MatchString(name) || strings.Contains(name, "..") || strings.Contains(name, "//") ||
		strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".") || name == "HEAD" {
		return &ValidationError{Message: fmt.Sprintf("%q is no name of a branch that is taken", short(name))}
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || strings.HasPrefix(part, "-") || strings.HasSuffix(part, ".lock") {
			return &ValidationError{Message: fmt.Sprintf("%q is no name of a branch that is taken", short(name))}
		}
	}
	return nil
}

// checkSHA refuses what is no name of an object.
func checkSHA(sha string) error {
	if !shaPattern.MatchString(sha) {
		return &ValidationError{Message: fmt.Sprintf("%q is no name of a git object", short(sha))}
	}
	return nil
}
