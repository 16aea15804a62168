package web

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// The overview is told of whatever changes in what somebody may see, for as long as they
// may.
func TestStreamOfTheOverview(t *testing.T) {
	d := newDesk(t)
	bob, dan := d.signed("bob"), d.signed("dan")
	contains(t, bob.ask("GET", "/", nil).Body.String(), `data-live="/api/v1/projects/events"`)
	server := d.quick()
	l, other := bob.listens(server, api+"/projects/events"), dan.listens(server, api+"/projects/events")
	if first := l.next(); !strings.HasPrefix(first, `message {"projects":1,"problems":1,"reports":1,"waiting":0,`) {
		t.Fatalf("the first event is %s", first)
	}
	nothing := other.next()
	if !strings.HasPrefix(nothing, `message {"projects":0,"problems":0,"reports":0,"waiting":0,"needs":0,`) {
		t.Fatalf("another tenant is told %s", nothing)
	}
	until := func(what string) {
		t.Helper()
		for e := l.next(); !strings.Contains(e, what); e = l.next() {
			if e == "" {
				t.Fatalf("the stream ended before %s", what)
			}
		}
	}
	d.world.Take("reports", d.world.Report("reports", `{"title": "Parcels to Norway are charged twice", "author": "z"}`)...)
	until(`"waiting":1`)
	d.world.Settle()
	until(`"problems":2`)
	var b storage.Batch
	b.SetJSON("work/dead/issue/000001", map[string]any{"died": d.world.Time, "attempts": 3, "error": "no"})
	if err := d.space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	until(`"needs":1`)
	d.accounts.allow("bob", enginetest.Installation, 7) // nothing any more
	d.forgets()
	until(`"projects":0`)
	bob.ask("POST", "/logout", url.Values{})
	for e := l.next(); e != ""; e = l.next() {
	}
	select {
	case e := <-other.events:
		t.Errorf("another tenant is told %s", e)
	default:
	}
	if out := dan.ask("GET", api+"/projects/events?cursor=x", nil); out.Code != http.StatusBadRequest {
		t.Errorf("no cursor: %d", out.Code)
	}
}

// What is on a later page has a stream of its own.
func TestStreamOfALaterPage(t *testing.T) {
	w := world(t)
	for i := range maxProjects + 2 {
		w.Space(fmt.Sprintf("acme/repository-%03d", i))
	}
	h := pages(t, w, Config{Preview: true})
	more := regexp.MustCompile(`<a href="([^"]*)">More projects</a>`).FindStringSubmatch(get(t.Context(), h, "GET", "/").Body.String())
	live := regexp.MustCompile(`data-live="([^"]*)"`).FindStringSubmatch(get(t.Context(), h, "GET", more[1]).Body.String())
	server := httptest.NewServer(h)
	defer server.Close()
	out, err := server.Client().Get(server.URL + live[1])
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if line, err := bufio.NewReader(out.Body).ReadString('\n'); !strings.HasPrefix(line, `data: {"projects":2,`) {
		t.Errorf("%s says %s (%v)", live[1], line, err)
	}
}
