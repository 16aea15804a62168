package backfill_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/fetch"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/reddit"
	"github.com/soulcaster/soulcaster/engine/sentryapi"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
)

const repository = "acme/web"

// world is an app with imports.
type world struct {
	*enginetest.World
	b       *backfill.Backfill
	sources map[string]*source.Source
	sentry  *sentry
	reddit  *httptest.Server
}

var ann = backfill.By{Who: "@ann", RequestID: "r1"}

func newWorld(t *testing.T, live bool) *world {
	w := &world{sources: map[string]*source.Source{
		"api": {Installation: enginetest.Installation, ID: "api", Kind: source.Feedback, Repository: repository},
	}}
	w.World = enginetest.New(t, live, project.Settings{}, *w.sources["api"])
	w.Begin = w.start
	w.start()
	w.Space(repository)
	w.Settle()
	return w
}

// start makes the imports of a started app.
func (w *world) start() {
	var people issue.People
	if w.GitHub != nil {
		people = w.GitHub
	}
	fetching := fetch.New(fetch.Options{Private: []string{"127.0.0.1"}, Now: w.Now})
	w.b = backfill.New(backfill.Config{
		Projects: w.Projects, Sources: w, Taker: w.Intake, Actions: w.Actions, Embedder: w.Embedder, People: people,
		Strictness: func(ctx context.Context, space storage.Space) (cluster.Strictness, error) {
			p, _, err := project.Load(ctx, space)
			return cluster.Strictness(w.Projects.Policy(p).Strictness), err
		},
		Mac:    func(space, text string) string { return fmt.Sprintf("%x", space+text) },
		Reader: func(src *source.Source) *feedback.Reader { return w.Reader(src.ID) },
		Sentry: func(api source.API) (*sentryapi.Client, error) {
			return sentryapi.New(sentryapi.Config{Base: api.URL, Organization: api.Organisation, Token: api.Token, HTTP: fetching})
		},
		Reddit: func(id, secret string) *reddit.Client {
			return reddit.New(reddit.Config{ID: id, Secret: secret, Login: w.reddit.URL, API: w.reddit.URL, HTTP: fetching, Now: w.Now})
		},
		Wake: func(...string) {}, Now: w.Now,
	})
	w.b.Register(w)
}

func (w *world) Source(_ context.Context, id string) (*source.Source, error) {
	if s := w.sources[id]; s != nil {
		return s, nil
	}
	return nil, source.ErrNone
}

func (w *world) space() storage.Space { return w.Space(repository) }

func (w *world) home() storage.Space {
	w.T.Helper()
	home, err := w.Projects.Space(w.T.Context(), enginetest.Installation)
	if err != nil {
		w.T.Fatal(err)
	}
	return home
}

func (w *world) file(text string) backfill.Import {
	w.T.Helper()
	i, err := w.b.FromFile(w.T.Context(), w.space(), "reports.jsonl", strings.NewReader(text), ann)
	if err != nil {
		w.T.Fatal(err)
	}
	return i
}

func (w *world) get(id string) backfill.Import {
	w.T.Helper()
	i, err := backfill.Get(w.T.Context(), w.space(), id)
	if err != nil {
		w.T.Fatal(err)
	}
	return i
}

// result is what a preview found; it must be there.
func (w *world) result(id string) backfill.Result {
	w.T.Helper()
	if i := w.get(id); i.State != backfill.Ready && i.State != backfill.Done {
		w.T.Fatalf("the import is %s (%s)", i.State, i.Trouble)
	}
	r, err := backfill.ResultOf(w.T.Context(), w.space(), id)
	if err != nil || r == nil {
		w.T.Fatalf("no result: %v", err)
	}
	return *r
}

func (w *world) agree(id string) {
	w.T.Helper()
	if _, err := w.b.Agree(w.T.Context(), w.space(), id, ann); err != nil {
		w.T.Fatal(err)
	}
}

// keys are those of the project that begin with one of the prefixes.
func (w *world) keys(prefixes ...string) (found []string) {
	w.T.Helper()
	for _, prefix := range prefixes {
		entries, err := w.space().Scan(w.T.Context(), prefix, "", 100_000)
		if err != nil {
			w.T.Fatal(err)
		}
		for _, e := range entries {
			found = append(found, e.Key)
		}
	}
	return found
}

