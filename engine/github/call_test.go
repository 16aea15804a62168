package github

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	theIssue  = "GET /repos/acme/web/issues/5"
	newIssues = "POST /repos/acme/web/issues"
)

// Every refusal gets the meaning by which callers decide, on a read and on a
// write, and only what may have landed is unknown.
func TestRefusals(t *testing.T) {
	tests := []struct {
		name    string
		status  int
		message string
		want    error
	}{
		{"missing", 404, "Not Found", ErrNotFound},
		{"deleted", 410, "This issue was deleted", ErrGone},
		{"permission", 403, "Resource not accessible by integration", ErrForbidden},
		{"archived", 403, "Repository was archived so is read-only.", ErrForbidden},
		{"locked", 403, "Unable to create comment because issue is locked.", ErrLocked},
		{"blocked", 403, "Repository access blocked", ErrForbidden},
		{"suspended", 403, "This installation has been suspended", ErrSuspended},
		{"legal", 451, "Repository access blocked", ErrForbidden},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			refuse := says(tt.status, map[string]any{"message": tt.message})
			f := newFake(t, map[string]http.HandlerFunc{theIssue: refuse, newIssues: refuse})
			a, _ := f.app(Pace{})
			_, err := a.GetIssue(t.Context(), acme, 5)
			if !errors.Is(err, tt.want) {
				t.Errorf("read: %v, want %v", err, tt.want)
			}
			_, err = a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"})
			if !errors.Is(err, tt.want) || action.IsUnknown(err) {
				t.Errorf("write: %v, want %v", err, tt.want)
			}
			if n := len(f.seen()); n != 2 {
				t.Errorf("%d calls, want 2: a refusal is not repeated", n)
			}
		})
	}
}

