package hub

import (
	"strings"
	"testing"
	"time"

	jwt "github.com/golang-jwt/jwt/v4"
)

func TestApp(t *testing.T) {
	w := newWorld(t, nil)
	if status, app := w.ask(w.jwt(nil), "GET", "/app", nil); status != 200 || app["slug"] != "soulcaster" || at(app, "permissions", "contents") != "write" {
		t.Errorf("%d %v", status, app)
	}
	if status, in := w.ask(w.jwt(nil), "GET", "/api/v3/app/installations/101", nil); status != 200 || at(in, "account", "login") != "acme" {
		t.Errorf("%d %v", status, in)
	}
	stranger := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{Issuer: "4711"})
	forged, err := stranger.SignedString([]byte("guess"))
	if err != nil {
		t.Fatal(err)
	}
	late := jwt.NewNumericDate(time.Now().Add(11 * time.Minute))
	for name, token := range map[string]string{
		"none": "", "bogus": "a.b.c", "another algorithm": forged, "an installation's": w.mint(nil),
		"another App's": w.jwt(func(c *jwt.RegisteredClaims) { c.Issuer = "1" }),
		"expired":       w.jwt(func(c *jwt.RegisteredClaims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Second)) }),
		"too long":      w.jwt(func(c *jwt.RegisteredClaims) { c.ExpiresAt = late }),
		"for ever":      w.jwt(func(c *jwt.RegisteredClaims) { c.ExpiresAt = nil }),
		"of tomorrow":   w.jwt(func(c *jwt.RegisteredClaims) { c.IssuedAt = jwt.NewNumericDate(time.Now().Add(5 * time.Minute)) }),
	} {
		if status, _ := w.ask(token, "GET", "/app", nil); status != 401 {
			t.Errorf("%s: %d, want 401", name, status)
		}
	}
	if status, _ := w.ask(w.jwt(nil), "GET", "/repos/acme/web", nil); status != 403 {
		t.Errorf("the App itself in a repository: %d, want 403", status)
	}
	if status, _ := w.ask(w.jwt(nil), "GET", "/app/installations/999", nil); status != 404 {
		t.Errorf("an installation that is not there: %d", status)
	}
}

