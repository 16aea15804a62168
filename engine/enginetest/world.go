// Package enginetest puts the whole way through together for tests: a real bolt
// file, the real intake, assigner, keeper and command worker, a GitHub that
// remembers what it was told, and a clock that stands still until it is moved.
//
// Work is done by [World.Settle], one key after another on the calling goroutine,
// until nothing is due. A crash is an error that the hook of [World] returns at a
// fault point, followed by [World.Restart].
package enginetest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/embed/lexical"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/engine/upkeep"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Installation is the tenant of a world's sources.
const Installation = 101

// World is an app, put together.
type World struct {
	T        testing.TB
	Time     time.Time
	GitHub   *GitHub // nil in a preview without GitHub
	Hook     func(point string) error
	Embedder embed.Embedder
	Sources  source.Table // of the server's file
	Settings project.Settings
	Judge    issue.Judge
	Runs     command.Runs // of commands, from the next Restart on
	Begin    func()       // called at each start, before the handlers are made; may be nil

	DB       storage.DB
	Store    *source.Store // of Sources, and of those that are connected
	Keys     *secret.Keyring
	Projects *project.Registry
	Intake   *intake.Intake
	Traffic  *traffic.Traffic // is written by its Flush alone
	Actions  *action.Log
	Keeper   *issue.Keeper
	Commands *command.Worker

	path     string
	bolt     *bolt.DB
	handlers map[string]work.Handler
}

// New returns a world whose sources and settings are those given. GitHub is left
// out if live is false.
func New(t testing.TB, live bool, settings project.Settings, sources ...source.Source) *World {
	t.Helper()
	embedder, err := lexical.New()
	if err != nil {
		t.Fatal(err)
	}
	w := &World{T: t, Time: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), Embedder: embedder,
		Sources: source.NewTable(sources), Settings: settings, path: filepath.Join(t.TempDir(), "soulcaster.db")}
	if live {
		w.GitHub = NewGitHub(w.Now)
	}
	w.open()
	t.Cleanup(func() { w.bolt.Close() })
	if _, err := w.Projects.Install(t.Context(), Installation); err != nil {
		t.Fatal(err)
	}
	return w
}

// Now is the world's time.
func (w *World) Now() time.Time { return w.Time }

// Pass moves the clock.
func (w *World) Pass(d time.Duration) { w.Time = w.Time.Add(d) }

// Restart is what a crash and a new start leave: the file, and nothing else.
func (w *World) Restart() {
	w.bolt.Close()
	w.open()
}

