package github

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/work"
	"github.com/soulcaster/soulcaster/handlers"
)

const secret = "It's a Secret to Everybody"

// house is the handler behind what stands before every handler, over a store on
// disk in which installation 101 has the project acme/web, whose cluster c7
// stands for issue 5.
type house struct {
	t        testing.TB
	path     string
	db       *bolt.DB
	registry *project.Registry
	handler  http.Handler

	told int   // how often people may have got to see something else
	away error // of who is told that

	mu     sync.Mutex
	woken  []string
	issues []string // which may have changed
	out    []int64  // who was signed out
	log    bytes.Buffer
}

func newHouse(t testing.TB, secrets ...string) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "store.db")}
	h.open(secrets...)
	if _, err := h.registry.Install(t.Context(), 101); err != nil {
		t.Fatal(err)
	}
	web, err := h.registry.Ensure(t.Context(), 101, project.Repo{Owner: "acme", Name: "web"})
	if err != nil {
		t.Fatal(err)
	}
	var b storage.Batch
	b.SetJSON("issue-of/5", "c7")
	if err := web.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) open(secrets ...string) {
	h.t.Helper()
	if len(secrets) == 0 {
		secrets = []string{secret}
	}
	db, err := bolt.Open(h.t.Context(), h.path)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { db.Close() })
	h.db, h.registry = db, project.NewRegistry(db, nil, nil)
	handler, err := New(Config{
		Secrets: secrets,
		Wake: func(spaces ...string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.woken = append(h.woken, spaces...)
		},
		SignOut: func(_ context.Context, person int64) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.out = append(h.out, person)
			return nil
		},
		Issue: func(installation, repository int64, number int) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.issues = append(h.issues, fmt.Sprintf("%d/%d#%d", installation, repository, number))
		},
		Now: func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) },
		Review: func(b *storage.Batch, r fix.Review) {
			b.SetJSON(fmt.Sprintf("review/%d/%d", r.Pull, r.ID), r)
		},
		Checks: func(b *storage.Batch, id, sha string) { b.SetJSON("checks/"+id, sha) },
		Access: func(context.Context) error {
			h.told++
			return h.away
		},
	}, h.registry)
	if err != nil {
		h.t.Fatal(err)
	}
	h.handler = handlers.Observe(zerolog.New(zerolog.SyncWriter(&h.log)), func(string, int, time.Duration) {}, handler)
}

func (h *house) web() storage.Space {
	h.t.Helper()
	space, err := h.registry.Find(h.t.Context(), 101, 0, "acme/web")
	if err != nil {
		h.t.Fatal(err)
	}
	return space
}

