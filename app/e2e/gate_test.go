//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// gate is what the app takes for GitHub's API. Behind it is the emulator, which
// takes every token for somebody's; the gate knows which tokens were made, for
// whom, and fails the test when one is used where it does not belong.
type gate struct {
	t      testing.TB
	url    string
	owners map[string]int64 // account → installation

	mu     sync.Mutex
	tokens map[string]int64 // token → installation
	calls  []call
	faults []*fault
}

// call is one request that the app made.
type call struct {
	method, path string
	owner        string // of the repository, if the path names one
	body         string
	status       int // of the answer; 0: the app saw none
}

// fault is something that goes wrong with some of the app's requests.
type fault struct {
	method string
	path   *regexp.Regexp
	times  int // how often yet

	status int         // answered instead of asking the emulator; 0: it is asked
	header http.Header // of that answer
	cut    bool        // the emulator does it, and the connection breaks instead of an answer
}

func newGate(t testing.TB, owners map[string]int64) *gate {
	return &gate{t: t, owners: owners, tokens: make(map[string]int64)}
}

// open starts the gate in front of the emulator.
func (g *gate) open(emulator string) {
	g.t.Helper()
	target, err := url.Parse(emulator)
	if err != nil {
		g.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: g.learn,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { // the app was killed, or the test is over
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(w, r, proxy) }))
	server.Start()
	g.url = server.URL
	g.t.Cleanup(server.Close)
}

var (
	mintPath = regexp.MustCompile(`^/app/installations/(\d+)/access_tokens$`)
	repoPath = regexp.MustCompile(`^/repos/([^/]+)/[^/]+`)
)

func (g *gate) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c := call{method: r.Method, path: r.URL.Path, body: string(body)}
	if m := repoPath.FindStringSubmatch(r.URL.Path); m != nil {
		c.owner = m[1]
	}
	if why := g.trespass(r, c.owner); why != "" {
		g.t.Errorf("GitHub would refuse %s %s: %s", r.Method, r.URL.Path, why)
		c.status = http.StatusUnauthorized
		g.note(c)
		http.Error(w, `{"message": "Bad credentials"}`, c.status)
		return
	}
	if r.URL.Path == "/login/oauth/access_token" { // nobody signs in here, and the doctor asks whether somebody could
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"error": %q}`, map[bool]string{true: "bad_verification_code", false: "incorrect_client_credentials"}[strings.Contains(c.body, "client_secret="+oauthSecret+"&")])
		return
	}
	f := g.broken(c)
	if f != nil && f.status != 0 {
		for name, values := range f.header {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Type", "application/json")
		c.status = f.status
		g.note(c)
		w.WriteHeader(f.status)
		fmt.Fprint(w, `{"message": "made up by the test"}`)
		return
	}
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	if f != nil && f.cut {
		g.note(c)
		panic(http.ErrAbortHandler)
	}
	c.status = answer.Code
	g.note(c)
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

// trespass says what is wrong with how a request is authenticated.
func (g *gate) trespass(r *http.Request, owner string) string {
	if r.URL.Path == "/meta" && r.Header.Get("Authorization") == "" {
		return "" // everybody may ask that
	}
	if r.URL.Path == "/login/oauth/access_token" {
		return "" // who asks says who they are in the form
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	app := strings.EqualFold(scheme, "Bearer") && strings.HasPrefix(token, "eyJ")
	if strings.HasPrefix(r.URL.Path, "/app") {
		if !app {
			return "it is asked as an installation, and only the App itself may"
		}
		return ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	installation, known := g.tokens[token]
	switch {
	case !known:
		return "nobody made this token"
	case owner != "" && g.owners[owner] != installation:
		return fmt.Sprintf("the token belongs to installation %d", installation)
	}
	return ""
}

// learn remembers the tokens that are made.
func (g *gate) learn(answer *http.Response) error {
	m := mintPath.FindStringSubmatch(answer.Request.URL.Path)
	if m == nil || answer.StatusCode != http.StatusCreated {
		return nil
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	var made struct{ Token string }
	if err := json.Unmarshal(body, &made); err != nil {
		return err
	}
	installation, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tokens[made.Token] = installation
	return nil
}

func (g *gate) note(c call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, c)
}

// breaks makes the next requests that fit go wrong.
func (g *gate) breaks(f fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = append(g.faults, &f)
}

// mend takes all faults away.
func (g *gate) mend() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = nil
}

func (g *gate) broken(c call) *fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range g.faults {
		if f.times > 0 && (f.method == "" || f.method == c.method) && f.path.MatchString(c.path) {
			f.times--
			return f
		}
	}
	return nil
}

// asked returns the requests that fit, oldest first.
func (g *gate) asked(method, path string) (found []call) {
	re := regexp.MustCompile(path)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.calls {
		if c.method == method && re.MatchString(c.path) {
			found = append(found, c)
		}
	}
	return found
}

// minted returns the tokens that were made so far.
func (g *gate) minted() (tokens []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for token := range g.tokens {
		tokens = append(tokens, token)
	}
	return tokens
}
