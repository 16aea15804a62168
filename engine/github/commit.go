package github

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/go-github/v66/github"

	"github.com/soulcaster/soulcaster/engine/project"
)

// CreateTree makes the tree that base becomes by changing files in it, and returns
// its name. Nothing can be seen of it until a commit of a branch holds it, so when
// GitHub is away it is a *work.Later and never unknown. ErrForbidden also if a
// file is one of the repository's workflows.
func (a *App) CreateTree(ctx context.Context, at At, base string, files []TreeFile) (sha string, err error) {
	what := "create tree in " + at.Repo.String()
	if err := checkSHA(base); err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	entries := make([]*github.TreeEntry, len(files))
	for i, f := range files {
		if err := f.check(); err != nil {
			return "", fmt.Errorf("%s: %w", what, err)
		}
		e := &github.TreeEntry{Path: &f.Path, Mode: &f.Mode, Type: github.String("blob")}
		switch {
		case f.Delete:
			// Neither content nor name: that takes the path out.
			e.Mode = github.String("100644")
		case utf8.Valid(f.Content) && !bytes.ContainsRune(f.Content, 0):
			e.Content = github.String(string(f.Content))
		default: // JSON cannot carry it as it is
			blob, err := a.createBlob(ctx, at, f.Content)
			if err != nil {
				return "", err
			}
			e.SHA = &blob
		}
		entries[i] = e
	}
	return a.store(ctx, at, what, func(c *github.Client, r project.Repo) (string, *github.Response, error) {
		tree, resp, err := c.Git.CreateTree(ctx, r.Owner, r.Name, base, entries)
		return tree.GetSHA(), resp, err
	})
}

// check refuses what would not end up where it is meant to.
func (f TreeFile) check() error {
	if f.Path == "" || strings.HasPrefix(f.Path, "/") || !utf8.ValidString(f.Path) {
		return &ValidationError{Message: fmt.Sprintf("%q is no path in a tree", short(f.Path))}
	}
	switch f.Mode {
	case "100644", "100755", "120000":
		return nil
	}
	if f.Delete {
		return nil
	}
	return &ValidationError{Message: fmt.Sprintf("%q is no mode of a file", short(f.Mode))}
}

func (a *App) createBlob(ctx context.Context, at At, content []byte) (sha string, err error) {
	coded := base64.StdEncoding.EncodeToString(content)
	return a.store(ctx, at, "create blob in "+at.Repo.String(), func(c *github.Client, r project.Repo) (string, *github.Response, error) {
		blob, resp, err := c.Git.CreateBlob(ctx, r.Owner, r.Name, &github.Blob{Content: &coded, Encoding: github.String("base64")})
		return blob.GetSHA(), resp, err
	})
}

// CreateCommit makes a commit of a tree and returns its name. It names no author
// and no committer: then the commit is the App's, and GitHub signs it. As with
// [App.CreateTree], nothing can be seen of it yet.
func (a *App) CreateCommit(ctx context.Context, at At, message, tree string, parents []string) (sha string, err error) {
	what := "create commit in " + at.Repo.String()
	commit := &github.Commit{Message: &message, Tree: &github.Tree{SHA: &tree}}
	for _, p := range append([]string{tree}, parents...) {
		if err := checkSHA(p); err != nil {
			return "", fmt.Errorf("%s: %w", what, err)
		}
	}
	for _, p := range parents {
		commit.Parents = append(commit.Parents, &github.Commit{SHA: &p})
	}
	return a.store(ctx, at, what, func(c *github.Client, r project.Repo) (string, *github.Response, error) {
		made, resp, err := c.Git.CreateCommit(ctx, r.Owner, r.Name, commit, nil)
		return made.GetSHA(), resp, err
	})
}

// store makes an object and returns its name.
func (a *App) store(ctx context.Context, at At, what string, do func(*github.Client, project.Repo) (string, *github.Response, error)) (sha string, err error) {
	err = a.write(ctx, at, object, what, func(c *github.Client, r project.Repo) (resp *github.Response, err error) {
		sha, resp, err = do(c, r)
		return resp, err
	})
	if err != nil {
		return "", err
	}
	if checkSHA(sha) != nil {
		return "", fmt.Errorf("%s: the answer names none", what)
	}
	return sha, nil
}
