package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/source"
)

// A source of Sentry's that has a token is compared with its Sentry, and what it lacks is
// fetched, by who administers what it feeds.
func TestWhatSentryHas(t *testing.T) {
	l := market(t)
	space := l.world.Space("acme/web")
	const secretToken = "sntrys_0123456789abcdef"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		group := `{"id":"77","title":"KeyError: <b>plan</b>","status":"unresolved","count":"3","permalink":"https://acme.sentry.io/issues/77/","project":{"slug":"web"}}`
		switch {
		case r.Header.Get("Authorization") != "Bearer "+secretToken:
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "/organizations/acme/issues/"):
			fmt.Fprint(w, "["+group+"]")
		case strings.HasSuffix(r.URL.Path, "/issues/77/"):
			fmt.Fprint(w, group)
		case strings.HasSuffix(r.URL.Path, "/issues/77/events/latest/"):
			fmt.Fprint(w, `{"eventID":"e1","title":"KeyError: plan","entries":[]}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	id, _, err := l.world.Store.Create(t.Context(), enginetest.Installation, source.Sentry, source.Setting{Name: "Errors", Repository: "acme/web"}, source.By{Who: "@ann"})
	if err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/installations/%d/sources/%s", enginetest.Installation, id)
	ann := l.signed("ann")
	ann.headers["Accept"] = "text/html"
	give := url.Values{"organisation": {"acme"}, "token": {secretToken}, "url": {server.URL}}
	for login, want := range map[string]int{"bob": http.StatusForbidden, "cid": http.StatusForbidden, "dan": http.StatusNotFound} {
		g := l.signed(login)
		for _, to := range []string{"/api", "/lacking", "/lacking/fetch"} {
			if out := g.ask("POST", path+to, give); out.Code != want {
				t.Errorf("%s: %s: %d", login, to, out.Code)
			}
		}
		if out := g.ask("GET", "/api/v1"+path+"/lacking", nil); out.Code != want {
			t.Errorf("%s: %d", login, out.Code)
		}
	}
	if out := ann.ask("POST", path+"/lacking", url.Values{}); out.Code != http.StatusUnprocessableEntity || !strings.Contains(out.Body.String(), "no token") {
		t.Errorf("without a token: %d", out.Code)
	}
	for name, bad := range map[string]url.Values{
		"not https": {"organisation": {"acme"}, "token": {secretToken}, "url": {"http://sentry.example.com"}},
		"a path":    {"organisation": {"a/b"}, "token": {secretToken}},
		"no token":  {"organisation": {"acme"}},
	} {
		if out := ann.ask("POST", path+"/api", bad); out.Code != http.StatusUnprocessableEntity || strings.Contains(out.Body.String(), secretToken) {
			t.Errorf("%s: %d", name, out.Code)
		}
	}
	wrong := url.Values{"organisation": {"acme"}, "token": {"sntrys_of_somebody_else"}, "url": {server.URL}}
	if out := ann.ask("POST", path+"/api", wrong); out.Code != http.StatusSeeOther {
		t.Fatalf("a wrong token: %d %s", out.Code, out.Body)
	}
	ann.ask("POST", path+"/lacking", url.Values{})
	l.world.Settle()
	if home := ann.ask("GET", "/", nil).Body.String(); !strings.Contains(home, `<a href="`+path+`">Errors: `) {
		t.Errorf("the overview does not say that Sentry refuses the token:\n%s", home)
	}
	if out := ann.ask("POST", path+"/api", give); out.Code != http.StatusSeeOther {
		t.Fatalf("a token: %d %s", out.Code, out.Body)
	}
	for who, want := range map[*guest]bool{ann: true, l.signed("bob"): false} { // who may not change it
		if told := who.ask("GET", "/api/v1"+path, nil); told.Code != http.StatusOK || strings.Contains(told.Body.String(), `"api":{"organisation":"acme","url":"http`) != want || strings.Contains(told.Body.String(), secretToken) {
			t.Errorf("the API tells %d %s", told.Code, told.Body)
		}
	}
	compare := ann.ask("POST", path+"/lacking", url.Values{})
	if compare.Code != http.StatusSeeOther {
		t.Fatalf("compare: %d %s", compare.Code, compare.Body)
	}
	if page := ann.ask("GET", path, nil).Body.String(); !strings.Contains(page, "being compared") || strings.Contains(page, secretToken) {
		t.Errorf("while it is compared:\n%s", page)
	}
	l.world.Settle()
	page := ann.ask("GET", path, nil).Body.String()
	for _, want := range []string{"1 group is lacking", "KeyError: &lt;b&gt;plan&lt;/b&gt;", "https://acme.sentry.io/issues/77/", "Fetch it", "Compare again"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if page := l.signed("bob").ask("GET", path, nil).Body.String(); strings.Contains(page, "KeyError") || strings.Contains(page, "Fetch it") {
		t.Errorf("who may not configure it is shown:\n%s", page)
	}
	out := ann.ask("POST", path+"/lacking/fetch", url.Values{})
	if out.Code != http.StatusSeeOther {
		t.Fatalf("fetch: %d %s", out.Code, out.Body)
	}
	l.world.Settle()
	if page := ann.ask("GET", path, nil).Body.String(); !strings.Contains(page, "1 group was fetched") || strings.Contains(page, "Fetch it") {
		t.Errorf("afterwards:\n%s", page)
	}
	if entries, err := space.Scan(t.Context(), "fb/", "", 10); err != nil || len(entries) != 2 {
		t.Errorf("%d are stored, %v", len(entries), err)
	}
	if told := ann.ask("GET", "/api/v1"+path+"/lacking", nil).Body.String(); !strings.Contains(told, `"fetched":1`) || !strings.Contains(told, `"groups":[]`) {
		t.Errorf("the API tells %s", told)
	}
	audit := ann.ask("GET", fmt.Sprintf("/installations/%d/audit", enginetest.Installation), nil).Body.String()
	for _, want := range []string{"import.compare", compare.Header().Get("X-Request-ID"), "import.lacking", out.Header().Get("X-Request-ID")} {
		if !strings.Contains(audit, want) {
			t.Errorf("the audit lacks %q:\n%s", want, audit)
		}
	}
	if out := ann.ask("POST", path+"/api", url.Values{"remove": {"yes"}}); out.Code != http.StatusSeeOther {
		t.Errorf("take the token away: %d", out.Code)
	}
	if page := ann.ask("GET", path, nil).Body.String(); strings.Contains(page, "Compare again") || !strings.Contains(page, "Give a token") {
		t.Errorf("without the token:\n%s", page)
	}
}
