package github

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/google/go-github/v66/github"

	"github.com/soulcaster/soulcaster/engine/project"
)

// AddLabels adds labels to an issue, beside those that it has. Labels that the
// repository does not have are made.
func (a *App) AddLabels(ctx context.Context, at At, number int, labels ...string) error {
	if len(labels) == 0 {
		return nil
	}
	add := func() error {
		what := fmt.Sprintf("label issue %s#%d", at.Repo, number)
		return a.write(ctx, at, write, what, func(c *github.Client, r project.Repo) (*github.Response, error) {
			_, resp, err := c.Issues.AddLabelsToIssue(ctx, r.Owner, r.Name, number, labels)
			return resp, err
		})
	}
	err := add()
	if invalid := (*ValidationError)(nil); !errors.As(err, &invalid) {
		return err
	}
	if err := a.makeLabels(ctx, at, labels); err != nil {
		return err
	}
	return add()
}

// RemoveLabel takes a label off an issue. That it is not on it is success.
func (a *App) RemoveLabel(ctx context.Context, at At, number int, label string) error {
	what := fmt.Sprintf("unlabel issue %s#%d", at.Repo, number)
	err := a.write(ctx, at, write, what, func(c *github.Client, r project.Repo) (*github.Response, error) {
		// go-github puts the name into the path as it is; labels hold slashes and
		// question marks.
		return c.Issues.RemoveLabelForIssue(ctx, r.Owner, r.Name, number, url.PathEscape(label))
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// labelColor is the grey that GitHub gives to a label made in passing.
const labelColor = "ededed"

// makeLabels makes the labels that the repository does not have yet.
func (a *App) makeLabels(ctx context.Context, at At, labels []string) error {
	for _, name := range labels {
		what := "make label in " + at.Repo.String()
		err := a.write(ctx, at, write, what, func(c *github.Client, r project.Repo) (*github.Response, error) {
			_, resp, err := c.Issues.CreateLabel(ctx, r.Owner, r.Name, &github.Label{Name: &name, Color: github.String(labelColor)})
			return resp, err
		})
		if invalid := (*ValidationError)(nil); errors.As(err, &invalid) && invalid.Fields != nil && invalid.Fields[0].Code == "already_exists" {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}
