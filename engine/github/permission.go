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

// Permission asks what a person may do. Who that is, their id says: GitHub asks for a
// login, which may be somebody else's by now. It is None for who is no collaborator
// of a private repository, who does not exist, whose id is not known, and for bots,
// which never command us. An error means that nobody knows: deny. The
// author_association of a comment does not answer this question: it calls members of
// an organization who hide their membership strangers, and everyone who ever
// contributed a contributor.
func (a *App) Permission(ctx context.Context, at At, who Person) (Permission, error) {
	if who.ID <= 0 || !loginPattern.MatchString(who.Login) {
		return None, nil
	}
	may, whose, err := a.permissionOf(ctx, at, who.Login)
	if err != nil || whose == who.ID {
		return may, err
	}
	login, err := a.loginNow(ctx, at, who.ID)
	if err != nil || strings.EqualFold(login, who.Login) || !loginPattern.MatchString(login) {
		return None, err
	}
	if may, whose, err = a.permissionOf(ctx, at, login); err != nil || whose != who.ID {
		return None, err
	}
	return may, nil
}

// permissionOf asks what whoever has a login now may do, and whose it is: 0 if nobody's.
func (a *App) permissionOf(ctx context.Context, at At, login string) (may Permission, whose int64, err error) {
	var level *github.RepositoryPermissionLevel
	err = a.read(ctx, at, fmt.Sprintf("ask for the permission of %s in %s", login, at.Repo), func(c *github.Client) (resp *github.Response, err error) {
		level, resp, err = c.Repositories.GetPermissionLevel(ctx, at.Repo.Owner, at.Repo.Name, login)
		return resp, err
	})
	if errors.Is(err, ErrNotFound) {
		return None, 0, nil
	}
	if err != nil {
		return None, 0, err
	}
	may, err = permission(level.GetPermission(), level.GetRoleName())
	return may, level.GetUser().GetID(), err
}

// loginNow asks what the person with an id is called now; "" if there is none any more.
func (a *App) loginNow(ctx context.Context, at At, id int64) (string, error) {
	var user *github.User
	err := a.read(ctx, at, fmt.Sprintf("ask who has the id %d", id), func(c *github.Client) (resp *github.Response, err error) {
		user, resp, err = c.Users.GetByID(ctx, id)
		return resp, err
	})
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil || user.GetID() != id {
		return "", err
	}
	return user.GetLogin(), nil
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
