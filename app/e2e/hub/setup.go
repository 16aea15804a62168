package hub

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// installation is the App on an account.
type installation struct {
	id          int64
	account     *account
	permissions map[string]string
	events      []string
	suspended   time.Time
	created     time.Time
}

// Repository is how a repository is to be.
type Repository struct {
	Private  bool
	NoDrafts bool              // its plan knows no draft pull requests
	Files    map[string]string // of the first commit; nil: a README.md; empty: no commit at all
}

// repository is a repository as it is.
type repository struct {
	id           int64
	owner        *account
	name         string
	private      bool
	noDrafts     bool
	branch       string // the default one
	git          git
	heads        map[string]string // branch → commit, as people were told last
	grants       map[string]string // login → permission
	issues       []*issue          // pull requests among them; number n is at n-1
	suites       []*suite
	installation *installation // nil: the App may not see it
	created      time.Time
}

func (r *repository) fullName() string { return r.owner.login + "/" + r.name }

// Install installs the App on an organization, which is made if there is none. It
// covers all repositories there, also those that are created later.
func (h *Hub) Install(id int64, organization string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.account(organization, "Organization")
	h.install(id, a, a)
}

func (h *Hub) install(id int64, on, by *account) *installation {
	in := &installation{id: id, account: on, permissions: maps.Clone(h.o.Permissions), events: h.o.Events, created: now()}
	h.installations[id] = in
	covered := []any{}
	for _, r := range h.repositories {
		if r.owner == on {
			r.installation = in
			covered = append(covered, r.brief())
		}
	}
	h.tell(in, "installation", object{"action": "created", "repositories": covered}, by)
	return in
}

// Ask has the App's owner change what the App asks for. An installation grants what it
// did before, and is told of no other events, until somebody accepts there.
func (h *Hub) Ask(permissions map[string]string, events []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.o.Permissions, h.o.Events = maps.Clone(permissions), slices.Clone(events)
}

// Accept has an administrator of an installation grant what the App asks for now.
func (h *Hub) Accept(id int64) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	in := h.installed(id)
	in.permissions, in.events = maps.Clone(h.o.Permissions), h.o.Events
	h.tell(in, "installation", object{"action": "new_permissions_accepted"}, in.account)
}

// Uninstall takes an installation away: its tokens are void at once.
func (h *Hub) Uninstall(id int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	in := h.installed(id)
	var gone []any
	for _, r := range h.repositories {
		if r.installation == in {
			r.installation = nil
			gone = append(gone, r.brief())
		}
	}
	delete(h.installations, id)
	for value, t := range h.tokens {
		if t.installation == in {
			delete(h.tokens, value)
		}
	}
	h.tell(in, "installation", object{"action": "deleted", "repositories": gone}, in.account)
}

// Suspend suspends an installation, or lets it go on.
func (h *Hub) Suspend(id int64, suspended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	in := h.installed(id)
	action := "unsuspend"
	in.suspended = time.Time{}
	if suspended {
		action, in.suspended = "suspend", now()
	}
	h.tell(in, "installation", object{"action": action}, in.account)
}

func (h *Hub) installed(id int64) *installation {
	h.t.Helper()
	in := h.installations[id]
	if in == nil {
		h.t.Fatalf("hub: no installation %d", id)
	}
	return in
}

// Create makes a repository, "acme/web", whose default branch is main, and returns
// its id. The App is told of it if it is installed there.
func (h *Hub) Create(fullName string, as Repository) int64 {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	owner, name, ok := strings.Cut(fullName, "/")
	if !ok || h.find(fullName) != nil {
		h.t.Fatalf("hub: %q cannot be made", fullName)
	}
	r := &repository{
		id: h.id(), owner: h.account(owner, "Organization"), name: name, private: as.Private, noDrafts: as.NoDrafts, branch: "main",
		heads: make(map[string]string), grants: map[string]string{strings.ToLower(owner): "admin"}, created: now(),
	}
	r.git = git(filepath.Join(h.o.Dir, fmt.Sprintf("%d.git", r.id)))
	if err := r.git.create(r.branch); err != nil {
		h.t.Fatalf("hub: %v", err)
	}
	if as.Files == nil {
		as.Files = map[string]string{"README.md": "# " + name + "\n"}
	}
	if len(as.Files) > 0 {
		if _, err := r.commit(r.owner, r.branch, as.Files, "Initial commit"); err != nil {
			h.t.Fatalf("hub: %v", err)
		}
	}
	r.heads, _ = r.git.heads()
	h.repositories = append(h.repositories, r)
	for _, in := range h.installations {
		if in.account == r.owner {
			r.installation = in
			h.tellRepositories(in, "added", r)
		}
	}
	return r.id
}

// Exclude takes a repository out of the installation that covers it.
func (h *Hub) Exclude(fullName string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.must(fullName)
	if in := r.installation; in != nil {
		r.installation = nil
		h.tellRepositories(in, "removed", r)
	}
}

func (h *Hub) tellRepositories(in *installation, action string, r *repository) {
	added, removed := []any{}, []any{}
	if action == "added" {
		added = append(added, r.brief())
	} else {
		removed = append(removed, r.brief())
	}
	h.tell(in, "installation_repositories", object{
		"action": action, "repository_selection": "selected", "repositories_added": added, "repositories_removed": removed, "requester": nil,
	}, in.account)
}

// Allow gives a person a permission in a repository: read, triage, write, maintain
// or admin; none takes it away.
func (h *Hub) Allow(fullName, login, permission string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.account(login, "User")
	h.must(fullName).grants[strings.ToLower(login)] = permission
}

// find returns a repository by its name, nil if there is none.
func (h *Hub) find(fullName string) *repository {
	for _, r := range h.repositories {
		if strings.EqualFold(r.fullName(), fullName) {
			return r
		}
	}
	return nil
}

func (h *Hub) must(fullName string) *repository {
	h.t.Helper()
	r := h.find(fullName)
	if r == nil {
		h.t.Fatalf("hub: no repository %s", fullName)
	}
	return r
}
