package web

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/traffic"
)

const (
	acmeHome = "/installations/101"
	aSecret  = "0123456789abcdef0123456789abcdef"
)

// market is a shop in which eve administers acme/api, number 8, and nothing else.
func market(t *testing.T) *lobby {
	l, _, _ := shop(t)
	l.world.Space("acme/api")
	l.bind("acme/api", 8)
	l.accounts.join("eve")
	l.accounts.mu.Lock()
	l.accounts.names[8] = "acme/api"
	l.accounts.mu.Unlock()
	l.accounts.allow("ann", 101, 8, "pull", "push", "admin")
	l.accounts.allow("eve", 101, 8, "pull", "push", "admin")
	return l
}

// connects connects a source, and returns its id and the page that follows.
func (g *guest) connects(form url.Values) (id, page string) {
	g.t.Helper()
	out := g.ask("POST", acmeHome+"/sources", form)
	if out.Code == http.StatusSeeOther {
		at := out.Header().Get("Location")
		out = g.ask("GET", at, nil)
	}
	found := regexp.MustCompile(`<code>((?:sentry|reddit|feedback)-101-[a-z0-9]{10})</code>`).FindStringSubmatch(out.Body.String())
	if out.Code != http.StatusOK || found == nil {
		g.t.Fatalf("connect %v: %d %s", form, out.Code, out.Body)
	}
	return found[1], out.Body.String()
}

