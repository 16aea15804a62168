package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

// The agent changes the process that it is in (its environment, whether it is
// dumpable, whose orphans it adopts), so the tests run it in one of its own: this
// test binary, which is the agent if the environment says so.
const (
	asAgent     = "SOULCASTER_TEST_AGENT"
	withSilence = "SOULCASTER_TEST_SILENCE"
)

func TestMain(m *testing.M) {
	if os.Getenv(asAgent) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg, err := FromEnviron(os.Environ())
	if err == nil {
		cfg.times = times{
			claim: 20 * time.Second, answer: 10 * time.Second, back: 20 * time.Millisecond,
			unknown: time.Second, away: 20 * time.Second, clone: 30 * time.Second, silence: 60 * time.Second,
			ship: 50 * time.Millisecond, collect: time.Minute, handover: 20 * time.Second, hurry: 20 * time.Second,
		}
		if d, err := time.ParseDuration(os.Getenv(withSilence)); err == nil {
			cfg.times.silence = d
		}
		err = Run(ctx, cfg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
	}
	os.Exit(ExitCode(err))
}

// The secrets of every world, others in each process: what looks for them finds no copy
// of this file, and no other run of these tests.
var (
	theClaim      = "claim-" + rand.Text()
	theToken      = "run-token-" + rand.Text()
	theCloneToken = "ghs_16_a.b-" + rand.Text() + rand.Text()
)

// world is an app and a git server on loopback, and a repository.
type world struct {
	t      *testing.T
	dir    string // may be entered by everybody
	marks  string // folder that everybody may write to
	server *httptest.Server
	brief  brief.Brief
	order  func(brief.Heartbeat) brief.Order
	model  http.HandlerFunc
	answer map[string][]int // status codes that a route answers with first
	image  bool             // the agent works in a file system of its own
	oldGit bool             // the git server gives only what a branch points at

	mu      sync.Mutex
	claims  []brief.Claim
	beats   []brief.Heartbeat
	log     bytes.Buffer
	results []brief.Result
	revoked int
	fetches int // git requests with the token
	denied  int // git requests without
}

// newWorld makes a repository of files, by path.
func newWorld(t *testing.T, files map[string]string, setup string) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { place{dir}.remove() })
	w := &world{t: t, dir: dir, marks: filepath.Join(dir, "marks"), answer: map[string][]int{}}
	for _, d := range []string{dir, w.marks, filepath.Join(dir, "tmp"), filepath.Join(dir, "git", "acme")} {
		if err := errors.Join(os.MkdirAll(d, 0o755), os.Chmod(d, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(w.marks, 0o777), os.Chmod(filepath.Join(dir, "tmp"), 0o1777)); err != nil {
		t.Fatal(err)
	}
	seed := filepath.Join(dir, "seed")
	for path, text := range files {
		path = filepath.Join(seed, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	w.git(seed, "init", "-q", "-b", "main")
	if err := os.WriteFile(filepath.Join(seed, ".git", "info", "attributes"), []byte(asIs), 0o644); err != nil {
		t.Fatal(err)
	}
	if setup != "" {
		w.sh(seed, setup)
	}
	w.git(seed, "add", "-A", "-f")
	w.git(seed, "commit", "-q", "--allow-empty", "-m", "base")
	w.git(dir, "clone", "-q", "--bare", seed, filepath.Join(dir, "git", "acme", "shop.git"))

	w.server = httptest.NewServer(w)
	t.Cleanup(w.server.Close)
	w.brief = brief.Brief{
		Run: "r1", Round: 1, Attempt: 1, Token: theToken,
		Repository: brief.Repository{Name: "acme/shop", CloneURL: w.server.URL + "/git/acme/shop.git", Token: theCloneToken,
			RevokeURL: w.server.URL + "/revoke", Commit: w.head(), DefaultCommit: w.head()},
		Model: brief.Model{Name: "scripted-1", Context: 128_000, Output: 8_000}, Seconds: 120, Heartbeat: 1,
		Issue: brief.Issue{Number: 12, URL: "https://github.com/acme/shop/issues/12"}, By: "octocat", Words: "Fix the greeting.",
		Evidence: []brief.Evidence{{Source: "report", Field: "text", Text: "It says Helo."}},
		Limits:   brief.Limits{Files: 50, FileBytes: 1 << 20, Bytes: 2 << 20, LogBytes: 1 << 20},
	}
	return w
}

func (w *world) sh(dir, script string) string {
	w.t.Helper()
	cmd := exec.Command("/bin/sh", "-euc", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com",
		"GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w *world) git(dir string, args ...string) string {
	w.t.Helper()
	quoted := []string{"git"}
	for _, a := range args {
		quoted = append(quoted, "'"+a+"'")
	}
	return w.sh(dir, strings.Join(quoted, " "))
}

// proposes makes a commit with files, by path, the one to work on. The default
// branch's stays behind.
func (w *world) proposes(files map[string]string) {
	w.t.Helper()
	seed := filepath.Join(w.dir, "seed")
	for path, text := range files {
		path = filepath.Join(seed, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			w.t.Fatal(err)
		}
	}
	w.git(seed, "add", "-A", "-f")
	w.git(seed, "commit", "-q", "-m", "proposal")
	w.git(seed, "push", "-q", filepath.Join(w.dir, "git", "acme", "shop.git"), "HEAD:refs/heads/proposal")
	w.brief.Repository.Commit = w.git(seed, "rev-parse", "HEAD")
}

// head is the commit of main.
func (w *world) head() string {
	return w.git(filepath.Join(w.dir, "git", "acme", "shop.git"), "rev-parse", "main")
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	route := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	w.mu.Lock()
	status := 0
	if next := w.answer[route]; len(next) > 0 {
		status, w.answer[route] = next[0], next[1:]
	}
	w.mu.Unlock()
	switch {
	case status != 0:
		rw.WriteHeader(status)
	case strings.HasPrefix(r.URL.Path, "/git/"):
		w.serveGit(rw, r)
	case r.URL.Path == "/agent/claim":
		w.serveClaim(rw, r)
	case r.Header.Get("Authorization") == "Bearer "+theCloneToken && r.Method == http.MethodDelete && r.URL.Path == "/revoke":
		w.mu.Lock()
		w.revoked++
		w.mu.Unlock()
		rw.WriteHeader(http.StatusNoContent)
	case r.Header.Get("Authorization") != "Bearer "+theToken || !strings.HasPrefix(r.URL.Path, "/agent/runs/r1/"):
		rw.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == "/agent/runs/r1/v1/chat/completions":
		w.model(rw, r)
	default:
		w.serveRun(rw, r, route)
	}
}

func (w *world) serveClaim(rw http.ResponseWriter, r *http.Request) {
	var c brief.Claim
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil || c.Run != "r1" || c.Claim != theClaim {
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.claims = append(w.claims, c); w.claims[0].Task != c.Task || len(w.beats) > 0 {
		rw.WriteHeader(http.StatusConflict)
		return
	}
	_ = json.NewEncoder(rw).Encode(w.brief)
}

func (w *world) serveRun(rw http.ResponseWriter, r *http.Request, route string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	data, err := io.ReadAll(r.Body)
	var order brief.Order
	switch r.Method + " " + route {
	case "POST heartbeat":
		var beat brief.Heartbeat
		err = errors.Join(err, json.Unmarshal(data, &beat))
		w.beats = append(w.beats, beat)
		if w.order != nil {
			order = w.order(beat)
		}
	case "POST log":
		var l brief.Log
		if err = errors.Join(err, json.Unmarshal(data, &l)); l.Offset == int64(w.log.Len()) {
			w.log.WriteString(l.Text)
		} else if l.Offset > int64(w.log.Len()) {
			w.t.Errorf("a piece of log at %d, after %d bytes", l.Offset, w.log.Len())
		}
	case "PUT result":
		var result brief.Result
		err = errors.Join(err, json.Unmarshal(data, &result))
		w.results = append(w.results, result)
	default:
		err = errors.New("no such route")
	}
	if err != nil {
		w.t.Errorf("%s %s: %v", r.Method, route, err)
		rw.WriteHeader(http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(rw).Encode(order)
}

// serveGit is git's smart HTTP, for reading, for who has the token.
func (w *world) serveGit(rw http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	ok := user == "x-access-token" && password == theCloneToken && w.revocations() == 0
	w.mu.Lock()
	if ok {
		w.fetches++
	} else {
		w.denied++
	}
	w.mu.Unlock()
	if !ok {
		rw.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.hunt()
	if w.oldGit {
		r.Header.Del("Git-Protocol")
	}
	path, err := exec.LookPath("git")
	if err != nil {
		w.t.Error(err)
	}
	(&cgi.Handler{Path: path, Args: []string{"http-backend"}, Root: "/git",
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Join(w.dir, "git"), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1",
			"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}}).ServeHTTP(rw, r)
}

// hunt looks for the clone token while git fetches with it, in every command line and
// every file of the agent's.
func (w *world) hunt() {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		w.t.Error(err)
	}
	files := 0
	_ = filepath.WalkDir(filepath.Join(w.dir, "tmp"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			lines, files = append(lines, path), files+1
		}
		return nil // gone meanwhile
	})
	if files == 0 && !w.image {
		w.t.Error("there is no file of the agent's while it fetches")
	}
	for _, path := range lines {
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte(theCloneToken)) {
			w.t.Errorf("the clone token is in %s", path)
		}
	}
}

func (w *world) revocations() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.revoked
}