// When GitHub wants to be left alone, it is: until the moment that it named.
func TestLimits(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	reset := func(d time.Duration) string { return fmt.Sprint(now.Add(d).Unix()) }
	const secondary = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"
	tests := []struct {
		name    string
		status  int
		body    map[string]any
		headers []string
		wait    time.Duration
	}{
		{"primary", 403, nil, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", reset(20 * time.Minute)}, 20 * time.Minute},
		{"primary with retry-after", 403, nil, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", reset(20 * time.Minute), "Retry-After", "90"}, 90 * time.Second},
		{"429 with retry-after", 429, nil, []string{"Retry-After", "75"}, 75 * time.Second},
		{"429 with reset", 429, nil, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", reset(5 * time.Minute)}, 5 * time.Minute},
		{"429 alone", 429, nil, nil, time.Minute},
		{"403 with retry-after", 403, map[string]any{"message": "slow down"}, []string{"Retry-After", "10"}, 10 * time.Second},
		{"secondary", 403, map[string]any{"message": "You have exceeded a secondary rate limit", "documentation_url": secondary}, []string{"X-RateLimit-Remaining", "4000", "X-RateLimit-Reset", reset(50 * time.Minute)}, time.Minute},
		{"secondary without the link", 403, map[string]any{"message": "You have exceeded a secondary rate limit."}, nil, time.Minute},
		{"too quickly", 422, map[string]any{"message": "was submitted too quickly"}, nil, time.Minute},
		{"absurd", 429, nil, []string{"Retry-After", "99999999999"}, 24 * time.Hour},
		{"absurd reset", 429, nil, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", reset(90 * 24 * time.Hour)}, 24 * time.Hour},
		{"past", 429, nil, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", reset(-time.Hour)}, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, route := range []string{theIssue, newIssues, "POST /app/installations/101/access_tokens"} {
				f := newFake(t, map[string]http.HandlerFunc{route: says(tt.status, tt.body, tt.headers...)})
				a, c := f.app(Pace{})
				c.now = now
				try := func() error {
					if route == newIssues {
						_, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"})
						return err
					}
					_, err := a.GetIssue(t.Context(), acme, 5)
					return err
				}
				for range 2 { // the second time GitHub is not even asked
					err := try()
					var later *work.Later
					if !errors.As(err, &later) {
						t.Fatalf("%s: %v, want a *work.Later", route, err)
					}
					if got := later.Until.Sub(now); got != tt.wait {
						t.Errorf("%s: wait %v, want %v (%v)", route, got, tt.wait, err)
					}
				}
				f.mu.Lock()
				var asked int
				for _, call := range f.calls {
					if call == route {
						asked++
					}
				}
				f.mu.Unlock()
				if asked != 1 {
					t.Errorf("%s was called %d times, want 1", route, asked)
				}
				// Afterwards all is well again.
				f.routes[route] = says(200, map[string]any{"number": 5})
				if route == "POST /app/installations/101/access_tokens" {
					f.routes[route], f.routes[theIssue] = nil, says(200, map[string]any{"number": 5})
				}
				if tt.wait > time.Second { // go-github has a clock of its own
					continue
				}
				c.now = now.Add(tt.wait)
				if err := try(); err != nil {
					t.Errorf("%s after the wait: %v", route, err)
				}
			}
		})
	}
}

// A limit of one installation is no concern of another.
func TestLimitIsOfOneInstallation(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{
		"POST /app/installations/102/access_tokens": says(429, nil, "Retry-After", "60"),
		theIssue: says(200, map[string]any{"number": 5}),
	})
	a, _ := f.app(Pace{})
	other := acme
	other.Installation = 102
	if _, err := a.GetIssue(t.Context(), other, 5); err == nil {
		t.Fatal("no error of the limited installation")
	}
	if _, err := a.GetIssue(t.Context(), acme, 5); err != nil {
		t.Errorf("the other installation: %v", err)
	}
}

func TestReadIsTriedThreeTimes(t *testing.T) {
	for _, broken := range []int{2, 3} {
		var asked atomic.Int32
		f := newFake(t, map[string]http.HandlerFunc{theIssue: func(w http.ResponseWriter, r *http.Request) {
			if int(asked.Add(1)) <= broken {
				answer(w, 502, map[string]any{"message": "Server Error"})
				return
			}
			answer(w, 200, map[string]any{"number": 5})
		}})
		a, c := f.app(Pace{Retry: 100 * time.Millisecond})
		_, err := a.GetIssue(t.Context(), acme, 5)
		var later *work.Later
		if broken == 2 && err != nil {
			t.Errorf("two bad answers: %v, want none", err)
		}
		if broken == 3 && (!errors.As(err, &later) || !later.Until.IsZero()) {
			t.Errorf("three bad answers: %v, want a *work.Later after the queue's own backoff", err)
		}
		if len(c.slept) != 2 || c.slept[0] < 50*time.Millisecond || c.slept[0] > 100*time.Millisecond || c.slept[1] < 100*time.Millisecond || c.slept[1] > 200*time.Millisecond {
			t.Errorf("waits %v, want about 100 and 200 ms", c.slept)
		}
		if asked.Load() != 3 {
			t.Errorf("asked %d times, want 3", asked.Load())
		}
	}
}

// A write is never repeated blindly. It is unknown once the request has left,
// and not before.
func TestWriteThatMayHaveLanded(t *testing.T) {
	unread := func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		conn.Close()
	}
	tests := []struct {
		name    string
		route   string
		do      http.HandlerFunc
		unknown bool
	}{
		{"500", newIssues, says(500, nil), true},
		{"502", newIssues, says(502, nil), true},
		{"503", newIssues, says(503, map[string]any{"message": "unavailable"}), true},
		{"broken connection", newIssues, unread, true},
		{"answer is no JSON", newIssues, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") }, true},
		{"answer is empty", newIssues, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(201) }, true},
		{"no token: 500", "POST /app/installations/101/access_tokens", says(500, nil), false},
		{"no token: broken connection", "POST /app/installations/101/access_tokens", unread, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, map[string]http.HandlerFunc{tt.route: tt.do})
			a, _ := f.app(Pace{})
			_, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"})
			var later *work.Later
			if err == nil || action.IsUnknown(err) != tt.unknown || errors.As(err, &later) == tt.unknown {
				t.Errorf("%v: unknown %v, want %v", err, action.IsUnknown(err), tt.unknown)
			}
			if n := len(f.seen()); tt.unknown && n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	f := newFake(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := "http://" + l.Addr().String()
	l.Close()
	a, err := New(Config{API: addr, AppID: appID, PrivateKey: pemOf(t, f.key), Pace: &Pace{}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"})
	var later *work.Later
	if !errors.As(err, &later) || action.IsUnknown(err) {
		t.Errorf("%v, want a *work.Later: nothing was sent", err)
	}
	if err != nil && strings.Contains(err.Error(), addr+"/") {
		t.Errorf("%v holds an address", err)
	}
}

func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	slow := func(w http.ResponseWriter, r *http.Request) { <-release }
	f := newFake(t, map[string]http.HandlerFunc{theIssue: slow, newIssues: slow})
	defer close(release)
	a, err := New(Config{API: f.URL, AppID: appID, PrivateKey: pemOf(t, f.key), Pace: &Pace{}, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var later *work.Later
	if _, err := a.GetIssue(t.Context(), acme, 5); !errors.As(err, &later) {
		t.Errorf("read: %v, want a *work.Later", err)
	}
	if _, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"}); !action.IsUnknown(err) {
		t.Errorf("write: %v, want unknown", err)
	}
}

// The caller's own end is neither an outage nor, on a read, anything to repeat.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stop := func(w http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }
	f := newFake(t, map[string]http.HandlerFunc{theIssue: stop})
	a, _ := f.app(Pace{})
	_, err := a.GetIssue(ctx, acme, 5)
	var later *work.Later
	if !errors.Is(err, context.Canceled) || errors.As(err, &later) {
		t.Errorf("%v, want the context's error", err)
	}
	if n := len(f.seen()); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

// Redirects are never followed with a write, nor to another host, whoever's
// token would go along.
func TestRedirects(t *testing.T) {
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the stranger was asked %s %s with %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}))
	defer stranger.Close()
	var f *fake
	to := func(status int, host func() string, path string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", host()+path)
			w.WriteHeader(status)
		}
	}
	here := func() string { return f.URL }
	there := func() string { return stranger.URL }
	const moved = "/repositories/77/issues/3"
	ok := says(200, map[string]any{"number": 5, "title": "renamed"})

	tests := []struct {
		name   string
		routes map[string]http.HandlerFunc
		write  bool
		ok     bool
		repo   int64
	}{
		{"issue transferred, visible", map[string]http.HandlerFunc{theIssue: to(301, here, moved), "GET " + moved: ok}, false, false, 77},
		{"issue transferred out of sight", map[string]http.HandlerFunc{theIssue: to(301, here, moved)}, false, false, 77},
		{"repository renamed", map[string]http.HandlerFunc{theIssue: to(301, here, "/repositories/9/issues/5"), "GET /repositories/9/issues/5": ok}, false, true, 0},
		{"read to a stranger", map[string]http.HandlerFunc{theIssue: to(302, there, moved)}, false, false, 77},
		{"write 301", map[string]http.HandlerFunc{newIssues: to(301, here, "/repositories/77/issues"), "GET /repositories/77/issues": says(200, []any{})}, true, false, 77},
		{"write 307", map[string]http.HandlerFunc{newIssues: to(307, here, "/repositories/77/issues"), "POST /repositories/77/issues": ok}, true, false, 77},
		{"write to a stranger", map[string]http.HandlerFunc{newIssues: to(308, there, "/x")}, true, false, 0},
		{"write, renamed", map[string]http.HandlerFunc{
			newIssues:                      to(301, here, "/repositories/9/issues"),
			"GET /repositories/9":          says(200, map[string]any{"id": 9, "full_name": "acme/new"}),
			"POST /repos/acme/new/issues":  ok,
			"POST /repositories/9/issues":  says(500, nil),
			"GET /repositories/9/issues":   says(500, nil),
			"POST /repos/acme/web2/issues": says(500, nil),
		}, true, true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f = newFake(t, tt.routes)
			a, _ := f.app(Pace{})
			var err error
			if tt.write {
				_, err = a.CreateIssue(t.Context(), acme, NewIssue{Title: "t"})
			} else {
				_, err = a.GetIssue(t.Context(), acme, 5)
			}
			if tt.ok {
				if err != nil {
					t.Errorf("%v, want none", err)
				}
				return
			}
			var m *MovedError
			if !errors.Is(err, ErrMoved) || !errors.As(err, &m) || m.Repository != tt.repo || action.IsUnknown(err) {
				t.Errorf("%v, want moved to repository %d", err, tt.repo)
			}
			if tt.write && len(f.seen()) != 1 {
				t.Errorf("calls %v, want one", f.seen())
			}
		})
	}
}

