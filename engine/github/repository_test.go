package github

import (
	"encoding/base64"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/work"
)

func TestIdentity(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{
		"GET /app": says(200, map[string]any{"id": appID, "slug": "soulcaster", "name": "Soulcaster", "html_url": "https://x/apps/soulcaster",
			"permissions": map[string]any{"issues": "write", "brand_new": "read"}, "events": []any{"issues"}}),
		"GET /app/installations/101": says(200, map[string]any{"id": 101, "account": map[string]any{"login": "acme"}, "repository_selection": "selected",
			"permissions": map[string]any{"issues": "write"}, "suspended_at": nil}),
		"GET /app/installations/102": says(200, map[string]any{"id": 102, "account": map[string]any{"login": "evil"}, "suspended_at": "2026-01-02T03:04:05Z"}),
	})
	a, _ := f.app(Pace{})
	id, err := a.App(t.Context())
	want := Identity{ID: appID, Slug: "soulcaster", Name: "Soulcaster", URL: "https://x/apps/soulcaster",
		Permissions: map[string]string{"issues": "write", "brand_new": "read"}, Events: []string{"issues"}}
	if err != nil || !reflect.DeepEqual(id, want) || id.Login() != "soulcaster[bot]" {
		t.Errorf("%+v, %v, want %+v", id, err, want)
	}
	in, err := a.Installation(t.Context(), 101)
	if wantIn := (Installation{ID: 101, Account: "acme", Selection: "selected", Permissions: map[string]string{"issues": "write"}}); err != nil || !reflect.DeepEqual(in, wantIn) {
		t.Errorf("%+v, %v, want %+v", in, err, wantIn)
	}
	if in, err := a.Installation(t.Context(), 102); err != nil || !in.Suspended {
		t.Errorf("%+v, %v, want it suspended", in, err)
	}
	if _, err := a.Installation(t.Context(), 103); !errors.Is(err, ErrUninstalled) {
		t.Errorf("%v, want none", err)
	}
}

func TestRepository(t *testing.T) {
	body := map[string]any{"id": 9, "full_name": "acme/web", "private": true, "default_branch": "trunk", "archived": true, "has_issues": true}
	f := newFake(t, map[string]http.HandlerFunc{
		"GET /repos/acme/web": says(200, body),
		"GET /repos/acme/old": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/repositories/9", http.StatusMovedPermanently)
		},
		"GET /repositories/9": says(200, body),
		"GET /repos/acme/odd": says(200, map[string]any{}),
	})
	a, _ := f.app(Pace{})
	want := Repository{Repo: project.Repo{ID: 9, Owner: "acme", Name: "web"}, Private: true, DefaultBranch: "trunk", Archived: true, HasIssues: true}
	old, odd, none := acme, acme, acme
	old.Repo = project.Repo{Owner: "acme", Name: "old"} // renamed before its id was known
	odd.Repo.Name, none.Repo.Name = "odd", "none"
	for _, at := range []At{acme, old} {
		if got, err := a.Repository(t.Context(), at); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", at.Repo, got, err, want)
		}
	}
	if got, err := a.RepositoryByID(t.Context(), 101, 9); err != nil || got != want {
		t.Errorf("by id: %+v, %v", got, err)
	}
	if _, err := a.Repository(t.Context(), odd); err == nil {
		t.Error("an answer without a name was taken")
	}
	if _, err := a.Repository(t.Context(), none); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v, want not found", err)
	}
}