// due lists the keys of the work that is due in a space.
func due(t testing.TB, space storage.Space) []string {
	t.Helper()
	items, err := work.List(t.Context(), space, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, i := range items {
		keys = append(keys, i.Key)
	}
	return keys
}

// keys lists the keys of a space that begin with the prefix.
func keys(t testing.TB, space storage.Space, prefix string) []string {
	t.Helper()
	entries, err := space.Scan(t.Context(), prefix, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, e := range entries {
		keys = append(keys, e.Key)
	}
	return keys
}

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// delivery is a request as GitHub makes it.
func delivery(event, id string, body []byte) *http.Request {
	r := httptest.NewRequest("POST", Route, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", id)
	r.Header.Set("X-Hub-Signature-256", sign(secret, body))
	return r
}

func (h *house) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

func (h *house) deliver(event, id string, payload any) int {
	h.t.Helper()
	body, err := json.Marshal(payload)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.do(delivery(event, id, body)).Code
}

type object = map[string]any

// change returns an issues delivery about acme/web.
func change(action string, number int) object {
	return object{"action": action, "issue": object{"number": number},
		"repository": object{"id": 9, "full_name": "acme/web"}, "installation": object{"id": 101}}
}

// GitHub's own example from "Validating webhook deliveries".
func TestSignatureVector(t *testing.T) {
	if got, want := sign(secret, []byte("Hello, World!")), "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"; got != want {
		t.Fatalf("the test signs %s, GitHub %s", got, want)
	}
	h := newHouse(t)
	r := delivery("push", "d-1", []byte("Hello, World!"))
	if w := h.do(r); w.Code != 202 {
		t.Errorf("answer %d %s, want 202: it is signed, and not JSON of an event that we hear", w.Code, w.Body)
	}
}

// What is not surely GitHub's is refused before anything of it is used.
func TestDoor(t *testing.T) {
	good, err := json.Marshal(change("closed", 5))
	if err != nil {
		t.Fatal(err)
	}
	sum := hmac.New(sha1.New, []byte(secret))
	sum.Write(good)
	tests := []struct {
		name   string
		spoil  func(r *http.Request)
		status int
	}{
		{"good", func(r *http.Request) {}, 200},
		{"charset", func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") }, 200},
		{"a number for an id", func(r *http.Request) { r.Header.Set("X-GitHub-Delivery", "1767225600123") }, 200},
		{"GET", func(r *http.Request) { r.Method = "GET" }, 405},
		{"form", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 415},
		{"no type", func(r *http.Request) { r.Header.Del("Content-Type") }, 415},
		{"no signature", func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }, 400},
		{"SHA-1 only", func(r *http.Request) {
			r.Header.Del("X-Hub-Signature-256")
			r.Header.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(sum.Sum(nil)))
		}, 400},
		{"SHA-1 in the other's place", func(r *http.Request) {
			r.Header.Set("X-Hub-Signature-256", "sha1="+hex.EncodeToString(sum.Sum(nil)))
		}, 400},
		{"signature without its name", func(r *http.Request) {
			r.Header.Set("X-Hub-Signature-256", strings.TrimPrefix(sign(secret, good), "sha256="))
		}, 400},
		{"half a signature", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign(secret, good)[:40]) }, 400},
		{"other secret", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign("x", good)) }, 400},
		{"empty secret", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign("", good)) }, 400},
		{"other body", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"action":"closed"}`)) }, 400},
		{"no event", func(r *http.Request) { r.Header.Del("X-GitHub-Event") }, 400},
		{"no id", func(r *http.Request) { r.Header.Del("X-GitHub-Delivery") }, 400},
		{"id with a slash", func(r *http.Request) { r.Header.Set("X-GitHub-Delivery", "a/b") }, 400},
		{"long id", func(r *http.Request) { r.Header.Set("X-GitHub-Delivery", strings.Repeat("a", 65)) }, 400},
		{"too long, and says so", func(r *http.Request) { r.ContentLength = MaxBody + 1 }, 413},
		{"too long, and does not say so", func(r *http.Request) {
			r.ContentLength = -1
			r.Body = io.NopCloser(io.LimitReader(zeros{}, MaxBody+1))
		}, 413},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			r := delivery("issues", fmt.Sprintf("d-%d", i), good)
			tt.spoil(r)
			w := h.do(r)
			if w.Code != tt.status {
				t.Fatalf("answer %d %s, want %d", w.Code, w.Body, tt.status)
			}
			if stored := keys(t, h.web(), "delivery/"); (len(stored) == 1) != (tt.status == 200) {
				t.Errorf("stored %v", stored)
			}
			if tt.status == 200 {
				return
			}
			var said struct {
				Error     string `json:"error"`
				RequestID string `json:"request_id"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || said.Error == "" || said.RequestID == "" || said.RequestID != w.Header().Get("X-Request-ID") {
				t.Errorf("answer %s: %v", w.Body, err)
			}
			if strings.Contains(w.Body.String()+h.log.String(), secret) {
				t.Error("the secret got out")
			}
		})
	}
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestRotation(t *testing.T) {
	h := newHouse(t, "old", "new")
	body, err := json.Marshal(change("closed", 5))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		secret string
		status int
	}{{"old", 200}, {"new", 200}, {"old,new", 400}, {secret, 400}} {
		r := delivery("issues", "d-"+hex.EncodeToString([]byte(tt.secret)), body)
		r.Header.Set("X-Hub-Signature-256", sign(tt.secret, body))
		if w := h.do(r); w.Code != tt.status {
			t.Errorf("signed with %q: %d, want %d", tt.secret, w.Code, tt.status)
		}
	}
}

func TestNewWantsSecrets(t *testing.T) {
	for _, secrets := range [][]string{nil, {}, {""}, {"good", ""}} {
		if _, err := New(Config{Secrets: secrets}, nil); err == nil {
			t.Errorf("secrets %q were taken", secrets)
		}
	}
}

