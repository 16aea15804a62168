package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/fix/ecs/ecstest"
	"github.com/soulcaster/soulcaster/engine/github"
)

// BenchmarkLaunch is the time from the moment at which GitHub delivers the comment
// `/soulcaster fix` to the moment at which RunTask arrives at ECS: the app as it is,
// assembled in this process, with its embedded store, the SDK, and a GitHub and an
// ECS on loopback; fifty runs, one after another. The goal is 250 ms at the 95th
// percentile, GitHub's own answers aside.
//
// Two writes to GitHub lie on the way (the reaction, and the status comment with the
// evidence), and GitHub asks that a second passes between two. So there are two
// measurements: with that pace, and without any. "own" is what is left of the latter
// when the time is taken off in which GitHub was answering.
func BenchmarkLaunch(b *testing.B) {
	b.Run("pace=none", func(b *testing.B) {
		total, github := launches(b, github.Pace{Wait: time.Second, Retry: 300 * time.Millisecond})
		own := make([]time.Duration, len(total))
		for i := range total {
			own[i] = total[i] - github[i]
		}
		report(b, "own", own)
		report(b, "github", github)
		report(b, "total", total)
	})
	b.Run("pace=github", func(b *testing.B) {
		total, github := launches(b, github.DefaultPace())
		report(b, "github", github)
		report(b, "total", total)
	})
}

func report(b *testing.B, what string, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[min(len(took)-1, int(share*float64(len(took))))].Microseconds()) / 1000
	}
	b.ReportMetric(at(0.50), what+"-p50-ms")
	b.ReportMetric(at(0.95), what+"-p95-ms")
	b.ReportMetric(0, "ns/op") // says nothing: most of it is the way there
}

// launches has runs started, and returns how long each took from the webhook to
// RunTask, and for how much of that GitHub was answering the app.
func launches(b *testing.B, pace github.Pace) (total, answering []time.Duration) {
	const runs = 50
	w := newBench(b, runs, 1)
	stop := w.assemble(pace)
	defer stop()
	w.file()
	for i := range runs {
		repository, issue := w.repository(i), w.hub.Issues(w.repository(i))[0].Number
		began := time.Now()
		w.hub.As("maintainer").Comment(repository, issue, "/soulcaster fix")
		w.wait("a task is started", func() bool { return len(w.ecs.Calls("RunTask")) > i })
		ended := w.ecs.Calls("RunTask")[i].At
		total = append(total, ended.Sub(began))
		answering = append(answering, busy(w.hub.Calls("", ""), "installation "+strconv.Itoa(benchFirst+i), began, ended))
	}
	return total, answering
}

// busy is for how long at least one of the calls was being answered.
func busy(calls []hub.Call, who string, from, to time.Time) (sum time.Duration) {
	slices.SortFunc(calls, func(a, b hub.Call) int { return a.Began.Compare(b.Began) })
	for _, c := range calls {
		if (c.Who == who || c.Who == "app") && c.Ended.After(from) && c.Began.Before(to) {
			begin := c.Began
			if begin.Before(from) {
				begin = from
			}
			if end := c.Ended; end.After(begin) {
				if end.After(to) {
					end = to
				}
				sum += end.Sub(begin)
				from = end
			}
		}
	}
	return sum
}

