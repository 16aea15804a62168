package upkeep_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/embed/lexical"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/engine/upkeep"
	"github.com/soulcaster/soulcaster/engine/work"
)

// tenant is one of two that share a store, and the marks by which what is theirs is
// found wherever it is.
type tenant struct {
	id    int64
	mark  string // is in every text and author
	owner string // of the repositories
	src   *source.Source

	mu   sync.Mutex
	took map[string]bool // ids of feedback that was acknowledged
}

const repositories = 40

func newTenant(id int64, mark, owner string) *tenant {
	n := &tenant{id: id, mark: mark, owner: owner, took: make(map[string]bool), src: &source.Source{
		Installation: id, ID: fmt.Sprint("sentry-", id), Kind: source.Sentry, Routes: map[string]string{},
	}}
	for i := range repositories {
		n.src.Routes[fmt.Sprint("slug", i)] = fmt.Sprintf("%s/r%d", owner, i)
	}
	return n
}

// street is a process with real workers, and two tenants.
type street struct {
	t        *testing.T
	db       storage.DB
	app      storage.Space
	ahead    atomic.Int64 // of the machine's clock
	projects *project.Registry
	github   *enginetest.GitHub
	door     *quota.Door
	meter    *quota.Meter
	traffic  *traffic.Traffic
	queue    *work.Queue
}

func (s *street) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

func newStreet(t *testing.T, db storage.DB, bell storage.Bell, tenants ...*tenant) *street {
	t.Helper()
	s := &street{t: t, db: db}
	live, err := policy.Parse([]byte("mode: live\nfile_after: {errors: 1}\nbudget: {issues_per_day: 100}\n"))
	if err != nil {
		t.Fatal(err)
	}
	settings := make(project.Settings)
	s.github = enginetest.NewGitHub(s.now)
	for i, n := range tenants {
		settings[n.id] = make(map[string]policy.File)
		for j := range repositories {
			name := fmt.Sprintf("%s/r%d", n.owner, j)
			settings[n.id][name] = live
			s.github.Add(int64(1000*(i+1)+j), name, true)
		}
	}
	if s.app, err = db.Create(t.Context(), project.AppSpace); err != nil {
		t.Fatal(err)
	}
	s.projects = project.NewRegistry(db, settings, func(b *storage.Batch) { work.Add(b, upkeep.RepositoryWork) })
	s.queue = work.New(db, bell, work.Options{PerInstallation: 4, Exclusive: true, Poll: 50 * time.Millisecond, Now: s.now})
	sources := source.Table{}
	for _, n := range tenants {
		sources[n.src.ID] = n.src
		if _, err := s.projects.Install(t.Context(), n.id); err != nil {
			t.Fatal(err)
		}
	}
	actions := action.New(action.Options{Now: s.now})
	stored := source.NewStore(source.Config{Table: sources, Projects: s.projects, Log: actions, Wake: s.queue.Wake, Now: s.now})
	embedder, err := lexical.New()
	if err != nil {
		t.Fatal(err)
	}
	s.meter = quota.New(quota.Config{Projects: s.projects, Limits: func(int64) quota.Limits { return quota.Limits{} }, Wake: s.queue.Wake, Now: s.now})
	s.traffic = traffic.New(db, s.now)
	s.door = s.meter.Door(intake.New(s.projects, issue.Standings{}, s.traffic, s.queue.Wake, s.now))
	s.queue.Handle(quota.WalkWork, s.meter.Walk)
	s.queue.Handle(intake.HeldWork, intake.Release(s.projects, stored, s.queue.Wake, s.now))
	s.queue.Handle(intake.AssignWork, cluster.NewAssigner(embedder, nil, func(context.Context, storage.Space) (cluster.Strictness, error) {
		return cluster.Balanced, nil
	}, s.queue.Wake, s.now).Handle)
	issue.NewKeeper(s.github, s.github, nil, s.projects, sources, actions, func(space, text string) string { return fmt.Sprintf("%x", space+text) }, s.queue.Wake, s.now).Register(s.queue)
	s.queue.Handle(upkeep.RepositoryWork, upkeep.Repository(s.github, s.projects, actions, s.queue.Wake, s.now))
	s.queue.Handle(upkeep.InstallationWork, upkeep.Installation(s.github, false, s.app, s.projects, stored, actions, s.queue.Wake, s.now))
	s.queue.Handle(upkeep.EraseWork, upkeep.Erase(s.projects, s.app, s.now))
	fix.New(fix.Config{App: s.app, Projects: s.projects, Log: actions, Wake: s.queue.Wake, Now: s.now}).Register(s.queue)
	return s
}

