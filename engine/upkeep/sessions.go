package upkeep

import (
	"context"
	"time"

	"github.com/soulcaster/soulcaster/engine/work"
)

// SessionsWork is the key of due work, in the app's space, that says that sessions of
// people who signed in may be over.
const SessionsWork = "sessions"

// Sessions returns the handler of SessionsWork: once a day, those that are over go.
func Sessions(sessions interface {
	Tidy(ctx context.Context) error
}, now func() time.Time) work.Handler {
	return func(ctx context.Context, _ work.Item) (time.Time, error) {
		if err := sessions.Tidy(ctx); err != nil {
			return time.Time{}, err
		}
		return now().Add(24 * time.Hour), nil
	}
}
