package publish

import (
	"context"
	"errors"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/github"
)

// MoveKey is the key of the action that puts a run's branch on a commit.
func MoveKey(run string) string { return "branch.move/" + run }

// MoveRequest is what the action log holds of it.
type MoveRequest struct {
	Branch string `json:"branch"`
	From   string `json:"from"` // "" if the branch is made
	To     string `json:"to"`
}

// Move puts the run's branch on one of our commits: it makes the branch if the run
// has proposed nothing yet, and else moves it on from the commit's parent. That it is
// there already is success. ErrMoved if it is anywhere else; it is never forced.
func (p *Publisher) Move(ctx context.Context, c Change, sha string) error {
	request := MoveRequest{Branch: c.Run.Branch, To: sha}
	if c.Live {
		at, found, err := p.host.Ref(ctx, c.At, c.Run.Branch)
		if err != nil {
			return fmt.Errorf("move branch of run %s: %w", c.Run.ID, err)
		}
		if found && at == sha {
			return nil
		}
		if !found && c.Run.Pull != nil {
			return ErrMoved // somebody deleted it
		}
		if request.From = at; found {
			commit, err := p.host.CommitOf(ctx, c.At, sha)
			if err != nil {
				return fmt.Errorf("move branch of run %s: %w", c.Run.ID, err)
			}
			if len(commit.Parents) != 1 || commit.Parents[0] != at {
				return ErrMoved
			}
		}
	} else if c.Run.Pull != nil {
		request.From = c.Run.Head
	}
	data, err := encode(request)
	if err != nil {
		return fmt.Errorf("encode move of %s: %w", c.Run.Branch, err)
	}
	_, err = p.log.Converge(ctx, c.Space, p.action(c, MoveKey(c.Run.ID), "branch.move", "to propose the agent's change", data), c.Live,
		action.Effect{Do: func(ctx context.Context) (any, error) {
			if request.From == "" {
				return nil, p.host.CreateBranch(ctx, c.At, c.Run.Branch, sha)
			}
			return nil, p.host.MoveBranch(ctx, c.At, c.Run.Branch, sha)
		}})
	if errors.Is(err, github.ErrExists) || errors.Is(err, github.ErrNotFastForward) || errors.Is(err, github.ErrNotFound) {
		return p.lost(ctx, c, sha)
	}
	return err
}

// lost finds out what became of a branch that somebody else moved meanwhile: it may
// have been ourselves.
func (p *Publisher) lost(ctx context.Context, c Change, sha string) error {
	at, found, err := p.host.Ref(ctx, c.At, c.Run.Branch)
	switch {
	case err != nil:
		return fmt.Errorf("move branch of run %s: %w", c.Run.ID, err)
	case found && at == sha:
		return nil
	}
	return ErrMoved
}
