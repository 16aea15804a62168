package fix

import (
	"context"
	"errors"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/fix/publish"
	"github.com/soulcaster/soulcaster/engine/github"
)

// let makes the commit that lets the repository's workflows run, if somebody asked
// for it.
func (s *sitting) let(ctx context.Context) (bool, error) {
	r := s.run
	if r.Let == nil || r.Let.Done {
		return false, nil
	}
	c, err := s.change(ctx, nil)
	if err != nil {
		return false, err
	}
	c.Asked = r.Let.By
	if r.Let.Commit == "" {
		sha, err := s.Publisher.Checks(ctx, c, r.Let.By)
		if err != nil {
			return s.notLet(ctx, err)
		}
		r.Let.Commit, r.Head = sha, sha
		_, err = s.save(ctx)
		return true, err
	}
	if err := s.Publisher.Move(ctx, c, r.Let.Commit); err != nil {
		return s.notLet(ctx, err)
	}
	r.Let.Done, r.Pull.Checks = true, r.Let.By
	_, err = s.save(ctx)
	return true, err
}

// notLet gives up to let checks run, and says so.
func (s *sitting) notLet(ctx context.Context, err error) (bool, error) {
	r := s.run
	text := "The checks were not started: GitHub does not let Soulcaster push to the branch."
	switch {
	case errors.Is(err, publish.ErrMoved):
		text = "The checks were not started by Soulcaster: the branch was changed meanwhile. What a person pushes starts them by itself; if that is not so, say `/soulcaster checks` again."
	case isLater(err), !errors.Is(err, github.ErrForbidden) && !isGone(err) && !isInvalid(err):
		return false, err
	}
	if err := s.comment(ctx, fmt.Sprintf("run.let/%s/%d", r.ID, r.Let.Comment), "checks asked for", text); err != nil {
		return false, err
	}
	if r.Head == r.Let.Commit {
		r.Head = r.Let.From
	}
	r.Let = nil
	_, err = s.save(ctx)
	return true, err
}
