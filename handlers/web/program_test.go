package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// program asks as a program with a token does.
func (l *lobby) program(token, method, path, body string) *httptest.ResponseRecorder {
	l.t.Helper()
	r := httptest.NewRequestWithContext(l.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	out := httptest.NewRecorder()
	l.handler.ServeHTTP(out, r)
	return out
}

// A token that a person gave to the App is worth what they are; any other is worth nothing.
func TestTokensOfPeople(t *testing.T) {
	l, _, path := shop(t)
	for token, want := range map[string]int{
		"ghu_ann": 200, "ghu_cid": 200, "ghu_dan": 404, "ghu_nobody": 401, "gho_ann": 401, "ghp_ann": 401, "ann": 401, "sck_101_x": 401, "": 401,
	} {
		if out := l.program(token, "GET", api+path+"/settings", ""); out.Code != want {
			t.Errorf("%q: %d, want %d", token, out.Code, want)
		}
	}
	if out := l.program("ghu_ann", "GET", path+"/settings", ""); out.Code != http.StatusUnauthorized {
		t.Errorf("a page: %d", out.Code)
	}
	for token, want := range map[string]int{"ghu_cid": 403, "ghu_dan": 404, "ghu_ann": 200} {
		out := l.program(token, "POST", api+path+"/settings", `{"mode": "live"}`)
		if out.Code != want {
			t.Errorf("%s goes live: %d %s", token, out.Code, out.Body)
		}
	}
	for body, want := range map[string]int{`{"mode": "bananas"}`: 400, `{"mod": "live"}`: 400, `{} {}`: 400, `[`: 400, `{"mode": "` + strings.Repeat("x", maxForm) + `"}`: 413} {
		if out := l.program("ghu_ann", "POST", api+path+"/settings", body); out.Code != want {
			t.Errorf("%.20s: %d, want %d", body, out.Code, want)
		}
	}
	l.accounts.mu.Lock()
	l.accounts.revoked["token-ann"], l.accounts.revoked["ghu_ann"] = true, true
	l.accounts.mu.Unlock()
	l.world.Pass(time.Minute)
	if out := l.program("ghu_ann", "GET", api+path+"/settings", ""); out.Code != http.StatusUnauthorized {
		t.Errorf("a minute after it was taken back: %d", out.Code)
	}
}

// A token that somebody gave to another App shows nothing of this one's, whoever they are
// and whatever was seen a moment ago with a token that they gave to this one; and hides
// nothing from them.
func TestTokensOfAnotherApp(t *testing.T) {
	l, _, path := shop(t)
	ann := l.signed("ann")
	for range 2 {
		if out := ann.ask("GET", path+"/settings", nil); out.Code != 200 {
			t.Errorf("ann in her browser: %d", out.Code)
		}
		if out := l.program("ghu_ann", "GET", api+path+"/settings", ""); out.Code != 200 {
			t.Errorf("her program: %d", out.Code)
		}
		if out := l.program("ghu_elsewhere-ann", "GET", api+path+"/settings", ""); out.Code != 404 {
			t.Errorf("another App's program that she uses: %d, want 404", out.Code)
		}
		if out := l.program("ghu_elsewhere-ann", "GET", api+"/projects", ""); strings.Contains(out.Body.String(), "acme") {
			t.Errorf("another App's program is told %s", out.Body)
		}
	}
}

// Who brings wrong tokens is told to wait, and GitHub is not asked for each.
func TestWrongTokensAreCounted(t *testing.T) {
	l, _, path := shop(t)
	if out := l.program("ghu_ann", "GET", api+path+"/settings", ""); out.Code != 200 {
		t.Fatal(out.Code)
	}
	last := 0
	for i := range 100 {
		last = l.program("ghu_wrong"+strings.Repeat("x", i), "GET", api+path+"/settings", "").Code
	}
	l.accounts.mu.Lock()
	asked := l.accounts.asked["/user"]
	l.accounts.mu.Unlock()
	if last != http.StatusTooManyRequests || asked > 30 {
		t.Errorf("the last one: %d, GitHub was asked %d times", last, asked)
	}
	if out := l.program("ghu_ann", "GET", api+path+"/settings", ""); out.Code != 200 {
		t.Errorf("who was known keeps out: %d", out.Code)
	}
}

func TestKeys(t *testing.T) {
	l, _, path := shop(t)
	maker := enginetest.Person("ann")
	may := map[github.Person]github.Permission{maker: github.Admin, enginetest.Person("bob"): github.Write}
	l.permission = func(_ context.Context, at github.At, who github.Person) (github.Permission, error) {
		if at.Installation != 101 || at.Repo.ID != 7 {
			t.Errorf("asked of %+v", at)
		}
		return may[who], nil
	}
	ann := l.signed("ann")
	for login, want := range map[string]int{"bob": 403, "dan": 404} {
		if out := l.signed(login).ask("POST", "/installations/101/keys/make", url.Values{}); out.Code != want {
			t.Errorf("%s: %d, want %d", login, out.Code, want)
		}
	}
	form := url.Values{"name": {"deploy <b>"}, "role": {"read"}, "days": {"30"}, "repository": {"acme/web"}}
	for key, bad := range map[string]string{"name": "", "role": "owner", "days": "1000000", "repository": "acme/none"} {
		was := form[key]
		form[key] = []string{bad}
		if out := ann.ask("POST", "/installations/101/keys/make", form); out.Code != http.StatusUnprocessableEntity || strings.Contains(out.Body.String(), "sck_101_") {
			t.Errorf("%s %q: %d", key, bad, out.Code)
		}
		form[key] = was
	}
	found := regexp.MustCompile(`sck_101_[A-Z2-7]{26}`)
	out := ann.ask("POST", "/installations/101/keys/make", form)
	key := found.FindString(out.Body.String())
	if out.Code != http.StatusOK || key == "" || !strings.Contains(out.Body.String(), "curl -H &#39;Authorization: Bearer "+key) || out.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d\n%s", out.Code, out.Body)
	}
	page := ann.ask("GET", "/installations/101/keys", nil).Body.String()
	if strings.Contains(page, key) || !strings.Contains(page, "deploy &lt;b&gt;") {
		t.Errorf("the page afterwards:\n%s", page)
	}
	asks := func(want int, method, path, body string) {
		t.Helper()
		if out := l.program(key, method, path, body); out.Code != want {
			t.Errorf("%s %s: %d, want %d: %s", method, path, out.Code, want, out.Body)
		}
	}
	asks(200, "GET", api+path+"/settings", "")
	asks(403, "POST", api+path+"/settings", `{"mode": "live"}`) // its maker may, and it may not
	asks(404, "GET", api+"/installations/202/audit", "")
	asks(404, "GET", strings.Replace(api+path, "/101/", "/202/", 1)+"/settings", "")

	may[maker] = github.None // at GitHub
	asks(200, "GET", api+path+"/settings", "")
	l.world.Pass(time.Minute)
	asks(401, "GET", api+path+"/settings", "")
	if out := l.program(key, "GET", api+path+"/settings", ""); !strings.Contains(out.Body.String(), "whoever made it may do nothing") {
		t.Errorf("why it opens nothing: %s", out.Body)
	}
	may[maker] = github.Read // as everybody, for it is public
	l.forgets()
	asks(401, "GET", api+path+"/settings", "")
	may[maker] = github.Triage
	l.forgets()
	asks(200, "GET", api+path+"/settings", "")

	id := regexp.MustCompile(`name="id" value="([0-9a-f]+)"`).FindStringSubmatch(page)[1]
	if out := l.signed("dan").ask("POST", "/installations/202/keys/revoke", url.Values{"id": {id}}); out.Code != http.StatusNotFound {
		t.Errorf("another tenant revokes it: %d", out.Code)
	}
	ann.ask("POST", "/installations/101/keys/revoke", url.Values{"id": {id}})
	asks(401, "GET", api+path+"/settings", "")

	may[maker] = github.Admin
	l.world.Pass(time.Minute)
	form["role"] = []string{"admin"}
	key = found.FindString(ann.ask("POST", "/installations/101/keys/make", form).Body.String())
	asks(200, "POST", api+path+"/settings", `{"mode": "live"}`)
	var log auditList
	if err := json.Unmarshal(l.program(key, "GET", api+path+"/audit?subject=settings", "").Body.Bytes(), &log); err != nil || len(log.Entries) != 1 || log.Entries[0].By != `@ann, by the key "deploy <b>"` {
		t.Errorf("the audit says %+v %v", log, err)
	}
	l.world.Pass(30 * 24 * time.Hour)
	asks(401, "GET", api+path+"/settings", "")
}

