package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience ends a test that waits for what does not come.
const patience = time.Minute

// program is a run of the program in this process.
type program struct {
	t      *testing.T
	out    *os.File // its standard output, read here
	log    *os.File // its standard error
	stop   context.CancelFunc
	status chan int
}

// TestMain lets the test's own program be the agent that a demo in it starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "agent" || os.Args[1] == standInCommand) {
		main()
	}
	os.Exit(m.Run())
}

// start runs the program with nothing in its environment but env.
func start(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	p := &program{t: t, out: read, log: log, stop: stop, status: make(chan int, 1)}
	go func() {
		defer write.Close()
		p.status <- run(ctx, &environment{env: env, in: strings.NewReader(""), out: write, err: log, caller: "soulcaster"}, args)
	}()
	t.Cleanup(func() {
		stop()
		read.Close()
		log.Close()
	})
	return p
}

func (p *program) logged() string {
	p.t.Helper()
	data, err := os.ReadFile(p.log.Name())
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

// wait waits for the end and returns the exit status.
func (p *program) wait() int {
	p.t.Helper()
	select {
	case status := <-p.status:
		return status
	case <-time.After(patience):
		p.t.Fatalf("it does not end:\n%s", p.logged())
		return 0
	}
}

// line waits for a line of the log with a field of that name, and returns it.
func (p *program) line(field string) string {
	p.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	enough := time.After(patience)
	for {
		for line := range strings.Lines(p.logged()) {
			var fields map[string]any
			if json.Unmarshal([]byte(line), &fields) == nil && fields[field] != nil {
				return fmt.Sprint(fields[field])
			}
		}
		select {
		case <-again.C:
		case status := <-p.status:
			p.t.Fatalf("it ended with %d:\n%s", status, p.logged())
		case <-enough:
			p.t.Fatalf("no %s in the log:\n%s", field, p.logged())
		}
	}
}

func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(data)
}

func TestExitStatuses(t *testing.T) {
	folder := t.TempDir()
	store := "SOULCASTER_STORE=bolt:" + filepath.Join(folder, "store.db")
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, port, _ := net.SplitHostPort(busy.Addr().String())
	for _, c := range []struct {
		name     string
		env      []string
		args     []string
		status   int
		out, err string // what standard output and standard error hold
	}{
		{"help", nil, []string{"help"}, 0, "serve [--preview]", ""},
		{"--help", nil, []string{"--help"}, 0, "Exit status: 0 done, 1 failed, 2 wrong usage or settings.", ""},
		{"help of a command", nil, []string{"demo", "--help"}, 0, "Usage: soulcaster demo [--port N]", ""},
		{"an unknown command", nil, []string{"sing"}, 2, "", `soulcaster: there is no command "sing"`},
		{"an unknown command and how it is done", nil, []string{"sing"}, 2, "", "serve [--preview]"},
		{"an unknown flag", nil, []string{"serve", "--loud"}, 2, "", "soulcaster serve: flag provided but not defined: -loud (see soulcaster serve --help)"},
		{"too much for serve", nil, []string{"serve", "extra"}, 2, "", "soulcaster serve: serve takes no arguments"},
		{"too much for version", nil, []string{"version", "extra"}, 2, "", "version takes no arguments"},
		{"too much for demo", nil, []string{"demo", "extra"}, 2, "", "demo takes no arguments"},
		{"a port that is none", nil, []string{"demo", "--port", "70000"}, 2, "", "--port 70000: want 1 to 65535"},
		{"a port that is no number", nil, []string{"demo", "--port", "x"}, 2, "", `invalid value "x"`},
		{"a port that is taken", nil, []string{"demo", "--port", port}, 1, "", "soulcaster demo: listen on port " + port},
		{"version", nil, []string{"version"}, 0, "embedder lexical", ""},
		{"a bad setting", []string{"SOULCASTER_ADDR=nonsense"}, nil, 2, "", "SOULCASTER_ADDR"},
		{"some of GitHub's settings", []string{store, "GITHUB_APP_INTEGRATION_ID=12"}, []string{"serve"}, 2, "", "GITHUB_APP_PRIVATE_KEY"},
		{"an address that is taken", []string{store, "SOULCASTER_ADDR=" + busy.Addr().String()}, []string{"serve", "--preview"}, 1, "", "listen on SOULCASTER_ADDR"},
		{"no Redis", []string{"SOULCASTER_STORE=redis://:hunter2@127.0.0.1:1", "SOULCASTER_SECRET_KEY=" + strings.Repeat("A", 42) + "E=", "SOULCASTER_ADDR=127.0.0.1:0", "SOULCASTER_METRICS_ADDR=127.0.0.1:0"},
			[]string{"serve", "--preview"}, 1, "", "open Redis store"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, c.env, c.args...)
			out, err := io.ReadAll(p.out)
			if err != nil {
				t.Fatal(err)
			}
			status := p.wait()
			if status != c.status || !strings.Contains(string(out), c.out) || !strings.Contains(p.logged(), c.err) || c.out == "" && len(out) > 0 {
				t.Errorf("%d\nstandard output:\n%s\nstandard error:\n%s", status, out, p.logged())
			}
			if strings.Contains(p.logged(), "hunter2") {
				t.Errorf("the password is in it: %s", p.logged())
			}
		})
	}
}

