package upkeep

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
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
	Covered(ctx context.Context, installation int64) ([]int64, error)
}

// Sources finds a source by its id; source.ErrNone if there is none.
type Sources interface {
	Source(ctx context.Context, id string) (*source.Source, error)
}

// missingFor is how long GitHub has to go on not knowing an installation, of which it told
// nothing, before that is believed: an answer may be wrong once.
const missingFor = 10 * time.Minute

// Installation returns the handler of InstallationWork. An installation that
// GitHub does not know any more is erased, with all its projects: at once if GitHub told
// that the App was uninstalled, else if it goes on saying so for missingFor. Without a
// host, in a preview, nobody is asked. fix says that the agent can be started, which takes
// more permissions.
func Installation(host Installations, fix bool, app storage.Space, projects *project.Registry, sources Sources, log *action.Log, wake func(spaces ...string), now func() time.Time) work.Handler {
	return func(ctx context.Context, it work.Item) (time.Time, error) {
		id := project.Installation(it.Space.Name())
		if host != nil {
			found, err := askInstallation(ctx, host, fix, it.Space, id, now)
			if err != nil {
				return time.Time{}, err
			}
			switch found {
			case missing:
				return now().Add(time.Minute), nil
			case gone:
				zerolog.Ctx(ctx).Warn().Int64("installation", id).Msg("the App was uninstalled: everything of this installation is erased")
				var b storage.Batch
				work.Add(&b, eraseWork(id))
				if err := app.Apply(ctx, &b); err != nil {
					return time.Time{}, fmt.Errorf("make the erasing of installation %d due: %w", id, err)
				}
				wake(app.Name())
				return time.Time{}, nil
			}
		}
		if err := refreshProjects(ctx, projects, id, wake); err != nil {
			return time.Time{}, err
		}
		if err := tidyHome(ctx, it.Space, sources, log, now()); err != nil {
			return time.Time{}, err
		}
		return now().Add(everyInstallation), nil
	}
}

// standing is how an installation stands at GitHub.
type standing int

const (
	known   standing = iota
	missing          // GitHub does not know it, which may be a mistake
	gone
)

// askInstallation brings what is remembered of an installation in line with GitHub, and
// says how it stands there.
func askInstallation(ctx context.Context, host Installations, fix bool, home storage.Space, id int64, now func() time.Time) (standing, error) {
	was, entry, err := project.LoadInstallation(ctx, home)
	if err != nil {
		return known, err
	}
	seen, err := host.Installation(ctx, id)
	if errors.Is(err, github.ErrUninstalled) {
		return notThere(ctx, home, was, entry, now().UTC())
	}
	if err != nil {
		return known, err
	}
	is := was
	is.Account, is.Suspended, is.Lacks, is.Looked, is.Missing = seen.Account, seen.Suspended, Lacks(seen.Permissions, fix), now().UTC(), time.Time{}
	if !is.Suspended { // or GitHub does not say
		covers, err := host.Covered(ctx, id)
		switch {
		case err == nil:
			is.Covers = covers
		case errors.Is(err, github.ErrForbidden), errors.Is(err, github.ErrNotFound): // a server that does not tell
			is.Covers = nil
		default:
			return known, err
		}
	}
	var b storage.Batch
	project.SaveInstallation(&b, entry, is)
	if err := home.Apply(ctx, &b); err != nil {
		return known, fmt.Errorf("remember installation %d: %w", id, err)
	}
	if was.Suspended != is.Suspended {
		zerolog.Ctx(ctx).Info().Int64("installation", id).Bool("suspended", is.Suspended).Msg("the installation was suspended or resumed")
	}
	return known, nil
}

// notThere says of an installation that GitHub does not know whether that is believed.
func notThere(ctx context.Context, home storage.Space, in project.InstallationState, entry storage.Entry, now time.Time) (standing, error) {
	told, err := project.ToldUninstalled(ctx, home)
	switch {
	case err != nil:
		return missing, err
	case told || !in.Missing.IsZero() && now.Sub(in.Missing) >= missingFor:
		return gone, nil
	case !in.Missing.IsZero():
		return missing, nil
	}
	in.Missing = now
	var b storage.Batch
	project.SaveInstallation(&b, entry, in)
	if err := home.Apply(ctx, &b); err != nil {
		return missing, fmt.Errorf("remember installation %d: %w", in.ID, err)
	}
	zerolog.Ctx(ctx).Warn().Int64("installation", in.ID).Stringer("for", missingFor).Msg("GitHub does not know the installation, and told nothing of its end: if it goes on so, everything of this installation is erased")
	return missing, nil
}

// EraseWork is the kind of [Erase]'s work.
const EraseWork = "erase"

// eraseWork is the key of due work that says that an installation is to be erased.
// It is in the app's space, which outlives what it erases. GitHub never gives an
// installation's id to another one.
func eraseWork(id int64) string { return fmt.Sprintf("%s/%d", EraseWork, id) }

// eraseAgain is how long after something of an installation was erased it is looked
// whether anything is there: longer than whatever was under way when it went can go on.
const eraseAgain = 5 * time.Minute

// Erase is the handler of that work. It erases until nothing is left: what was under way
// meanwhile, in this process or another, may have left something behind.
func Erase(projects *project.Registry, app storage.Space, now func() time.Time) work.Handler {
	return func(ctx context.Context, it work.Item) (time.Time, error) {
		id, err := strconv.ParseInt(it.Subject, 10, 64)
		if err != nil {
			return time.Time{}, work.Dead(fmt.Errorf("erase installation %q: %w", it.Subject, err))
		}
		there, err := stands(ctx, projects, id)
		if err == nil {
			err = projects.Uninstall(ctx, id)
		}
		if err != nil {
			return time.Time{}, err
		}
		runs, err := fix.Erase(ctx, app, id)
		if err != nil {
			return time.Time{}, err
		}
		hints, err := work.Unhint(ctx, app, project.InstallationSpace(id), project.Space(id, ""))
		if err != nil {
			return time.Time{}, err
		}
		if there || runs || hints {
			return now().Add(eraseAgain), nil
		}
		zerolog.Ctx(ctx).Info().Int64("installation", id).Msg("nothing is left of the installation")
		return time.Time{}, nil
	}
}

// stands reports whether anything is there of an installation.
func stands(ctx context.Context, projects *project.Registry, id int64) (bool, error) {
	_, err := projects.Space(ctx, id)
	if !errors.Is(err, storage.ErrNoSpace) {
		return err == nil, err
	}
	names, err := projects.Projects(ctx, id)
	return len(names) > 0, err
}

// refreshProjects makes every project of the installation look at its
// repository: which ones the installation covers, and what it may do there, may
// have changed.
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
		if err := revive(ctx, space); err != nil {
			return err
		}
		wake(name)
	}
	return nil
}

// revive gives work that was given up another try: what GitHub refused it may
// allow by now.
func revive(ctx context.Context, space storage.Space) error {
	dead, err := work.ListDead(ctx, space, "", 200)
	if err != nil {
		return err
	}
	for _, d := range dead {
		if err := work.Retry(ctx, space, d.Key); err != nil && !errors.Is(err, work.ErrNotFound) {
			return err
		}
	}
	return nil
}
