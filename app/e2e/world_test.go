//go:build e2e

package e2e

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// adminToken opens the pages of a live app.
const adminToken = "admin-token-0123456789abcdef"

// settings is the server's YAML file of most tests: the same kinds of sources for
// both tenants. Keys and client secrets are those of key.
const settings = `
installations:
  - id: 101
    sources:
      - {id: acme-sentry, kind: sentry, secrets: ["${ACME_SENTRY}"], routes: {frontend: acme/web, api: acme/api}}
      - {id: acme-legacy, kind: sentry, secrets: ["key-acme-legacy"], legacy: true, repository: acme/web}
      - {id: acme-reddit, kind: reddit, secrets: ["key-acme-reddit"], repository: acme/web}
      - {id: acme-api, kind: feedback, secrets: ["old-key-acme-api", "key-acme-api"], repository: acme/web}
    repositories:
      acme/web: {mode: live, publish: full, budget: {issues_per_day: 1000}}
      acme/api: {mode: live, publish: full}
  - id: 202
    sources:
      - {id: globex-sentry, kind: sentry, secrets: ["key-globex-sentry"], repository: globex/shop}
      - {id: globex-legacy, kind: sentry, secrets: ["key-globex-legacy"], legacy: true, repository: globex/shop}
      - {id: globex-reddit, kind: reddit, secrets: ["key-globex-reddit"], repository: globex/shop}
      - {id: globex-api, kind: feedback, secrets: ["key-globex-api"], repository: globex/shop}
    repositories:
      globex/shop: {mode: live, publish: full, budget: {issues_per_day: 1000}}
`

// key is the secret of a source.
func key(source string) string { return "key-" + source }

// world is the app with all that is around it.
type world struct {
	t      testing.TB
	store  *store
	gate   *gate
	relay  *relay
	github *github
	env    map[string]string
	dir    string // the app's home
	build  string // of the app; "" is the one that people run

	mu   sync.Mutex // guards app and home, which change with every start
	app  *process
	home string // "http://" and the address, "" while the app does not run
	logs []string
}

// newWorld makes a world on a store, in which the app does not run yet. yaml is
// the server's file.
func newWorld(t testing.TB, s *store, yaml string) *world {
	t.Helper()
	w := &world{t: t, store: s, dir: t.TempDir()}
	w.gate = newGate(t, map[string]int64{"acme": acme, "globex": globex})
	w.relay = newRelay(t, func() string {
		if home := w.address(); home != "" {
			return home + "/api/github/hook"
		}
		return ""
	})
	w.github = newGitHub(t, w.relay.url)
	w.gate.open(w.github.url)

	file := filepath.Join(w.dir, "soulcaster.yml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	w.env = map[string]string{
		"GITHUB_APP_INTEGRATION_ID":  fmt.Sprint(appID),
		"GITHUB_APP_PRIVATE_KEY":     strings.ReplaceAll(appKey(), "\n", `\n`),
		"GITHUB_APP_WEBHOOK_SECRET":  "next-" + webhookSecret + "," + webhookSecret,
		"GITHUB_OAUTH_CLIENT_ID":     "Iv1.0123456789abcdef",
		"GITHUB_OAUTH_CLIENT_SECRET": oauthSecret,
		"GITHUB_V3_API_URL":          w.gate.url,
		"GITHUB_WEB_URL":             w.gate.url,
		"SOULCASTER_ADDR":            "127.0.0.1:0",
		"SOULCASTER_METRICS_ADDR":    "127.0.0.1:0",
		"SOULCASTER_STORE":           s.url,
		"SOULCASTER_SECRET_KEY":      base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")),
		"SOULCASTER_CONFIG":          file,
		"SOULCASTER_ADMIN_TOKEN":     adminToken,
		"ACME_SENTRY":                key("acme-sentry"),
	}
	return w
}