// event sends one event of a group; a slug that no route names is held.
func (s *street) event(ctx context.Context, n *tenant, slug string, group int) (id string, err error) {
	reader := &feedback.Reader{SourceID: n.src.ID, Now: s.now(), Hash: func(a string) string { return "hash-" + n.mark + "-" + fmt.Sprint(len(a)) }}
	body := fmt.Sprintf(`{"action": "triggered", "data": {"event": {"event_id": "e%d", "issue_id": "%s%d", "title": "%sError: %s %d", "project_slug": %q, "user": {"id": "u%d"}}}}`,
		rand.Int64(), slug, group, n.mark, n.mark, group, slug, group)
	readings, err := reader.Sentry("event_alert", []byte(body))
	if err != nil {
		return "", err
	}
	answers, err := s.door.Take(ctx, n.src, readings)
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.took[answers[0].ID] = true
	return answers[0].ID, nil
}

// traces writes what other parts keep of a tenant, in its spaces and in the app's.
func (s *street) traces(n *tenant) {
	s.t.Helper()
	ctx := s.t.Context()
	repo := project.Repo{Owner: n.owner, Name: "r0"}
	space, err := s.projects.Ensure(ctx, n.id, repo)
	if err != nil {
		s.t.Fatal(err)
	}
	home, err := s.projects.Space(ctx, n.id)
	if err != nil {
		s.t.Fatal(err)
	}
	var at, of, app storage.Batch
	at.SetJSON("source/"+n.src.ID, n.mark)
	at.SetJSON("traffic/"+n.src.ID, n.mark)
	of.SetJSON("traffic", n.mark)
	r := &run.Run{ID: "run" + n.mark, Cluster: "000001", State: run.Working, By: n.mark, Created: s.now(), Rounds: []run.Round{{N: 1}}}
	of.SetJSON("run/"+r.ID, r)
	of.SetJSON("run-evidence/"+r.ID, n.mark)
	app.SetJSON("run-slot/"+r.ID, fix.Slot{Run: r.ID, Round: 1, Space: space.Name(), Installation: n.id, Since: s.now(), Reserved: 5, Task: n.mark})
	t := fix.Ticket{Run: "later" + n.mark, Round: 1, Space: space.Name(), Installation: n.id, Since: s.now()}
	app.SetJSON(fmt.Sprintf("run-ticket/%016x-%s", t.Since.UnixNano(), t.Run), t)
	for _, of := range []string{space.Name(), home.Name()} {
		app.SetJSON("run-count/"+of+"/"+s.now().UTC().Format(time.DateOnly), fix.Count{Runs: 1})
		app.SetJSON("run-count/"+of+"/"+s.now().UTC().Format("2006-01"), fix.Count{Runs: 1, Micros: 7})
	}
	run.Index(&app, r.ID, space.Name())
	run.Index(&app, "old"+n.mark, space.Name())
	for _, b := range []struct {
		space storage.Space
		batch *storage.Batch
	}{{home, &at}, {space, &of}, {s.app, &app}} {
		if err := b.space.Apply(ctx, b.batch); err != nil {
			s.t.Fatal(err)
		}
	}
}

// left are the places where something of a tenant is.
func (s *street) left(n *tenant) (found []string) {
	s.t.Helper()
	id := fmt.Sprint(n.id)
	marks := []string{n.mark, n.owner + "/", n.owner + ".r", "/" + id + "/", "i/" + id, "erase/" + id, ":" + id + ",", ":" + id + "}", n.src.ID}
	for after := ""; ; {
		names, err := s.db.List(s.t.Context(), "", after, 500)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, name := range names {
			after = name
			if project.Installation(name) == n.id {
				found = append(found, "the space "+name)
			}
			space, err := s.db.Open(s.t.Context(), name)
			if errors.Is(err, storage.ErrNoSpace) {
				continue
			}
			if err != nil {
				s.t.Fatal(err)
			}
			for key := ""; ; {
				entries, err := space.Scan(s.t.Context(), "", key, 500)
				if err != nil {
					s.t.Fatal(err)
				}
				for _, e := range entries {
					key = e.Key
					for _, m := range marks {
						if strings.Contains(e.Key, m) || strings.Contains(string(e.Value), m) {
							found = append(found, name+" "+e.Key)
							break
						}
					}
				}
				if len(entries) < 500 {
					break
				}
			}
		}
		if len(names) < 500 {
			return found
		}
	}
}

// until waits for something that the workers bring about.
func (s *street) until(what string, is func() bool) {
	s.t.Helper()
	for range 6000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("it never happens: %s", what)
}

