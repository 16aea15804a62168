package github

import (
	"context"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// installationRepositories hears that an installation covers other repositories
// now. Which ones is not taken from the delivery: a worker asks GitHub.
type installationRepositories struct{ door }

func (*installationRepositories) Handles() []string { return []string{"installation_repositories"} }

func (h *installationRepositories) Handle(ctx context.Context, event, id string, payload []byte) error {
	p, err := decode[about](event, payload)
	if err != nil {
		return err
	}
	if p.Action != "added" && p.Action != "removed" {
		return nothing(ctx, "the action is unknown")
	}
	return h.inInstallation(ctx, event, p, false, func(ctx context.Context, space storage.Space) error {
		if err := h.access(ctx); err != nil {
			return err
		}
		return h.take(ctx, space, event, p.Action, id, func(b *storage.Batch) {
			work.Add(b, installationWork)
		})
	})
}