// BenchmarkThousandRuns is the built program with a thousand runs whose agents are at
// work: each has claimed its brief and sends a heartbeat every ten seconds. For a minute
// nothing else happens: calls to ECS and to GitHub, and the program's memory. The runs
// are begun by a thousand comments on a thousand issues, by an app in this process that
// leaves GitHub no time; then the program takes the store over, and the agents come.
func BenchmarkThousandRuns(b *testing.B) {
	const repositories, each = 40, 25
	w := newBench(b, repositories, each)
	stop := w.assemble(github.Pace{Wait: time.Second, Retry: 300 * time.Millisecond})
	w.file()
	for i := range repositories {
		for _, issue := range w.hub.Issues(w.repository(i)) {
			w.hub.As("maintainer").Comment(w.repository(i), issue.Number, "/soulcaster fix")
		}
	}
	w.wait("all tasks are started", func() bool { return len(w.ecs.Tasks()) == repositories*each })
	w.hub.Settle()
	stop()

	p := w.program()
	ctx, end := context.WithCancel(b.Context())
	a := &benchAgents{address: p.address}
	defer a.ended.Wait()
	defer end()
	a.work(ctx, w.ecs.Tasks())
	w.wait("every agent has its brief", func() bool { a.check(b); return a.claimed.Load() == repositories*each })
	const long = time.Minute
	time.Sleep(long) // what a start costs is over, and every status comment says that its run is at work
	describes, receives, all := len(w.ecs.Calls("DescribeTasks")), len(w.ecs.Calls("ReceiveMessage")), len(w.ecs.Calls(""))
	calls, edits := len(w.hub.Calls("", "")), len(w.hub.Calls(http.MethodPatch, "/comments/"))
	beats, refused := a.beats.Load(), a.refused.Load()
	time.Sleep(long)
	a.check(b)
	if n := len(w.ecs.Calls("StopTask")); n > 0 {
		b.Fatalf("%d tasks were stopped: it does not watch a thousand any more", n)
	}
	b.ReportMetric(float64(len(w.ecs.Calls("DescribeTasks"))-describes), "DescribeTasks/min")
	b.ReportMetric(float64(len(w.ecs.Calls("ReceiveMessage"))-receives), "ReceiveMessage/min")
	b.ReportMetric(float64(len(w.ecs.Calls(""))-all), "AWS-calls/min")
	b.ReportMetric(float64(len(w.hub.Calls("", ""))-calls), "GitHub-calls/min")
	b.ReportMetric(float64(len(w.hub.Calls(http.MethodPatch, "/comments/"))-edits), "status-edits/min")
	b.ReportMetric(float64(a.beats.Load()-beats), "heartbeats/min")
	b.ReportMetric(float64(a.refused.Load()-refused), "heartbeats-refused/min")
	b.ReportMetric(p.resident(b), "resident-MB")
	b.ReportMetric(p.heap(b), "heap-MB")
	b.ReportMetric(0, "ns/op")
}

// bench is the app's surroundings.
type bench struct {
	b            *testing.B
	hub          *hub.Hub
	ecs          *ecstest.Server
	env          []string
	repositories int
	each         int // reports of every repository
	address      string
}

const (
	benchFirst  = 1000 // installation; a repository each, so that none waits for another's pace
	benchSecret = "secret-0123456789"
)

func (w *bench) repository(i int) string { return fmt.Sprintf("org%d/web", i) }

