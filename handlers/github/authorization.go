package github

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"
)

// authorization hears that a person took back, at GitHub, what they gave when they
// signed in: they are signed out here, before GitHub is told that it was heard, and their
// tokens are not believed from memory any more.
type authorization struct {
	signOut func(ctx context.Context, person int64) error // nil: nobody can sign in
	access  func(ctx context.Context) error
}

func (*authorization) Handles() []string { return []string{"github_app_authorization"} }

func (h *authorization) Handle(ctx context.Context, event, _ string, payload []byte) error {
	p, err := decode[struct {
		Action string `json:"action"`
		Sender struct {
			ID int64 `json:"id"`
		} `json:"sender"`
	}](event, payload)
	switch {
	case err != nil:
		return err
	case p.Action != "revoked" || h.signOut == nil:
		return nothing(ctx, "nobody took anything back")
	case p.Sender.ID <= 0:
		return &malformedError{event, errors.New("sender.id: want a positive number")}
	}
	if err := h.signOut(ctx, p.Sender.ID); err != nil {
		return fmt.Errorf("sign a person out: %w", err)
	}
	if err := h.access(ctx); err != nil {
		return err
	}
	zerolog.Ctx(ctx).Info().Int64("person", p.Sender.ID).Msg("signed out: they took their authorization back")
	return nil
}
