package web

import (
	"context"
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/registration"
)

// visitor is a browser at the set-up page.
type visitor struct {
	t       *testing.T
	setup   *Setup
	cookies []*http.Cookie
	headers http.Header
}

func (v *visitor) ask(method, path string, form url.Values) *httptest.ResponseRecorder {
	v.t.Helper()
	r := httptest.NewRequestWithContext(v.t.Context(), method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, values := range v.headers {
		r.Header[name] = values
	}
	for _, c := range v.cookies {
		r.AddCookie(c)
	}
	out := httptest.NewRecorder()
	v.setup.ServeHTTP(out, r)
	return out
}

// enter brings the token.
func (v *visitor) enter() {
	v.t.Helper()
	out := v.ask("GET", v.setup.Path(), nil)
	if v.cookies = out.Result().Cookies(); out.Code != http.StatusSeeOther || out.Header().Get("Location") != "/setup" || len(v.cookies) != 1 {
		v.t.Fatalf("the token: %d %v", out.Code, out.Header())
	}
}

var (
	theForm  = url.Values{"name": {"Soulcaster of Acme"}, "owner": {"person"}, "keep": {"store"}, "fix": {"on"}}
	theApp   = registration.App{ID: 7, Slug: "soulcaster-of-acme", Name: "Soulcaster of Acme", URL: "https://github.test/apps/soulcaster-of-acme", ClientSecret: "client-secret-1", PrivateKey: "pem-1"}
	manifest = regexp.MustCompile(`name="manifest" value="([^"]*)"`)
	leadsTo  = regexp.MustCompile(`id="manifest" method="post" action="([^"]*)"`)
)

// send sends the form, and returns the manifest and where it is to go.
func (v *visitor) send(form url.Values) (m map[string]any, to *url.URL) {
	v.t.Helper()
	out := v.ask("POST", "/setup/manifest", form)
	body := out.Body.String()
	found, at := manifest.FindStringSubmatch(body), leadsTo.FindStringSubmatch(body)
	if out.Code != 200 || found == nil || at == nil {
		v.t.Fatalf("the form: %d %s", out.Code, body)
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(found[1])), &m); err != nil {
		v.t.Fatal(err)
	}
	to, err := url.Parse(html.UnescapeString(at[1]))
	if err != nil {
		v.t.Fatal(err)
	}
	if policy := out.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "form-action https://github.test") || strings.Contains(policy, "unsafe") {
		v.t.Errorf("the policy of the page that goes on to GitHub is %q", policy)
	}
	return m, to
}

func newVisitor(t *testing.T, change func(c *SetupConfig)) *visitor {
	c := SetupConfig{PublicURL: "https://soul.test", GitHubURL: "https://github.test", File: "./data/x.json",
		Register: func(_ context.Context, code string, inFile bool) (registration.App, error) {
			if code != "code-1" {
				return registration.App{}, errors.New("no such code")
			}
			return theApp, nil
		},
		Check: func(context.Context) []Finding {
			return []Finding{{What: "store", Note: "it can be written"}, {What: "GitHub App", Bad: "<no> permission", Todo: "add it"}}
		},
	}
	if change != nil {
		change(&c)
	}
	return &visitor{t: t, setup: NewSetup(c)}
}

