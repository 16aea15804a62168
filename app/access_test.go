package main

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/soulcaster/soulcaster/engine/project"
)

// TestWhoLosesARoleSeesNothing: what GitHub tells of an installation, of what it covers, of
// a repository or of an authorization counts at once; nobody waits for the minute.
func TestWhoLosesARoleSeesNothing(t *testing.T) {
	s := newStreet(t)
	s.send("acme-api", "acme-key-0123456789", `{"title": "The export of invoices fails at night", "author": "mona"}`)
	acme := s.signs("admin-of-acme")
	ids := map[string]string{"{installation}": "101"}
	acme.fill("acme", 1, ids)
	status := func() int {
		status, _ := acme.asks("GET", put("/api/v1/projects/{installation}/{project}/clusters", ids), "")
		return status
	}
	told := 0
	space, err := s.machine.db.Open(t.Context(), project.Space(101, ids["{project}"]))
	if err != nil {
		t.Fatal(err)
	}
	web, _, err := project.Load(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf(`"installation": {"id": 101}, "repository": {"id": %d, "full_name": "acme/web"}, "sender": {"id": 1}`, web.Repo.ID)
	for _, tt := range []struct{ event, action string }{
		{"installation", "new_permissions_accepted"}, {"installation_repositories", "removed"},
		{"repository", "privatized"}, {"repository", "transferred"}, {"github_app_authorization", "revoked"},
	} {
		tell := func() {
			told++
			body := fmt.Sprintf(`{"action": %q, %s}`, tt.action, at)
			if got := s.delivers(tt.event, fmt.Sprintf("d-%d", told), []byte(body)); got != http.StatusOK {
				t.Fatalf("%s %s is answered %d", tt.event, tt.action, got)
			}
		}
		s.hub.Allow("acme/web", "admin-of-acme", "admin")
		tell()
		if got := status(); got != http.StatusOK {
			t.Fatalf("%s %s: who may read it is answered %d", tt.event, tt.action, got)
		}
		s.hub.Allow("acme/web", "admin-of-acme", "none")
		tell()
		if got := status(); got != http.StatusNotFound {
			t.Errorf("%s %s: who may not read it any more is answered %d", tt.event, tt.action, got)
		}
	}
}
