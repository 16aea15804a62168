package github

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	jwt "github.com/golang-jwt/jwt/v4"

	"github.com/soulcaster/soulcaster/engine/project"
)

const appID = 4711

// acme is where the tests write.
var acme = At{Installation: 101, Repo: project.Repo{ID: 9, Owner: "acme", Name: "web"}}

// fake is a GitHub on loopback. It checks who asks: the App's JWT on /app
// routes, the installation's own token elsewhere. A test gives the routes.
type fake struct {
	*httptest.Server
	t      *testing.T
	key    *rsa.PrivateKey
	routes map[string]http.HandlerFunc // "GET /repos/acme/web"

	mu     sync.Mutex
	calls  []string
	bodies []string
	minted map[int64]int
}

// appKey is the App's key in all tests: making one takes a while.
var appKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newFake(t *testing.T, routes map[string]http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{t: t, key: appKey(), routes: routes, minted: map[int64]int{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Errorf("%s: body: %v", r.URL, err)
	}
	call := r.Method + " " + r.URL.EscapedPath()
	if !strings.HasPrefix(r.Header.Get("User-Agent"), "soulcaster") {
		f.t.Errorf("%s: user agent %q", call, r.Header.Get("User-Agent"))
	}
	f.mu.Lock()
	f.calls = append(f.calls, call)
	f.bodies = append(f.bodies, string(body))
	f.mu.Unlock()

	auth := r.Header.Get("Authorization")
	if rest, ok := strings.CutPrefix(r.URL.Path, "/app"); ok {
		f.checkJWT(call, auth)
		if id, ok := strings.CutSuffix(strings.TrimPrefix(rest, "/installations/"), "/access_tokens"); ok && f.routes[call] == nil {
			n, err := strconv.ParseInt(id, 10, 64)
			if err != nil || r.Method != "POST" {
				f.t.Errorf("bad token request %s", call)
			}
			f.mu.Lock()
			f.minted[n]++
			f.mu.Unlock()
			answer(w, 201, map[string]any{"token": fmt.Sprintf("ghs_secret_%d", n), "expires_at": time.Now().Add(time.Hour)})
			return
		}
	} else if want := fmt.Sprintf("token ghs_secret_%d", acme.Installation); auth != want {
		f.t.Errorf("%s: authorized as %q, want %q", call, auth, want)
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	if h := f.routes[call]; h != nil {
		h(w, r)
		return
	}
	answer(w, 404, map[string]any{"message": "Not Found"})
}

func (f *fake) checkJWT(call, auth string) {
	raw, ok := strings.CutPrefix(auth, "Bearer ")
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(raw, &claims, func(*jwt.Token) (any, error) { return &f.key.PublicKey, nil }, jwt.WithValidMethods([]string{"RS256"}))
	if !ok || err != nil || claims.Issuer != strconv.Itoa(appID) {
		f.t.Errorf("%s: bad JWT (issuer %q): %v", call, claims.Issuer, err)
	}
}

// seen returns the calls so far but those for tokens.
func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var calls []string
	for _, c := range f.calls {
		if !strings.HasSuffix(c, "/access_tokens") {
			calls = append(calls, c)
		}
	}
	return calls
}

// sent decodes the body of the nth call (from 0) to the route.
func (f *fake) sent(route string, n int) map[string]any {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, c := range f.calls {
		if c != route {
			continue
		}
		if n--; n < 0 {
			var body map[string]any
			if err := json.Unmarshal([]byte(f.bodies[i]), &body); err != nil {
				f.t.Fatalf("%s: body %q: %v", route, f.bodies[i], err)
			}
			return body
		}
	}
	f.t.Fatalf("%s was not called so often; calls: %v", route, f.calls)
	return nil
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status == http.StatusNoContent {
		return
	}
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(err)
	}
}

// says is a route with one answer.
func says(status int, body any, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		answer(w, status, body)
	}
}

// clock is a time that moves only when someone sleeps.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return ctx.Err()
}

// app is the App at the fake, on a clock of its own.
func (f *fake) app(pace Pace) (*App, *clock) {
	f.t.Helper()
	c := &clock{now: time.Now().Truncate(time.Second)}
	a, err := New(Config{
		API:        f.URL,
		AppID:      appID,
		PrivateKey: pemOf(f.t, f.key),
		Pace:       &pace,
		Now:        c.Now,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	a.sleep = c.sleep
	return a, c
}

func pemOf(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