// clusters is how many reports each cluster has, by its id.
func (w *world) clusters() map[string]int {
	w.T.Helper()
	all, err := cluster.List(w.T.Context(), w.space(), "", 10_000)
	if err != nil {
		w.T.Fatal(err)
	}
	sizes := make(map[string]int)
	for _, c := range all {
		sizes[c.ID] = c.Size
	}
	return sizes
}

// grown is what came to each cluster that there was, and the sizes of new ones, as
// text.
func grown(before, after map[string]int) string {
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(after)) {
		switch n, old := before[id]; {
		case !old:
			lines = append(lines, fmt.Sprintf("new %03d", after[id]))
		case after[id] != n:
			lines = append(lines, fmt.Sprintf("%s %03d", id, after[id]-n))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// promised is the same as a preview says it.
func promised(r backfill.Result) string {
	var lines []string
	for _, row := range r.Rows {
		name := row.Cluster
		if name == "" {
			name = "new"
		}
		lines = append(lines, fmt.Sprintf("%s %03d", name, row.Reports))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// reports are plain reports of many problems, as JSON lines.
func reports(t testing.TB, files ...string) (lines []string) {
	t.Helper()
	for _, name := range files {
		data, err := os.ReadFile("../cluster/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(string(data)) {
			if l = strings.TrimSpace(l); l == "" || strings.HasPrefix(l, "#") {
				continue
			}
			n := len(lines)
			line, err := json.Marshal(map[string]any{"id": fmt.Sprint(n), "title": l, "author": fmt.Sprintf("user %d", n)})
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(line))
		}
	}
	return lines
}

// sentry is a server that behaves like Sentry's API.
type sentry struct {
	*httptest.Server
	mu     sync.Mutex
	groups []group // newest first
	events int     // that were asked for
	// limit answers 429 from then on, once: requests until it does; 0: never.
	limit  int
	refuse int // a status to answer everything with
	huge   map[string]bool
}

type group struct{ id, project, function string }

func (w *world) withSentry(groups ...group) {
	s := &sentry{groups: groups, huge: make(map[string]bool)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/0/organizations/acme/issues/{$}", func(rw http.ResponseWriter, r *http.Request) { s.list(rw, r, "") })
	mux.HandleFunc("GET /api/0/projects/acme/{project}/issues/{$}", func(rw http.ResponseWriter, r *http.Request) { s.list(rw, r, r.PathValue("project")) })
	mux.HandleFunc("GET /api/0/organizations/acme/issues/{id}/{$}", func(rw http.ResponseWriter, r *http.Request) {
		for _, g := range s.groups {
			if g.id == r.PathValue("id") && s.let(rw, r) {
				fmt.Fprint(rw, g.describe())
				return
			}
		}
		http.NotFound(rw, r)
	})
	mux.HandleFunc("GET /api/0/organizations/acme/issues/{id}/events/latest/{$}", s.latest)
	s.Server = httptest.NewServer(mux)
	w.T.Cleanup(s.Close)
	w.sentry = s
	w.sources["errors"] = &source.Source{Installation: enginetest.Installation, ID: "errors", Kind: source.Sentry, Name: "Errors",
		Routes: map[string]string{"web": repository, "cron": "acme/cron"},
		API:    &source.API{URL: s.URL, Organisation: "acme", Token: "sntrys_token"}}
}

func (s *sentry) let(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Bearer sntrys_token":
		w.WriteHeader(http.StatusUnauthorized)
	case s.refuse != 0:
		w.WriteHeader(s.refuse)
	case s.limit == 1:
		s.limit = 0
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	default:
		s.limit = max(0, s.limit-1)
		return true
	}
	return false
}

func (s *sentry) list(w http.ResponseWriter, r *http.Request, project string) {
	if !s.let(w, r) {
		return
	}
	var all []group
	for _, g := range s.groups {
		if project == "" || g.project == project {
			all = append(all, g)
		}
	}
	if project != "" && all == nil {
		http.NotFound(w, r)
		return
	}
	var at, limit int
	fmt.Sscanf(r.URL.Query().Get("cursor"), "0:%d:0", &at)
	fmt.Sscan(r.URL.Query().Get("limit"), &limit)
	end := min(at+limit, len(all))
	w.Header().Set("Link", fmt.Sprintf(`<x>; rel="next"; results="%v"; cursor="0:%d:0"`, end < len(all), end))
	var page []string
	for _, g := range all[at:end] {
		page = append(page, g.describe())
	}
	fmt.Fprintf(w, "[%s]", strings.Join(page, ","))
}

func (g group) describe() string {
	return fmt.Sprintf(`{"id":%q,"title":"KeyError: '%s'","culprit":"%s.run in main","status":"unresolved","level":"error","platform":"python","project":{"slug":%q},
"count":"3","userCount":2,"firstSeen":"2026-02-01T00:00:00Z","lastSeen":"2026-03-01T00:00:00Z","permalink":"https://acme.sentry.io/issues/%s/"}`,
		g.id, g.function, g.function, g.project, g.id)
}

func (s *sentry) latest(w http.ResponseWriter, r *http.Request) {
	if !s.let(w, r) {
		return
	}
	s.mu.Lock()
	s.events++
	s.mu.Unlock()
	for _, g := range s.groups {
		if g.id != r.PathValue("id") {
			continue
		}
		if s.huge[g.id] {
			fmt.Fprintf(w, `{"eventID":"%032s","junk":%q}`, g.id, strings.Repeat("x", 9<<20))
			return
		}
		var frames []string
		for _, call := range []string{"main", "handle", g.function, g.function + "_inner"} {
			frames = append(frames, fmt.Sprintf(`{"module":"app.%s","function":%q,"filename":"app/%s.py","lineNo":7,"inApp":true}`, call, call, call))
		}
		fmt.Fprintf(w, `{"eventID":"%032s","groupID":%q,"title":"KeyError: '%s'","platform":"python","dateCreated":"2026-03-01T00:00:00Z","tags":[{"key":"level","value":"error"}],
"entries":[{"type":"exception","data":{"values":[{"type":"KeyError","value":"'%s'","stacktrace":{"frames":[%s]}}]}}]}`, g.id, g.id, g.function, g.function, strings.Join(frames, ","))
		return
	}
	http.NotFound(w, r)
}

// tick is time enough for what waits a minute.
const tick = 2 * time.Minute

func (w *world) revision() uint64 {
	w.T.Helper()
	n, err := cluster.Revision(w.T.Context(), w.space())
	if err != nil {
		w.T.Fatal(err)
	}
	return n
}

// withReddit has so many posts in r/shop, of which one was deleted.
func (w *world) withReddit(posts int) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/access_token", func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(rw, `{"access_token":"t","expires_in":3600}`)
	})
	mux.HandleFunc("GET /r/shop/new", func(rw http.ResponseWriter, r *http.Request) {
		var children []string
		after := ""
		start := posts
		fmt.Sscanf(r.URL.Query().Get("after"), "t3_%d", &start)
		for n := start - 1; n >= 0 && len(children) < 100; n-- {
			text := fmt.Sprintf("Feature %d of the shop does not work %x", n, n*104729)
			if n == 7 {
				text = "[removed]"
			}
			children = append(children, fmt.Sprintf(`{"kind":"t3","data":{"name":"t3_%d","title":%q,"selftext":%q,"selftext_html":"<div>","author":"u%d","created_utc":1772000000,"subreddit":"shop"}}`, n, text, text, n))
			after = fmt.Sprintf(`"t3_%d"`, n)
			if n == 0 {
				after = "null"
			}
		}
		fmt.Fprintf(rw, `{"kind":"Listing","data":{"after":%s,"children":[%s]}}`, after, strings.Join(children, ","))
	})
	w.reddit = httptest.NewServer(mux)
	w.T.Cleanup(w.reddit.Close)
	w.sources["posts"] = &source.Source{Installation: enginetest.Installation, ID: "posts", Kind: source.Reddit, Repository: repository,
		Subreddits: []string{"shop", "nobody"}, Client: &source.Client{ID: "id", Secret: "secret"}}
}