// A rename cannot be told from a transfer while the repository's id is unknown.
func TestRedirectWithoutID(t *testing.T) {
	var f *fake
	f = newFake(t, map[string]http.HandlerFunc{
		theIssue: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, f.URL+"/repositories/9/issues/5", http.StatusMovedPermanently)
		},
		"GET /repositories/9/issues/5": says(200, map[string]any{"number": 5}),
	})
	a, _ := f.app(Pace{})
	at := acme
	at.Repo.ID = 0
	if _, err := a.GetIssue(t.Context(), at, 5); !errors.Is(err, ErrMoved) {
		t.Errorf("%v, want moved", err)
	}
}

func TestNoToken(t *testing.T) {
	tests := []struct {
		status  int
		message string
		want    error
		later   bool
	}{
		{404, "Not Found", ErrUninstalled, false},
		{403, "This installation has been suspended", ErrSuspended, false},
		{401, "A JSON web token could not be decoded", ErrUnauthorized, true},
		{503, "", nil, true},
	}
	for _, tt := range tests {
		f := newFake(t, map[string]http.HandlerFunc{"POST /app/installations/101/access_tokens": says(tt.status, map[string]any{"message": tt.message})})
		a, _ := f.app(Pace{})
		_, err := a.GetIssue(t.Context(), acme, 5)
		var later *work.Later
		if errors.As(err, &later) != tt.later || (tt.want != nil && !errors.Is(err, tt.want)) || errors.Is(err, ErrNotFound) {
			t.Errorf("token refused with %d: %v, want %v, later %v", tt.status, err, tt.want, tt.later)
		}
	}
}

