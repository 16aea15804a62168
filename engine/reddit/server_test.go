package reddit_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/soulcaster/soulcaster/engine/fetch"
	"github.com/soulcaster/soulcaster/engine/reddit"
)

// post is a post of the server, the way Reddit keeps it.
type post struct {
	n                  int // Reddit's number of it
	sub, author, title string
	text               string
	gone               bool // from listings; still answered by its name
	unknown            bool // not answered any more
}

func (p *post) name() string { return fmt.Sprintf("t3_%s", base36(p.n)) }

func base36(n int) string {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	s := ""
	for ; n > 0; n /= 36 {
		s = string(digits[n%36]) + s
	}
	return s
}

// server is a Reddit: tokens that end, listings with before and after, and the
// headers that set the pace.
type server struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	posts    []*post // oldest first
	tokens   int
	revoked  bool   // the present token is not good any more
	left     string // X-Ratelimit-Remaining
	refuse   int    // a status to answer everything with
	closed   map[string]bool
	requests []string
}

func newServer(t *testing.T) *server {
	s := &server{t: t, left: "90.0", closed: make(map[string]bool)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/access_token", s.login)
	mux.HandleFunc("GET /r/{sub}/new", s.listing)
	mux.HandleFunc("GET /api/info", s.info)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *server) client(id, secret string, now nower) *reddit.Client {
	return reddit.New(reddit.Config{ID: id, Secret: secret, Login: s.URL, API: s.URL, Now: now,
		HTTP: fetch.New(fetch.Options{Private: []string{"127.0.0.1"}, UserAgent: "web:soulcaster:test", Now: now})})
}

func (s *server) add(sub string, n int, title string) *post {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &post{n: n, sub: sub, author: fmt.Sprintf("user%d", n), title: title, text: "It broke & I am <sad>"}
	s.posts = append(s.posts, p)
	return p
}

func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, "login")
	if s.refuse != 0 {
		w.WriteHeader(s.refuse)
		return
	}
	id, secret, _ := r.BasicAuth()
	if id != "client-id" || secret != "client-secret" || r.FormValue("grant_type") != "client_credentials" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"message": "Unauthorized", "error": 401}`)
		return
	}
	s.tokens++
	s.revoked = false
	fmt.Fprintf(w, `{"access_token": "token-%d", "token_type": "bearer", "expires_in": 86400, "scope": "*"}`, s.tokens)
}

// let checks what every request must have.
func (s *server) let(w http.ResponseWriter, r *http.Request) bool {
	s.requests = append(s.requests, r.URL.Path+" "+r.URL.Query().Get("before")+r.URL.Query().Get("after"))
	if r.Header.Get("User-Agent") != "web:soulcaster:test" || r.URL.Query().Get("raw_json") != "1" {
		w.WriteHeader(http.StatusTooManyRequests) // what Reddit does to those who do not say who they are
		return false
	}
	if s.refuse != 0 {
		w.WriteHeader(s.refuse)
		return false
	}
	if s.revoked || r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", s.tokens) {
		w.WriteHeader(http.StatusUnauthorized)
		return false
	}
	w.Header().Set("X-Ratelimit-Used", "10")
	w.Header().Set("X-Ratelimit-Remaining", s.left)
	w.Header().Set("X-Ratelimit-Reset", "300")
	return true
}

func (s *server) listing(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := strings.ToLower(r.PathValue("sub"))
	if !s.let(w, r) {
		return
	}
	if s.closed[sub] {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"reason": "private", "message": "Forbidden", "error": 403}`)
		return
	}
	var all []*post // newest first
	for _, p := range slices.Backward(s.posts) {
		if p.sub == sub && !p.gone && !p.unknown {
			all = append(all, p)
		}
	}
	if all == nil {
		w.Header().Set("Location", s.URL+"/subreddits/search?q="+sub)
		w.WriteHeader(http.StatusFound)
		return
	}
	at := func(name string) int { return slices.IndexFunc(all, func(p *post) bool { return p.name() == name }) }
	q := r.URL.Query()
	page := all
	switch before, after := q.Get("before"), q.Get("after"); {
	case before != "" && at(before) < 0:
		page = nil // as Reddit does when what one comes from is gone
	case before != "":
		page = all[max(0, at(before)-100):at(before)]
	case after != "":
		page = all[at(after)+1:]
	}
	page = page[:min(len(page), 100)]
	next := ""
	if len(page) == 100 && page[99] != all[len(all)-1] {
		next = page[99].name()
	}
	s.write(w, page, next)
}

func (s *server) info(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.let(w, r) {
		return
	}
	var page []*post
	for name := range strings.SplitSeq(r.URL.Query().Get("id"), ",") {
		for _, p := range s.posts {
			if p.name() == name && !p.unknown {
				page = append(page, p)
			}
		}
	}
	s.write(w, page, "")
}

func (s *server) write(w http.ResponseWriter, page []*post, after string) {
	children := []any{}
	for _, p := range page {
		data := map[string]any{
			"id": base36(p.n), "name": p.name(), "subreddit": p.sub, "subreddit_type": "public", "author": p.author, "title": p.title,
			"selftext": p.text, "selftext_html": "<div>x</div>", "created_utc": 1772440000.0 + float64(p.n), "edited": false, "permalink": "/r/" + p.sub + "/comments/" + base36(p.n) + "/x/",
		}
		children = append(children, map[string]any{"kind": "t3", "data": data})
	}
	data := map[string]any{"children": children, "after": nil, "before": nil, "dist": len(page)}
	if after != "" {
		data["after"] = after
	}
	if err := json.NewEncoder(w).Encode(map[string]any{"kind": "Listing", "data": data}); err != nil {
		s.t.Error(err)
	}
}
