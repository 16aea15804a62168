package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
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
			if out := l.signed(login).ask("POST", path, url.Values{}); out.Code != want || strings.Contains(out.Body.String(), "zanzibar") {
				t.Errorf("%s %s: %d %.200s", login, path, out.Code, out.Body)
			}
		}
	}
	if page := l.signed("eve").ask("GET", base+"/data", nil); page.Code != http.StatusOK || strings.Contains(page.Body.String(), "/export") || strings.Contains(page.Body.String(), "<form method=\"post\" action=\""+base+"/erase") {
		t.Errorf("who administers a part is offered the whole: %d %s", page.Code, page.Body)
	}
	ann := l.signed("ann")
	if page := ann.ask("GET", base+"/data", nil).Body.String(); !strings.Contains(page, `<form method="post" action="`+base+`/export"`) {
		t.Errorf("the page:\n%s", page)
	}
	// A link to it downloads nothing, and notes nothing.
	for _, path := range []string{base + "/export", api + base + "/export"} {
		if out := ann.ask("GET", path, nil); out.Code != http.StatusNotFound && out.Code != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, out.Code)
		}
	}
	leave, _ := l.pages.exporting.take(101)
	if out := ann.ask("POST", base+"/export", url.Values{}); out.Code != http.StatusTooManyRequests || out.Header().Get("Retry-After") == "" {
		t.Errorf("beside one that is under way: %d", out.Code)
	}
	leave()
	if page := ann.ask("GET", base+"/audit", nil).Body.String(); strings.Contains(page, "all data was downloaded") {
		t.Errorf("the audit, before anything was downloaded:\n%s", page)
	}
	out := ann.ask("POST", base+"/export", url.Values{})
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

// Who administers what is left of an installation could not read what left it.
func TestDownloadWithoutWhatLeft(t *testing.T) {
	l, base := twoShops(t)
	p, was := l.project("acme/web")
	p.Gone = true
	l.save("acme/web", p, was)
	l.covers(8)
	eve := l.signed("eve")
	out := eve.ask("POST", base+"/export", url.Values{})
	if out.Code != http.StatusOK || strings.Contains(out.Body.String(), "zanzibar") || !strings.Contains(out.Body.String(), `"space":"p/101/acme.api-`) {
		t.Errorf("%d %s", out.Code, out.Body)
	}
	if out := l.program(token, "POST", api+base+"/export", "{}"); !strings.Contains(out.Body.String(), "zanzibar") {
		t.Errorf("the operator's: %d %s", out.Code, out.Body)
	}
}

// Whoever takes nothing of a download holds a place for a moment, and holds up nobody of
// another tenant meanwhile.
func TestDownloadThatNobodyReads(t *testing.T) {
	l, base := twoShops(t)
	l.neighbour()
	space := l.world.Space("acme/web")
	for i := range 16 { // more than a connection takes that nobody reads from
		var b storage.Batch
		b.SetJSON(fmt.Sprintf("fb/zz-%d", i), strings.Repeat("x", 900_000))
		if err := space.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	l.pages.stall = time.Minute
	server := httptest.NewServer(l.handler)
	defer server.Close()
	begin := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ghu_ann\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", api+base+"/export")
		if status, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(status, " 200 ") {
			t.Fatalf("%q, %v", status, err)
		}
		return conn
	}
	conn := begin()
	for token, want := range map[string]int{"ghu_ann": http.StatusTooManyRequests, "ghu_dan": http.StatusOK} {
		at := map[string]string{"ghu_ann": base, "ghu_dan": installationPath(202)}[token]
		if out := l.program(token, "POST", api+at+"/export", "{}"); out.Code != want {
			t.Errorf("%s beside it: %d %.200s", token, out.Code, out.Body)
		}
	}
	conn.Close()
	l.ends(l.pages.exporting, "one whose reader has gone")
	l.pages.stall = 2 * time.Second
	defer begin().Close()
	l.ends(l.pages.exporting, "one that nobody reads")
}

// ends waits until nobody has a seat.
func (l *lobby) ends(s *seats, what string) {
	l.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		taken := s.taken
		s.mu.Unlock()
		if taken == 0 {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%s goes on", what)
		}
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
