package github

import (
	"context"
	"errors"

	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// pullRequest hears that a pull request changed. If it is the agent's, its run is
// due; a worker asks GitHub how it stands.
type pullRequest struct{ door }

func (*pullRequest) Handles() []string { return []string{"pull_request"} }

// aboutPull is what a delivery says of the pull request that it is about.
type aboutPull struct {
	about
	Pull struct {
		Number int `json:"number"`
	} `json:"pull_request"`
}

func (h *pullRequest) Handle(ctx context.Context, event, id string, payload []byte) error {
	p, err := decode[aboutPull](event, payload)
	if err != nil {
		return err
	}
	switch p.Action {
	case "closed", "reopened", "synchronize", "edited", "converted_to_draft", "ready_for_review":
	default:
		return nothing(ctx, "the action changes nothing that we keep")
	}
	return h.inRun(ctx, event, p, func(ctx context.Context, space storage.Space, r *run.Run) error {
		return h.take(ctx, space, event, p.Action, id, func(b *storage.Batch) {
			fix.NotePull(b, r.ID)
		})
	})
}

// inRun does something with the run whose pull request a delivery is about, if it
// is one of the agent's.
func (d door) inRun(ctx context.Context, event string, p aboutPull, do func(ctx context.Context, space storage.Space, r *run.Run) error) error {
	return d.inProject(ctx, event, p.about, func(ctx context.Context, space storage.Space) error {
		if p.Pull.Number <= 0 {
			return &malformedError{event, errors.New("pull_request.number: want a positive number")}
		}
		r, err := run.OfPull(ctx, space, p.Pull.Number)
		if err != nil {
			return err
		}
		if r == nil {
			return nothing(ctx, "the pull request is none of ours")
		}
		return do(ctx, space, r)
	})
}
