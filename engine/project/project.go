// Package project knows the tenants: installations and their projects, the
// spaces that hold them, and which project a repository's name means.
package project

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Names of spaces. A project's feedback, clusters, issues, actions and due work
// are all in its own space; what belongs to an installation as a whole is in
// the installation's.
const AppSpace = "app"

// Repo names a repository on GitHub. ID is GitHub's number for it, which stays
// when the repository is renamed; 0 while it is not known.
type Repo struct {
	ID    int64  `json:"id,omitempty"`
	Owner string `json:"owner"`
	Name  string `json:"name"`
}

var (
	ownerForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
	nameForm  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
)

// ParseRepo reads "owner/name", as GitHub allows them.
func ParseRepo(full string) (Repo, error) {
	owner, name, ok := strings.Cut(full, "/")
	if !ok || !ownerForm.MatchString(owner) || !nameForm.MatchString(name) || name == "." || name == ".." {
		return Repo{}, fmt.Errorf("repository %q: want owner/name", full)
	}
	return Repo{Owner: owner, Name: name}, nil
}

func (r Repo) String() string { return r.Owner + "/" + r.Name }

// InstallationSpace is the name of the space of an installation.
func InstallationSpace(installation int64) string {
	return "i/" + strconv.FormatInt(installation, 10)
}

// Space is the name of the space of a project.
func Space(installation int64, project string) string {
	return "p/" + strconv.FormatInt(installation, 10) + "/" + project
}

// Installation returns the installation that a space belongs to, 0 for the
// app's own.
func Installation(space string) int64 {
	parts := strings.Split(space, "/")
	if len(parts) < 2 {
		return 0
	}
	id, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return 0
	}
	return id
}
