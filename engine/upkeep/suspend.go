package upkeep

import (
	"context"
	"errors"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// errSuspended says why work waits.
var errSuspended = errors.New("the App is suspended on GitHub: work of this installation waits until that is lifted")

// errGone says that an installation is being erased.
var errGone = errors.New("the installation is gone, and what is left of it goes")

// Unsuspended is a handler that has the work of a suspended installation wait, and does
// that of others. What ends what goes on, such as runs, must not wait.
func Unsuspended(projects *project.Registry, now func() time.Time, h work.Handler) work.Handler {
	return func(ctx context.Context, it work.Item) (time.Time, error) {
		home, err := projects.Space(ctx, project.Installation(it.Space.Name()))
		if errors.Is(err, storage.ErrNoSpace) {
			return time.Time{}, &work.Later{Until: now().Add(suspendedPause), Err: errGone}
		}
		if err != nil {
			return time.Time{}, err
		}
		in, _, err := project.LoadInstallation(ctx, home)
		switch {
		case err != nil:
			return time.Time{}, err
		case in.Suspended:
			return time.Time{}, &work.Later{Until: now().Add(suspendedPause), Err: errSuspended}
		}
		return h(ctx, it)
	}
}