// A file is there, is not there, or nobody knows; the third is never taken for
// the second.
func TestFile(t *testing.T) {
	const route = "GET /repos/acme/web/contents/.github/soulcaster.yml"
	content := func(text string) map[string]any {
		return map[string]any{"type": "file", "encoding": "base64", "size": len(text), "content": base64.StdEncoding.EncodeToString([]byte(text))}
	}
	repo := says(200, map[string]any{"id": 9, "full_name": "acme/web"})
	folder := says(200, []any{map[string]any{"type": "file", "name": "x"}})
	notFound := says(404, map[string]any{"message": "Not Found"})
	tests := []struct {
		name          string
		ref           string
		file          http.HandlerFunc
		repo, top     http.HandlerFunc
		found, failed bool
	}{
		{name: "there", file: says(200, content("mode: live\n")), found: true},
		{name: "there at a ref", ref: "v1", file: says(200, content("mode: live\n")), found: true},
		{name: "not there", file: notFound, repo: repo},
		{name: "not there at a ref", ref: "v1", file: notFound, repo: repo, top: folder},
		{name: "no such ref", ref: "v1", file: notFound, repo: repo, top: notFound, failed: true},
		{name: "repository out of sight", file: notFound, repo: notFound, failed: true},
		{name: "repository suspended", file: notFound, repo: says(403, map[string]any{"message": "suspended"}), failed: true},
		{name: "no permission", file: says(403, map[string]any{"message": "Resource not accessible by integration"}), failed: true},
		{name: "outage", file: says(500, nil), failed: true},
		{name: "folder", file: folder, failed: true},
		{name: "submodule", file: says(200, map[string]any{"type": "submodule"}), failed: true},
		{name: "too long", file: says(200, content(strings.Repeat("x", MaxFile+1))), failed: true},
		{name: "not base64", file: says(200, map[string]any{"type": "file", "encoding": "base64", "content": "!"}), failed: true},
		{name: "too long for the API", file: says(200, map[string]any{"type": "file", "encoding": "none", "content": ""}), failed: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, map[string]http.HandlerFunc{
				route: func(w http.ResponseWriter, r *http.Request) {
					if got := r.URL.Query().Get("ref"); got != tt.ref {
						t.Errorf("ref %q, want %q", got, tt.ref)
					}
					tt.file(w, r)
				},
				"GET /repos/acme/web":           tt.repo,
				"GET /repos/acme/web/contents/": tt.top,
			})
			a, _ := f.app(Pace{})
			got, found, err := a.File(t.Context(), acme, ".github/soulcaster.yml", tt.ref)
			if found != tt.found || (err != nil) != tt.failed {
				t.Errorf("found %v, %v", found, err)
			}
			if found && string(got) != "mode: live\n" {
				t.Errorf("content %q", got)
			}
		})
	}
}

func TestPermission(t *testing.T) {
	tests := []struct {
		word, role string
		want       Permission
	}{
		{"admin", "admin", Admin},
		{"write", "maintain", Maintain},
		{"write", "write", Write},
		{"write", "release manager", Write}, // an organization's own role
		{"read", "triage", Triage},
		{"read", "read", Read},
		{"read", "maintain", Read}, // a role does not lift a permission above it
		{"read", "admin", Read},
		{"none", "", None},
		{"push", "write", Write},
		{"pull", "read", Read},
		{"maintain", "maintain", Maintain},
		{"triage", "triage", Triage},
	}
	for _, tt := range tests {
		f := newFake(t, map[string]http.HandlerFunc{
			"GET /repos/acme/web/collaborators/octo_cat/permission": says(200, map[string]any{"permission": tt.word, "role_name": tt.role, "user": map[string]any{"id": 5, "login": "octo_cat"}}),
		})
		a, _ := f.app(Pace{})
		if got, err := a.Permission(t.Context(), acme, Person{5, "octo_cat"}); err != nil || got != tt.want {
			t.Errorf("%s, %s: %v, %v, want %v", tt.word, tt.role, got, err, tt.want)
		}
	}
	if !(None < Read && Read < Triage && Triage < Write && Write < Maintain && Maintain < Admin) {
		t.Error("permissions are not in order")
	}
}