func TestSetupIsForWhoBringsTheToken(t *testing.T) {
	v := newVisitor(t, nil)
	open := v.setup.Path()
	for _, c := range []struct {
		name, method, path string
		status             int
	}{
		{"without the token", "GET", "/setup", 403},
		{"with a wrong one", "GET", "/setup?token=x", 403},
		{"with an empty one", "GET", "/setup?token=", 403},
		{"by a program that looks where the link leads", "HEAD", open, 403},
		{"the rest", "GET", "/", 503}, {"the rest", "POST", "/ingest/feedback/x", 503}, {"the rest", "GET", "/readyz", 503},
		{"the style", "GET", "/setup/style.css", 200}, {"the script", "GET", "/setup/setup.js", 403}, {"a POST", "POST", "/setup", 405},
		{"a form", "POST", "/setup/manifest", 403}, {"the way back", "GET", "/setup/registered?state=x&code=y", 403}, {"checks", "GET", "/setup/checks", 403},
		{"health", "GET", "/healthz", 200},
	} {
		if out := v.ask(c.method, c.path, nil); out.Code != c.status || c.status >= 400 && c.method != "HEAD" && !strings.Contains(out.Body.String(), `"error":`) {
			t.Errorf("%s, %s %s: %d %s", c.name, c.method, c.path, out.Code, out.Body)
		}
	}
	v.headers = http.Header{"Accept": {"text/html"}}
	for path, says := range map[string]string{"/": "finds the address of the set-up page in its log", "/setup": "restart the app for a new one", "/setup/registered?state=x&code=y": "delete it there"} {
		if out := v.ask("GET", path, nil); out.Code < 400 || !strings.Contains(out.Header().Get("Content-Type"), "text/html") || !strings.Contains(out.Body.String(), says) {
			t.Errorf("a person at %s: %d %s", path, out.Code, out.Body)
		}
	}
	v.headers = nil
	v.enter()
	if c := v.cookies[0]; !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/setup" {
		t.Errorf("the cookie is %v", c)
	}
	other := newVisitor(t, nil)
	other.setup = v.setup
	if out := other.ask("GET", open, nil); out.Code != 403 {
		t.Errorf("the token again: %d", out.Code)
	}
	page := v.ask("GET", "/setup", nil)
	if body := page.Body.String(); page.Code != 200 || !strings.Contains(body, "https://soul.test/api/github/hook") || !strings.Contains(body, "./data/x.json") ||
		!strings.Contains(page.Header().Get("Content-Security-Policy"), "form-action 'self'") || page.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("with the cookie: %d %v", page.Code, page.Header())
	}
	if out := v.ask("GET", "/setup/style.css", nil); out.Code != 200 {
		t.Errorf("its style: %d", out.Code)
	}
	had := v.ask("GET", "/setup/style.css", nil).Header().Get("ETag")
	v.headers = http.Header{"If-None-Match": {had}}
	if out := v.ask("GET", "/setup/style.css", nil); out.Code != http.StatusNotModified || out.Header().Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("its style, which the browser has: %d %v", out.Code, out.Header())
	}
	v.headers = http.Header{"Sec-Fetch-Site": {"cross-site"}}
	if out := v.ask("POST", "/setup/manifest", theForm); out.Code != 403 {
		t.Errorf("a form from elsewhere: %d", out.Code)
	}
	v.headers = nil
	v.cookies[0].Value += "x"
	if out := v.ask("GET", "/setup", nil); out.Code != 403 {
		t.Errorf("with another cookie: %d", out.Code)
	}
}

func TestSetupAsksForWhatIsChosen(t *testing.T) {
	v := newVisitor(t, nil)
	v.enter()
	m, to := v.send(theForm)
	if to.Host != "github.test" || to.Path != "/settings/apps/new" || len(to.Query().Get("state")) < 20 {
		t.Errorf("it goes to %s", to)
	}
	permissions, events := m["default_permissions"].(map[string]any), m["default_events"].([]any)
	if permissions["contents"] != "write" || permissions["workflows"] != nil || !slices.Contains(events, any("pull_request_review")) || m["public"] != false ||
		m["hook_attributes"].(map[string]any)["url"] != "https://soul.test/api/github/hook" || m["redirect_url"] != "https://soul.test/setup/registered" || m["url"] != "https://soul.test" {
		t.Errorf("with the fix: %v", m)
	}
	m, to = v.send(url.Values{"name": {"X"}, "owner": {"organization"}, "organization": {"acme"}, "public": {"on"}})
	permissions, events = m["default_permissions"].(map[string]any), m["default_events"].([]any)
	if to.Path != "/organizations/acme/settings/apps/new" || len(permissions) != 2 || permissions["issues"] != "write" || permissions["metadata"] != "read" || len(events) != 3 || m["public"] != true {
		t.Errorf("without the fix it goes to %s: %v", to, m)
	}
	for want, form := range map[string]url.Values{
		"needs a name":          {"owner": {"person"}},
		"GitHub takes 34":       {"name": {strings.Repeat("ü", 35)}},
		"name the organisation": {"name": {"X"}, "owner": {"organization"}},
		"no name of an":         {"name": {"X"}, "owner": {"organization"}, "organization": {"../acme"}},
	} {
		if out := v.ask("POST", "/setup/manifest", form); out.Code != 422 || !strings.Contains(out.Body.String(), want) {
			t.Errorf("%v: %d, want %q in %s", form, out.Code, want, out.Body)
		}
	}
	v = newVisitor(t, func(c *SetupConfig) { c.PublicURL = "" })
	v.enter()
	if out := v.ask("GET", "/setup", nil); !strings.Contains(out.Body.String(), "SOULCASTER_PUBLIC_URL") || strings.Contains(out.Body.String(), "<form") {
		t.Errorf("nobody said where it is: %s", out.Body)
	}
}

