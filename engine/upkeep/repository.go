package upkeep

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
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
	every     = 10 * time.Minute
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

// Repository returns the handler of RepositoryWork. Without a host, in a preview,
// nobody is asked, and only what the server's settings say can have changed.
func Repository(host Repositories, projects *project.Registry, log *action.Log, wake func(spaces ...string), now func() time.Time) work.Handler {
	return func(ctx context.Context, it work.Item) (time.Time, error) {
		was, entry, err := project.Load(ctx, it.Space)
		if err != nil {
			return time.Time{}, err
		}
		is := was
		if host != nil {
			if is, err = ask(ctx, host, projects, was, now); err != nil {
				return time.Time{}, err
			}
			if is, entry, err = save(ctx, it.Space, entry, is); err != nil {
				return time.Time{}, err
			}
		}
		// The hash is written after the issues were made due, so that a crash in
		// between makes them due again.
		if held := holds(projects, is); held != is.Restated {
			if err := issue.Restate(ctx, it.Space); err != nil {
				return time.Time{}, err
			}
			wake(it.Space.Name())
			is.Restated = held
			if is, entry, err = save(ctx, it.Space, entry, is); err != nil {
				return time.Time{}, err
			}
		}
		if now().Sub(is.Tidied) >= 24*time.Hour {
			if err := tidy(ctx, it.Space, log, now()); err != nil {
				return time.Time{}, err
			}
			is.Tidied = now().UTC()
			if _, _, err = save(ctx, it.Space, entry, is); err != nil {
				return time.Time{}, err
			}
		}
		return now().Add(pace(ctx, it.Space, now())), nil
	}
}

// ask brings a project in line with its repository.
func ask(ctx context.Context, host Repositories, projects *project.Registry, was project.Project, now func() time.Time) (project.Project, error) {
	is, err := look(ctx, host, was)
	if errors.Is(err, github.ErrSuspended) || errors.Is(err, github.ErrUninstalled) {
		// The work of the installation finds out which, and what to do.
		return was, &work.Later{Until: now().Add(suspendedPause), Err: err}
	}
	if err != nil {
		return was, err
	}
	is.Looked = now().UTC()
	if is.Repo.ID != 0 && is.Unavailable == "" {
		if is.Borrowed, err = projects.Bind(ctx, is); errors.Is(err, project.ErrTwin) {
			is.Unavailable = project.ErrTwin.Error()
		} else if err != nil {
			return was, err
		}
	}
	if is.FileError != "" && is.FileError != was.FileError {
		zerolog.Ctx(ctx).Warn().Str("repository", is.Repo.String()).Str("error", is.FileError).
			Msg("the repository's settings cannot be used; the last good ones stay in force")
	}
	return is, nil
}

// save writes the project and returns it as it was read back.
func save(ctx context.Context, space storage.Space, was storage.Entry, is project.Project) (project.Project, storage.Entry, error) {
	var b storage.Batch
	project.Save(&b, was, is)
	if err := space.Apply(ctx, &b); err != nil {
		return is, was, fmt.Errorf("remember repository %s: %w", is.Repo, err)
	}
	return project.Load(ctx, space)
}

// lineForm is raised when lines hold something that they did not: each is then written
// anew once.
const lineForm = 2

// holds hashes all that decides what is said on a project's issues, and whether.
func holds(projects *project.Registry, p project.Project) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v|%v|%v|%v|%d", projects.Policy(p), p.Private, p.Unavailable, p.Repo, lineForm))
	return hex.EncodeToString(sum[:8])
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
		p.Unavailable, p.Gone = "GitHub does not show it to this installation: was it deleted, moved away, or taken out of the installation?", true
		return p, nil
	case err != nil:
		return p, err
	case p.Repo.ID != 0 && repo.ID != p.Repo.ID:
		p.Unavailable, p.Gone = "another repository has its name now, and it is not to be found itself", true
		return p, nil
	}
	p.Repo, p.Private, p.DefaultBranch, p.Unavailable = repo.Repo, repo.Private, repo.DefaultBranch, ""
	p.Gone = false
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
