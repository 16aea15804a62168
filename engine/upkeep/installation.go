package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// InstallationWork is the key of due work that says that what is remembered of
// an installation may be old.
const InstallationWork = "installation"

// everyInstallation is how often GitHub is asked about an installation.
const everyInstallation = time.Hour

// Installations is what upkeep asks GitHub about installations.
type Installations interface {
	Installation(ctx context.Context, id int64) (github.Installation, error)
}

// Installation returns the handler of InstallationWork. An installation that
// GitHub does not know any more is erased, with all its projects.
func Installation(host Installations, projects *project.Registry, wake func(spaces ...string), now func() time.Time) work.Handler {
	return func(ctx context.Context, it work.Item) (time.Time, error) {
		was, entry, err := project.LoadInstallation(ctx, it.Space)
		if err != nil {
			return time.Time{}, err
		}
		id := project.Installation(it.Space.Name())
		seen, err := host.Installation(ctx, id)
		if errors.Is(err, github.ErrUninstalled) {
			zerolog.Ctx(ctx).Warn().Int64("installation", id).Msg("the App was uninstalled: everything of this installation is erased")
			return time.Time{}, projects.Uninstall(ctx, id)
		}
		if err != nil {
			return time.Time{}, err
		}
		is := was
		is.Account, is.Suspended, is.Looked = seen.Account, seen.Suspended, now().UTC()
		var b storage.Batch
		project.SaveInstallation(&b, entry, is)
		if err := it.Space.Apply(ctx, &b); err != nil {
			return time.Time{}, fmt.Errorf("remember installation %d: %w", id, err)
		}
		if was.Suspended != is.Suspended {
			zerolog.Ctx(ctx).Info().Int64("installation", id).Bool("suspended", is.Suspended).Msg("the installation was suspended or resumed")
		}
		if err := refreshProjects(ctx, projects, id, wake); err != nil {
			return time.Time{}, err
		}
		if err := trim(ctx, it.Space, now()); err != nil {
			return time.Time{}, err
		}
		return now().Add(everyInstallation), nil
	}
}

// refreshProjects makes every project of the installation look at its
// repository: which ones the installation covers may have changed.
func refreshProjects(ctx context.Context, projects *project.Registry, id int64, wake func(spaces ...string)) error {
	names, err := projects.Projects(ctx, id)
	if err != nil {
		return err
	}
	for _, name := range names {
		space, err := projects.Open(ctx, name)
		if errors.Is(err, storage.ErrNoSpace) {
			continue
		}
		if err != nil {
			return err
		}
		var b storage.Batch
		work.Add(&b, RepositoryWork)
		if err := space.Apply(ctx, &b); err != nil {
			return fmt.Errorf("make repository of %s due: %w", name, err)
		}
		wake(name)
	}
	return nil
}
