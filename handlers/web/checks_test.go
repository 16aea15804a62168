package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/handlers"
)

// checked is a lobby where something can be checked, and how often it was.
func checked(t *testing.T) (l *lobby, times *int) {
	l, times = newLobby(t), new(int)
	l.pages.cfg.Check = func(context.Context) []Finding {
		*times++
		return []Finding{{What: "store", Note: "it can be <b>written</b>"}, {What: "webhook", Bad: "GitHub delivers to <i>nowhere</i>", Todo: "change it"}}
	}
	mux := handlers.NewRouter()
	l.pages.Register(mux)
	l.handler = mux
	return l, times
}

// The operator sees how everything is, with the token and nothing else: also where nobody
// can sign in, and after any number of restarts.
func TestChecksAreTheOperators(t *testing.T) {
	l, times := checked(t)
	g := l.guest()
	if page := g.ask("GET", "/login", nil).Body.String(); !strings.Contains(page, `href="/checks"`) {
		t.Errorf("nothing leads there: %s", page)
	}
	if out := g.ask("GET", "/checks", nil); out.Code != 200 || !strings.Contains(out.Body.String(), `type="password"`) || *times != 0 {
		t.Errorf("the form: %d %s", out.Code, out.Body)
	}
	for _, wrong := range []string{"", "x", token + "x"} {
		if out := g.ask("POST", "/checks", url.Values{"token": {wrong}}); out.Code != http.StatusUnauthorized || strings.Contains(out.Body.String(), "nowhere") || *times != 0 {
			t.Errorf("%q: %d %s", wrong, out.Code, out.Body)
		}
	}
	out := g.ask("POST", "/checks", url.Values{"token": {" " + token + "\n"}})
	contains(t, out.Body.String(), "it can be &lt;b&gt;written&lt;/b&gt;", "GitHub delivers to &lt;i&gt;nowhere&lt;/i&gt;", "change it", "Check again")
	if out.Code != 200 || *times != 1 || strings.Contains(out.Body.String(), token) || len(out.Result().Cookies()) != 0 {
		t.Errorf("the operator: %d, %d times, %v %s", out.Code, *times, out.Header(), out.Body)
	}

	// A program's way, and people who are signed in.
	g.headers["Authorization"] = "Bearer " + token
	if out := g.ask("GET", "/checks", nil); !strings.Contains(out.Body.String(), "change it") {
		t.Errorf("with the header: %d %s", out.Code, out.Body)
	}
	var answer struct{ Checks []Finding }
	if out := g.ask("GET", "/api/v1/checks", nil); out.Code != 200 || json.Unmarshal(out.Body.Bytes(), &answer) != nil || len(answer.Checks) != 2 || answer.Checks[1].Todo != "change it" {
		t.Errorf("the API: %d %s", out.Code, out.Body)
	}
	before := *times
	ann := l.guest()
	ann.signsIn("ann")
	if out := ann.ask("GET", "/api/v1/checks", nil); out.Code != http.StatusNotFound {
		t.Errorf("somebody who is signed in: %d %s", out.Code, out.Body)
	}
	if out := ann.ask("GET", "/checks", nil); strings.Contains(out.Body.String(), "nowhere") || *times != before {
		t.Errorf("somebody who is signed in: %d %s", out.Code, out.Body)
	}
}

// Who tries tokens is held up, here as elsewhere.
func TestChecksAreNotGuessed(t *testing.T) {
	l, times := checked(t)
	g := l.guest()
	for range handlers.MayGuess {
		g.ask("POST", "/checks", url.Values{"token": {"wrong"}})
	}
	if out := g.ask("POST", "/checks", url.Values{"token": {token}}); out.Code != http.StatusTooManyRequests || out.Header().Get("Retry-After") == "" || *times != 0 {
		t.Errorf("%d %v %s", out.Code, out.Header(), out.Body)
	}
}

// Without a token nobody is the operator, and the page says what to do.
func TestChecksWithoutAToken(t *testing.T) {
	l, times := checked(t)
	l.pages.cfg.AdminToken = ""
	g := l.guest()
	if out := g.ask("GET", "/checks", nil); !strings.Contains(out.Body.String(), "SOULCASTER_ADMIN_TOKEN") || strings.Contains(out.Body.String(), "<form") {
		t.Errorf("%d %s", out.Code, out.Body)
	}
	if out := g.ask("POST", "/checks", url.Values{"token": {""}}); out.Code != http.StatusUnauthorized || *times != 0 {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}
