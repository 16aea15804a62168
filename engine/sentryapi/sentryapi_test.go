package sentryapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fetch"
	"github.com/soulcaster/soulcaster/engine/sentryapi"
	"github.com/soulcaster/soulcaster/engine/work"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// sentry is a server that behaves like Sentry with so many groups.
func sentry(t *testing.T, groups int) *httptest.Server {
	mux := http.NewServeMux()
	list := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sntrys_token" {
			http.Error(w, `{"detail":"Invalid token"}`, http.StatusUnauthorized)
			return
		}
		q := r.URL.Query()
		limit, err := strconv.Atoi(q.Get("limit"))
		if q.Get("query") != "is:unresolved" || err != nil || limit < 1 || limit > 100 {
			http.Error(w, `{"detail":"bad"}`, http.StatusBadRequest)
			return
		}
		offset := 0
		if c := q.Get("cursor"); c != "" {
			if _, err := fmt.Sscanf(c, "0:%d:0", &offset); err != nil {
				http.Error(w, `{"detail":"Invalid cursor"}`, http.StatusBadRequest)
				return
			}
		}
		end := min(offset+limit, groups)
		here := "http://" + r.Host + r.URL.Path
		w.Header().Set("Link", fmt.Sprintf(`<%s?&cursor=0:%d:1>; rel="previous"; results="%v"; cursor="0:%d:1", <%s?&cursor=0:%d:0>; rel="next"; results="%v"; cursor="0:%d:0"`,
			here, offset, offset > 0, offset, here, end, end < groups, end))
		w.Header().Set("X-Sentry-Rate-Limit-Remaining", "39")
		fmt.Fprint(w, "[")
		for n := offset; n < end; n++ {
			if n > offset {
				fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, `{"id":"%d","title":"T"}`, 1000+n)
		}
		fmt.Fprint(w, "]")
	}
	mux.HandleFunc("GET /api/0/organizations/acme/issues/{$}", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("project") != "-1" || r.URL.Query().Get("statsPeriod") == "" {
			http.Error(w, "{}", http.StatusBadRequest)
			return
		}
		list(w, r)
	})
	mux.HandleFunc("GET /api/0/projects/acme/api/issues/{$}", list)
	mux.HandleFunc("GET /api/0/organizations/acme/issues/{id}/events/latest/{$}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("id") {
		case "1000":
			fmt.Fprint(w, `{"eventID":"e1"}`)
		case "1001":
			fmt.Fprint(w, "<html>")
		case "1002":
			fmt.Fprintf(w, `{"eventID":%q}`, strings.Repeat("x", 1<<20))
		default:
			http.Error(w, `{"detail":"No events found for issue"}`, http.StatusNotFound)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func client(t *testing.T, base, organization, token string) *sentryapi.Client {
	t.Helper()
	c, err := sentryapi.New(sentryapi.Config{Base: base, Organization: organization, Token: token,
		HTTP: fetch.New(fetch.Options{Private: []string{"127.0.0.1"}, MaxBody: 1 << 20, Now: func() time.Time { return noon }})})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPages(t *testing.T) {
	s := sentry(t, 230)
	c := client(t, s.URL+"/", "acme", "sntrys_token")
	for _, project := range []string{"", "api"} {
		seen := map[string]bool{}
		q := sentryapi.Query{Project: project}
		pages := 0
		for {
			p, err := c.Unresolved(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			pages++
			for _, g := range p.Groups {
				seen[sentryapi.ID(g)] = true
			}
			if q.Cursor = p.Next; q.Cursor == "" {
				break
			}
		}
		if pages != 3 || len(seen) != 230 || seen[""] {
			t.Errorf("project %q: %d pages, %d groups", project, pages, len(seen))
		}
	}
	if p, err := c.Unresolved(t.Context(), sentryapi.Query{Limit: 25}); err != nil || len(p.Groups) != 25 || p.Next != "0:25:0" {
		t.Errorf("a page of 25: %d, %v", len(p.Groups), err)
	}
}

func TestLatest(t *testing.T) {
	c := client(t, sentry(t, 1).URL, "acme", "sntrys_token")
	if e, _, err := c.Latest(t.Context(), "1000"); err != nil || string(e) != `{"eventID":"e1"}` {
		t.Errorf("got %s, %v", e, err)
	}
	if _, _, err := c.Latest(t.Context(), "1001"); !errors.Is(err, sentryapi.ErrAnswer) {
		t.Errorf("a page in its place: %v", err)
	}
	for name, id := range map[string]string{"huge": "1002", "gone": "7", "hostile": "../../../../x"} {
		if e, _, err := c.Latest(t.Context(), id); err != nil || e != nil {
			t.Errorf("%s: %s, %v", name, e, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	s := sentry(t, 1)
	list := func(c *sentryapi.Client, q sentryapi.Query) error {
		_, err := c.Unresolved(t.Context(), q)
		return err
	}
	if err := list(client(t, s.URL, "acme", "other"), sentryapi.Query{}); !errors.Is(err, sentryapi.ErrToken) {
		t.Errorf("a wrong token: %v", err)
	}
	if err := list(client(t, s.URL, "other", "sntrys_token"), sentryapi.Query{}); !errors.Is(err, sentryapi.ErrUnknown) {
		t.Errorf("another organization: %v", err)
	}
	c := client(t, s.URL, "acme", "sntrys_token")
	for _, q := range []sentryapi.Query{{Project: "../x"}, {Project: "nobody"}, {Cursor: "&project=1"}} {
		if err := list(c, q); !errors.Is(err, sentryapi.ErrUnknown) && !errors.Is(err, sentryapi.ErrAnswer) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	for name, c := range map[string]sentryapi.Config{
		"no organization": {Token: "t"}, "a path for one": {Organization: "a/b", Token: "t"}, "no token": {Organization: "acme"},
		"a header for one": {Organization: "acme", Token: "t\r\nX: y"}, "credentials in the address": {Base: "https://u:p@sentry.example", Organization: "acme", Token: "t"},
		"no address": {Base: "sentry", Organization: "acme", Token: "t"},
	} {
		if _, err := sentryapi.New(c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v %s", c, *c, c, []any{c}); strings.Contains(text, "sntrys") {
		t.Errorf("printed, it is %s", text)
	}
}

// A server that is hostile or broken: circles, cursors that would be more than
// that, answers of another form, one that is the last for now.
func TestHostile(t *testing.T) {
	link, body, left := "", "[]", "10"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if link != "" {
			w.Header().Set("Link", link)
		}
		w.Header().Set("X-Sentry-Rate-Limit-Remaining", left)
		w.Header().Set("Retry-After", "30")
		fmt.Fprint(w, body)
	}))
	defer s.Close()
	c := client(t, s.URL, "acme", "sntrys_token")
	for _, l := range []string{
		`<x>; rel="next"; results="true"; cursor="0:1:0"`, `<x>; rel="next"; results="false"; cursor="0:2:0"`, `<x>; rel="next"; results="true"; cursor="a&b=c"`,
		`<x>; rel="next"; results="true"`, strings.Repeat(`<x>; rel="next"`, 500), `garbage`,
	} {
		link = l
		p, err := c.Unresolved(t.Context(), sentryapi.Query{Cursor: "0:1:0"})
		if err != nil || p.Next != "" {
			t.Errorf("%.60s: next is %q, %v", l, p.Next, err)
		}
	}
	link = ""
	for _, b := range []string{`{"detail":"x"}`, `<html>`, ``, `null`} {
		body = b
		if p, err := c.Unresolved(t.Context(), sentryapi.Query{}); len(p.Groups) > 0 || err != nil && !errors.Is(err, sentryapi.ErrAnswer) {
			t.Errorf("%q: %+v, %v", b, p, err)
		}
	}
	body, left = `[{"id":"1"},{"id":7},{"id":"x/../y"},null,5]`, "0"
	p, err := c.Unresolved(t.Context(), sentryapi.Query{})
	if err != nil || len(p.Groups) != 5 || !p.Wait.Equal(noon.Add(30*time.Second)) {
		t.Errorf("got %+v, %v", p, err)
	}
	for i, want := range []string{"1", "", "", "", ""} {
		if got := sentryapi.ID(p.Groups[i]); got != want {
			t.Errorf("group %d is %q", i, got)
		}
	}
}

func TestSlowly(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "9")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer s.Close()
	_, err := client(t, s.URL, "acme", "sntrys_token").Unresolved(t.Context(), sentryapi.Query{})
	var later *work.Later
	if !errors.As(err, &later) || !later.Until.Equal(noon.Add(9*time.Second)) {
		t.Errorf("got %v", err)
	}
}