// The operator's token is guessed as slowly as any other; whoever brought it lately is not
// kept out by those who guess.
func TestOperatorsTokenIsNotGuessed(t *testing.T) {
	for name, brought := range map[string]bool{"it was brought before": true, "it was not": false} {
		t.Run(name, func(t *testing.T) {
			l, _, path := shop(t)
			if brought {
				if out := l.program(token, "GET", api+path+"/settings", ""); out.Code != http.StatusOK {
					t.Fatal(out.Code)
				}
			}
			for i := range handlers.MayGuess {
				l.program("guess"+strings.Repeat("x", i), "GET", "/", "")
			}
			want := http.StatusTooManyRequests
			if brought {
				want = http.StatusOK
			}
			if out := l.program(token, "GET", api+path+"/settings", ""); out.Code != want {
				t.Errorf("the right one: %d, want %d", out.Code, want)
			}
			l.world.Pass(time.Minute)
			if out := l.program(token, "GET", api+path+"/settings", ""); out.Code != http.StatusOK {
				t.Errorf("a minute later: %d", out.Code)
			}
		})
	}
}

// What an issue would say, what it would not, and which reports count for nothing.
func TestDraftIsTold(t *testing.T) {
	l, space, path := shop(t)
	p, entry, err := project.Load(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	p.File.Ignore = []string{"export fails"}
	var b storage.Batch
	project.Save(&b, entry, p)
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	var draft apiDraft
	out := l.program("ghu_cid", "GET", api+path+"/clusters/000001/draft", "")
	if err := json.Unmarshal(out.Body.Bytes(), &draft); err != nil || out.Code != http.StatusOK {
		t.Fatalf("%d %s %v", out.Code, out.Body, err)
	}
	if draft.Standing == "" || len(draft.Uncounted) != 1 || draft.Uncounted[0].ID == "" || !strings.Contains(draft.Uncounted[0].Why, "export fails") || draft.More != 0 {
		t.Errorf("%+v", draft)
	}
	for token, want := range map[string]int{"ghu_dan": 404, "ghu_nobody": 401} {
		if out := l.program(token, "GET", api+path+"/clusters/000001/draft", ""); out.Code != want {
			t.Errorf("%s: %d, want %d", token, out.Code, want)
		}
	}
	if out := l.program("ghu_cid", "GET", api+path+"/clusters/000099/draft", ""); out.Code != http.StatusNotFound {
		t.Errorf("no such problem: %d", out.Code)
	}
}

// A token of GitHub makes keys, lists and revokes them, as their person does on the page. A
// key makes none, whatever it may do, and whoever does not administer every repository has
// to do with their own alone.
func TestKeysByProgram(t *testing.T) {
	l := market(t)
	l.permission = func(context.Context, github.At, github.Person) (github.Permission, error) { return github.Admin, nil }
	keys := api + acmeHome + "/keys"
	made := func(token string, want int, repository string) (id, key string) {
		t.Helper()
		out := l.program(token, "POST", keys, `{"name": "deploys", "role": "admin", "days": 30, "repositories": ["`+repository+`"]}`)
		if out.Code != want {
			t.Fatalf("%.4s… makes a key: %d %s", token, out.Code, out.Body)
		}
		var told struct{ ID, Key, By, Role string }
		if json.Unmarshal(out.Body.Bytes(), &told); want == http.StatusCreated && (told.Role != "admin" || "ghu_"+told.By != token) {
			t.Errorf("told of %+v", told)
		}
		return told.ID, told.Key
	}
	_, key := made("ghu_ann", http.StatusCreated, "acme/web")
	its, _ := made("ghu_eve", http.StatusCreated, "acme/api")
	made("ghu_eve", http.StatusUnprocessableEntity, "acme/web")
	made(key, http.StatusForbidden, "acme/web")
	made(token, http.StatusForbidden, "acme/web")
	if out := l.program(key, "GET", api+"/projects", ""); out.Code != http.StatusOK {
		t.Errorf("the key opens nothing: %d %s", out.Code, out.Body)
	}
	for who, want := range map[string]int{"ghu_eve": 1, "ghu_ann": 2} {
		out := l.program(who, "GET", keys, "")
		if got := strings.Count(out.Body.String(), `"name":"deploys"`); got != want || strings.Contains(out.Body.String(), key) {
			t.Errorf("%s sees %d keys, want %d: %s", who, got, want, out.Body)
		}
	}
	if out := l.program("ghu_eve", "POST", keys+"/revoke", `{"id": "`+its+`"}`); out.Code != http.StatusOK || strings.Contains(out.Body.String(), its) {
		t.Errorf("revoke: %d %s", out.Code, out.Body)
	}
	if out := l.program("ghu_eve", "POST", keys+"/revoke", `{"id": "`+its+`"}`); out.Code != http.StatusNotFound {
		t.Errorf("revoke again: %d %s", out.Code, out.Body)
	}
}
