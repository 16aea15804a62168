package hub

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	jwt "github.com/golang-jwt/jwt/v4"
)

const (
	appID  = 4711
	web    = "acme/web"
	secret = "webhook-secret-0123456789"
)

// appKey is the App's key in all tests: making one takes a while.
var appKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pemOf(t *testing.T) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(appKey())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// world is a hub with two tenants and an App that takes what it is told.
type world struct {
	*Hub
	t   *testing.T
	app *hook
	id  int64 // of acme/web
}

func newWorld(t *testing.T, change func(*Options)) *world {
	t.Parallel()
	app := newHook(t)
	o := Options{T: t, Dir: filepath.Join(t.TempDir(), "hub"), AppID: appID, Key: pemOf(t), WebhookSecret: secret, WebhookURL: func() string { return app.URL }}
	if change != nil {
		change(&o)
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	w := &world{Hub: h, t: t, app: app}
	h.Install(101, "acme")
	h.Install(202, "globex")
	w.id = h.Create(web, Repository{Files: map[string]string{"README.md": "# web\n", "src/a.txt": "one\ntwo\nthree\n"}})
	h.Create("globex/shop", Repository{})
	h.Allow(web, "maintainer", "write")
	return w
}

// jwt is what the App shows for itself, with claims changed.
func (w *world) jwt(change func(*jwt.RegisteredClaims)) string {
	w.t.Helper()
	claims := jwt.RegisteredClaims{Issuer: strconv.Itoa(appID), IssuedAt: jwt.NewNumericDate(time.Now().Add(-30 * time.Second)), ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Minute))}
	if change != nil {
		change(&claims)
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(appKey())
	if err != nil {
		w.t.Fatal(err)
	}
	return signed
}

// ask does a request and returns the status and the answer.
func (w *world) ask(token, method, path string, body any) (int, object) {
	w.t.Helper()
	status, raw := w.raw(token, method, path, body)
	var answer object
	if len(raw) > 0 && raw[0] == '{' {
		if err := json.Unmarshal(raw, &answer); err != nil {
			w.t.Fatalf("%s %s: %v in %s", method, path, err, raw)
		}
	}
	return status, answer
}

func (w *world) raw(token, method, path string, body any) (int, []byte) {
	w.t.Helper()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		in = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.URL+path, in)
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.StatusCode, raw
}

// mint makes a token of acme's installation.
func (w *world) mint(ask object) string {
	w.t.Helper()
	status, answer := w.ask(w.jwt(nil), "POST", "/app/installations/101/access_tokens", ask)
	if status != 201 {
		w.t.Fatalf("no token: %d %v", status, answer)
	}
	return answer["token"].(string)
}

// client is a git client of a user's, in a folder.
type client struct {
	t   *testing.T
	dir string
}

// git does a git command as a user, and returns what it wrote and whether it worked.
func (c client) git(args ...string) (string, error) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "git", args...)
	cmd.Dir = c.dir
	cmd.Env = environ("GIT_AUTHOR_NAME=Dev", "GIT_AUTHOR_EMAIL=dev@example.com", "GIT_COMMITTER_NAME=Dev", "GIT_COMMITTER_EMAIL=dev@example.com",
		"GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// must is git for what has to work.
func (c client) must(args ...string) string {
	c.t.Helper()
	out, err := c.git(args...)
	if err != nil {
		c.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return out
}

func (c client) write(name, content string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// remote is where a git client finds a repository with a token.
func (w *world) remote(token, fullName string) string {
	at := ""
	if token != "" {
		at = "x-access-token:" + token + "@"
	}
	return strings.Replace(w.URL, "http://", "http://"+at, 1) + "/" + fullName + ".git"
}

// clone clones acme/web.
func (w *world) clone(token string) client {
	w.t.Helper()
	c := client{w.t, w.t.TempDir()}
	c.must("clone", "--quiet", w.remote(token, web), ".")
	return c
}

// hook is the App, which takes webhooks whose signature is good.
type hook struct {
	*httptest.Server
	got chan Delivery
}

func newHook(t *testing.T) *hook {
	h := &hook{got: make(chan Delivery, 1000)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if r.Header.Get("X-Hub-Signature-256") != "sha256="+hex.EncodeToString(mac.Sum(nil)) || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("a delivery that is not signed or not JSON: %v", r.Header)
		}
		h.got <- Delivery{ID: r.Header.Get("X-GitHub-Delivery"), Event: r.Header.Get("X-GitHub-Event"), Body: body}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(h.Close)
	return h
}

// next waits for the next delivery of an event and an action.
func (w *world) next(event, action string) object {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	for {
		select {
		case d := <-w.app.got:
			var payload object
			if err := json.Unmarshal(d.Body, &payload); err != nil {
				w.t.Fatal(err)
			}
			if said, _ := payload["action"].(string); d.Event == event && said == action {
				return payload
			}
		case <-ctx.Done():
			w.t.Fatalf("no delivery of %s %s", event, action)
		}
	}
}

// at follows names and indexes into JSON.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			o, ok := v.(object)
			if !ok {
				return fmt.Sprintf("no object at %v", path)
			}
			v = o[p]
		case int:
			l, ok := v.([]any)
			if !ok || p >= len(l) {
				return fmt.Sprintf("no list at %v", path)
			}
			v = l[p]
		}
	}
	return v
}
