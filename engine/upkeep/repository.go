package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// RepositoryWork is the key of due work that says that what is remembered of a
// project's repository may be old.
const RepositoryWork = "repository"

// PolicyPath is where a repository says what may be filed, published and fixed.
const PolicyPath = ".github/soulcaster.yml"

// How often GitHub is asked about a repository: two requests each time.
const (
	every     = 5 * time.Minute
	everyIdle = time.Hour
	idleAfter = 24 * time.Hour

	suspendedPause = 10 * time.Minute
)

// Repositories is what upkeep asks GitHub about repositories.
type Repositories interface {
	Repository(ctx context.Context, at github.At) (github.Repository, error)
	RepositoryByID(ctx context.Context, installation, id int64) (github.Repository, error)
	File(ctx context.Context, at github.At, path, ref string) (content []byte, found bool, err error)
}

// Repository returns the handler of RepositoryWork.
func Repository(host Repositories, projects *project.Registry, log *action.Log, wake func(spaces ...string), now func() time.Time) work.Handler {
	return func(ctx context.Context, it work.Item) (time.Time, error) {
		was, entry, err := project.Load(ctx, it.Space)
		if err != nil {
			return time.Time{}, err
		}
		is, err := look(ctx, host, was)
		if errors.Is(err, github.ErrSuspended) || errors.Is(err, github.ErrUninstalled) {
			// The work of the installation finds out which, and what to do.
			return time.Time{}, &work.Later{Until: now().Add(suspendedPause), Err: err}
		}
		if err != nil {
			return time.Time{}, err
		}
		is.Looked = now().UTC()
		if is.Repo.ID != 0 && is.Unavailable == "" {
			if err := projects.Bind(ctx, is); errors.Is(err, project.ErrTwin) {
				is.Unavailable = project.ErrTwin.Error()
			} else if err != nil {
				return time.Time{}, err
			}
		}
		if is.FileError != "" && is.FileError != was.FileError {
			zerolog.Ctx(ctx).Warn().Str("project", is.Repo.String()).Str("error", is.FileError).Msg("the repository's settings cannot be used; the last good ones stay in force")
		}
		var b storage.Batch
		project.Save(&b, entry, is)
		if err := it.Space.Apply(ctx, &b); err != nil {
			return time.Time{}, fmt.Errorf("remember repository %s: %w", is.Repo, err)
		}
		if changed(projects, was, is) {
			if err := restate(ctx, it.Space); err != nil {
				return time.Time{}, err
			}
			wake(it.Space.Name())
		}
		if was.Looked.Truncate(24*time.Hour) != is.Looked.Truncate(24*time.Hour) {
			if err := tidy(ctx, it.Space, log, now()); err != nil {
				return time.Time{}, err
			}
		}
		return now().Add(pace(ctx, it.Space, now())), nil
	}
}

// pace is how long to wait until the next look.
func pace(ctx context.Context, space storage.Space, now time.Time) time.Duration {
	last, err := intake.Newest(ctx, space)
	if err == nil && now.Sub(last) > idleAfter {
		return everyIdle
	}
	return every
}

// look asks GitHub what the repository is now. A rate limit or an outage is
// returned as *work.Later; what GitHub says for good becomes part of the project.
func look(ctx context.Context, host Repositories, p project.Project) (project.Project, error) {
	at := github.At{Installation: p.Installation, Repo: p.Repo}
	var repo github.Repository
	var err error
	if p.Repo.ID != 0 {
		repo, err = host.RepositoryByID(ctx, p.Installation, p.Repo.ID)
	}
	// Not every server can be asked by id; a name that leads to another
	// repository is told by the id that comes with it.
	if p.Repo.ID == 0 || errors.Is(err, github.ErrNotFound) {
		repo, err = host.Repository(ctx, at)
	}
	switch {
	case errors.Is(err, github.ErrNotFound), errors.Is(err, github.ErrMoved), errors.Is(err, github.ErrGone), errors.Is(err, github.ErrForbidden):
		p.Unavailable = "GitHub does not show it to this installation: was it deleted, moved away, or taken out of the installation?"
		return p, nil
	case err != nil:
		return p, err
	case p.Repo.ID != 0 && repo.ID != p.Repo.ID:
		p.Unavailable = "another repository has its name now, and it is not to be found itself"
		return p, nil
	}
	p.Repo, p.Private, p.DefaultBranch, p.Unavailable = repo.Repo, repo.Private, repo.DefaultBranch, ""
	switch {
	case repo.Archived:
		p.Unavailable = "it is archived: nothing can be written there"
	case !repo.HasIssues:
		p.Unavailable = "its issues are turned off"
	}

	content, found, err := host.File(ctx, github.At{Installation: p.Installation, Repo: p.Repo}, PolicyPath, p.DefaultBranch)
	var later *work.Later
	switch {
	case errors.As(err, &later):
		return p, err
	case err != nil: // it may be there: what was in force stays
		p.FileError = fmt.Sprintf("%s could not be loaded: %v", PolicyPath, err)
	case !found: // there is none: the defaults hold
		p.File, p.FileError = policy.File{}, ""
	default:
		file, err := policy.Parse(content)
		if err != nil { // it is wrong: the last good one stays in force
			p.FileError = fmt.Sprintf("%s: %v", PolicyPath, err)
			break
		}
		p.File, p.FileError = file, ""
	}
	return p, nil
}

// changed reports whether what holds for the project is different now.
func changed(projects *project.Registry, was, is project.Project) bool {
	return !projects.Policy(was).Equal(projects.Policy(is)) ||
		was.Private != is.Private || was.Unavailable != is.Unavailable || was.Repo != is.Repo
}

// restate makes due the issues of all clusters: what may be said of them, and
// whether, has changed.
func restate(ctx context.Context, space storage.Space) error {
	after := ""
	for {
		ids, err := clusterIDs(ctx, space, after)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return nil
		}
		var b storage.Batch
		for _, id := range ids {
			work.Add(&b, intake.IssueWork(id))
		}
		if err := space.Apply(ctx, &b); err != nil {
			return fmt.Errorf("make issues due: %w", err)
		}
		after = ids[len(ids)-1]
	}
}
