package github

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/go-github/v66/github"
)

// Permission is what a person may do in a repository. Permissions are ordered:
// p >= Write means that p may at least write.
type Permission int

// The permissions.
const (
	None Permission = iota
	Read
	Triage
	Write
	Maintain
	Admin
)

func (p Permission) String() string {
	switch p {
	case None:
		return "none"
	case Read:
		return "read"
	case Triage:
		return "triage"
	case Write:
		return "write"
	case Maintain:
		return "maintain"
	case Admin:
		return "admin"
	}
	return fmt.Sprintf("permission %d", int(p))
}

// loginPattern is what people's logins look like; those of managed users have
// an underscore. A bot's ends in "[bot]".
var loginPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// Permission asks what a person may do. It is None for who is no collaborator
// of a private repository, who does not exist, and for bots, which never command
// us. An error means that nobody knows: deny. The author_association of a
// comment does not answer this question: it calls members of an organization
// who hide their membership strangers, and everyone who ever contributed a
// contributor.
func (a *App) Permission(ctx context.Context, at At, login string) (Permission, error) {
	if !loginPattern.MatchString(login) {
		return None, nil
	}
	var level *github.RepositoryPermissionLevel
	err := a.read(ctx, at, fmt.Sprintf("ask for the permission of %s in %s", login, at.Repo), func(c *github.Client) (resp *github.Response, err error) {
		level, resp, err = c.Repositories.GetPermissionLevel(ctx, at.Repo.Owner, at.Repo.Name, login)
		return resp, err
	})
	if errors.Is(err, ErrNotFound) {
		return None, nil
	}
	if err != nil {
		return None, err
	}
	return permission(level.GetPermission(), level.GetRoleName())
}

// permission reads an answer. GitHub's permission knows no triage and no
// maintain, which are read and write with that role_name; other roles have names
// of their organization's choice. Some servers put the older words or the role
// into permission.
func permission(word, role string) (Permission, error) {
	var p Permission
	switch strings.ToLower(word) {
	case "none", "":
		return None, nil
	case "read", "pull":
		p = Read
	case "triage":
		p = Triage
	case "write", "push":
		p = Write
	case "maintain":
		p = Maintain
	case "admin":
		p = Admin
	default:
		return None, fmt.Errorf("github: unknown permission %q", short(word))
	}
	switch {
	case p == Read && role == "triage":
		return Triage, nil
	case p == Write && role == "maintain":
		return Maintain, nil
	}
	return p, nil
}
