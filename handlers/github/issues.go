package github

import (
	"context"
	"errors"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// issues hears that an issue changed. If it is one of ours, what is known of it
// is out of date; a worker asks GitHub how it stands. If it is one that a problem
// might join, what is known of those is.
type issues struct{ door }

func (*issues) Handles() []string { return []string{"issues"} }

func (h *issues) Handle(ctx context.Context, event, id string, payload []byte) error {
	p, err := decode[struct {
		about
		Issue struct {
			Number int    `json:"number"`
			Body   string `json:"body"`
		} `json:"issue"`
	}](event, payload)
	if err != nil {
		return err
	}
	h.issue(p.Installation.ID, p.Repository.ID, p.Issue.Number)
	switch p.Action {
	case "opened", "closed", "reopened", "edited", "deleted", "transferred", "labeled", "unlabeled", "locked", "unlocked":
	default:
		return nothing(ctx, "the action changes nothing that we keep")
	}
	return h.inProject(ctx, event, p.about, func(ctx context.Context, space storage.Space) error {
		if p.Issue.Number <= 0 {
			return &malformedError{event, errors.New("issue.number: want a positive number")}
		}
		cluster, err := issue.ClusterOf(ctx, space, p.Issue.Number)
		if err != nil {
			return err
		}
		switch {
		case cluster == "" && len(feedback.Origins(p.Issue.Body)) > 0:
			return h.take(ctx, space, event, p.Action, id, issue.NoteOpened)
		case cluster == "":
			return nothing(ctx, "the issue is none of ours, and links no problem")
		case p.Action == "opened":
			return nothing(ctx, "we know our own")
		}
		r, _, err := run.Of(ctx, space, cluster)
		if err != nil {
			return err
		}
		return h.take(ctx, space, event, p.Action, id, func(b *storage.Batch) {
			work.Add(b, issue.LookWork(cluster))
			switch p.Action {
			case "closed", "deleted", "transferred":
				if r != nil && r.State.Alive() {
					fix.NotePull(b, r.ID) // it may have lost what it was for
				}
			}
		})
	})
}
