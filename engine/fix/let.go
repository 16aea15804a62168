package fix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/soulcaster/soulcaster/engine/fix/publish"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
)

// let makes the commit that lets the repository's workflows run, if somebody asked
// for it.
func (s *sitting) let(ctx context.Context) (bool, error) {
	r := s.run
	if r.Let == nil || r.Let.Done {
		return false, nil
	}
	if !s.live() {
		r.Let = nil // the repository went back to preview
		_, err := s.save(ctx)
		return true, err
	}
	c, err := s.change(ctx, nil)
	if err != nil {
		return false, err
	}
	c.Asked, c.Through = r.Let.By, r.Let.Through
	if r.Let.Commit == "" {
		sha, err := s.Publisher.Checks(ctx, c, r.Let.From, r.Let.By)
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
		text = "The checks were not started by Soulcaster: the branch has moved since. What a person pushes starts them by itself; if that is not so, look again and say `/soulcaster checks` again."
	case isLater(err), !errors.Is(err, github.ErrForbidden) && !isGone(err) && !isInvalid(err):
		return false, err
	}
	head, found, err := s.Host.Ref(ctx, s.at(), r.Branch)
	if err != nil && !isGone(err) {
		return false, fmt.Errorf("ask for branch %s: %w", r.Branch, err)
	}
	if err := s.comment(ctx, fmt.Sprintf("run.let/%s/%s", r.ID, cmp.Or(r.Let.Order, strconv.FormatInt(r.Let.Comment, 10))), "checks asked for", text); err != nil {
		return false, err
	}
	if r.Head == r.Let.Commit {
		_, r.Head = r.Proposal()
	}
	if r.Let = nil; found {
		r.Shown = &run.Shown{Head: head, At: s.now}
	}
	_, err = s.save(ctx)
	return true, err
}