// An installation goes in the midst of work: feedback comes, is grouped and filed, and
// projects are made, while it is erased. Afterwards the whole store has nothing of it,
// and all that is the other's.
func TestUninstallErasesEverything(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) (storage.DB, storage.Bell){
		"bolt": func(t *testing.T) (storage.DB, storage.Bell) {
			db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
			if err != nil {
				t.Fatal(err)
			}
			return db, db
		},
		"redis": func(t *testing.T) (storage.DB, storage.Bell) {
			db, err := redis.Open(t.Context(), storagetest.Redis(t).URL, redis.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return db, db
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, bell := open(t)
			t.Cleanup(func() { db.Close() })
			goes, stays := newTenant(101, "zanzibar", "tango"), newTenant(202, "quagga", "uniform")
			s := newStreet(t, db, bell, goes, stays)
			ctx, stop := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() {
				if err := s.queue.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() { s.meter.Run(ctx) })
			all.Go(func() { s.traffic.Run(ctx) })
			s.traces(goes)
			s.traces(stays)

			// Everybody sends, to more and more repositories, and some that no route names.
			sending, quiet := context.WithCancel(t.Context())
			var senders sync.WaitGroup
			for _, n := range []*tenant{goes, stays} {
				for worker := range 2 {
					senders.Go(func() {
						for i := 0; sending.Err() == nil; i++ {
							slug := fmt.Sprint("slug", (i*2+worker)%repositories)
							if i%10 == 9 {
								slug = fmt.Sprint("nowhere", i)
							}
							_, err := s.event(sending, n, slug, i%7)
							if err != nil && sending.Err() == nil && !errors.Is(err, storage.ErrNoSpace) {
								t.Errorf("installation %d: %v", n.id, err)
								return
							}
							time.Sleep(2 * time.Millisecond)
						}
					})
				}
			}
			s.until("issues are filed for both", func() bool {
				return len(s.github.Issues(1000)) > 0 && len(s.github.Issues(2000)) > 0
			})
			if len(s.left(goes)) < 20 {
				t.Fatal("there is next to nothing to erase")
			}
			s.github.Uninstall(goes.id)
			home, err := s.projects.Space(t.Context(), goes.id)
			if err != nil {
				t.Fatal(err)
			}
			var b storage.Batch
			project.NoteUninstalled(&b)
			work.Add(&b, upkeep.InstallationWork)
			if err := home.Apply(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
			s.queue.Wake(home.Name())
			s.until("the installation goes", func() bool {
				_, err := s.projects.Space(t.Context(), goes.id)
				return errors.Is(err, storage.ErrNoSpace)
			})
			for range 50 { // senders and workers are not done yet
				time.Sleep(2 * time.Millisecond)
			}
			quiet()
			senders.Wait()
			s.until("nothing is left, and nothing is to be erased any more", func() bool {
				s.ahead.Add(int64(time.Minute))
				_, err := work.Get(t.Context(), s.app, fmt.Sprint("erase/", goes.id))
				return errors.Is(err, work.ErrNotFound)
			})
			s.until("the workers are at rest", func() bool {
				es, err := s.app.Scan(t.Context(), "hint/p/101/", "", 1)
				return err == nil && len(es) == 0
			})
			stop()
			all.Wait()
			if left := s.left(goes); len(left) > 0 {
				t.Errorf("left of it: %q", left)
			}

			// All that was acknowledged of the other is there.
			names, err := s.projects.Projects(t.Context(), stays.id)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, project.InstallationSpace(stays.id))
			there := make(map[string]bool)
			for _, name := range names {
				space, err := db.Open(t.Context(), name)
				if err != nil {
					t.Fatal(err)
				}
				for _, prefix := range []string{"fb/", "held/"} {
					for after := ""; ; {
						es, err := space.Scan(t.Context(), prefix, after, 500)
						if err != nil {
							t.Fatal(err)
						}
						for _, e := range es {
							after = e.Key
							there[strings.TrimPrefix(e.Key, prefix)] = true
						}
						if len(es) < 500 {
							break
						}
					}
				}
			}
			for id := range stays.took {
				if !there[id] {
					t.Errorf("the other tenant's feedback %s is gone", id)
				}
			}
			if got := s.left(stays); len(got) < 50 {
				t.Errorf("of the other tenant there is little left: %q", got)
			}
			slot, err := s.app.Get(t.Context(), "run-index/run"+stays.mark)
			if err != nil || !slot[0].Exists() {
				t.Errorf("the other tenant's run is not to be found any more (%v)", err)
			}
		})
	}
}
