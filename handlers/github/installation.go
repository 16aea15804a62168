package github

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// installation hears that the App was installed somewhere, removed, suspended or
// given other permissions. How it stands is not taken from the delivery: a
// worker asks GitHub.
type installation struct{ door }

func (*installation) Handles() []string { return []string{"installation"} }

func (h *installation) Handle(ctx context.Context, event, id string, payload []byte) error {
	p, err := decode[about](event, payload)
	if err != nil {
		return err
	}
	switch p.Action {
	case "created", "deleted", "suspend", "unsuspend", "new_permissions_accepted":
	default:
		return nothing(ctx, "the action is unknown")
	}
	return h.inInstallation(ctx, event, p, p.Action == "created", func(ctx context.Context, space storage.Space) error {
		if err := h.access(ctx); err != nil {
			return err
		}
		return h.take(ctx, space, event, p.Action, id, func(b *storage.Batch) {
			if p.Action == "deleted" {
				project.NoteUninstalled(b)
			}
			work.Add(b, installationWork)
		})
	})
}

// inInstallation does something with the installation that a delivery is about,
// if it is one of ours, or is to become one.
func (d door) inInstallation(ctx context.Context, event string, a about, create bool, do func(ctx context.Context, space storage.Space) error) error {
	id := a.Installation.ID
	if id <= 0 {
		return &malformedError{event, errors.New("installation.id: want a positive number")}
	}
	open := d.projects.Space
	if create {
		open = d.projects.Install
	}
	space, err := open(ctx, id)
	if errors.Is(err, storage.ErrNoSpace) {
		return nothing(ctx, "the installation is none of ours")
	}
	if err != nil {
		return fmt.Errorf("look up the installation of a delivery: %w", err)
	}
	log := zerolog.Ctx(ctx).With().Int64("installation", id).Logger()
	return do(log.WithContext(ctx), space)
}