// What was answered 200 is on disk, and what comes again is not done again.
func TestDurableAndOnce(t *testing.T) {
	h := newHouse(t)
	if status := h.deliver("issues", "d-1", change("closed", 5)); status != 200 {
		t.Fatalf("answer %d", status)
	}
	if err := h.db.Close(); err != nil {
		t.Fatal(err)
	}
	h.open()
	web := h.web()
	if got := due(t, web); !slices.Equal(got, []string{"look/c7"}) {
		t.Errorf("after a restart %v is due, want the issue", got)
	}
	entries, err := web.Get(t.Context(), "delivery/d-1")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(entries[0].Value), `{"event":"issues","action":"closed","at":"2026-03-04T05:06:07Z"}`; got != want {
		t.Errorf("kept %s, want %s", got, want)
	}
	if err := work.Drop(t.Context(), web, "look/c7"); err != nil {
		t.Fatal(err)
	}
	if status := h.deliver("issues", "d-1", change("closed", 5)); status != 200 {
		t.Errorf("answer %d to a repetition, want 200", status)
	}
	if got := due(t, web); len(got) != 0 {
		t.Errorf("a repetition made %v due", got)
	}
}

func TestManyAtOnce(t *testing.T) {
	h := newHouse(t)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			if status := h.deliver("issues", fmt.Sprintf("d-%d", i%4), change("closed", 5)); status != 200 {
				t.Errorf("answer %d", status)
			}
		})
	}
	all.Wait()
	if got := keys(t, h.web(), "delivery/"); len(got) != 4 {
		t.Errorf("kept %v, want four", got)
	}
	if len(h.woken) != 4 || h.woken[0] != h.web().Name() {
		t.Errorf("woken %v, want the project once for each", h.woken)
	}
}

// A store that is away is said so, and nothing is pretended.
func TestStoreAway(t *testing.T) {
	h := newHouse(t)
	if err := h.db.Close(); err != nil {
		t.Fatal(err)
	}
	for event, payload := range map[string]any{
		"issues":                    change("closed", 5),
		"issue_comment":             said("octocat", "/soulcaster status"),
		"installation":              object{"action": "created", "installation": object{"id": 102}},
		"installation_repositories": object{"action": "added", "installation": object{"id": 101}},
	} {
		body, err := json.Marshal(payload)
		if err != nil {
			t.Fatal(err)
		}
		w := h.do(delivery(event, "d-1", body))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: answer %d %s, want 503 with Retry-After", event, w.Code, w.Body)
		}
	}
}

// slowStore is a store that does not answer before it is given up.
type slowStore struct{ Projects }

func (slowStore) Space(ctx context.Context, _ int64) (storage.Space, error) {
	if _, ok := ctx.Deadline(); !ok {
		return nil, fmt.Errorf("no deadline")
	}
	return nil, fmt.Errorf("wait: %w", context.DeadlineExceeded)
}

func TestStoreSlow(t *testing.T) {
	handler, err := New(Config{Secrets: []string{secret}}, slowStore{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, delivery("installation", "d-1", []byte(`{"action": "suspend", "installation": {"id": 101}}`)))
	if w.Code != 503 {
		t.Errorf("answer %d %s, want 503", w.Code, w.Body)
	}
}

// Large bodies wait for a place, and give it back; and so do those whose length is not
// said, which here are short: how long a large one takes depends on the machine.
func TestLargeBodies(t *testing.T) {
	h := newHouse(t)
	body, err := json.Marshal(change("closed", 5))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 3 * largePlaces {
		all.Go(func() {
			r := delivery("issues", fmt.Sprintf("d-%d", i), body)
			r.ContentLength = -1
			if w := h.do(r); w.Code != 200 {
				t.Errorf("answer %d %s", w.Code, w.Body)
			}
		})
	}
	all.Wait()
	full := &hook{large: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := delivery("issues", "d", nil).WithContext(ctx)
	r.ContentLength = 2 * largeBody
	if _, err := full.read(httptest.NewRecorder(), r); err != errFull {
		t.Errorf("without a place: %v", err)
	}
}
