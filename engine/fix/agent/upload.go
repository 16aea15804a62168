package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

// maxSaid bounds the model's last words, in bytes.
const maxSaid = 48 << 10

// handOver sends the result until the app takes it. A result that is too long for
// the app is sent without its files, which says so.
func handOver(ctx context.Context, a *app, j *journal, times times, r *brief.Result) error {
	// The log ends before the result: who reads the result finds the log whole.
	if err := j.ship(ctx, a, r.Attempt); err != nil {
		j.printf("the end of the log was not taken yet: %v", err)
	}
	send := func(ctx context.Context) error {
		return a.send(ctx, http.MethodPut, a.path("result"), r, nil)
	}
	err := a.insist(ctx, times.handover, send)
	if s := (*refusal)(nil); errors.As(err, &s) && s.status == http.StatusRequestEntityTooLarge && len(r.Files) > 0 {
		r.Files, r.TooMuch = nil, "the change is longer than the app takes"
		err = a.insist(ctx, times.handover, send)
	}
	if err != nil {
		return fmt.Errorf("hand over the result: %w", err)
	}
	return nil
}
