package web

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/handlers"
)

// TestNothingIsShownInAFrame: whatever is answered, at whichever route and to whom, is
// shown in no frame of another site; nor is what the set-up page answers.
func TestNothingIsShownInAFrame(t *testing.T) {
	l := newLobby(t)
	l.accounts.allow("ann", 101, 7, "admin")
	nobody, ann := l.guest(), l.guest()
	ann.signsIn("ann")
	router := handlers.NewRouter()
	l.pages.Register(router)
	tried := 0
	for _, route := range router.Routes() {
		path := anID.ReplaceAllString(strings.ReplaceAll(route.Path, "{$}", ""), "101")
		tried++
		framed(t, route, "nobody", nobody.ask(route.Method, path, nil))
		if route.Path != "/logout" && !strings.HasPrefix(route.Path, "/api/") {
			framed(t, route, "ann", ann.ask(route.Method, path, nil))
		}
	}

	closed, opened, done := newVisitor(t, nil), newVisitor(t, nil), newVisitor(t, nil)
	opened.enter()
	done.enter()
	_, to := done.send(theForm)
	framed(t, handlers.Route{Method: "GET", Path: setupReturn}, "who has registered", done.ask("GET", setupReturn+"?code=code-1&state="+to.Query().Get("state"), nil))
	for _, v := range []*visitor{closed, opened, done} {
		for _, route := range v.setup.mux.Routes() {
			if route.Path == "/healthz" {
				continue // for programs, and of no page
			}
			tried++
			for _, accept := range []string{"text/html", ""} {
				if v.headers = (http.Header{"Accept": {accept}}); accept == "" && route.Path == "/" {
					continue // in JSON, to programs
				}
				framed(t, route, "at the set-up", v.ask(cmp.Or(route.Method, "GET"), route.Path, nil))
			}
		}
	}
	if tried < 80 {
		t.Errorf("%d routes were tried", tried)
	}
}

var anID = regexp.MustCompile(`\{[a-z]+\}`)

func framed(t *testing.T, route handlers.Route, whom string, out *httptest.ResponseRecorder) {
	t.Helper()
	if policy := out.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("%s %s, %s: answered %d with the policy %q", route.Method, route.Path, whom, out.Code, policy)
	}
}