func (w *World) open() {
	file, err := bolt.Open(w.T.Context(), w.path)
	if err != nil {
		w.T.Fatal(err)
	}
	w.bolt = file
	hook := func(_ context.Context, point string) error {
		if w.Hook == nil {
			return nil
		}
		return w.Hook(point)
	}
	w.DB = storage.Watched(file, hook)
	begin := func(b *storage.Batch) { work.Add(b, upkeep.RepositoryWork) }
	w.Projects = project.NewRegistry(w.DB, w.Settings, begin)
	w.Actions = action.New(action.Options{Now: w.Now, Hook: hook})
	app, err := w.DB.Create(w.T.Context(), project.AppSpace)
	if err != nil {
		w.T.Fatal(err)
	}
	w.Keys = w.keys(app)
	w.Store = source.NewStore(source.Config{Table: w.Sources, Private: []string{"127.0.0.1"}, Projects: w.Projects, Keys: w.Keys, Log: w.Actions, Wake: wake, Now: w.Now,
		Rerouted:    func(b *storage.Batch) { work.Add(b, intake.HeldWork) },
		Republished: func(b *storage.Batch) { work.Add(b, upkeep.RestateWork) },
	})
	w.Traffic = traffic.New(w.DB, w.Now)
	w.Intake = intake.New(w.Projects, issue.Standings{}, w.Traffic, wake, w.Now)
	mac := func(space, text string) string { return fmt.Sprintf("%x", space+text) }

	w.handlers = make(map[string]work.Handler)
	tenants := tenants{w}
	tenants.Handle(intake.HeldWork, intake.Release(w.Projects, w.Store, wake, w.Now))
	tenants.Handle(intake.AssignWork, cluster.NewAssigner(w.Embedder, nil, w.strictness, wake, w.Now).Handle)
	if w.Begin != nil {
		w.Begin()
	}
	var host issue.Host
	var people issue.People
	var orders command.Host
	var repositories upkeep.Repositories
	var installations upkeep.Installations
	if w.GitHub != nil {
		host, people, orders, repositories, installations = w.GitHub, w.GitHub, w.GitHub, w.GitHub, w.GitHub
	}
	w.Commands = command.NewWorker(orders, w.Runs, w.Projects, w.Actions, mac, wake, w.Now)
	tenants.Handle("command", w.Commands.Handle)
	w.Keeper = issue.NewKeeper(host, people, w.Judge, w.Projects, w.Store, w.Actions, mac, wake, w.Now)
	w.Keeper.Register(tenants)
	tenants.Handle(upkeep.RepositoryWork, upkeep.Repository(repositories, w.Projects, w.Actions, wake, w.Now))
	w.Handle(upkeep.InstallationWork, upkeep.Installation(installations, false, app, w.Projects, w.Store, w.Actions, wake, w.Now))
	tenants.Handle(upkeep.RestateWork, upkeep.Restate(w.Projects, wake))
	w.Handle(upkeep.EraseWork, upkeep.Erase(w.Projects, app, w.Now))
}

func wake(...string) {}

// keys are the world's, the same after every start.
func (w *World) keys(app storage.Space) *secret.Keyring {
	w.T.Helper()
	masters, err := secret.ParseKeys("the world's key", base64.StdEncoding.EncodeToString([]byte("a world's key is 32 bytes long !")))
	if err != nil {
		w.T.Fatal(err)
	}
	keys, err := secret.NewKeyring(w.T.Context(), app, masters)
	if err != nil {
		w.T.Fatal(err)
	}
	return keys
}

func (w *World) strictness(ctx context.Context, space storage.Space) (cluster.Strictness, error) {
	p, _, err := project.Load(ctx, space)
	return cluster.Strictness(w.Projects.Policy(p).Strictness), err
}

// Handle names a handler.
func (w *World) Handle(kind string, h work.Handler) { w.handlers[kind] = h }

// tenants names handlers whose work waits while the installation is suspended.
type tenants struct{ w *World }

func (t tenants) Handle(kind string, h work.Handler) {
	t.w.Handle(kind, upkeep.Unsuspended(t.w.Projects, t.w.Now, h))
}

// Space returns the space of a repository's project.
func (w *World) Space(repository string) storage.Space {
	w.T.Helper()
	r, err := project.ParseRepo(repository)
	if err != nil {
		w.T.Fatal(err)
	}
	space, err := w.Projects.Ensure(w.T.Context(), Installation, r)
	if err != nil {
		w.T.Fatal(err)
	}
	return space
}

// Take takes readings in for a source.
func (w *World) Take(sourceID string, readings ...feedback.Reading) []intake.Answer {
	w.T.Helper()
	answers, err := w.TryTake(sourceID, readings...)
	if err != nil {
		w.T.Fatalf("take: %v", err)
	}
	return answers
}

// TryTake is Take for what may fail.
func (w *World) TryTake(sourceID string, readings ...feedback.Reading) ([]intake.Answer, error) {
	src, err := w.Store.Source(w.T.Context(), sourceID)
	if err != nil {
		w.T.Fatalf("source %s: %v", sourceID, err)
	}
	return w.Intake.Take(w.T.Context(), src, readings)
}

// Reader reads for a source at the world's time.
func (w *World) Reader(sourceID string) *feedback.Reader {
	return &feedback.Reader{SourceID: sourceID, Now: w.Time, Hash: func(a string) string { return "hash of " + a }}
}

