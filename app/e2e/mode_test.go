//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// withoutGitHub takes the App's settings out of the environment.
var withoutGitHub = []string{
	"GITHUB_APP_INTEGRATION_ID=", "GITHUB_APP_PRIVATE_KEY=", "GITHUB_APP_WEBHOOK_SECRET=",
	"GITHUB_OAUTH_CLIENT_ID=", "GITHUB_OAUTH_CLIENT_SECRET=",
}

// bare runs the app with the arguments and without the App's settings. It must
// not ask GitHub anything.
func bare(t *testing.T, args ...string) *process {
	t.Helper()
	w := newWorld(t, newBolt(t), settings)
	t.Cleanup(func() {
		for _, method := range []string{"GET", "POST", "PATCH", "PUT", "DELETE"} {
			if asked := w.gate.asked(method, ""); len(asked) > 0 {
				t.Errorf("GitHub was asked: %+v", asked)
			}
		}
	})
	return launch(t, w.dir, w.environ(withoutGitHub...), binary, args...)
}

// ask is request for what must be answered.
func ask(t testing.TB, method, url string, header map[string]string, body []byte) reply {
	t.Helper()
	r, err := request(method, url, header, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSetUp: without the App's settings there is the set-up page, for who has the
// token from the log, once, and nothing else.
func TestSetUp(t *testing.T) {
	t.Parallel()
	p := bare(t, "serve")
	var open string
	eventually(t, "the log says where the page is", func() error {
		for line := range strings.Lines(p.log.String()) {
			var l struct{ Open string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Open != "" {
				open = l.Open
				return nil
			}
		}
		return errors.New("it does not")
	})
	home, _, ok := strings.Cut(open, "/setup?token=")
	if !ok {
		t.Fatalf("the page is at %q", open)
	}
	for path, want := range map[string]int{
		"/": 503, "/readyz": 503, "/ingest/feedback/acme-api": 503, "/api/github/hook": 503, "/healthz": 200, "/setup": 403, "/setup?token=wrong": 403, "/setup?token=": 403,
	} {
		if r := ask(t, "GET", home+path, nil, nil); r.status != want {
			t.Errorf("%s: %d, want %d", path, r.status, want)
		}
	}
	first := ask(t, "GET", open, nil, nil)
	cookie, _, _ := strings.Cut(first.header.Get("Set-Cookie"), ";")
	if first.status != http.StatusSeeOther || first.header.Get("Location") != "/setup" || cookie == "" {
		t.Fatalf("with the token: %d %v", first.status, first.header)
	}
	if r := ask(t, "GET", home+"/setup", map[string]string{"Cookie": cookie}, nil); r.status != 200 || !strings.Contains(r.body, "SOULCASTER_PUBLIC_URL") {
		t.Errorf("the page: %d %s", r.status, r.body)
	}
	if r := ask(t, "GET", open, nil, nil); r.status != 403 {
		t.Errorf("the token again: %d, want 403", r.status)
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("status %d, want 0", status)
	}
}

// TestPreview: everything is worked out and shown on this machine, and nothing is
// written to GitHub, which is not even asked.
func TestPreview(t *testing.T) {
	t.Parallel()
	p := bare(t, "serve", "--preview")
	address, _, err := p.serving()
	if err != nil {
		t.Fatal(err)
	}
	home := "http://" + address
	r := ask(t, "POST", home+"/ingest/feedback/acme-api", map[string]string{"X-API-Key": key("acme-api")}, encode(tenants[0].exports()))
	if r.status != http.StatusAccepted {
		t.Fatalf("%d %s", r.status, r.body)
	}
	eventually(t, "the page shows the issue that would be filed", func() error {
		page := pagesOf(t, home, nil, allPages)
		for _, part := range []string{"The issue that would be filed", "CSV", "cohesion", "alike"} {
			if !strings.Contains(page, part) {
				return fmt.Errorf("no %q in %s", part, page)
			}
		}
		return nil
	})
	for name, tt := range map[string]struct {
		header map[string]string
		want   int
	}{
		"from here":            {nil, 200},
		"by name":              {map[string]string{"Host": "localhost:8080"}, 200},
		"by another name":      {map[string]string{"Host": "evil.example"}, 403},
		"through a proxy":      {map[string]string{"X-Forwarded-For": "203.0.113.9"}, 403},
		"through a new proxy":  {map[string]string{"Forwarded": "for=203.0.113.9"}, 403},
		"through another":      {map[string]string{"X-Real-IP": "203.0.113.9"}, 403},
		"elsewhere with token": {map[string]string{"Host": "evil.example", "Authorization": "Bearer " + adminToken}, 200},
	} {
		if r := ask(t, "GET", home+"/", tt.header, nil); r.status != tt.want {
			t.Errorf("%s: %d, want %d", name, r.status, tt.want)
		}
	}
	if r := ask(t, "POST", home+"/api/github/hook", nil, []byte("{}")); r.status != 404 && r.status != 405 {
		t.Errorf("GitHub's door is there: %d", r.status)
	}
}

// TestLivePages: once live, a stranger sees nothing.
func TestLivePages(t *testing.T) {
	t.Parallel()
	w := started(t, newBolt(t), settings)
	for name, tt := range map[string]struct {
		header map[string]string
		want   int
	}{
		"nobody":       {nil, 401},
		"wrong token":  {map[string]string{"Authorization": "Bearer wrong"}, 401},
		"other scheme": {map[string]string{"Authorization": "Basic " + adminToken}, 401},
		"token":        {map[string]string{"Authorization": "Bearer " + adminToken}, 200},
	} {
		for path, want := range map[string]int{"/": tt.want, "/assets/style.css": 200, "/login": 200} {
			r := ask(t, "GET", w.address()+path, tt.header, nil)
			if r.status != want {
				t.Errorf("%s, %s: %d, want %d", name, path, r.status, want)
			}
			if csp := r.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
				t.Errorf("%s, %s: Content-Security-Policy %q", name, path, csp)
			}
		}
	}
	_, metrics, err := w.app.serving()
	if err != nil {
		t.Fatal(err)
	}
	if r := ask(t, "GET", "http://"+metrics+"/metrics", nil, nil); r.status != 200 || !strings.Contains(r.body, "soulcaster_http_requests_total") {
		t.Errorf("the metrics: %d", r.status)
	}
	if r := ask(t, "GET", w.address()+"/metrics", nil, nil); r.status == 200 {
		t.Error("the metrics are at the front door")
	}

	w.stop()
	w.start("SOULCASTER_ADMIN_TOKEN=") // without one nobody gets in
	if r := ask(t, "GET", w.address()+"/", map[string]string{"Authorization": "Bearer "}, nil); r.status != 401 {
		t.Errorf("without a token in the settings: %d, want 401", r.status)
	}
}

// TestRepositoryFile: what a repository's own file says wins, and one that is
// broken leaves the last good one in force.
func TestRepositoryFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newBolt(t), settings)
	const repo, file = "acme/web", ".github/soulcaster.yml"
	w.github.put(repo, file, "mode: preview\n")
	w.start()
	crash := tenants[0].checkout()
	w.sentry("acme-sentry", "event_alert", crash.alert(eventID(1), nil))
	w.stands(crash, "preview")

	w.stop()
	w.github.put(repo, file, "mode: live\nlables: [bug]\n")
	w.start()
	eventually(t, "the page says what is wrong", func() error {
		if page := w.get("/").body; !strings.Contains(page, "lables") {
			return errors.New("it does not")
		}
		return nil
	})
	w.sentry("acme-sentry", "event_alert", tenants[0].ledger().alert(eventID(2), object{"url": "https://sentry.io/api/0/projects/org/frontend/events/x/"}))
	eventually(t, "both problems are shown", func() error { return w.counts(repo, 2, 2) })
	w.stands(crash, "preview")
	if got := w.gate.asked("POST", "/issues$"); len(got) > 0 || len(w.github.issues(repo)) > 0 {
		t.Fatalf("an issue was filed while the last good file says preview: %+v", got)
	}

	w.stop()
	w.github.put(repo, file, "mode: live\nlabels: [bug, from users]\nignore: [OverflowError]\n")
	w.start()
	eventually(t, "the issue is filed", func() error { return exactly(w.github.issues(repo), []string{"TypeError"}) })
	if i := w.github.issues(repo)[0]; !slices.Equal(i.labels(), []string{"bug", "from users"}) {
		t.Errorf("labelled %q", i.labels())
	}
	w.stands(crash, "issue #1")
	if strings.Contains(w.get("/").body, "lables") {
		t.Error("the page still says what was wrong")
	}
}

// TestDemo: one command, no account, and there is something to see.
func TestDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := launch(t, dir, nil, binary, "demo")
	where := regexp.MustCompile(`(?m)^open (http://127\.0\.0\.1:\d+)$`)
	var home string
	eventually(t, "it says what to open", func() error {
		m := where.FindStringSubmatch(p.out.String())
		if m == nil {
			return fmt.Errorf("%q", p.out.String())
		}
		home = m[1]
		return nil
	})
	eventually(t, "the page shows clusters and issues", func() error {
		page := pagesOf(t, home, nil, allPages)
		for _, part := range []string{"Demo", "cohesion", "Why these belong together", "alike", "The issue that would be filed", "<pre>", "held: "} {
			if !strings.Contains(page, part) {
				return fmt.Errorf("no %q", part)
			}
		}
		return nil
	})
	p.cmd.Process.Signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("status %d, want 0", status)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "soulcaster-demo-*")); err != nil || len(left) > 0 {
		t.Errorf("the demo leaves %v, %v", left, err)
	}
}