func (l *lobby) sourceOf(id string) *source.Source {
	l.t.Helper()
	src, err := l.world.Store.Source(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	return src
}

// arrives counts something at a source.
func (l *lobby) arrived(id string, e traffic.Event) {
	l.t.Helper()
	l.world.Traffic.Source(101, id, e)
	if err := l.world.Traffic.Flush(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

func accepted(n int64) traffic.Event { return traffic.Event{Counts: traffic.Counts{Accepted: n}} }

func sentryForm() url.Values { return url.Values{"kind": {"sentry"}, "name": {"Errors"}} }

// From nothing to a Sentry whose errors arrive where they belong.
func TestConnectSentry(t *testing.T) {
	l := market(t)
	ann := l.signed("ann")
	for _, at := range []string{acmeHome + "/sources/new", acmeHome + "/sources/new?kind=sentry"} {
		if out := ann.ask("GET", at, nil); out.Code != 200 || !strings.Contains(out.Body.String(), "Connect a source") {
			t.Fatalf("%s: %d", at, out.Code)
		}
	}
	id, page := ann.connects(sentryForm())
	path := acmeHome + "/sources/" + id
	for _, want := range []string{
		"https://soul.test/ingest/sentry/" + id, "Issue &amp; Event: Read", "Alert Rule Action", "Waiting for the first event", "There is none yet: everything that Sentry sends is refused",
		`data-live="/api/v1` + path + `/events"`, "The source is connected", "connected by @ann", `<option value="acme/web">`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if out := ann.ask("POST", path+"/secrets", url.Values{"secret": {"short"}}); out.Code != http.StatusUnprocessableEntity || !strings.Contains(out.Body.String(), "was it copied whole?") || strings.Contains(out.Body.String(), `value="short"`) {
		t.Errorf("half a secret: %d %s", out.Code, out.Body)
	}
	if out := ann.ask("POST", path+"/secrets", url.Values{"secret": {aSecret}}); out.Code != http.StatusSeeOther {
		t.Fatalf("the secret: %d %s", out.Code, out.Body)
	}
	if got := l.sourceOf(id).Secrets; !slices.Equal(got, []string{aSecret}) {
		t.Errorf("secrets %q", got)
	}

	// What comes before a route is named is held, and shown with the project it is of.
	for i, slug := range []string{"api", "<b>shop</b>"} {
		readings, err := l.world.Reader(id).Sentry("event_alert", fmt.Appendf(nil, `{"action": "triggered", "data": {"event": {"event_id": "%032d", "issue_id": "%d", "title": "E: m %d", "project_slug": %q}}}`, i, i, i, slug))
		if err != nil {
			t.Fatal(err)
		}
		l.world.Take(id, readings...)
	}
	l.arrived(id, accepted(2))
	home := ann.ask("GET", acmeHome, nil).Body.String()
	for _, want := range []string{"Held: no repository is named for these", "E: m 0", `name="project" value="api"`, "&lt;b&gt;shop&lt;/b&gt;", `aria-label="Reports, last 14 days: 2`, "speaks", "Connect a source"} {
		if !strings.Contains(home, want) {
			t.Errorf("the page of the installation lacks %q:\n%s", want, home)
		}
	}
	if page := ann.ask("GET", path, nil).Body.String(); !strings.Contains(page, "The first event was received at 2026-03-02 09:00:00 UTC") {
		t.Errorf("nobody says that it arrived:\n%s", page)
	}
	version := regexp.MustCompile(`name="project" value="api"><input type="hidden" name="version" value="(\d+)"`).FindStringSubmatch(home)
	if version == nil {
		t.Fatalf("no form:\n%s", home)
	}
	held := url.Values{"source": {id}, "project": {"api"}, "repository": {"acme/web"}, "version": {version[1]}}
	if out := ann.ask("POST", acmeHome+"/held/route", held); out.Code != http.StatusSeeOther || out.Header().Get("Location") != acmeHome+"?done=routed#held" {
		t.Fatalf("the route: %d %s", out.Code, out.Body)
	}
	l.world.Settle()
	if got := l.sourceOf(id).Routes; len(got) != 1 || got["api"] != "acme/web" {
		t.Errorf("routes %v", got)
	}
	home = ann.ask("GET", acmeHome, nil).Body.String()
	if strings.Contains(home, "E: m 0") || !strings.Contains(home, "E: m 1") || !strings.Contains(home, "api → acme/web") {
		t.Errorf("after it was routed:\n%s", home)
	}
	if page := ann.ask("GET", pathOf(t, l.world, "acme/web"), nil).Body.String(); !strings.Contains(page, "2 problems from 2 reports") {
		t.Errorf("it is not in its project:\n%s", page)
	}
	// The same form again was decided on what is not so any more.
	if out := ann.ask("POST", acmeHome+"/held/route", held); out.Code != http.StatusConflict {
		t.Errorf("again: %d", out.Code)
	}
	out := ann.ask("POST", path+"/routes", url.Values{"project": {"api"}})
	if out.Code != http.StatusSeeOther || len(l.sourceOf(id).Routes) != 0 {
		t.Errorf("the route is taken out: %d %v", out.Code, l.sourceOf(id).Routes)
	}
	audit := ann.ask("GET", acmeHome+"/audit?subject="+id, nil).Body.String()
	for _, want := range []string{"source.create", "source.secret.add", "source.update", "@ann", out.Header().Get("X-Request-ID")} {
		if !strings.Contains(audit, want) {
			t.Errorf("the audit lacks %q:\n%s", want, audit)
		}
	}
	if strings.Contains(audit, aSecret) {
		t.Error("the audit tells the secret")
	}
}

// A key is on the page that answers, and nowhere else at any time.
func TestKeyIsShownOnce(t *testing.T) {
	l := market(t)
	ann := l.signed("ann")
	keys := regexp.MustCompile(`scs_[a-z2-7]{26}`)
	out := ann.ask("POST", acmeHome+"/sources", url.Values{"kind": {"feedback"}, "name": {"Forms"}, "repository": {"acme/web"}})
	page := out.Body.String()
	key := keys.FindString(page)
	if out.Code != http.StatusOK || key == "" || out.Header().Get("Cache-Control") != "no-store" || strings.Contains(page, "data-live") ||
		!strings.Contains(page, "shown this once") || !strings.Contains(page, "curl https://soul.test/ingest/feedback/feedback-101-") || !strings.Contains(page, "X-API-Key: "+key) {
		t.Fatalf("%d %v %s", out.Code, out.Header(), page)
	}
	id := regexp.MustCompile(`feedback-101-[a-z0-9]{10}`).FindString(page)
	path := acmeHome + "/sources/" + id
	if got := l.sourceOf(id).Digests; len(got) != 1 || got[0] != sha256.Sum256([]byte(key)) {
		t.Errorf("it is not the key")
	}
	out = ann.ask("POST", path+"/secrets", url.Values{"overlap": {"24h"}})
	next := keys.FindString(out.Body.String())
	if out.Code != http.StatusOK || next == "" || next == key || len(l.sourceOf(id).Digests) != 2 {
		t.Fatalf("another key: %d %s", out.Code, out.Body)
	}
	for _, at := range []string{path, acmeHome, acmeHome + "/audit", api + path} {
		out := ann.ask("GET", at, nil)
		if out.Code != 200 || keys.MatchString(out.Body.String()) || strings.Contains(out.Body.String(), aSecret) {
			t.Errorf("%s: %d shows a key: %s", at, out.Code, out.Body)
		}
	}
	names, err := l.world.DB.List(t.Context(), "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		space, err := l.world.DB.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := space.Scan(t.Context(), "", "", 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if keys.Match(e.Value) {
				t.Errorf("%s in %s holds a key", e.Key, name)
			}
		}
	}
	l.world.Pass(24 * time.Hour)
	if got := l.sourceOf(id).Digests; len(got) != 1 || got[0] != sha256.Sum256([]byte(next)) {
		t.Errorf("after the overlap: %d keys", len(got))
	}
	ann = l.signed("ann") // a day later
	page = ann.ask("GET", path, nil).Body.String()
	end := regexp.MustCompile(`name="id" value="([a-z0-9]+)"`).FindStringSubmatch(page)
	if end == nil {
		t.Fatalf("no key can be ended:\n%s", page)
	}
	if out := ann.ask("POST", path+"/secrets/end", url.Values{"id": {end[1]}}); out.Code != http.StatusSeeOther || len(l.sourceOf(id).Digests) != 0 {
		t.Errorf("its end: %d", out.Code)
	}
	if out := ann.ask("POST", path+"/secrets/end", url.Values{"id": {end[1]}}); out.Code != http.StatusNotFound {
		t.Errorf("its end again: %d", out.Code)
	}
	if out := ann.ask("POST", path+"/secrets", url.Values{"overlap": {"1000h"}}); out.Code != http.StatusUnprocessableEntity {
		t.Errorf("another overlap: %d", out.Code)
	}
}

func TestRedditSource(t *testing.T) {
	l := market(t)
	ann := l.signed("ann")
	if out := ann.ask("POST", acmeHome+"/sources", url.Values{"kind": {"reddit"}, "name": {"Posts"}, "subreddits": {"not/a/subreddit"}}); out.Code != 422 || !strings.Contains(out.Body.String(), `value="not/a/subreddit"`) {
		t.Errorf("no subreddit: %d %s", out.Code, out.Body)
	}
	id, _ := ann.connects(url.Values{"kind": {"reddit"}, "name": {"Posts"}, "subreddits": {"r/golang, rust"}, "repository": {"acme/web"}})
	path := acmeHome + "/sources/" + id
	if out := ann.ask("POST", path+"/client", url.Values{"client": {"abcDEF1234567"}, "secret": {aSecret}}); out.Code != http.StatusSeeOther {
		t.Fatalf("the client: %d %s", out.Code, out.Body)
	}
	if src := l.sourceOf(id); src.Client == nil || src.Client.Secret != aSecret || !slices.Equal(src.Subreddits, []string{"golang", "rust"}) {
		t.Errorf("%v", src.Client)
	}
	page := ann.ask("GET", path, nil).Body.String()
	if !strings.Contains(page, "abcDEF1234567") || strings.Contains(page, aSecret) || !strings.Contains(page, `value="golang rust"`) {
		t.Errorf("the page:\n%s", page)
	}
	for who, want := range map[*guest]bool{ann: true, l.signed("bob"): false} { // who may not change it
		if told := who.ask("GET", api+path, nil); told.Code != http.StatusOK || strings.Contains(told.Body.String(), `"client":{"id":"abcDEF1234567","made":"20`) != want || strings.Contains(told.Body.String(), aSecret) {
			t.Errorf("the API tells %d %s", told.Code, told.Body)
		}
	}
	for _, form := range []url.Values{{}, {"client": {"abcDEF1234567"}}, {"client": {"a b"}, "secret": {aSecret}}} {
		if out := ann.ask("POST", path+"/client", form); out.Code != 422 {
			t.Errorf("%v: %d", form, out.Code)
		}
	}
	if out := ann.ask("POST", path+"/client", url.Values{"remove": {"yes"}}); out.Code != http.StatusSeeOther || l.sourceOf(id).Client != nil {
		t.Errorf("taken away: %d", out.Code)
	}
}

// Who may see the installation may not change a source for that; who administers another
// repository neither, and may not send it there. Another tenant finds nothing.
func TestWhoMayConfigure(t *testing.T) {
	l := market(t)
	ann := l.signed("ann")
	id, _ := ann.connects(url.Values{"kind": {"sentry"}, "name": {"Errors"}, "repository": {"acme/web"}})
	path := acmeHome + "/sources/" + id
	before := l.world.Store
	stored, err := before.Get(t.Context(), 101, id)
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]url.Values{
		path + "/settings": {"name": {"Mine"}, "repository": {"acme/api"}}, path + "/routes": {"project": {"x"}, "repository": {"acme/api"}},
		path + "/secrets": {"secret": {aSecret}}, path + "/secrets/end": {"id": {"x"}}, path + "/client": {"client": {"abcdefgh"}, "secret": {aSecret}},
		path + "/remove": {"sure": {"yes"}}, acmeHome + "/held/route": {"source": {id}, "project": {"x"}, "repository": {"acme/api"}},
	}
	told := map[string]string{
		api + path: `{"name": "Mine", "repository": "acme/api"}`, api + path + "/secrets": `{"secret": "` + aSecret + `"}`, api + path + "/secrets/end": `{"id": "x"}`,
		api + path + "/client": `{}`, api + path + "/remove": `{}`,
	}
	for login, want := range map[string]int{"bob": 403, "cid": 403, "eve": 404, "dan": 404} {
		g := l.signed(login)
		for at, form := range forms {
			if out := g.ask("POST", at, form); out.Code != want {
				t.Errorf("%s %s: %d, want %d: %s", login, at, out.Code, want, out.Body)
			}
		}
		for at, body := range told {
			if out := l.program("ghu_"+login, "POST", at, body); out.Code != want {
				t.Errorf("%s %s: %d, want %d: %s", login, at, out.Code, want, out.Body)
			}
		}
		page := g.ask("GET", path, nil)
		if strings.Contains(page.Body.String(), "/settings\"") || strings.Contains(page.Body.String(), "/remove") {
			t.Errorf("%s is offered what they may not:\n%s", login, page.Body)
		}
	}
	nobody := l.guest()
	nobody.headers["Accept"] = "application/json"
	for at, form := range forms {
		if out := nobody.ask("POST", at, form); out.Code != http.StatusUnauthorized {
			t.Errorf("nobody %s: %d", at, out.Code)
		}
		for _, from := range []string{"cross-site", "same-site"} {
			ann.headers["Sec-Fetch-Site"] = from
			if out := ann.ask("POST", at, form); out.Code != http.StatusForbidden {
				t.Errorf("%s from another site: %d", at, out.Code)
			}
			delete(ann.headers, "Sec-Fetch-Site")
		}
	}
	if now, err := before.Get(t.Context(), 101, id); err != nil || now.Version() != stored.Version() {
		t.Fatalf("it was changed: %v", err)
	}

	// Eve may connect sources of her repository, and feed no other with them.
	eve := l.signed("eve")
	if out := eve.ask("POST", acmeHome+"/sources", url.Values{"kind": {"sentry"}, "name": {"x"}, "repository": {"acme/web"}}); out.Code != 422 || !strings.Contains(out.Body.String(), "that you administer") {
		t.Errorf("eve feeds what she may not: %d", out.Code)
	}
	hers, _ := eve.connects(url.Values{"kind": {"sentry"}, "name": {"Hers"}, "repository": {"acme/api"}})
	for at, form := range map[string]url.Values{
		"/settings": {"name": {"Hers"}, "repository": {"acme/web"}}, "/routes": {"project": {"x"}, "repository": {"acme/web"}},
	} {
		if out := eve.ask("POST", acmeHome+"/sources/"+hers+at, form); out.Code != 422 {
			t.Errorf("eve %s: %d", at, out.Code)
		}
	}
	if out := eve.ask("POST", acmeHome+"/sources/"+hers+"/settings", url.Values{"name": {"Renamed"}, "repository": {"Acme/API"}}); out.Code != http.StatusSeeOther {
		t.Errorf("eve renames hers: %d %s", out.Code, out.Body)
	}
	if src := l.sourceOf(hers); src.Name != "Renamed" {
		t.Errorf("it is called %s", src.Name)
	}
	// Once a repository is gone, it takes nobody's word to send its feedback elsewhere.
	p, entry := l.project("acme/api")
	p.Unavailable, p.Gone = "it is gone", true
	l.save("acme/api", p, entry)
	l.accounts.allow("ann", 101, 8)
	l.accounts.allow("eve", 101, 8)
	l.forgets()
	if out := ann.ask("POST", acmeHome+"/sources/"+hers+"/settings", url.Values{"name": {"Taken over"}, "repository": {"acme/web"}}); out.Code != http.StatusSeeOther {
		t.Errorf("ann takes it over: %d %s", out.Code, out.Body)
	}
}

// Who calls their repository as another one was called before does not administer what
// settings mean by that name.
func TestBorrowedName(t *testing.T) {
	l := market(t)
	ann, eve := l.signed("ann"), l.signed("eve")
	id, _ := ann.connects(url.Values{"kind": {"sentry"}, "name": {"Errors of the web"}, "repository": {"acme/web"}})
	l.accounts.mu.Lock()
	l.accounts.names[7], l.accounts.names[8] = "acme/old-web", "acme/web"
	l.accounts.mu.Unlock()
	l.forgets()
	for at, form := range map[string]url.Values{
		"/sources/" + id + "/settings": {"name": {"Mine"}, "repository": {"acme/web"}},
		"/sources/" + id + "/remove":   {"sure": {"yes"}},
		"/sources":                     {"kind": {"feedback"}, "name": {"Into it"}, "repository": {"acme/web"}},
	} {
		if out := eve.ask("POST", acmeHome+at, form); out.Code < 400 {
			t.Errorf("%s: %d", at, out.Code)
		}
	}
	if out := ann.ask("POST", acmeHome+"/sources/"+id+"/settings", url.Values{"name": {"Still hers"}, "repository": {"acme/web"}}); out.Code != http.StatusSeeOther {
		t.Errorf("who administers it under its new name: %d %s", out.Code, out.Body)
	}
}

// Who reads a repository sees the sources that feed it, and nothing of others.
func TestWhoSeesSources(t *testing.T) {
	l := market(t)
	ann := l.signed("ann")
	l.accounts.allow("ann", 101, 8, "pull", "push", "admin")
	l.forgets()
	both, _ := ann.connects(url.Values{"kind": {"sentry"}, "name": {"For both"}, "repository": {"acme/web"}})
	ann.ask("POST", acmeHome+"/sources/"+both+"/routes", url.Values{"project": {"the-api"}, "repository": {"acme/api"}})
	other, _ := ann.connects(url.Values{"kind": {"sentry"}, "name": {"For the api"}, "repository": {"acme/api"}})
	unrouted, _ := ann.connects(sentryForm())
	ann.ask("POST", acmeHome+"/sources/"+both+"/secrets", url.Values{"secret": {aSecret}})
	cid := l.signed("cid")
	page := cid.ask("GET", acmeHome, nil).Body.String()
	for text, want := range map[string]bool{"For both": true, "For the api": false, "acme/api": false, "the-api": false, "reports": true, "others": false, unrouted: false, "Connect a source": false} {
		if strings.Contains(page, text) != want {
			t.Errorf("cid sees %q: %v\n%s", text, !want, page)
		}
	}
	for at, want := range map[string]int{both: 200, other: 404, unrouted: 404, "reports": 200, "others": 404, "none": 404, "sentry-101-aaaaaaaaaa": 404, "new": 403} {
		if out := cid.ask("GET", acmeHome+"/sources/"+at, nil); out.Code != want || strings.Contains(out.Body.String(), "acme/api") || strings.Contains(out.Body.String(), "…cdef") {
			t.Errorf("%s for cid: %d, want %d\n%s", at, out.Code, want, out.Body)
		}
		if at == "new" {
			continue
		}
		if out := l.program("ghu_cid", "GET", api+acmeHome+"/sources/"+at, ""); out.Code != want {
			t.Errorf("%s for cid's program: %d, want %d", at, out.Code, want)
		}
	}
	dan := l.signed("dan")
	for _, at := range []string{acmeHome, acmeHome + "/sources/" + both, acmeHome + "/sources/new", "/installations/202/sources/" + both, "/installations/202/sources/reports"} {
		for _, path := range []string{at, api + at} {
			if out := dan.ask("GET", path, nil); out.Code != http.StatusNotFound {
				t.Errorf("dan gets %s: %d", path, out.Code)
			}
		}
	}
}

// A source that feeds no repository is its maker's, whatever they are called, and not that
// of whoever has their login now.
func TestSourceIsItsMakersNotTheirLogins(t *testing.T) {
	l := market(t)
	id, _ := l.signed("eve").connects(sentryForm())
	at := acmeHome + "/sources/" + id
	l.accounts.mu.Lock()
	l.accounts.people["eva"], l.accounts.people["eve"] = l.accounts.people["eve"], 999
	l.accounts.mu.Unlock()
	l.accounts.allow("eva", 101, 8, "pull", "push", "admin")
	secret := url.Values{"secret": {aSecret}}
	for login, want := range map[string]int{"eve": http.StatusNotFound, "eva": http.StatusSeeOther} {
		if out := l.signed(login).ask("POST", at+"/secrets", secret); out.Code != want {
			t.Errorf("%s: %d, want %d", login, out.Code, want)
		}
	}
	if out := l.program("ghu_eve", "GET", api+at, ""); out.Code != http.StatusNotFound {
		t.Errorf("by a program: %d", out.Code)
	}
}

// What the server's file names is shown, and changed there.
func TestFixedSources(t *testing.T) {
	l := market(t)
	ann := l.signed("ann")
	page := ann.ask("GET", acmeHome+"/sources/reports", nil).Body.String()
	if !strings.Contains(page, "set in the server's file") || strings.Contains(page, "<form method=\"post\" action=\"/installations") {
		t.Errorf("the page:\n%s", page)
	}
	for at, form := range map[string]url.Values{"/settings": {"name": {"x"}}, "/remove": {"sure": {"yes"}}, "/secrets": {"overlap": {"0h"}}} {
		if out := ann.ask("POST", acmeHome+"/sources/reports"+at, form); out.Code != http.StatusConflict || !strings.Contains(out.Body.String(), "server") {
			t.Errorf("%s: %d", at, out.Code)
		}
	}
	l.world.Take("nowhere", l.world.Report("nowhere", `{"title": "Nobody knows where"}`)...)
	home := ann.ask("GET", acmeHome, nil).Body.String()
	if !strings.Contains(home, "Nobody knows where") || !strings.Contains(home, "whoever runs the server can add a route there") || strings.Contains(home, "/held/route") {
		t.Errorf("the installation:\n%s", home)
	}
	told := ann.ask("GET", api+acmeHome+"/sources", nil).Body.String()
	if !strings.Contains(told, `"titles":["Nobody knows where"],"why":"The server's file says`) {
		t.Errorf("the API tells %s", told)
	}
}

func TestRemoveASource(t *testing.T) {
	l := market(t)
	ann := l.signed("ann")
	id, _ := ann.connects(url.Values{"kind": {"feedback"}, "name": {"Forms"}})
	path := acmeHome + "/sources/" + id
	l.world.Take(id, l.world.Report(id, `{"title": "It is held"}`)...)
	if out := ann.ask("POST", path+"/remove", url.Values{}); out.Code != http.StatusBadRequest {
		t.Errorf("nobody was sure: %d", out.Code)
	}
	l.sourceOf(id)
	if out := ann.ask("POST", path+"/remove", url.Values{"sure": {"yes"}}); out.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
	l.world.Settle()
	home := ann.ask("GET", acmeHome+"?done=removed", nil).Body.String()
	if strings.Contains(home, "It is held") || strings.Contains(home, id) || !strings.Contains(home, "The source is removed") {
		t.Errorf("the page:\n%s", home)
	}
	n := 0
	space, err := l.world.Projects.Space(t.Context(), enginetest.Installation)
	if err != nil {
		t.Fatal(err)
	}
	if err := intake.EachHeld(t.Context(), space, 10, func(intake.Held) { n++ }); err != nil || n != 0 {
		t.Errorf("%d are held, %v", n, err)
	}
	for _, at := range []string{path, path + "/remove"} {
		if out := ann.ask(map[bool]string{true: "POST", false: "GET"}[strings.HasSuffix(at, "remove")], at, url.Values{"sure": {"yes"}}); out.Code != http.StatusNotFound {
			t.Errorf("%s afterwards: %d", at, out.Code)
		}
	}
}

// Who decided on what was changed meanwhile decides again.
func TestSourceWasChangedMeanwhile(t *testing.T) {
	l := market(t)
	ann := l.signed("ann")
	id, page := ann.connects(sentryForm())
	path := acmeHome + "/sources/" + id
	version := regexp.MustCompile(`name="version" value="(\d+)"`).FindStringSubmatch(page)
	if version == nil {
		t.Fatal("no version")
	}
	set := func(name, version string) int {
		return ann.ask("POST", path+"/settings", url.Values{"name": {name}, "version": {version}}).Code
	}
	if got := set("First", version[1]); got != http.StatusSeeOther {
		t.Errorf("the first: %d", got)
	}
	if got := set("Second", version[1]); got != http.StatusConflict || l.sourceOf(id).Name != "First" {
		t.Errorf("the second: %d, it is called %s", got, l.sourceOf(id).Name)
	}
	for _, nonsense := range []string{"x", "-1", "0"} {
		if got := set("Third", nonsense); got != http.StatusConflict {
			t.Errorf("%q: %d", nonsense, got)
		}
	}
}

// A source that used to speak is missed, on its page, the installation's and the overview.
func TestSilenceIsSaid(t *testing.T) {
	l := market(t)
	id, _ := l.signed("ann").connects(sentryForm())
	for range 6 {
		l.arrived(id, accepted(3))
		l.world.Pass(24 * time.Hour)
	}
	ann := l.signed("ann")
	if page := ann.ask("GET", acmeHome, nil).Body.String(); strings.Contains(page, "fell silent") {
		t.Errorf("too early:\n%s", page)
	}
	l.world.Pass(time.Hour)
	for _, at := range []string{"/", acmeHome, acmeHome + "/sources/" + id} {
		if page := ann.ask("GET", at, nil).Body.String(); !strings.Contains(page, "fell silent") || at != "/" && !strings.Contains(page, "did not for more than a day") {
			t.Errorf("%s:\n%s", at, page)
		}
	}
	l.arrived(id, traffic.Event{Counts: traffic.Counts{Rejected: 2}, Reason: "the key is <b>wrong</b>", Status: 401, RequestID: "r-77"})
	page := ann.ask("GET", acmeHome+"/sources/"+id, nil).Body.String()
	for _, want := range []string{"the key is &lt;b&gt;wrong&lt;/b&gt;", `<td data-label="answer">401</td>`, "r-77", "What was refused lately"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if page := ann.ask("GET", acmeHome, nil).Body.String(); !strings.Contains(page, "What came last was refused") {
		t.Errorf("the installation:\n%s", page)
	}
}

// The stream tells of the first event, and ends for who may not see the source any more.
func TestSourceStream(t *testing.T) {
	l := market(t)
	id, _ := l.signed("ann").connects(url.Values{"kind": {"sentry"}, "name": {"x"}, "repository": {"acme/web"}})
	l.pages.streams.pace, l.pages.streams.ask = time.Millisecond, time.Millisecond
	server := httptest.NewServer(l.handler)
	t.Cleanup(server.Close)
	l.accounts.allow("cid", 101, 8, "pull")
	cid := l.signed("cid")
	at := api + acmeHome + "/sources/" + id + "/events"
	in := cid.listens(server, at)
	if e := in.next(); in.status != 200 || !strings.Contains(e, `"state":"waiting"`) || strings.Contains(e, "acme") {
		t.Fatalf("%d %s", in.status, e)
	}
	l.arrived(id, accepted(1))
	if e := in.next(); !strings.Contains(e, `"state":"speaking"`) || !strings.Contains(e, `"last":"2026-03-02T09:00:00Z"`) {
		t.Errorf("%s", e)
	}
	if l.signed("dan").listens(server, at).status != 404 {
		t.Error("dan listens")
	}
	l.accounts.allow("cid", 101, 7) // and may still see the other repository
	l.forgets()
	if e := in.next(); e != "" {
		t.Errorf("it goes on: %s", e)
	}
}

// What pages do, a program does.
func TestSourcesByProgram(t *testing.T) {
	l := market(t)
	const ann = "ghu_ann"
	var made sourceMade
	ask := func(want int, method, path, body string, into any) {
		t.Helper()
		out := l.program(ann, method, api+acmeHome+"/sources"+path, body)
		if out.Code != want {
			t.Fatalf("%s %s %s: %d %s", method, path, body, out.Code, out.Body)
		}
		if into != nil {
			if err := json.Unmarshal(out.Body.Bytes(), into); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask(201, "POST", "", `{"kind": "feedback", "name": "Forms", "repository": "acme/web"}`, &made)
	if made.ID == "" || made.URL != "https://soul.test/ingest/feedback/"+made.ID || made.Key == "" {
		t.Fatalf("%+v", made)
	}
	var told sourceTold
	at := "/" + made.ID
	ask(200, "GET", at, "", &told)
	if told.Name != "Forms" || told.State != waits || len(told.Secrets) != 1 || told.Version == 0 || len(told.Days) != 14 || told.Rejections == nil {
		t.Errorf("%+v", told)
	}
	ask(200, "POST", at, fmt.Sprintf(`{"version": %d, "name": "Help desk", "repository": "acme/web", "public": true}`, told.Version), &told)
	if told.Name != "Help desk" || !told.Public {
		t.Errorf("%+v", told)
	}
	ask(409, "POST", at, `{"version": 1, "name": "x"}`, nil)
	ask(422, "POST", at, `{"name": ""}`, nil)
	ask(400, "POST", at, `{"nam": "x"}`, nil)
	ask(201, "POST", at+"/secrets", `{"overlap": "1h"}`, &made)
	ask(422, "POST", at+"/secrets", `{"overlap": "2h"}`, nil)
	ask(422, "POST", at+"/secrets", `{}`, nil) // nobody ends a key by saying nothing
	ask(200, "GET", at, "", &told)
	if len(told.Secrets) != 2 || told.Secrets[1].Until.IsZero() {
		t.Errorf("%+v", told.Secrets)
	}
	ask(200, "POST", at+"/secrets/end", `{"id": "`+told.Secrets[0].ID+`"}`, nil)
	ask(404, "POST", at+"/secrets/end", `{"id": "none"}`, nil)
	var all struct {
		Sources []sourceTold `json:"sources"`
		Held    []heldTold   `json:"held"`
	}
	ask(200, "GET", "", "", &all)
	if len(all.Sources) != 4 || all.Held == nil {
		t.Errorf("%+v", all)
	}
	ask(400, "POST", at+"/remove", `{}`, nil)
	ask(200, "POST", at+"/remove", `{"sure": true}`, nil)
	ask(404, "GET", at, "", nil)
	ask(422, "POST", "", `{"kind": "telepathy", "name": "x"}`, nil)
	ask(422, "POST", "", `{"kind": "sentry", "name": "x", "routes": {"api": "acme/none"}}`, nil)
}

// Names are other people's words.
func TestHostileNamesOfSources(t *testing.T) {
	l := market(t)
	ann := l.signed("ann")
	for i, p := range payloads() {
		id, _, err := l.world.Store.Create(t.Context(), 101, source.Sentry, source.Setting{Name: p, Routes: map[string]string{p: "acme/web"}}, source.By{Who: p})
		if err != nil { // it is more than a line, or too long
			continue
		}
		l.arrived(id, traffic.Event{Counts: traffic.Counts{Rejected: 1}, Reason: p, Status: 401, RequestID: p})
		for _, at := range []string{acmeHome, acmeHome + "/sources/" + id, acmeHome + "/audit"} {
			if i%5 > 0 && at != acmeHome+"/sources/"+id {
				continue
			}
			out := ann.ask("GET", at, nil)
			for _, a := range aliveOnPage(t, out.Body) {
				t.Errorf("%s: %q: alive: %s", at, p, a)
			}
		}
		form := url.Values{"kind": {"reddit"}, "name": {p}, "repository": {p}, "subreddits": {p}}
		out := ann.ask("POST", acmeHome+"/sources", form)
		if out.Code != 422 {
			t.Errorf("%q is a repository: %d", p, out.Code)
		}
		for _, a := range aliveOnPage(t, out.Body) {
			t.Errorf("%q comes back: alive: %s", p, a)
		}
	}
}

func (l *lobby) project(repository string) (project.Project, storage.Entry) {
	l.t.Helper()
	p, entry, err := project.Load(l.t.Context(), l.world.Space(repository))
	if err != nil {
		l.t.Fatal(err)
	}
	return p, entry
}

func (l *lobby) save(repository string, p project.Project, was storage.Entry) {
	l.t.Helper()
	var b storage.Batch
	project.Save(&b, was, p)
	if err := l.world.Space(repository).Apply(l.t.Context(), &b); err != nil {
		l.t.Fatal(err)
	}
}

// Who administers one repository of an installation does not administer all of it: what
// belongs to others, or to no repository, is not there for them.
func TestAdministersOne(t *testing.T) {
	l := market(t)
	ann, eve := l.signed("ann"), l.signed("eve")
	anns, _ := ann.connects(url.Values{"kind": {"sentry"}, "name": {"Errors of the web"}, "routes": {"shop acme/web"}, "repository": {""}})
	loose, _ := ann.connects(url.Values{"kind": {"sentry"}, "name": {"Not routed yet"}})
	hers, _ := eve.connects(url.Values{"kind": {"sentry"}, "name": {"Not routed by her"}})
	l.permission = func(context.Context, github.At, github.Person) (github.Permission, error) { return github.Admin, nil }
	if out := ann.ask("POST", acmeHome+"/keys/make", url.Values{"name": {"deploys"}, "role": {"read"}, "days": {"30"}, "repository": {"acme/web"}}); out.Code != http.StatusOK {
		t.Fatalf("no key: %d %s", out.Code, out.Body)
	}
	key := regexp.MustCompile(`name="id" value="([0-9a-f]+)"`).FindStringSubmatch(ann.ask("GET", acmeHome+"/keys", nil).Body.String())[1]
	l.world.Take("nowhere", l.world.Report("nowhere", `{"title": "Nobody knows where"}`)...)

	for _, at := range []string{"/audit", "/work"} {
		if out := eve.ask("GET", acmeHome+at, nil); out.Code != http.StatusForbidden {
			t.Errorf("%s: %d", at, out.Code)
		}
		if out := ann.ask("GET", acmeHome+at, nil); out.Code != http.StatusOK {
			t.Errorf("%s for who administers all: %d", at, out.Code)
		}
	}
	home := eve.ask("GET", acmeHome, nil).Body.String()
	for _, text := range []string{"Errors of the web", "Not routed yet", "acme/web", "Nobody knows where", `href="` + acmeHome + `/audit"`} {
		if strings.Contains(home, text) {
			t.Errorf("she sees %q", text)
		}
	}
	if page := eve.ask("GET", "/", nil).Body.String(); !strings.Contains(page, `<a href="`+acmeHome+`">Sources of `) {
		t.Errorf("nothing leads her to where she can connect a source:\n%s", page)
	}
	if !strings.Contains(home, "Not routed by her") {
		t.Errorf("she does not see her own:\n%s", home)
	}
	if page := eve.ask("GET", acmeHome+"/keys", nil).Body.String(); strings.Contains(page, "deploys") {
		t.Error("she sees another's key")
	}
	for at, form := range map[string]url.Values{
		"/keys/revoke": {"id": {key}}, "/sources/" + loose + "/settings": {"name": {"Mine"}, "repository": {"acme/api"}}, "/sources/" + anns + "/remove": {"sure": {"yes"}},
	} {
		if out := eve.ask("POST", acmeHome+at, form); out.Code != http.StatusNotFound {
			t.Errorf("%s: %d", at, out.Code)
		}
	}
	// Nor does who administers all that something came of, as long as the installation covers more.
	l.accounts.allow("ann", 101, 8, "pull", "push", "admin")
	for _, covered := range [][]int64{{7, 8, 9}, nil} {
		l.covers(covered...)
		for at, method := range map[string]string{"/audit": "GET", "/work": "GET", "/export": "POST"} {
			if out := ann.ask(method, acmeHome+at, url.Values{}); out.Code != http.StatusForbidden {
				t.Errorf("%s of %v: %d", at, covered, out.Code)
			}
		}
		if home := ann.ask("GET", acmeHome, nil).Body.String(); strings.Contains(home, "Nobody knows where") || strings.Contains(home, "Not routed by her") {
			t.Errorf("of %v she sees\n%s", covered, home)
		}
	}
	if out := eve.ask("POST", acmeHome+"/sources/"+hers+"/settings", url.Values{"name": {"Routed"}, "repository": {"acme/api"}}); out.Code != http.StatusSeeOther {
		t.Errorf("her own: %d %s", out.Code, out.Body)
	}
}

// Who connects a source finds its repository at once: its settings, and what imports what
// happened before, though nothing has arrived.
func TestConnectedIsLookedAtBeforeAnythingArrives(t *testing.T) {
	l := market(t)
	ann := l.signed("ann")
	l.accounts.mu.Lock()
	l.accounts.names[9] = "acme/docs"
	l.accounts.mu.Unlock()
	l.accounts.allow("ann", 101, 9, "pull", "push", "admin")
	ann.connects(url.Values{"kind": {"feedback"}, "name": {"Reports"}, "repository": {"acme/docs"}})
	l.world.Settle()
	l.bind("acme/docs", 9)
	if page := ann.ask("GET", "/", nil).Body.String(); !strings.Contains(page, "acme/docs") {
		t.Errorf("the overview lacks it:\n%s", page)
	}
	space, err := l.world.Projects.Find(t.Context(), 101, 9, "acme/docs")
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := project.Load(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"", "/imports", "/settings"} {
		if out := ann.ask("GET", projectPath(p)+at, nil); out.Code != http.StatusOK {
			t.Errorf("%s: %d", at, out.Code)
		}
	}
}

// A page that says no leads on, and offers nobody to sign in who is.
func TestNoLeadsOn(t *testing.T) {
	l, _, _ := shop(t)
	ann := l.signed("ann")
	out := ann.ask("GET", "/installations/999", nil)
	if page := out.Body.String(); out.Code != http.StatusNotFound || strings.Contains(page, "/login") || !strings.Contains(page, `href="/"`) {
		t.Errorf("%d:\n%s", out.Code, page)
	}
	ann.ask("POST", "/logout", url.Values{})
	out = ann.ask("POST", acmeHome+"/sources", sentryForm())
	if page := out.Body.String(); out.Code != http.StatusUnauthorized || !strings.Contains(page, `href="/login"`) {
		t.Errorf("%d:\n%s", out.Code, page)
	}
}