func TestSetupTakesTheWayBack(t *testing.T) {
	now := time.Now()
	kept := []bool{}
	v := newVisitor(t, func(c *SetupConfig) {
		c.Now = func() time.Time { return now }
		register := c.Register
		c.Register = func(ctx context.Context, code string, inFile bool) (registration.App, error) {
			kept = append(kept, inFile)
			return register(ctx, code, inFile)
		}
	})
	v.enter()
	back := func(state, code string) *httptest.ResponseRecorder {
		return v.ask("GET", "/setup/registered?"+url.Values{"state": {state}, "code": {code}}.Encode(), nil)
	}
	state := func(form url.Values) string {
		_, to := v.send(form)
		return to.Query().Get("state")
	}
	old := state(theForm)
	now = now.Add(time.Hour)
	for name, s := range map[string]string{"none": "", "made up": "AAAAAAAAAAAAAAAAAAAAAAAAAA", "an hour old": old} {
		if out := back(s, "code-1"); out.Code != 403 || len(kept) != 0 {
			t.Errorf("a state that is %s: %d %s", name, out.Code, out.Body)
		}
	}
	if out := back(state(theForm), ""); out.Code != 403 || len(kept) != 0 {
		t.Errorf("without a code: %d", out.Code)
	}
	s := state(theForm)
	if out := back(s, "code-2"); out.Code != 502 || !strings.Contains(out.Body.String(), "no such code") {
		t.Errorf("a wrong code: %d %s", out.Code, out.Body)
	}
	if out := back(s, "code-1"); out.Code != 403 {
		t.Errorf("a state that was used: %d", out.Code)
	}
	select {
	case <-v.setup.Done():
		t.Fatal("it goes on without an App")
	default:
	}
	theForm := url.Values{"name": {"X"}, "owner": {"person"}, "keep": {"file"}}
	s = state(theForm)
	if out := back(s, "code-1"); out.Code != http.StatusSeeOther || out.Header().Get("Location") != "/setup" || !slices.Equal(kept, []bool{false, true}) {
		t.Errorf("the way back: %d %v, kept in a file: %v", out.Code, out.Header(), kept)
	}
	<-v.setup.Done()
	if out := v.ask("GET", "/", nil); out.Code != 503 || out.Header().Get("Refresh") == "" || !strings.Contains(out.Body.String(), "is starting with it") {
		t.Errorf("until the app is there: %d %v %s", out.Code, out.Header(), out.Body)
	}
	out := v.ask("GET", "/setup", nil)
	if body := out.Body.String(); out.Code != 200 || !strings.Contains(body, "https://github.test/apps/soulcaster-of-acme/installations/new") || strings.Contains(body, theApp.ClientSecret) || strings.Contains(body, theApp.PrivateKey) {
		t.Errorf("afterwards: %d %s", out.Code, body)
	}
	if out := v.ask("GET", "/setup/checks", nil); !strings.Contains(out.Body.String(), "&lt;no&gt; permission") || !strings.Contains(out.Body.String(), "add it") || !strings.Contains(out.Body.String(), "it can be written") {
		t.Errorf("checks: %d %s", out.Code, out.Body)
	}
	if out := v.ask("POST", "/setup/manifest", theForm); out.Code != http.StatusSeeOther {
		t.Errorf("another App: %d", out.Code)
	}
}

// What GitHub has made and could not be kept is named.
func TestSetupLosesNoAppSilently(t *testing.T) {
	v := newVisitor(t, func(c *SetupConfig) {
		c.Register = func(context.Context, string, bool) (registration.App, error) {
			return theApp, errors.New("the store is away")
		}
	})
	v.enter()
	_, to := v.send(theForm)
	out := v.ask("GET", "/setup/registered?code=code-1&state="+to.Query().Get("state"), nil)
	if body := out.Body.String(); out.Code != 500 || !strings.Contains(body, theApp.URL) || !strings.Contains(body, "the store is away") || strings.Contains(body, theApp.PrivateKey) {
		t.Errorf("%d %s", out.Code, body)
	}
	select {
	case <-v.setup.Done():
		t.Error("it goes on without credentials")
	default:
	}
}
