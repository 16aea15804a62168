package github

import (
	"context"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// repositoryEvent hears that a repository was renamed, moved, archived, removed, or made
// private or public. How it is now is not taken from the delivery: a worker asks GitHub.
type repositoryEvent struct{ door }

func (*repositoryEvent) Handles() []string { return []string{"repository"} }

func (h *repositoryEvent) Handle(ctx context.Context, event, id string, payload []byte) error {
	p, err := decode[about](event, payload)
	if err != nil {
		return err
	}
	switch p.Action {
	case "archived", "edited", "unarchived":
	case "deleted", "privatized", "publicized", "renamed", "transferred":
		if err := h.access(ctx); err != nil {
			return err
		}
	default:
		return nothing(ctx, "the action changes nothing that we keep")
	}
	return h.inProject(ctx, event, p, func(ctx context.Context, space storage.Space) error {
		return h.take(ctx, space, event, p.Action, id, func(b *storage.Batch) {
			work.Add(b, repositoryWork)
		})
	})
}
