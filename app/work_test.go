package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/registration"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

const (
	testKey    = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	deadLetter = "i/101/nobodys/dead"
	waiting    = "i/101/nobodys/waits"
)

// letters puts a dead letter and what waits into a store, of a kind that no app does.
func letters(t *testing.T, db storage.DB) {
	t.Helper()
	home, err := project.NewRegistry(db, nil, nil).Install(t.Context(), 101)
	if err != nil {
		t.Fatal(err)
	}
	var b storage.Batch
	b.SetJSON("work/dead/nobodys/dead", map[string]any{"died": "2026-11-01T10:00:00Z", "attempts": 20, "error": "GitHub said no\n\x1b[31mtwice"})
	b.SetJSON("work/due/nobodys/waits", map[string]any{"at": "2099-01-01T00:00:00Z"})
	if err := home.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
}

// ends stops a server, and waits for it.
func (p *program) ends() {
	p.t.Helper()
	p.stop()
	if status := p.wait(); status != 0 {
		p.t.Errorf("it ended with %d:\n%s", status, p.logged())
	}
}

// tells runs a command to its end.
func tells(t *testing.T, env []string, args ...string) (out, log string, status int) {
	t.Helper()
	p := start(t, env, args...)
	out = p.said()
	status = p.wait()
	return out, p.logged(), status
}

// seesWork tries all that can be done with work.
func seesWork(t *testing.T, env []string) {
	t.Helper()
	out, log, status := tells(t, env, "work", "list")
	if status != 0 || !strings.Contains(out, "dead     2026-11-01T10:00:00Z  20  "+deadLetter+"  GitHub said no  [31mtwice\n") ||
		!strings.Contains(out, "due      2099-01-01T00:00:00Z   0  "+waiting+"\n") {
		t.Fatalf("list: %d\n%s%s", status, out, log)
	}
	if out, _, _ := tells(t, env, "work", "list", "--dead"); !strings.Contains(out, deadLetter) || strings.Contains(out, waiting) {
		t.Errorf("list --dead:\n%s", out)
	}
	if out, _, status := tells(t, env, "work", "show", deadLetter); status != 0 || !strings.Contains(out, "tries  20\n") || !strings.Contains(out, "state  dead\n") {
		t.Errorf("show: %d %s", status, out)
	}
	if out, log, status := tells(t, env, "work", "retry", deadLetter); status != 0 || !strings.Contains(out, deadLetter) {
		t.Errorf("retry: %d %s%s", status, out, log)
	}
	if out, _, _ := tells(t, env, "work", "show", deadLetter); !strings.Contains(out, "state  due\n") || !strings.Contains(out, "when   now\n") {
		t.Errorf("after retry: %s", out)
	}
	if _, log, status := tells(t, env, "work", "drop", waiting); status != 0 {
		t.Errorf("drop: %d %s", status, log)
	}
	for _, key := range []string{waiting, "i/7/x", "p/1/x/y", "app/none"} {
		if _, log, status := tells(t, env, "work", "show", key); status != exitFailed || !strings.Contains(log, "no such key") {
			t.Errorf("show %s: %d %s", key, status, log)
		}
	}
	for _, key := range []string{"x", "i/101", "p/1/x", "app/"} {
		if _, log, status := tells(t, env, "work", "drop", key); status != exitFailed || !strings.Contains(log, "as the list shows it") {
			t.Errorf("drop %s: %d %s", key, status, log)
		}
	}
}