func TestPermissionDenies(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{
		"GET /user/5": says(404, nil),
		"GET /repos/acme/web/collaborators/limited/permission": says(403, map[string]any{"message": "no"}),
		"GET /repos/acme/web/collaborators/away/permission":    says(500, nil),
		"GET /repos/acme/web/collaborators/odd/permission":     says(200, map[string]any{"permission": "owner"}),
	})
	a, _ := f.app(Pace{})
	for _, login := range []string{"stranger", "dependabot[bot]", "../../x", "a/b", ""} {
		if got, err := a.Permission(t.Context(), acme, Person{5, login}); got != None || err != nil {
			t.Errorf("%q: %v, %v, want none", login, got, err)
		}
	}
	if got, err := a.Permission(t.Context(), acme, Person{Login: "limited"}); got != None || err != nil {
		t.Errorf("nobody's login: %v, %v, want none", got, err)
	}
	if calls := f.seen(); len(calls) != 2 {
		t.Errorf("calls %v: asked for what is no person's login", calls)
	}
	for _, login := range []string{"limited", "odd"} {
		if got, err := a.Permission(t.Context(), acme, Person{5, login}); got != None || err == nil {
			t.Errorf("%q: %v, %v, want an error", login, got, err)
		}
	}
	var later *work.Later
	if got, err := a.Permission(t.Context(), acme, Person{5, "away"}); got != None || !errors.As(err, &later) {
		t.Errorf("outage: %v, %v, want a *work.Later", got, err)
	}
}

// A login that is another's by now is worth nothing to whoever had it, and nothing of
// theirs to whoever has it: the id says who somebody is.
func TestPermissionIsOfAPersonNotOfALogin(t *testing.T) {
	const away = "GET /user/"
	may := func(word string, id int64) http.HandlerFunc {
		return says(200, map[string]any{"permission": word, "role_name": word, "user": map[string]any{"id": id}})
	}
	called := func(id int64, login string) http.HandlerFunc {
		return says(200, map[string]any{"id": id, "login": login})
	}
	const ofAnn, ofAnna = "GET /repos/acme/web/collaborators/ann/permission", "GET /repos/acme/web/collaborators/anna/permission"
	for name, tt := range map[string]struct {
		says  map[string]http.HandlerFunc
		want  Permission
		fails bool
	}{
		"as ever":                        {map[string]http.HandlerFunc{ofAnn: may("write", 5)}, Write, false},
		"renamed":                        {map[string]http.HandlerFunc{away + "5": called(5, "anna"), ofAnna: may("write", 5)}, Write, false},
		"renamed, and the login taken":   {map[string]http.HandlerFunc{ofAnn: may("admin", 6), away + "5": called(5, "anna"), ofAnna: may("read", 5)}, Read, false},
		"gone, and the login taken":      {map[string]http.HandlerFunc{ofAnn: may("admin", 6)}, None, false},
		"the new login taken as well":    {map[string]http.HandlerFunc{ofAnn: may("admin", 6), away + "5": called(5, "anna"), ofAnna: may("admin", 7)}, None, false},
		"GitHub does not say whose":      {map[string]http.HandlerFunc{ofAnn: says(200, map[string]any{"permission": "admin"}), away + "5": called(5, "ann")}, None, false},
		"another is told of than asked":  {map[string]http.HandlerFunc{ofAnn: may("admin", 6), away + "5": called(6, "anna"), ofAnna: may("admin", 6)}, None, false},
		"the new name cannot be looked":  {map[string]http.HandlerFunc{ofAnn: may("admin", 6), away + "5": says(500, nil)}, None, true},
		"the new name is no person's":    {map[string]http.HandlerFunc{ofAnn: may("admin", 6), away + "5": called(5, "../../x")}, None, false},
		"no permission, nor a new login": {map[string]http.HandlerFunc{ofAnn: says(404, nil), away + "5": called(5, "Ann")}, None, false},
	} {
		f := newFake(t, tt.says)
		a, _ := f.app(Pace{})
		if got, err := a.Permission(t.Context(), acme, Person{5, "ann"}); got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%s: %v, %v, want %v", name, got, err, tt.want)
		}
	}
}