// Report reads a report, as the plain API would get it.
func (w *World) Report(sourceID, json string) []feedback.Reading {
	w.T.Helper()
	readings, err := w.Reader(sourceID).Reports("application/json", []byte(json))
	if err != nil {
		w.T.Fatalf("read report: %v", err)
	}
	return readings
}

// Settle does all that is due, and what becomes due by that, until nothing is. It
// fails the test if that never ends.
func (w *World) Settle() {
	w.T.Helper()
	if err := w.TrySettle(); err != nil {
		w.T.Fatal(err)
	}
}

// TrySettle is Settle, ending at the first error that is not *work.Later.
func (w *World) TrySettle() error {
	for range 1000 {
		did, err := w.step()
		if err != nil || !did {
			return err
		}
	}
	return errors.New("work never ends")
}

// laterKey marks work that was put off; it is the world's own.
const laterKey = "work/run/"

// step does every key that is due once.
func (w *World) step() (did bool, err error) {
	ctx := w.T.Context()
	names, err := w.bolt.List(ctx, "", "", 1000)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		space, err := w.DB.Open(ctx, name)
		if errors.Is(err, storage.ErrNoSpace) {
			continue
		}
		if err != nil {
			return did, err
		}
		due, err := space.Scan(ctx, "work/due/", "", 500)
		if err != nil {
			return did, err
		}
		for _, e := range due {
			done, err := w.one(ctx, space, e)
			did = did || done
			if err != nil {
				return did, fmt.Errorf("%s in %s: %w", e.Key, name, err)
			}
		}
	}
	return did, nil
}

type timer struct {
	At time.Time `json:"at,omitzero"`
}

func (w *World) one(ctx context.Context, space storage.Space, e storage.Entry) (bool, error) {
	key := strings.TrimPrefix(e.Key, "work/due/")
	kind, subject, _ := strings.Cut(key, "/")
	entries, err := space.Get(ctx, laterKey+key)
	if err != nil {
		return false, err
	}
	var due, notBefore timer
	if err := errors.Join(storage.GetJSON(e, &due), storage.GetJSON(entries[0], &notBefore)); err != nil {
		return false, err
	}
	if due.At.After(w.Time) || notBefore.At.After(w.Time) {
		return false, nil
	}
	h := w.handlers[kind]
	if h == nil {
		return false, fmt.Errorf("nobody handles %s (known: %v)", key, slices.Sorted(maps.Keys(w.handlers)))
	}
	again, err := h(ctx, work.Item{Space: space, Key: key, Kind: kind, Subject: subject, Attempt: 1})
	var later *work.Later
	var b storage.Batch
	switch {
	case errors.As(err, &later):
		until := later.Until
		if !until.After(w.Time) {
			until = w.Time.Add(time.Second)
		}
		b.SetJSON(laterKey+key, timer{until})
	case err != nil:
		return true, err
	default:
		b.RequireEntry(e)
		b.Delete(laterKey + key)
		if again.IsZero() {
			b.Delete(e.Key)
		} else {
			b.SetJSON(e.Key, timer{again})
		}
	}
	err = space.Apply(ctx, &b)
	if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrNoSpace) {
		err = nil // added meanwhile: it is due again; or the tenant went
	}
	return true, err
}

// Line returns where the cluster of a repository's feedback stands.
func (w *World) Line(repository, feedbackID string) issue.Line {
	w.T.Helper()
	space := w.Space(repository)
	m, _, err := cluster.Memberships(w.T.Context(), space, feedbackID)
	if err != nil || m[0] == nil {
		w.T.Fatalf("feedback %s is in no cluster (%v)", feedbackID, err)
	}
	l, ok, err := issue.LineOf(w.T.Context(), space, m[0].Cluster)
	if err != nil || !ok {
		w.T.Fatalf("cluster %s has no standing (%v)", m[0].Cluster, err)
	}
	return l
}