func TestWorkOfAServer(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "x.db")
	db, err := bolt.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	letters(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	env := []string{"SOULCASTER_STORE=bolt:" + path, "SOULCASTER_ADDR=127.0.0.1:0", "SOULCASTER_METRICS_ADDR=127.0.0.1:0"}
	// What a process that died left behind is no hindrance.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path + ".sock", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	server := start(t, env, "serve", "--preview")
	server.line("address")
	if info, err := os.Stat(path + ".sock"); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	seesWork(t, env)
	if out, log, status := tells(t, env, "export", "--installation", "101"); status != 0 || !strings.HasSuffix(out, "}\n") || !strings.Contains(out, `"kind":"end"`) {
		t.Errorf("export: %d %s%s", status, out, log)
	}
	if _, log, status := tells(t, env, "export", "--installation", "7"); status != exitFailed || !strings.Contains(log, "no such installation") {
		t.Errorf("export of nobody: %d %s", status, log)
	}
	if out, _, _ := tells(t, env, "doctor"); !strings.Contains(out, "the running server: answers") {
		t.Errorf("the doctor does not ask it:\n%s", out)
	}
	server.ends()
	if _, err := os.Stat(path + ".sock"); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(folder, ".s*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestWorkOfAStore(t *testing.T) {
	t.Run("bolt", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "x.db")
		db, err := bolt.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		letters(t, db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		seesWork(t, []string{"SOULCASTER_STORE=bolt:" + path})
	})
	t.Run("redis", func(t *testing.T) {
		url := storagetest.Redis(t).URL
		db, err := redis.Open(t.Context(), url, redis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		letters(t, db)
		seesWork(t, []string{"SOULCASTER_STORE=" + url, "SOULCASTER_SECRET_KEY=" + testKey})
		// Whoever works on the store is told.
		app, err := db.Create(t.Context(), project.AppSpace)
		if err != nil {
			t.Fatal(err)
		}
		if hint, err := app.Get(t.Context(), "hint/i/101"); err != nil || !hint[0].Exists() {
			t.Errorf("there is no hint: %v", err)
		}
	})
}

// A socket that somebody named has to be there; one that nobody named need not.
func TestSocketPaths(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("unix", filepath.Join(folder, "busy"))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	env := []string{"SOULCASTER_STORE=bolt:" + filepath.Join(folder, "x.db"), "SOULCASTER_ADDR=127.0.0.1:0", "SOULCASTER_METRICS_ADDR=127.0.0.1:0"}
	for path, says := range map[string]string{file: "is no socket", busy.Addr().String(): "another process answers", filepath.Join(folder, "none", "s"): "no such file", filepath.Join(folder, strings.Repeat("x", 200)): "at most"} {
		if _, log, status := tells(t, append(env, "SOULCASTER_SOCKET="+path), "serve", "--preview"); status != exitFailed || !strings.Contains(log, "SOULCASTER_SOCKET") || !strings.Contains(log, says) {
			t.Errorf("%s: %d %s", path, status, log)
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "precious" {
		t.Errorf("the file: %q, %v", data, err)
	}
	long := filepath.Join(folder, strings.Repeat("x", 120)+".db")
	server := start(t, append(env, "SOULCASTER_STORE=bolt:"+long), "serve", "--preview")
	defer server.ends()
	server.line("address")
	if !strings.Contains(server.logged(), "there is no socket for the commands") {
		t.Errorf("the log:\n%s", server.logged())
	}
	if _, log, status := tells(t, append(env, "SOULCASTER_STORE=bolt:"+long), "work", "list"); status != exitFailed || !strings.Contains(log, "nobody answers") {
		t.Errorf("work list: %d %s", status, log)
	}
}

// An App that was registered on the set-up page is known to the server alone while it holds
// the store: the doctor asks it.
func TestDoctorAsksTheServer(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	h, err := hub.New(hub.Options{T: t, Dir: filepath.Join(t.TempDir(), "hub"), AppID: 4711, Key: text, WebhookSecret: benchSecret, WebhookURL: func() string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	path := filepath.Join(t.TempDir(), "x.db")
	env := []string{"SOULCASTER_STORE=bolt:" + path, "SOULCASTER_SECRET_KEY=" + testKey, "SOULCASTER_ADDR=127.0.0.1:0", "SOULCASTER_METRICS_ADDR=127.0.0.1:0",
		"GITHUB_V3_API_URL=" + h.URL, "GITHUB_WEB_URL=" + h.URL}
	cfg, err := config.Load(env)
	if err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := places(t.Context(), cfg, db)
	if err != nil {
		t.Fatal(err)
	}
	if err := kept.Keep(t.Context(), registration.App{ID: 4711, PrivateKey: string(text), WebhookSecret: benchSecret, ClientID: hub.ClientID, ClientSecret: hub.ClientSecret}, false); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	server := start(t, env, "serve")
	defer server.ends()
	server.line("address")
	out, _, _ := tells(t, env, "doctor")
	if !strings.Contains(out, "ok    the running server: answers") || !strings.Contains(out, "ok    GitHub App: ") || strings.Contains(out, "none is set up") {
		t.Errorf("the doctor says\n%s", out)
	}
	for _, secret := range []string{benchSecret, hub.ClientSecret, "RSA PRIVATE KEY"} {
		if strings.Contains(out, secret) {
			t.Errorf("the doctor tells a secret: %s", out)
		}
	}
}
