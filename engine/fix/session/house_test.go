package session_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/session"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

const (
	acme, globex = int64(101), int64(202)
	base         = "1111111111111111111111111111111111111111"
	theTask      = "arn:aws:ecs:eu-west-1:1:task/agents/one"
)

// house is sessions over a store of its own, with two tenants.
type house struct {
	*testing.T
	db       storage.DB
	app      storage.Space
	projects *project.Registry
	sessions *session.Sessions
	config   session.Config

	mu    sync.Mutex
	now   time.Time
	tasks map[string]task.Task
	down  error // of Describe and ReadToken
	asked []github.At
	woken []string
}

func newHouse(t *testing.T) *house {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	app, err := db.Create(t.Context(), project.AppSpace)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, db: db, app: app, projects: project.NewRegistry(db, nil, nil),
		now: time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC), tasks: map[string]task.Task{}}
	h.config = session.Config{
		App: app, Projects: h.projects, Mac: mac, Tokens: h,
		CloneURL:  func(r project.Repo) string { return "https://github.test/" + r.String() + ".git" },
		RevokeURL: "https://api.github.test/installation/token",
		Model:     brief.Model{Name: "m", Context: 1000, Output: 100}, Beat: 10 * time.Second,
		Limits: brief.Limits{Files: 3, FileBytes: 100, Bytes: 250, LogBytes: 100},
		Wake: func(spaces ...string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.woken = append(h.woken, spaces...)
		},
		Now: func() time.Time {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.now
		},
	}
	h.sessions = session.New(h.config)
	return h
}

// watched has the house ask whether tasks are what they say.
func (h *house) watched() *house {
	h.config.Tasks = h
	h.sessions = session.New(h.config)
	return h
}

func mac(space, text string) string {
	m := hmac.New(sha256.New, []byte("key of the test"))
	m.Write([]byte(space + "\x00" + text))
	return hex.EncodeToString(m.Sum(nil))
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) Describe(_ context.Context, ids ...string) ([]task.Task, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []task.Task
	for _, id := range ids {
		t, ok := h.tasks[id]
		if !ok {
			t = task.Task{ID: id, Phase: task.Missing}
		}
		out = append(out, t)
	}
	return out, h.down
}

func (h *house) ReadToken(_ context.Context, at github.At) (github.Token, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, at)
	return github.Token{Value: "ghs_read"}, h.down
}

// project makes a project of an installation.
func (h *house) project(installation int64, repo project.Repo) storage.Space {
	h.Helper()
	if _, err := h.projects.Install(h.Context(), installation); err != nil {
		h.Fatal(err)
	}
	space, err := h.projects.Ensure(h.Context(), installation, repo)
	if err != nil {
		h.Fatal(err)
	}
	p, was, err := project.Load(h.Context(), space)
	if err != nil {
		h.Fatal(err)
	}
	minutes, test := 20, "make test"
	p.File.Fix = &policy.FileFix{Minutes: &minutes, Test: &test}
	h.apply(space, func(b *storage.Batch) { project.Save(b, was, p) })
	return space
}

func evidence() []brief.Evidence {
	return []brief.Evidence{{Source: "sentry", Field: "stack", Text: "TypeError at cart.js"}}
}

// begin makes a run whose first attempt was launched.
func (h *house) begin(space storage.Space) *run.Run {
	h.Helper()
	hash, err := run.HashEvidence(evidence())
	if err != nil {
		h.Fatal(err)
	}
	r := &run.Run{
		ID: run.NewID(), Cluster: "c1", Issue: 7, State: run.Launching, By: "ana", Created: h.now, EvidenceHash: hash,
		Rounds: []run.Round{{N: 1, By: "ana", Base: base}}, Attempts: 1,
		Attempt: &run.Attempt{N: 1, Round: 1, Intended: h.now, Task: theTask},
	}
	h.apply(space, func(b *storage.Batch) {
		run.Begin(b, storage.Entry{Key: "run-of/" + r.ID}, r, evidence(), run.Words{By: "ana", Words: "mind the cart"})
	})
	h.apply(h.app, func(b *storage.Batch) { run.Index(b, r.ID, space.Name()) })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tasks[theTask] = task.Task{ID: theTask, Run: r.ID, Phase: task.Running}
	return r
}

func (h *house) apply(space storage.Space, add func(b *storage.Batch)) {
	h.Helper()
	var b storage.Batch
	add(&b)
	if err := space.Apply(h.Context(), &b); err != nil {
		h.Fatal(err)
	}
}

// change changes a run behind the container's back.
func (h *house) change(space storage.Space, id string, change func(r *run.Run)) {
	h.Helper()
	r, was, err := run.Load(h.Context(), space, id)
	if err != nil {
		h.Fatal(err)
	}
	change(r)
	h.apply(space, func(b *storage.Batch) { run.Save(b, was, r) })
}

func (h *house) load(space storage.Space, id string) *run.Run {
	h.Helper()
	r, _, err := run.Load(h.Context(), space, id)
	if err != nil {
		h.Fatal(err)
	}
	return r
}

// claim claims as a task.
func (h *house) claim(space storage.Space, r *run.Run, as string) (*brief.Brief, error) {
	return h.sessions.Claim(h.Context(), brief.Claim{Run: r.ID, Claim: session.Claim(mac, space.Name(), r.ID, 1), Task: as})
}

// enter claims the brief and opens the session.
func (h *house) enter(space storage.Space, r *run.Run) *session.Session {
	h.Helper()
	b, err := h.claim(space, r, theTask)
	if err != nil {
		h.Fatal(err)
	}
	s, err := h.sessions.Open(h.Context(), r.ID, b.Token)
	if err != nil {
		h.Fatal(err)
	}
	return s
}

// is fails the test unless the error is the one wanted; nil wants none.
func (h *house) is(what string, err, want error) {
	h.Helper()
	if !errors.Is(err, want) || (want == nil && err != nil) {
		h.Errorf("%s: %v, want %v", what, err, want)
	}
}

var web = project.Repo{Owner: "acme", Name: "web"}
