package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// RestateWork is the key of due work, in an installation's space, that says that what
// may be quoted of its feedback has changed.
const RestateWork = "restate"

// Restate returns the handler of RestateWork: every issue of the installation's
// projects is written anew where it says something else now.
func Restate(projects *project.Registry, wake func(spaces ...string)) work.Handler {
	return func(ctx context.Context, it work.Item) (time.Time, error) {
		names, err := projects.Projects(ctx, project.Installation(it.Space.Name()))
		if err != nil {
			return time.Time{}, err
		}
		for _, name := range names {
			space, err := projects.Open(ctx, name)
			if err == nil {
				err = issue.Restate(ctx, space)
			}
			if errors.Is(err, storage.ErrNoSpace) {
				continue
			}
			if err != nil {
				return time.Time{}, fmt.Errorf("restate the issues of %s: %w", name, err)
			}
			wake(name)
		}
		return time.Time{}, nil
	}
}