// tell shows what the app knew, for a test that failed.
func (w *world) tell(p *process) {
	if !w.t.Failed() || !p.running() {
		return
	}
	page, err := w.send(http.MethodGet, "/", map[string]string{"Authorization": "Bearer " + adminToken}, nil)
	if err != nil {
		return
	}
	text := regexp.MustCompile(`(?s)<[^>]*>`).ReplaceAllString(page.body, " ")
	text = regexp.MustCompile(`\s*\n\s*`).ReplaceAllString(text, "\n")
	w.t.Logf("the page (%d):\n%s", page.status, text[:min(len(text), 6<<10)])
}

// started is newWorld with the app running.
func started(t testing.TB, s *store, yaml string) *world {
	t.Helper()
	w := newWorld(t, s, yaml)
	w.start()
	return w
}

// environ is the app's environment, with changes; an empty value takes a setting
// out.
func (w *world) environ(changes ...string) (env []string) {
	all := make(map[string]string)
	for name, value := range w.env {
		all[name] = value
	}
	for _, c := range changes {
		name, value, _ := strings.Cut(c, "=")
		all[name] = value
	}
	for name, value := range all {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// start starts the app and waits until it is ready for work.
func (w *world) start(changes ...string) {
	w.t.Helper()
	w.startProgram(cmp.Or(w.build, binary), changes...)
	eventually(w.t, "the app is ready", func() error {
		if r := w.get("/readyz"); r.status != http.StatusOK {
			return fmt.Errorf("%d %s", r.status, r.body)
		}
		return nil
	})
}

// startProgram starts a build of the app and waits until it serves.
func (w *world) startProgram(program string, changes ...string) {
	w.t.Helper()
	p := launch(w.t, w.dir, w.environ(changes...), program, "serve")
	address, _, err := p.serving()
	if err != nil {
		w.t.Fatalf("the app does not start: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.app, w.home = p, "http://"+address
	w.t.Cleanup(func() { w.tell(p) }) // runs before the one that kills it
}

// kill ends the app as a power cut would.
func (w *world) kill() {
	w.t.Helper()
	w.gone((*process).kill)
}

// stop has the app end in good order, and checks that it does.
func (w *world) stop() {
	w.t.Helper()
	w.gone(func(p *process) {
		p.cmd.Process.Signal(syscall.SIGTERM)
		if status := p.wait(); status != 0 {
			w.t.Errorf("after SIGTERM the app ended with status %d, want 0", status)
		}
	})
}

func (w *world) gone(end func(*process)) {
	w.t.Helper()
	w.mu.Lock()
	p := w.app
	w.home = ""
	w.mu.Unlock()
	end(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs = append(w.logs, p.out.String()+p.log.String())
}

// address is where the app is, "" while it does not run.
func (w *world) address() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.home
}

// written is all that the app wrote to its outputs, in all its lives.
func (w *world) written() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := strings.Join(w.logs, "")
	if w.home != "" {
		all += w.app.out.String() + w.app.log.String()
	}
	return all
}

// reply is an answer of the app.
type reply struct {
	status int
	header http.Header
	body   string
}

// errAway is why there was no answer.
var errAway = errors.New("the app does not answer")

// send does a request of the app. It returns an error when there is no answer.
func (w *world) send(method, path string, header map[string]string, body []byte) (reply, error) {
	home := w.address()
	if home == "" {
		return reply{}, errAway
	}
	return request(method, home+path, header, body)
}

// request does a request and reads the answer, without following redirects.
func request(method, url string, header map[string]string, body []byte) (reply, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(string(body)))
	if err != nil {
		return reply{}, err
	}
	for name, value := range header {
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		return reply{}, fmt.Errorf("%w: %w", errAway, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return reply{}, fmt.Errorf("%w: %w", errAway, err)
	}
	return reply{answer.StatusCode, answer.Header, string(text)}, nil
}

// transport keeps no connections: a process that was killed and started again is
// another one, and one that drains must not wait for us.
var transport = &http.Transport{DisableKeepAlives: true}

// get asks for a page as the operator.
func (w *world) get(path string) reply {
	w.t.Helper()
	r, err := w.send(http.MethodGet, path, map[string]string{"Authorization": "Bearer " + adminToken}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}
