package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/work"
)

// twoShops is a shop in which ann administers everything, eve one repository of two, and
// others less.
func twoShops(t *testing.T) (l *lobby, base string) {
	l, _, _ = shop(t)
	if _, err := l.world.Projects.Ensure(t.Context(), 101, project.Repo{Owner: "acme", Name: "api"}); err != nil {
		t.Fatal(err)
	}
	l.bind("acme/api", 8)
	l.accounts.join("eve")
	l.accounts.allow("ann", 101, 8, "pull", "push", "admin")
	l.accounts.allow("eve", 101, 8, "pull", "push", "admin")
	l.accounts.allow("eve", 101, 7, "pull")
	l.world.Take("reports", l.world.Report("reports", `{"title": "Zanzibar export fails", "body": "zanzibar", "author": "mona@example.com"}`)...)
	l.world.Settle()
	return l, installationPath(101)
}

func TestDownload(t *testing.T) {
	l, base := twoShops(t)
	for login, want := range map[string]int{"bob": http.StatusForbidden, "cid": http.StatusForbidden, "eve": http.StatusForbidden, "dan": http.StatusNotFound} {
		for _, path := range []string{base + "/export", api + base + "/export"} {
			if out := l.signed(login).ask("GET", path, nil); out.Code != want || strings.Contains(out.Body.String(), "zanzibar") {
				t.Errorf("%s %s: %d %.200s", login, path, out.Code, out.Body)
			}
		}
	}
	if page := l.signed("eve").ask("GET", base+"/data", nil); page.Code != http.StatusOK || strings.Contains(page.Body.String(), "/export") || strings.Contains(page.Body.String(), "<form method=\"post\" action=\""+base+"/erase") {
		t.Errorf("who administers a part is offered the whole: %d %s", page.Code, page.Body)
	}
	ann := l.signed("ann")
	if page := ann.ask("GET", base+"/data", nil).Body.String(); !strings.Contains(page, `href="`+base+`/export"`) {
		t.Errorf("the page:\n%s", page)
	}
	out := ann.ask("GET", base+"/export", nil)
	lines := strings.Split(strings.TrimSpace(out.Body.String()), "\n")
	var end struct {
		Kind  string
		Lines int
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &end); err != nil || out.Code != http.StatusOK || end.Kind != "end" || end.Lines != len(lines)-2 {
		t.Errorf("%d, %d lines, the last is %s", out.Code, len(lines), lines[len(lines)-1])
	}
	if h := out.Header(); h.Get("Content-Type") != "application/x-ndjson" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", h)
	}
	if !strings.Contains(out.Body.String(), "zanzibar") || strings.Contains(out.Body.String(), `"sealed":"`) {
		t.Error("the feedback is missing, or a secret is not")
	}
	if page := ann.ask("GET", base+"/audit", nil).Body.String(); !strings.Contains(page, "all data was downloaded") || !strings.Contains(page, "@ann") {
		t.Errorf("the audit:\n%s", page)
	}
}

func TestErasure(t *testing.T) {
	l, base := twoShops(t)
	space := l.world.Space("acme/web")
	there := func() bool {
		entries, err := space.Scan(t.Context(), "fb/", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.Contains(string(e.Value), "zanzibar") {
				return true
			}
		}
		return false
	}
	mona := url.Values{"person": {"mona@example.com"}}
	for login, want := range map[string]int{"bob": http.StatusForbidden, "eve": http.StatusForbidden, "dan": http.StatusNotFound} {
		if out := l.signed(login).ask("POST", base+"/erase", mona); out.Code != want {
			t.Errorf("%s: %d", login, out.Code)
		}
	}
	ann := l.signed("ann")
	if out := ann.ask("POST", base+"/erase", url.Values{"person": {"<b>mona"}, "report": {"x"}}); out.Code != http.StatusUnprocessableEntity ||
		!strings.Contains(out.Body.String(), "nothing was ordered") || !strings.Contains(out.Body.String(), "&lt;b&gt;mona") {
		t.Errorf("both at once: %d %s", out.Code, out.Body)
	}
	l.world.Settle()
	if !there() {
		t.Fatal("it is gone before it was to be")
	}
	out := ann.ask("POST", base+"/erase", mona)
	if out.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
	if page := ann.ask("GET", out.Header().Get("Location"), nil).Body.String(); !strings.Contains(page, "It is being erased") || !strings.Contains(page, "ordered by @ann") || strings.Contains(page, "mona") {
		t.Errorf("the page:\n%s", page)
	}
	l.world.Settle()
	if there() {
		t.Error("it is still there")
	}
	page := ann.ask("GET", base+"/audit", nil).Body.String()
	if !strings.Contains(page, "reports: 1") || !strings.Contains(page, out.Header().Get("X-Request-ID")) || strings.Contains(page, "mona") {
		t.Errorf("the audit:\n%s", page)
	}
	home, err := l.world.Projects.Space(t.Context(), 101)
	if err != nil {
		t.Fatal(err)
	}
	if due, err := work.List(t.Context(), home, "erasure/", 10); err != nil || len(due) != 0 {
		t.Errorf("still due: %v %v", due, err)
	}
}
