package ingest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/handlers"
)

// The tenants and their secrets.
const (
	acme, globex = int64(101), int64(202)

	secret    = "test-client-secret"
	oldSecret = "test-client-secret-before"
	key       = "key-of-acme-0123456789"
	otherKey  = "key-of-globex-0123456789"
)

func sources() []source.Source {
	return []source.Source{
		{Installation: acme, ID: "acme-sentry", Kind: source.Sentry, Secrets: []string{secret, oldSecret}, Repository: "acme/web"},
		{Installation: acme, ID: "acme-legacy", Kind: source.Sentry, Secrets: []string{secret}, Legacy: true, Repository: "acme/web"},
		{Installation: acme, ID: "acme-routes", Kind: source.Sentry, Secrets: []string{secret}, Routes: map[string]string{"api": "acme/api"}},
		{Installation: acme, ID: "acme-api", Kind: source.Feedback, Secrets: []string{key}, Repository: "acme/web"},
		{Installation: acme, ID: "acme-reddit", Kind: source.Reddit, Secrets: []string{key}, Repository: "acme/web"},
		{Installation: globex, ID: "globex-api", Kind: source.Feedback, Secrets: []string{otherKey}, Repository: "acme/web"},
		{Installation: globex, ID: "globex-sentry", Kind: source.Sentry, Secrets: []string{"globex-secret"}, Repository: "globex/shop"},
		{Installation: 303, ID: "nobody-api", Kind: source.Feedback, Secrets: []string{key}, Repository: "no/body"},
	}
}

// house is the door, in front of a store of its own.
type house struct {
	t        testing.TB
	db       storage.DB
	projects *project.Registry
	sources  Sources
	traffic  *traffic.Traffic
	front    http.Handler
	url      string

	mu     sync.Mutex
	log    bytes.Buffer
	passed time.Duration // on the door's clock
}

// now is the door's time.
func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Add(h.passed)
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.passed += d
}

func (h *house) Write(line []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(line)
}

func (h *house) logged() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.String()
}

func openBolt(t testing.TB) storage.DB {
	t.Helper()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func openRedis(t testing.TB, server *storagetest.RedisServer) storage.DB {
	t.Helper()
	db, err := redis.Open(t.Context(), server.URL, redis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func newHouse(t testing.TB, db storage.DB) *house {
	t.Helper()
	h := &house{t: t, db: db, projects: project.NewRegistry(db, nil, nil), sources: source.NewTable(sources()), traffic: traffic.New(db, time.Now)}
	for _, id := range []int64{acme, globex} {
		if _, err := h.projects.Install(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	h.serve(intake.New(h.projects, issue.Standings{}, h.traffic, func(...string) {}, time.Now))
	return h
}

// serve opens the door in front of a taker.
func (h *house) serve(taker Taker) *Handler {
	h.t.Helper()
	hash := func(installation int64, author string) string {
		mac := hmac.New(sha256.New, []byte{byte(installation)})
		mac.Write([]byte(author))
		return hex.EncodeToString(mac.Sum(nil)[:16])
	}
	door := New(h.sources, taker, h.traffic, hash, h.now)
	mux := handlers.NewRouter()
	door.Register(mux)
	h.front = handlers.Observe(zerolog.New(h), func(string, int, time.Duration) {}, mux)
	server := httptest.NewServer(h.front)
	h.t.Cleanup(server.Close)
	h.url = server.URL
	return door
}

// reply is an answer of the door.
type reply struct {
	Status  int
	Header  http.Header
	Body    string
	Answer  answer
	Problem string // "error" of the answer
}

// send posts a body with headers given as pairs.
func (h *house) send(path string, body io.Reader, headers ...string) reply {
	h.t.Helper()
	r, err := h.try(h.t.Context(), path, body, headers...)
	if err != nil {
		h.t.Fatalf("POST %s: %v", path, err)
	}
	return r
}

func (h *house) try(ctx context.Context, path string, body io.Reader, headers ...string) (reply, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+path, body)
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	if err != nil {
		return reply{}, err
	}
	out := reply{Status: got.StatusCode, Header: got.Header, Body: string(data)}
	if err := json.Unmarshal(data, &out.Answer); err != nil {
		return reply{}, err
	}
	out.Problem = out.Answer.Error
	return out, nil
}

// report sends reports to acme's API source.
func (h *house) report(body string, headers ...string) reply {
	h.t.Helper()
	return h.send("/ingest/feedback/acme-api", strings.NewReader(body), append([]string{"X-API-Key", key}, headers...)...)
}

// sentry sends a webhook, signed.
func (h *house) sentry(id, resource, body string) reply {
	h.t.Helper()
	return h.send("/ingest/sentry/"+id, strings.NewReader(body),
		"Sentry-Hook-Resource", resource, "Sentry-Hook-Signature", sign(secret, body))
}

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// everything returns all that is in the store: space → key → value.
func (h *house) everything() map[string]map[string]string {
	h.t.Helper()
	all := make(map[string]map[string]string)
	names, err := h.db.List(h.t.Context(), "", "", 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, name := range names {
		all[name] = make(map[string]string)
		space, err := h.db.Open(h.t.Context(), name)
		if err != nil {
			h.t.Fatal(err)
		}
		for after := ""; ; {
			entries, err := space.Scan(h.t.Context(), "", after, 500)
			if err != nil {
				h.t.Fatal(err)
			}
			for _, e := range entries {
				all[name][e.Key] = string(e.Value)
				after = e.Key
			}
			if len(entries) < 500 {
				break
			}
		}
	}
	return all
}

// stored counts the feedback in all projects of an installation.
func (h *house) stored(installation int64) (n int) {
	h.t.Helper()
	for space, entries := range h.everything() {
		for key := range entries {
			if strings.HasPrefix(space, project.Space(installation, "")) && strings.HasPrefix(key, "fb/") {
				n++
			}
		}
	}
	return n
}

// payload reads a real payload, which is no part of the repository.
func payload(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "payloads", path))
	if err != nil {
		t.Skipf("the real payload %s is not here: %v", path, err)
	}
	return string(data)
}
