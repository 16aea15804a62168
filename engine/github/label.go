package github

import (
	"context"
	"errors"

	"github.com/google/go-github/v66/github"

	"github.com/soulcaster/soulcaster/engine/project"
)

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