// A token is good for what was asked for, and no more can be asked for than was
// granted.
func TestTokens(t *testing.T) {
	w := newWorld(t, nil)
	api := w.Create("acme/api", Repository{Private: true})
	shop := w.Hub.find("globex/shop").id
	const mint = "/app/installations/101/access_tokens"
	for name, ask := range map[string]object{
		"a permission that nobody granted": {"permissions": object{"workflows": "write"}},
		"a level that nobody granted":      {"permissions": object{"checks": "write"}},
		"another tenant's repository":      {"repository_ids": []int64{w.id, shop}},
		"a repository that is not there":   {"repository_ids": []int64{1}},
	} {
		if status, answer := w.ask(w.jwt(nil), "POST", mint, ask); status != 422 || answer["token"] != nil {
			t.Errorf("%s: %d %v, want 422", name, status, answer)
		}
	}
	status, answer := w.ask(w.jwt(nil), "POST", mint, object{"repository_ids": []int64{w.id}, "permissions": object{"contents": "read"}})
	if status != 201 || at(answer, "permissions", "metadata") != "read" || at(answer, "permissions", "issues") != nil || at(answer, "repositories", 0, "full_name") != web {
		t.Fatalf("%d %v", status, answer)
	}
	token := answer["token"].(string)
	if len(token) < 400 || !strings.HasPrefix(token, "ghs_") {
		t.Errorf("the token is not as GitHub's: %d characters", len(token))
	}
	if expires, err := time.Parse(time.RFC3339, answer["expires_at"].(string)); err != nil || time.Until(expires) > time.Hour || time.Until(expires) < 59*time.Minute {
		t.Errorf("expires %v", answer["expires_at"])
	}
	for _, tt := range []struct {
		token, method, path string
		body                any
		status              int
	}{
		{token, "GET", "/repos/acme/web", nil, 200},
		{token, "GET", "/repos/acme/web/contents/README.md", nil, 200},
		{token, "POST", "/repos/acme/web/git/blobs", object{"content": "x"}, 403},
		{token, "POST", "/repos/acme/web/issues", object{"title": "t"}, 403},
		{token, "GET", "/repos/acme/web/pulls", nil, 403},
		{token, "GET", "/repos/acme/api", nil, 404},    // ours, and not asked for
		{token, "GET", "/repos/globex/shop", nil, 404}, // another's
		{w.mint(nil), "GET", "/repos/acme/api", nil, 200},
		{w.mint(nil), "GET", "/repos/globex/shop", nil, 404},
		{w.mint(nil), "GET", "/repos/acme/web/nonsense", nil, 404},
		{"", "GET", "/repos/acme/web", nil, 401},
		{"ghs_bogus", "GET", "/repos/acme/web", nil, 401},
		{"maintainer", "GET", "/repos/acme/web", nil, 401},
	} {
		if status, answer := w.ask(tt.token, tt.method, tt.path, tt.body); status != tt.status {
			t.Errorf("%s %s with %.8s…: %d %v, want %d", tt.method, tt.path, tt.token, status, answer, tt.status)
		}
	}
	if api == w.id {
		t.Error("two repositories with one id")
	}

	w.Exclude("acme/api")
	if status, _ := w.ask(w.mint(nil), "GET", "/repos/acme/api", nil); status != 404 {
		t.Errorf("a repository that was taken out: %d", status)
	}
	w.Suspend(101, true)
	if status, _ := w.ask(token, "GET", "/repos/acme/web", nil); status != 403 {
		t.Errorf("while suspended: %d", status)
	}
	if status, _ := w.ask(w.jwt(nil), "POST", mint, nil); status != 403 {
		t.Errorf("a token while suspended: %d", status)
	}
	w.Suspend(101, false)
	w.Uninstall(101)
	if status, _ := w.ask(token, "GET", "/repos/acme/web", nil); status != 401 {
		t.Errorf("after it was uninstalled: %d", status)
	}
	if status, _ := w.ask(w.jwt(nil), "POST", mint, nil); status != 404 {
		t.Errorf("a token after it was uninstalled: %d", status)
	}
	for _, tt := range [][2]string{{"installation_repositories", "removed"}, {"installation", "suspend"}, {"installation", "unsuspend"}, {"installation", "deleted"}} {
		if got := w.next(tt[0], tt[1]); at(got, "installation", "id") != float64(101) {
			t.Errorf("%v: %v", tt, got)
		}
	}
}

// People's permissions, as the App asks for them.
func TestPermission(t *testing.T) {
	w := newWorld(t, nil)
	w.Create("acme/secret", Repository{Private: true})
	w.Allow(web, "triager", "triage")
	w.Allow(web, "chief", "admin")
	w.As("stranger")
	w.AsBot("dependabot[bot]")
	token := w.mint(nil)
	for _, tt := range []struct{ repo, user, permission, role string }{
		{web, "maintainer", "write", "write"},
		{web, "Maintainer", "write", "write"},
		{web, "triager", "read", "triage"},
		{web, "chief", "admin", "admin"},
		{web, "stranger", "read", "read"},
		{"acme/secret", "stranger", "none", "none"},
		{"acme/secret", "maintainer", "none", "none"},
		{web, "dependabot[bot]", "none", "none"},
	} {
		status, answer := w.ask(token, "GET", "/repos/"+tt.repo+"/collaborators/"+tt.user+"/permission", nil)
		if status != 200 || answer["permission"] != tt.permission || answer["role_name"] != tt.role {
			t.Errorf("%s in %s: %d %v, want %s, %s", tt.user, tt.repo, status, answer, tt.permission, tt.role)
		}
	}
	if status, _ := w.ask(token, "GET", "/repos/acme/web/collaborators/nobody/permission", nil); status != 404 {
		t.Errorf("nobody: %d", status)
	}
}
