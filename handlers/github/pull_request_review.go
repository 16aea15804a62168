package github

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// pullRequestReview hears that a person asks for changes in the agent's pull
// request, and what was said. Anyone may review a public one: whether that person may
// have another round is found out by the worker, which also reads the comments on
// lines.
type pullRequestReview struct {
	door
	note func(b *storage.Batch, r fix.Review) // nil: there are no runs
}

func (*pullRequestReview) Handles() []string { return []string{"pull_request_review"} }

func (h *pullRequestReview) Handle(ctx context.Context, event, id string, payload []byte) error {
	p, err := decode[struct {
		aboutPull
		Review struct {
			ID    int64     `json:"id"`
			State string    `json:"state"`
			Body  string    `json:"body"`
			At    time.Time `json:"submitted_at"`
			User  user      `json:"user"`
		} `json:"review"`
		Sender user `json:"sender"`
	}](event, payload)
	if err != nil {
		return err
	}
	review := p.Review
	switch {
	case h.note == nil:
		return nothing(ctx, "there is no agent here")
	case p.Action != "submitted" || !strings.EqualFold(review.State, "changes_requested"):
		return nothing(ctx, "only a new review that asks for changes has an effect")
	case review.User.Type != "User" || p.Sender.Type != "User" || p.Sender.ID != review.User.ID:
		return nothing(ctx, "only people ask for changes")
	}
	return h.inRun(ctx, event, p.aboutPull, func(ctx context.Context, space storage.Space, r *run.Run) error {
		if review.ID <= 0 || review.User.ID <= 0 {
			return &malformedError{event, errors.New("review.id, review.user.id: want positive numbers")}
		}
		return h.take(ctx, space, event, p.Action, id, func(b *storage.Batch) {
			h.remember(b, event, p.Action, fmt.Sprintf("review-%d", review.ID))
			h.note(b, fix.Review{Pull: p.Pull.Number, ID: review.ID, By: review.User.Login, ByID: review.User.ID, At: review.At, Body: review.Body})
			work.Add(b, run.Work(r.ID))
		})
	})
}