// The demo finds a free port, says where it is when there is something to see,
// and leaves nothing behind.
func TestDemo(t *testing.T) {
	if l, err := net.Listen("tcp", "127.0.0.1:8080"); err == nil { // else somebody else has it
		defer l.Close()
	}
	folder, err := os.MkdirTemp("", "soulcaster-test-") // any user gets there, as to /tmp
	if err == nil {
		err = os.Chmod(folder, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	t.Setenv("TMPDIR", folder)
	p := start(t, []string{"GITHUB_APP_INTEGRATION_ID=12", "SOULCASTER_STORE=nonsense"}, "demo") // it takes nothing from its environment
	said := bufio.NewReader(p.out)
	line, err := said.ReadString('\n')
	if err != nil {
		t.Fatalf("%v:\n%s", err, p.logged())
	}
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "open ")
	if !ok || !strings.HasPrefix(address, "http://127.0.0.1:") || strings.HasSuffix(address, ":8080") {
		t.Fatalf("it says %q", line)
	}
	status, page := fetch(t, address)
	if status != 200 || !strings.Contains(page, "would be filed</a>") || strings.Contains(page, "waiting to be grouped") {
		t.Errorf("the page is not ready: %d\n%s", status, page)
	}
	if status, body := fetch(t, address+"/readyz"); status != 200 || strings.TrimSpace(body) != `{"status":"ok","checks":{"store":"ok","workers":"ok"}}` {
		t.Errorf("readyz: %d %s", status, body)
	}
	line, err = said.ReadString('\n')
	about, run, ok := strings.Cut(strings.TrimSpace(line), ": ")
	if err != nil || !ok || about != "the agent's fix, by a scripted model" {
		t.Fatalf("it says %q (%v)", line, err)
	}
	status, page = fetch(t, run)
	for _, part := range []string{"The model is scripted.", ">proposed<", "The pull request that would be opened", "&#43;  if (!cart) {", "run.status"} {
		if status != 200 || !strings.Contains(page, part) {
			t.Errorf("the page of the run (%d) lacks %q", status, part)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
	p.stop()
	if status := p.wait(); status != 0 {
		t.Errorf("it ended with %d:\n%s", status, p.logged())
	}
	if rest, err := io.ReadAll(said); err != nil || len(rest) > 0 {
		t.Errorf("it also says %q (%v)", rest, err)
	}
	if left, err := filepath.Glob(filepath.Join(folder, "soulcaster-*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v (%v)", left, err)
	}
	for line := range strings.Lines(p.logged()) {
		var fields struct{ Timestamp, Level, Message string }
		if err := json.Unmarshal([]byte(line), &fields); err != nil || fields.Level == "" || fields.Message == "" {
			t.Errorf("a line of the log that is none: %s", line)
		}
	}
}

// A demo that is interrupted while it loads ends as well.
func TestDemoInterrupted(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	p := start(t, nil, "demo")
	p.line("address") // it serves, and begins to load
	p.stop()
	if status := p.wait(); status != 0 {
		t.Errorf("it ended with %d:\n%s", status, p.logged())
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v (%v)", left, err)
	}
}

// Without GitHub's settings there is the set-up page, for who has the log.
func TestServeWithoutGitHub(t *testing.T) {
	p := start(t, []string{"SOULCASTER_ADDR=127.0.0.1:0", "SOULCASTER_STORE=bolt:" + filepath.Join(t.TempDir(), "store.db")}, "serve")
	open := p.line("open")
	address, _, ok := strings.Cut(open, "/setup?token=")
	if !ok {
		t.Fatalf("the log says %q", open)
	}
	for path, want := range map[string]int{"/": 503, "/readyz": 503, "/ingest/feedback/x": 503, "/setup": 403, "/healthz": 200} {
		if status, body := fetch(t, address+path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	p.stop()
	if status := p.wait(); status != 0 {
		t.Errorf("it ended with %d:\n%s", status, p.logged())
	}
}

func TestVisible(t *testing.T) {
	for _, c := range []struct{ public, addr, want string }{
		{"", "127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"", "[::]:8080", "http://localhost:8080"},
		{"", "0.0.0.0:80", "http://localhost:80"},
		{"", "[::1]:80", "http://[::1]:80"},
		{"https://soulcaster.example", "0.0.0.0:80", "https://soulcaster.example"},
	} {
		addr, err := net.ResolveTCPAddr("tcp", c.addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := visible(c.public, addr); got != c.want {
			t.Errorf("%q %s: %s, want %s", c.public, c.addr, got, c.want)
		}
	}
}

// Each sample has its moments filled in and is JSON.
func TestSamplesAtNow(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	got, err := atNow([]byte(`{"a": "{{ago 90m}}", "b": "{{unix 1h}}", "c": "x {{ago 24h}} y"}`), now)
	if want := `{"a": "2026-03-02T07:30:00Z", "b": 1772438400, "c": "x 2026-03-01T09:00:00Z y"}`; err != nil || string(got) != want {
		t.Errorf("%s, want %s (%v)", got, want, err)
	}
	for line := range bytes.Lines(samples) {
		var s sample
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		if body, err := atNow(s.Body, now); err != nil || !json.Valid(body) || bytes.Contains(body, []byte("{{")) {
			t.Errorf("%v: %s", err, body)
		}
	}
}
