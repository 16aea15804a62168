package github

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-github/v66/github"
)

// Token reads one repository until it expires.
type Token struct {
	Value   string // never to be logged or stored
	Expires time.Time
}

// String says that it is one, and nothing of it.
func (Token) String() string { return "[token]" }

// GoString is String.
func (t Token) GoString() string { return t.String() }

// ReadToken makes a token that reads the contents of one repository, at.Repo.ID,
// and nothing else, for an hour. Every call makes a new one. ErrUninstalled and
// ErrSuspended are about the installation; a ValidationError says that it may not
// give as much: the repository was taken out of it, say.
func (a *App) ReadToken(ctx context.Context, at At) (Token, error) {
	what := "make token for " + at.Repo.String()
	if err := at.check(); err != nil {
		return Token{}, fmt.Errorf("%s: %w", what, err)
	}
	if at.Repo.ID == 0 { // no ids would mean every repository
		return Token{}, fmt.Errorf("%s: the repository's id is not known", what)
	}
	var got *github.InstallationToken
	// A token that was made and is not seen does nobody harm: as good as a read.
	err := a.ask(ctx, At{}, what, func(c *github.Client) (resp *github.Response, err error) {
		got, resp, err = c.Apps.CreateInstallationToken(ctx, at.Installation, &github.InstallationTokenOptions{
			RepositoryIDs: []int64{at.Repo.ID},
			Permissions:   &github.InstallationPermissions{Contents: github.String("read")},
		})
		return resp, err
	})
	if errors.Is(err, ErrNotFound) {
		return Token{}, fmt.Errorf("%s: %w", what, ErrUninstalled)
	}
	if err != nil {
		return Token{}, err
	}
	token := Token{Value: got.GetToken(), Expires: got.GetExpiresAt().Time}
	switch {
	case token.Value == "", token.Expires.IsZero():
		return Token{}, fmt.Errorf("%s: the answer holds none", what)
	case got.GetPermissions().GetContents() != "read":
		return Token{}, fmt.Errorf("%s: the answer is a token for something else", what)
	}
	return token, nil
}