// Nothing that GitHub or the network says brings a secret or a body into an
// error.
func TestErrorsHoldNoSecrets(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for status, message := range map[int]string{403: long, 409: long, 422: long, 400: long} {
		f := newFake(t, map[string]http.HandlerFunc{newIssues: says(status, map[string]any{"message": message})})
		a, _ := f.app(Pace{})
		_, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t", Body: "the text of a stranger"})
		if err == nil || len(err.Error()) > 400 || strings.Contains(err.Error(), "ghs_secret") || strings.Contains(err.Error(), "stranger") {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

func TestAnswerIsBounded(t *testing.T) {
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refused" {
			w.WriteHeader(500)
		}
		chunk := make([]byte, 1<<20)
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	client := http.Client{Transport: wire{next: http.DefaultTransport}}
	for path, want := range map[string]int64{"/": maxAnswer, "/refused": maxRefusal} {
		resp, err := client.Get(endless.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		var tooBig *http.MaxBytesError
		if n != want || errors.As(err, &tooBig) != (path == "/") {
			t.Errorf("%s: %d bytes, %v, want %d", path, n, err, want)
		}
		resp.Body.Close()
	}
}

func TestOneTokenForEachInstallation(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{theIssue: says(200, map[string]any{"number": 5})})
	a, _ := f.app(Pace{})
	for range 3 {
		if _, err := a.GetIssue(t.Context(), acme, 5); err != nil {
			t.Fatal(err)
		}
	}
	if f.minted[101] != 1 {
		t.Errorf("%d tokens for three calls, want 1", f.minted[101])
	}
}

func TestNamesStayInTheirPlace(t *testing.T) {
	f := newFake(t, nil)
	a, _ := f.app(Pace{})
	for _, name := range []string{"../x", "..", ".", "a?b", "a#b", "a b", "a%2fb", "", "é"} {
		for _, at := range []At{
			{acme.Installation, acme.Repo}, {acme.Installation, acme.Repo},
		} {
			at.Repo.Name = name
			if _, err := a.GetIssue(t.Context(), at, 5); err == nil {
				t.Errorf("name %q was taken", name)
			}
		}
		at := acme
		at.Repo.Owner = name
		if _, err := a.CreateIssue(t.Context(), at, NewIssue{}); err == nil {
			t.Errorf("owner %q was taken", name)
		}
	}
	if calls := f.seen(); !slices.Equal(calls, nil) {
		t.Errorf("calls %v, want none", calls)
	}
}

func TestNewRefusesBadSettings(t *testing.T) {
	f := newFake(t, nil)
	good := Config{API: f.URL, AppID: 1, PrivateKey: pemOf(t, f.key)}
	escaped := good
	escaped.PrivateKey = []byte(strings.ReplaceAll(string(good.PrivateKey), "\n", `\n`))
	for _, ok := range []Config{good, escaped} {
		if _, err := New(ok); err != nil {
			t.Fatal(err)
		}
	}
	for name, spoil := range map[string]func(*Config){
		"no id":         func(c *Config) { c.AppID = 0 },
		"no key":        func(c *Config) { c.PrivateKey = nil },
		"not a key":     func(c *Config) { c.PrivateKey = []byte("hunter2") },
		"no scheme":     func(c *Config) { c.API = "api.github.com" },
		"user in URL":   func(c *Config) { c.API = "https://u:hunter2@host/" },
		"other scheme":  func(c *Config) { c.API = "file:///x" },
		"query in URL":  func(c *Config) { c.API = "https://host/?x=hunter2" },
		"unparsable":    func(c *Config) { c.API = "https://hunter2\x00/" },
		"half of a key": func(c *Config) { c.PrivateKey = c.PrivateKey[:len(c.PrivateKey)/2] },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
