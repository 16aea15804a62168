package github

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-github/v66/github"

	"github.com/soulcaster/soulcaster/engine/project"
)

// Repository is a repository as it is now.
type Repository struct {
	project.Repo         // with its id and its present name
	Private       bool   // also for a repository that is internal to an enterprise
	DefaultBranch string // may be empty for an empty repository
	Archived      bool   // nothing can be written
	HasIssues     bool
}

// Repository asks for the repository under its name, also under one that it had
// before. Names are given away anew: compare the id with the one remembered.
// ErrNotFound also if this installation may not see it.
func (a *App) Repository(ctx context.Context, at At) (Repository, error) {
	var r *github.Repository
	err := a.read(ctx, at, "ask for repository "+at.Repo.String(), func(c *github.Client) (resp *github.Response, err error) {
		r, resp, err = c.Repositories.Get(ctx, at.Repo.Owner, at.Repo.Name)
		return resp, err
	})
	if err != nil {
		return Repository{}, err
	}
	return repository(r)
}

// RepositoryByID asks for the repository whatever it is called now.
func (a *App) RepositoryByID(ctx context.Context, installation, id int64) (Repository, error) {
	var r *github.Repository
	err := a.ask(ctx, At{Installation: installation}, fmt.Sprintf("ask for repository %d", id), func(c *github.Client) (resp *github.Response, err error) {
		r, resp, err = c.Repositories.GetByID(ctx, id)
		return resp, err
	})
	if err != nil {
		return Repository{}, err
	}
	return repository(r)
}

func repository(r *github.Repository) (Repository, error) {
	repo, err := project.ParseRepo(r.GetFullName())
	if err != nil || r.GetID() == 0 {
		return Repository{}, errors.New("ask for repository: the answer names none")
	}
	repo.ID = r.GetID()
	return Repository{
		Repo: repo,
		// An answer that does not say counts as public: less is published there.
		Private:       r.GetPrivate(),
		DefaultBranch: r.GetDefaultBranch(),
		Archived:      r.GetArchived() || r.GetDisabled(),
		HasIssues:     r.GetHasIssues(),
	}, nil
}

// MaxFile is the longest file that [App.File] loads, in bytes.
const MaxFile = 64 << 10

// File loads a file of the repository at a branch, tag or commit ("" for the
// default branch). There are three outcomes: its content; found false, with a
// nil error, if the repository is there and has no such file; or an error, if
// nobody knows: GitHub is away, the permission to read contents is missing, the
// repository or the ref is gone, it is not a file, or it is longer than MaxFile.
func (a *App) File(ctx context.Context, at At, path, ref string) (content []byte, found bool, err error) {
	what := fmt.Sprintf("load %s of %s", path, at.Repo)
	var file *github.RepositoryContent
	err = a.read(ctx, at, what, func(c *github.Client) (resp *github.Response, err error) {
		file, _, resp, err = c.Repositories.GetContents(ctx, at.Repo.Owner, at.Repo.Name, path, &github.RepositoryContentGetOptions{Ref: ref})
		return resp, err
	})
	if errors.Is(err, ErrNotFound) {
		return nil, false, a.missing(ctx, at, ref)
	}
	if err != nil {
		return nil, false, err
	}
	switch {
	case file == nil:
		return nil, false, fmt.Errorf("%s: it is a folder", what)
	case file.GetType() != "" && file.GetType() != "file":
		return nil, false, fmt.Errorf("%s: it is a %s", what, file.GetType())
	case file.GetSize() > MaxFile:
		return nil, false, fmt.Errorf("%s: %d bytes, at most %d are read", what, file.GetSize(), MaxFile)
	}
	text, err := file.GetContent()
	if err != nil {
		return nil, false, fmt.Errorf("%s: decode content: %w", what, err)
	}
	if len(text) > MaxFile {
		return nil, false, fmt.Errorf("%s: %d bytes, at most %d are read", what, len(text), MaxFile)
	}
	return []byte(text), true, nil
}

// missing finds out what a 404 for a file means: nil if the file is all that is
// missing.
func (a *App) missing(ctx context.Context, at At, ref string) error {
	if _, err := a.Repository(ctx, at); err != nil {
		return err
	}
	if ref == "" {
		return nil
	}
	// The top folder is there at every ref that is.
	return a.read(ctx, at, fmt.Sprintf("look up %s of %s", ref, at.Repo), func(c *github.Client) (*github.Response, error) {
		_, _, resp, err := c.Repositories.GetContents(ctx, at.Repo.Owner, at.Repo.Name, "", &github.RepositoryContentGetOptions{Ref: ref})
		return resp, err
	})
}
