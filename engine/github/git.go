package github

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-github/v66/github"
)

// TreeFile is a path to change in a tree.
type TreeFile struct {
	Path    string // from the top, with slashes
	Mode    string // 100644, 100755 or 120000
	Content []byte // whole; the target of a link
	Delete  bool
}

// TreeEntry is a path of a tree.
type TreeEntry struct {
	Path string
	Mode string // 100644, 100755, 120000, 160000 (a submodule), 040000
	Type string // blob, tree or commit
	SHA  string
	Size int64
}

// Commit is a commit.
type Commit struct {
	SHA     string
	Tree    string
	Parents []string
	Message string
	Author  string    // login of the account, "" if GitHub knows none
	At      time.Time // when it was committed
}

// CommitOf asks for a commit. ErrNotFound if the repository has none of that name.
func (a *App) CommitOf(ctx context.Context, at At, sha string) (Commit, error) {
	what := fmt.Sprintf("get commit %s of %s", short(sha), at.Repo)
	if err := checkSHA(sha); err != nil {
		return Commit{}, fmt.Errorf("%s: %w", what, err)
	}
	var got *github.RepositoryCommit
	err := a.read(ctx, at, what, func(c *github.Client) (resp *github.Response, err error) {
		// The git API does not know accounts. This one lists the files that the
		// commit changed, page by page; one is as few as can be had.
		got, resp, err = c.Repositories.GetCommit(ctx, at.Repo.Owner, at.Repo.Name, sha, &github.ListOptions{PerPage: 1})
		return resp, err
	})
	if err = meaning(what, err, "no commit found", ErrNotFound); err != nil {
		return Commit{}, err
	}
	commit := Commit{
		SHA:     got.GetSHA(),
		Tree:    got.GetCommit().GetTree().GetSHA(),
		Message: got.GetCommit().GetMessage(),
		Author:  got.GetAuthor().GetLogin(),
		At:      got.GetCommit().GetCommitter().GetDate().Time,
	}
	for _, p := range got.Parents {
		commit.Parents = append(commit.Parents, p.GetSHA())
	}
	if commit.SHA != sha || checkSHA(commit.Tree) != nil {
		return Commit{}, fmt.Errorf("%s: the answer is about something else", what)
	}
	return commit, nil
}

// Tree lists a tree, named by itself or by a commit of it, and with recursive all
// that is below it. truncated says that GitHub left some of it out, which it does
// beyond 100,000 entries or 7 MB.
func (a *App) Tree(ctx context.Context, at At, sha string, recursive bool) (entries []TreeEntry, truncated bool, err error) {
	what := fmt.Sprintf("list tree %s of %s", short(sha), at.Repo)
	if err := checkSHA(sha); err != nil {
		return nil, false, fmt.Errorf("%s: %w", what, err)
	}
	var tree *github.Tree
	err = a.read(ctx, at, what, func(c *github.Client) (resp *github.Response, err error) {
		tree, resp, err = c.Git.GetTree(ctx, at.Repo.Owner, at.Repo.Name, sha, recursive)
		return resp, err
	})
	if err != nil {
		return nil, false, err
	}
	entries = make([]TreeEntry, len(tree.Entries))
	for i, e := range tree.Entries {
		entries[i] = TreeEntry{Path: e.GetPath(), Mode: e.GetMode(), Type: e.GetType(), SHA: e.GetSHA(), Size: int64(e.GetSize())}
	}
	return entries, tree.GetTruncated(), nil
}

// MaxBlob is the longest content that [App.Blob] loads, in bytes.
const MaxBlob = 1 << 20

// Blob loads the content of a file, named by its object.
func (a *App) Blob(ctx context.Context, at At, sha string) ([]byte, error) {
	what := fmt.Sprintf("load blob %s of %s", short(sha), at.Repo)
	if err := checkSHA(sha); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var content limited
	err := a.read(ctx, at, what, func(c *github.Client) (*github.Response, error) {
		content = limited{}
		req, err := c.NewRequest("GET", fmt.Sprintf("repos/%s/%s/git/blobs/%s", at.Repo.Owner, at.Repo.Name, sha), nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Accept", "application/vnd.github.raw+json")
		resp, err := c.Do(ctx, req, &content)
		if content.over {
			err = nil // GitHub did what it could
		}
		return resp, err
	})
	if err != nil {
		return nil, err
	}
	if content.over {
		return nil, fmt.Errorf("%s: more than %d bytes", what, MaxBlob)
	}
	return content.buf.Bytes(), nil
}

// limited holds what is written to it, up to MaxBlob bytes.
type limited struct {
	buf  bytes.Buffer
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	if l.buf.Len()+len(p) > MaxBlob {
		l.over = true
		return 0, errors.New("content too long")
	}
	return l.buf.Write(p)
}