func newBench(b *testing.B, repositories, each int) *bench {
	b.Helper()
	w := &bench{b: b, repositories: repositories, each: each}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	pemText := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	w.hub, err = hub.New(hub.Options{T: b, Dir: filepath.Join(b.TempDir(), "hub"), AppID: 4711, Key: pemText, WebhookSecret: benchSecret,
		WebhookURL: func() string {
			if w.address == "" {
				return ""
			}
			return w.address + "/api/github/hook"
		}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(w.hub.Close)
	if w.ecs, err = ecstest.New(ecstest.Options{}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(w.ecs.Close)

	var yaml strings.Builder
	yaml.WriteString("runs: {at_once: 1000, per_day: 1000, per_month: 1000, dollars_per_month: 1000000, per_installation: {at_once: 1000, per_day: 1000, per_month: 1000, dollars_per_month: 1000000}}\ninstallations:\n")
	for i := range repositories {
		fmt.Fprintf(&yaml, "  - id: %d\n    sources: [{id: errors-%d, kind: sentry, secrets: [%q], repository: %s}]\n", benchFirst+i, i, benchSecret, w.repository(i))
		fmt.Fprintf(&yaml, "    repositories: {%s: {mode: live, publish: full, budget: {issues_per_day: 1000, runs_per_day: 100}}}\n", w.repository(i))
		organization, _, _ := strings.Cut(w.repository(i), "/")
		w.hub.Install(int64(benchFirst+i), organization)
		w.hub.Create(w.repository(i), hub.Repository{Private: true})
		w.hub.Allow(w.repository(i), "maintainer", "write")
	}
	file := filepath.Join(b.TempDir(), "soulcaster.yml")
	if err := os.WriteFile(file, []byte(yaml.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	w.env = append(w.ecs.Environ(),
		"GITHUB_APP_INTEGRATION_ID=4711", "GITHUB_APP_PRIVATE_KEY="+strings.ReplaceAll(string(pemText), "\n", `\n`),
		"GITHUB_APP_WEBHOOK_SECRET="+benchSecret, "GITHUB_OAUTH_CLIENT_ID=Iv1.0123456789abcdef", "GITHUB_OAUTH_CLIENT_SECRET="+benchSecret,
		"GITHUB_V3_API_URL="+w.hub.URL, "GITHUB_WEB_URL="+w.hub.URL, "SOULCASTER_ADDR=127.0.0.1:0", "SOULCASTER_METRICS_ADDR=127.0.0.1:0",
		"SOULCASTER_STORE=bolt:"+filepath.Join(b.TempDir(), "soulcaster.db"), "SOULCASTER_CONFIG="+file,
		"SOULCASTER_SECRET_KEY="+base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")),
		"SOULCASTER_PUBLIC_URL=https://soulcaster.example", "SOULCASTER_LAUNCHER=ecs", "SOULCASTER_ECS_CLUSTER=soulcaster",
		"SOULCASTER_ECS_TASK_DEFINITION=soulcaster-agent", "SOULCASTER_ECS_SUBNETS=subnet-0a", "SOULCASTER_ECS_SECURITY_GROUPS=sg-0a",
		"SOULCASTER_ECS_EVENTS="+w.ecs.QueueURL, "SOULCASTER_MODEL_URL=http://127.0.0.1:1/v1", "SOULCASTER_MODEL=none")
	for _, entry := range w.env {
		name, value, _ := strings.Cut(entry, "=")
		b.Setenv(name, value) // the SDK reads the process's own
	}
	return w
}

// assemble starts the app in this process, and returns what stops it.
func (w *bench) assemble(pace github.Pace) (stop func()) {
	b := w.b
	b.Helper()
	cfg, err := config.Load(w.env)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	log := zerolog.New(os.Stderr).Level(zerolog.ErrorLevel)
	host, err := github.New(github.Config{API: cfg.GitHub.APIURL, AppID: cfg.GitHub.IntegrationID, PrivateKey: []byte(cfg.GitHub.PrivateKey.Reveal()), Pace: &pace})
	if err != nil {
		b.Fatal(err)
	}
	db, bell, exclusive, err := openStore(ctx, cfg)
	if err != nil {
		b.Fatal(err)
	}
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
	front, back := listen(), listen()
	w.address = "http://" + front.Addr().String()
	app, err := assemble(ctx, cfg, db, bell, exclusive, host, mode{address: w.address}, log)
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- app.run(ctx, openPort(front, app.handler, log), openPort(back, app.metrics, log), log)
	}()
	return func() {
		b.Helper()
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}
}

// file sends the reports, and waits until each has its issue.
func (w *bench) file() {
	w.b.Helper()
	words := mathrand.New(mathrand.NewPCG(1, 2))
	word := func() string { return "x" + strconv.FormatUint(words.Uint64(), 36) }
	for i := range w.repositories {
		for n := range w.each {
			var frames []any
			module := word()
			for range 4 {
				frames = append(frames, map[string]any{"filename": module + ".go", "function": word(), "module": module, "lineno": 7, "in_app": true})
			}
			id := fmt.Sprintf("%032x", i*w.each+n+1)
			kind, value := "Error"+word(), word()+" "+word()
			body, err := json.Marshal(map[string]any{"action": "triggered", "data": map[string]any{"event": map[string]any{
				"event_id": id, "title": kind + ": " + value, "level": "error", "platform": "go", "environment": "production", "culprit": module, "project": 1,
				"issue_id": id, "issue_url": "https://sentry.io/api/0/issues/" + id + "/", "web_url": "https://org.sentry.io/issues/" + id + "/events/" + id + "/",
				"datetime":  time.Now().UTC().Format(time.RFC3339),
				"exception": map[string]any{"values": []any{map[string]any{"type": kind, "value": value, "stacktrace": map[string]any{"frames": frames}}}},
			}}})
			if err != nil {
				w.b.Fatal(err)
			}
			w.send(fmt.Sprintf("/ingest/sentry/errors-%d", i), body)
		}
	}
	w.wait("every report has its issue", func() bool {
		for i := range w.repositories {
			if len(w.hub.Issues(w.repository(i))) < w.each {
				return false
			}
		}
		return true
	})
}

func (w *bench) send(path string, body []byte) {
	w.b.Helper()
	r, err := http.NewRequestWithContext(w.b.Context(), http.MethodPost, w.address+path, bytes.NewReader(body))
	if err != nil {
		w.b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sentry-Hook-Resource", "event_alert")
	mac := hmac.New(sha256.New, []byte(benchSecret))
	mac.Write(body)
	r.Header.Set("Sentry-Hook-Signature", hex.EncodeToString(mac.Sum(nil)))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.b.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusAccepted {
		w.b.Fatalf("%s: %s %s %v", path, answer.Status, text, err)
	}
}

// wait waits until something holds.
func (w *bench) wait(what string, holds func() bool) {
	w.b.Helper()
	ctx, cancel := context.WithTimeout(w.b.Context(), 5*time.Minute)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-ctx.Done():
			w.b.Fatalf("%s: it took too long", what)
		}
	}
}

// watching is the built program.
type watching struct {
	pid     int
	address string
	metrics string
}

// program builds the program and starts it on the store.
func (w *bench) program() watching {
	b := w.b
	b.Helper()
	dir := b.TempDir()
	binary := filepath.Join(dir, "soulcaster")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(binary, "serve")
	cmd.Dir, cmd.Stderr = dir, log
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, w.env...)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // an error by design: it was killed
		log.Close()
	})
	var line struct{ Message, Address, Metrics string }
	w.wait("the program serves", func() bool {
		text, err := os.ReadFile(log.Name())
		if err != nil {
			b.Fatal(err)
		}
		for l := range strings.Lines(string(text)) {
			if json.Unmarshal([]byte(l), &line) == nil && line.Message == "serving" {
				return true
			}
		}
		return false
	})
	return watching{cmd.Process.Pid, "http://" + line.Address, "http://" + line.Metrics + "/metrics"}
}

// resident is the program's memory as Linux tells it, in megabytes; 0 elsewhere.
func (p watching) resident(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		b.Logf("the resident memory cannot be read here: %v", err)
		return 0
	}
	m := regexp.MustCompile(`VmRSS:\s*(\d+) kB`).FindSubmatch(text)
	if m == nil {
		b.Fatal("/proc does not tell the resident memory")
	}
	kilobytes, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kilobytes / 1024
}

// heap is what is in use of the program's heap, in megabytes.
func (p watching) heap(b *testing.B) float64 {
	b.Helper()
	answer, err := http.Get(p.metrics)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^go_memstats_heap_inuse_bytes (\S+)$`).FindSubmatch(text)
	if m == nil {
		b.Fatal("the metrics do not tell the heap")
	}
	inUse, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return inUse / (1 << 20)
}
