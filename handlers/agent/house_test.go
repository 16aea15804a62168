package agent_test

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
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/model"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/script"
	"github.com/soulcaster/soulcaster/engine/fix/session"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/handlers"
	"github.com/soulcaster/soulcaster/handlers/agent"
)

const (
	acme, globex = int64(101), int64(202)
	providerKey  = "the-providers-own-key"
	readToken    = "ghs_the-read-token"
	taskName     = "task/one"
)

// house is the door, in front of a store and a model of its own.
type house struct {
	*testing.T
	db       storage.DB
	app      storage.Space
	projects *project.Registry
	model    *script.Model
	url      string
	began    time.Time

	mu  sync.Mutex
	out bytes.Buffer
}

// Write keeps the log.
func (h *house) Write(line []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out.Write(line)
}

func (h *house) logged() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out.String()
}

func (h *house) ReadToken(context.Context, github.At) (github.Token, error) {
	return github.Token{Value: readToken}, nil
}

func mac(space, text string) string {
	m := hmac.New(sha256.New, []byte("key of the test"))
	m.Write([]byte(space + "\x00" + text))
	return hex.EncodeToString(m.Sum(nil))
}

// newHouse opens the door behind a server that is as patient as the app's.
func newHouse(t *testing.T, budget run.Budget, turns ...script.Turn) *house {
	t.Helper()
	return newHouseBehind(t, 30*time.Second, budget, turns...)
}

func newHouseBehind(t *testing.T, patience time.Duration, budget run.Budget, turns ...script.Turn) *house {
	t.Helper()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	app, err := db.Create(t.Context(), project.AppSpace)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, db: db, app: app, projects: project.NewRegistry(db, nil, nil), began: time.Now(),
		model: &script.Model{Key: providerKey, Turns: turns}}
	provider := httptest.NewServer(h.model)
	t.Cleanup(provider.Close)
	sessions := session.New(session.Config{
		App: app, Projects: h.projects, Mac: mac, Tokens: h,
		CloneURL: func(r project.Repo) string { return "https://github.test/" + r.String() + ".git" },
		Model:    brief.Model{Name: "scripted", Context: 200_000, Output: 8192}, Beat: 10 * time.Second,
		Limits: brief.Limits{Files: 100, FileBytes: 4 << 20, Bytes: 5 << 20, LogBytes: 1 << 20},
		Wake:   func(...string) {}, Now: time.Now,
	})
	gateway, err := model.New(model.Config{URL: provider.URL + "/openai", Key: providerKey, Models: []string{"scripted"}, Budget: budget,
		Price: func(string, time.Time) (model.Price, bool) { return model.Price{}, false }})
	if err != nil {
		t.Fatal(err)
	}
	mux := handlers.NewRouter()
	agent.New(sessions, gateway, time.Now).Register(mux)
	server := httptest.NewUnstartedServer(handlers.Observe(zerolog.New(h), func(string, int, time.Duration) {}, mux))
	server.Config.ReadTimeout, server.Config.WriteTimeout = patience, patience
	server.Start()
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// begun is a run that is launching.
type begun struct {
	space        storage.Space
	id           string
	claim, token string
}

func (h *house) begin(installation int64, repo string) begun {
	h.Helper()
	parsed, err := project.ParseRepo(repo)
	if err != nil {
		h.Fatal(err)
	}
	if _, err := h.projects.Install(h.Context(), installation); err != nil {
		h.Fatal(err)
	}
	space, err := h.projects.Ensure(h.Context(), installation, parsed)
	if err != nil {
		h.Fatal(err)
	}
	evidence := []brief.Evidence{{Source: "report", Field: "text", Text: "it says Helo"}}
	hash, err := run.HashEvidence(evidence)
	if err != nil {
		h.Fatal(err)
	}
	r := &run.Run{ID: run.NewID(), Cluster: "c", Issue: 7, State: run.Launching, Created: h.began, EvidenceHash: hash,
		Rounds: []run.Round{{N: 1, Base: strings.Repeat("1", 40)}}, Attempts: 1, Attempt: &run.Attempt{N: 1, Round: 1}}
	var b, index storage.Batch
	run.Begin(&b, storage.Entry{Key: "run-of/" + r.ID}, r, evidence, run.Words{By: "ana"})
	if err := space.Apply(h.Context(), &b); err != nil {
		h.Fatal(err)
	}
	run.Index(&index, r.ID, space.Name())
	if err := h.app.Apply(h.Context(), &index); err != nil {
		h.Fatal(err)
	}
	return begun{space, r.ID, session.Claim(mac, space.Name(), r.ID, 1), session.Token(mac, space.Name(), r.ID, 1)}
}

// reply is an answer of the door.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends a body, of any kind, with a token unless that is "".
func (h *house) send(method, path, token string, body any) reply {
	h.Helper()
	got, err := h.try(method, path, token, body)
	if err != nil {
		h.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

func (h *house) try(method, path, token string, body any) (reply, error) {
	var in io.Reader
	switch b := body.(type) {
	case string:
		in = strings.NewReader(b)
	case io.Reader:
		in = b
	default:
		data, err := json.Marshal(b)
		if err != nil {
			return reply{}, err
		}
		in = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(h.Context(), method, h.url+path, in)
	if err != nil {
		return reply{}, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	return reply{got.StatusCode, got.Header, string(data)}, err
}

func (h *house) claim(r begun, secret, name string) reply {
	h.Helper()
	return h.send(http.MethodPost, "/agent/claim", "", brief.Claim{Run: r.id, Claim: secret, Task: name})
}

// path is where a run's own routes are.
func (r begun) path(of string) string { return "/agent/runs/" + r.id + "/" + of }

// ask is a request to the model, as Kilo makes it.
func ask(messages string) string {
	return `{"model":"scripted","messages":[` + messages + `],"tools":[{"type":"function","function":{"name":"bash"}}],` +
		`"tool_choice":"auto","stream":true,"stream_options":{"include_usage":true}}`
}

const hello = `{"role":"user","content":"hello"}`
