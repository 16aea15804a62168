package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// shop is a lobby with a project, number 7 at GitHub, where ann administers, bob writes,
// cid reads, and dan is of another tenant.
func shop(t *testing.T) (l *lobby, space storage.Space, path string) {
	l = newLobby(t)
	l.world.Take("reports", l.world.Report("reports", `{"title": "The export fails"}`)...)
	l.world.Settle()
	l.bind("acme/web", 7)
	l.accounts.join("cid", "dan")
	l.accounts.allow("ann", 101, 7, "pull", "push", "admin")
	l.accounts.allow("bob", 101, 7, "pull", "push")
	l.accounts.allow("cid", 101, 7, "pull")
	l.accounts.allow("dan", 202, 9, "pull", "push", "admin")
	space = l.world.Space("acme/web")
	p, _, err := project.Load(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	return l, space, projectPath(p)
}

func (l *lobby) signed(login string) *guest {
	g := l.guest()
	g.signsIn(login)
	return g
}

func TestGoLive(t *testing.T) {
	l, space, path := shop(t)
	mode := func() policy.Mode {
		t.Helper()
		p, _, err := project.Load(t.Context(), space)
		if err != nil {
			t.Fatal(err)
		}
		return l.world.Projects.Policy(p).Mode
	}
	live := url.Values{"mode": {"live"}}
	for login, want := range map[string]int{"bob": http.StatusForbidden, "cid": http.StatusForbidden, "dan": http.StatusNotFound} {
		g := l.signed(login)
		if out := g.ask("POST", path+"/settings/mode", live); out.Code != want || mode() != policy.Preview {
			t.Errorf("%s: %d, mode %s", login, out.Code, mode())
		}
		if page := g.ask("GET", path+"/settings", nil).Body.String(); strings.Contains(page, "Go live") {
			t.Errorf("%s is offered the button", login)
		}
	}
	ann := l.signed("ann")
	if page := ann.ask("GET", path+"/settings", nil).Body.String(); !strings.Contains(page, `value="live">Go live`) || !strings.Contains(page, "<td>default</td>") {
		t.Errorf("the page:\n%s", page)
	}
	if out := ann.ask("POST", path+"/settings/mode", url.Values{"mode": {"bananas"}}); out.Code != http.StatusBadRequest || mode() != policy.Preview {
		t.Errorf("nonsense: %d", out.Code)
	}
	out := ann.ask("POST", path+"/settings/mode", live)
	if out.Code != http.StatusSeeOther || mode() != policy.Live {
		t.Fatalf("the button: %d, mode %s", out.Code, mode())
	}
	page := ann.ask("GET", out.Header().Get("Location"), nil).Body.String()
	for _, want := range []string{"The project is live", "Chosen by @ann", "Go back to preview", "these pages"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if page := ann.ask("GET", path+"/audit?subject=settings", nil).Body.String(); !strings.Contains(page, "@ann") || !strings.Contains(page, out.Header().Get("X-Request-ID")) {
		t.Errorf("the audit does not say who, in which request:\n%s", page)
	}
	l.world.Settle()
	// The repository's own word wins, and the page says so.
	p, entry, err := project.Load(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	preview := policy.Preview
	p.File.Mode = &preview
	var b storage.Batch
	project.Save(&b, entry, p)
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if page := ann.ask("GET", path+"/settings", nil).Body.String(); !strings.Contains(page, "file says so") || strings.Contains(page, "<button name=\"mode\"") {
		t.Errorf("the page offers what would change nothing:\n%s", page)
	}
}

func TestWorkIsTriedAgain(t *testing.T) {
	l, space, path := shop(t)
	var b storage.Batch
	b.SetJSON("work/dead/issue/000001", map[string]any{"attempts": 3, "error": "GitHub said no <script>"})
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	bob := l.signed("bob")
	page := bob.ask("GET", path+"/work", nil).Body.String()
	if !strings.Contains(page, "GitHub said no &lt;script&gt;") || !strings.Contains(page, "Try again") {
		t.Errorf("the page:\n%s", page)
	}
	if page := l.signed("cid").ask("GET", path+"/work", nil).Body.String(); !strings.Contains(page, "GitHub said no") || strings.Contains(page, "Try again") {
		t.Errorf("who may read sees the button, or not the error:\n%s", page)
	}
	if out := l.signed("cid").ask("POST", path+"/work/retry", url.Values{"key": {"issue/000001"}}); out.Code != http.StatusForbidden {
		t.Errorf("who may read: %d", out.Code)
	}
	for key, want := range map[string]int{"issue/000001": http.StatusSeeOther, "issue/none": http.StatusNotFound, "": http.StatusNotFound, strings.Repeat("x", 2000): http.StatusNotFound} {
		if out := bob.ask("POST", path+"/work/retry", url.Values{"key": {key}}); out.Code != want {
			t.Errorf("%.20q: %d, want %d", key, out.Code, want)
		}
	}
	s, err := work.Get(t.Context(), space, "issue/000001")
	if err != nil || s.State == work.Died {
		t.Errorf("it is %+v, %v", s, err)
	}
}

// What a form of another site has a browser send is not done.
func TestFormsOfOthers(t *testing.T) {
	l, space, path := shop(t)
	ann := l.signed("ann")
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		ann.headers[header[0]] = header[1]
		if out := ann.ask("POST", path+"/settings/mode", url.Values{"mode": {"live"}}); out.Code != http.StatusForbidden {
			t.Errorf("%v: %d", header, out.Code)
		}
		delete(ann.headers, header[0])
	}
	if p, _, err := project.Load(t.Context(), space); err != nil || p.Chosen.Mode != nil {
		t.Errorf("it was done: %+v %v", p.Chosen, err)
	}
}
