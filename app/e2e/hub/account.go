package hub

import (
	"fmt"
	"strconv"
	"strings"
)

// account is a person, an organization or the App's bot.
type account struct {
	id    int64
	login string
	kind  string // User, Organization, Bot
}

// account returns an account, which is made if there is none.
func (h *Hub) account(login, kind string) *account {
	a := h.accounts[strings.ToLower(login)]
	if a == nil {
		a = &account{id: h.id(), login: login, kind: kind}
		h.accounts[strings.ToLower(login)] = a
	}
	return a
}

// named returns the person with an id, nil if there is none.
func (h *Hub) named(id string) *account {
	for _, a := range h.accounts {
		if strconv.FormatInt(a.id, 10) == id && a.kind != "Organization" {
			return a
		}
	}
	return nil
}

// Rename gives a person another login. What they may do stays theirs; whoever asks for an
// account of the old one gets a new person.
func (h *Hub) Rename(login, to string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	was, is := strings.ToLower(login), strings.ToLower(to)
	a := h.accounts[was]
	if a == nil || h.accounts[is] != nil {
		h.t.Fatalf("hub: %s cannot be renamed to %s", login, to)
	}
	a.login = to
	delete(h.accounts, was)
	h.accounts[is] = a
	for _, r := range h.repositories {
		if p, ok := r.grants[was]; ok {
			delete(r.grants, was)
			r.grants[is] = p
		}
	}
}

// bot is the App as an author.
func (h *Hub) bot() *account { return h.accounts[strings.ToLower(h.login())] }

// email is the address that GitHub gives to those who hide theirs.
func (a *account) email() string {
	return fmt.Sprintf("%d+%s@users.noreply.github.com", a.id, a.login)
}

// byEmail returns whose commit it is, nil if GitHub knows nobody of that address.
func (h *Hub) byEmail(email string) *account {
	for _, a := range h.accounts {
		if strings.EqualFold(a.email(), email) {
			return a
		}
	}
	return nil
}

func (h *Hub) user(a *account) any {
	if a == nil {
		return nil
	}
	return object{
		"login": a.login, "id": a.id, "node_id": fmt.Sprintf("U_%d", a.id), "avatar_url": h.URL + "/avatars/" + a.login, "gravatar_id": "",
		"url": h.URL + "/users/" + a.login, "html_url": h.URL + "/" + a.login, "type": a.kind, "site_admin": false,
	}
}

// ranks order what people may do.
var ranks = map[string]int{"": 0, "none": 0, "read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}

// permission is what a person may do in a repository. Everybody reads what is
// public.
func (r *repository) permission(login string) string {
	p := r.grants[strings.ToLower(login)]
	if ranks[p] == 0 {
		if r.private {
			return "none"
		}
		return "read"
	}
	return p
}

// association is what GitHub writes beside what people say.
func (r *repository) association(a *account) string {
	switch {
	case a == r.owner:
		return "OWNER"
	case ranks[r.grants[strings.ToLower(a.login)]] > 0:
		return "COLLABORATOR"
	}
	return "NONE"
}

// getUserByID is GET /user/{id}.
func (c *call) getUserByID() (any, error) {
	a := c.hub.named(c.param("id"))
	if a == nil {
		return nil, refuse(404, "Not Found")
	}
	return c.hub.user(a), nil
}

// getPermission is GET collaborators/{user}/permission: a stranger is no error, but
// nobody is.
func (c *call) getPermission() (any, error) {
	a := c.hub.accounts[strings.ToLower(c.param("user"))]
	if a == nil || a.kind == "Organization" {
		return nil, refuse(404, fmt.Sprintf("%s is not a user", c.param("user")))
	}
	role := c.repo.permission(a.login)
	if a.kind == "Bot" && ranks[c.repo.grants[strings.ToLower(a.login)]] == 0 {
		role = "none"
	}
	word := map[string]string{"triage": "read", "maintain": "write"}[role]
	if word == "" {
		word = role
	}
	return object{"permission": word, "role_name": role, "user": c.hub.user(a)}, nil
}
