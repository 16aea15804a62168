package project_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

func open(t *testing.T) storage.DB {
	t.Helper()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// registry has the installations 101 and 202.
func registry(t *testing.T, db storage.DB) *project.Registry {
	t.Helper()
	r := project.NewRegistry(db, project.Settings{101: {"acme/web": policy.File{Labels: []string{"from-the-operator"}}}}, func(b *storage.Batch) { b.Set("began", nil) })
	for _, id := range []int64{101, 202} {
		if _, err := r.Install(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func repo(t *testing.T, name string) project.Repo {
	t.Helper()
	r, err := project.ParseRepo(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ensure(t *testing.T, r *project.Registry, installation int64, name string) storage.Space {
	t.Helper()
	space, err := r.Ensure(t.Context(), installation, repo(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return space
}

func TestParseRepo(t *testing.T) {
	for text, ok := range map[string]bool{
		"acme/web": true, "a/b.c_d-e": true, "": false, "acme": false, "/web": false, "acme/": false, "a/b/c": false, "a b/c": false, "a/b c": false,
	} {
		r, err := project.ParseRepo(text)
		if (err == nil) != ok || ok && r.String() != text {
			t.Errorf("%q: %v %v", text, r, err)
		}
	}
}

func TestInstallationOfASpace(t *testing.T) {
	for space, want := range map[string]int64{
		project.InstallationSpace(101): 101, project.Space(202, "x"): 202, project.AppSpace: 0, "i/x": 0, "": 0,
	} {
		if got := project.Installation(space); got != want {
			t.Errorf("%q: %d, want %d", space, got, want)
		}
	}
}

// However many ask at once, in whatever case, by whichever replica: it is one
// project, begun once. Another tenant's of the same name is another.
func TestOneProjectPerRepository(t *testing.T) {
	db := open(t)
	replicas := []*project.Registry{registry(t, db), registry(t, db)}
	names := make(chan string, 100)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			space, err := replicas[i%2].Ensure(t.Context(), 101, repo(t, []string{"acme/web", "Acme/Web"}[i/2%2]))
			if err != nil {
				t.Error(err)
				return
			}
			names <- space.Name()
		})
	}
	wg.Wait()
	close(names)
	var all []string
	for name := range names {
		all = append(all, name)
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) != 1 {
		t.Errorf("projects: %q", all)
	}
	if other := ensure(t, replicas[0], 202, "acme/web"); slices.Contains(all, other.Name()) {
		t.Errorf("both tenants have %s", other.Name())
	}
	space := ensure(t, replicas[1], 101, "acme/web")
	p, _, err := project.Load(t.Context(), space)
	if err != nil || p.Installation != 101 || p.Alias != "acme/web" {
		t.Errorf("%+v %v", p, err)
	}
	if e, err := space.Get(t.Context(), "began"); err != nil || !e[0].Exists() {
		t.Errorf("it did not begin: %v", err)
	}
	if got := replicas[0].Policy(p).Labels; !slices.Equal(got, []string{"from-the-operator"}) {
		t.Errorf("its labels: %q", got)
	}
}

// A crash at any point of its making is mended by the next that asks.
func TestMakingIsCutShort(t *testing.T) {
	for stop := range 4 {
		t.Run(fmt.Sprint(stop), func(t *testing.T) {
			file := open(t)
			points := 0
			crash := errors.New("crash")
			watched := storage.Watched(file, func(_ context.Context, point string) error {
				if points++; points == stop+1 {
					return crash
				}
				return nil
			})
			if _, err := registry(t, watched).Ensure(t.Context(), 101, repo(t, "acme/web")); !errors.Is(err, crash) {
				t.Fatalf("at point %d: %v", points, err)
			}
			r := registry(t, file)
			names, err := r.Projects(t.Context(), 101)
			if err != nil || len(names) != 1 {
				t.Fatalf("%q %v", names, err)
			}
			half, err := r.Open(t.Context(), names[0])
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := project.Load(t.Context(), half); stop == 0 != errors.Is(err, project.ErrNoProject) {
				t.Errorf("what is half made: %v", err)
			}
			space := ensure(t, r, 101, "acme/web")
			if p, _, err := project.Load(t.Context(), space); err != nil || p.Alias != "acme/web" {
				t.Errorf("%+v %v", p, err)
			}
			if found, err := r.Find(t.Context(), 101, 0, "acme/web"); err != nil || found.Name() != space.Name() {
				t.Errorf("found: %v", err)
			}
		})
	}
}

// GitHub's id means the project, whatever the repository is called by then.
func TestRename(t *testing.T) {
	r := registry(t, open(t))
	space := ensure(t, r, 101, "acme/web")
	p, _, err := project.Load(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	bind := func(id int64, name string) error {
		p.Repo = repo(t, name)
		p.Repo.ID = id
		_, entry, err := project.Load(t.Context(), space)
		if err != nil {
			t.Fatal(err)
		}
		var b storage.Batch
		project.Save(&b, entry, p)
		if err := space.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		borrowed, err := r.Bind(t.Context(), p)
		if borrowed {
			t.Errorf("%s is said to be another's", name)
		}
		return err
	}
	for _, name := range []string{"acme/web", "acme/shop"} {
		if err := bind(7, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		installation, id int64
		name             string
		found            bool
	}{
		{101, 7, "acme/shop", true}, {101, 7, "whatever/it-is", true}, {101, 0, "acme/shop", true}, {101, 0, "Acme/Web", true},
		{101, 8, "acme/web", false}, // the old name was given to another repository
		{101, 9, "acme/none", false}, {202, 7, "acme/shop", false}, {303, 7, "acme/shop", false},
	} {
		got, err := r.Find(t.Context(), c.installation, c.id, c.name)
		if (err == nil) != c.found || err != nil && !errors.Is(err, storage.ErrNoSpace) || c.found && got.Name() != space.Name() {
			t.Errorf("%+v: %v", c, err)
		}
	}
	// Settings that name both the old and the new name mean one project.
	if again := ensure(t, r, 101, "acme/shop"); again.Name() != space.Name() {
		t.Errorf("acme/shop is %s", again.Name())
	}
	if got := r.Policy(p).Labels; !slices.Equal(got, []string{"from-the-operator"}) {
		t.Errorf("the operator's word for it was lost: %q", got)
	}
	twin := ensure(t, r, 101, "acme/api")
	q, _, err := project.Load(t.Context(), twin)
	if err != nil {
		t.Fatal(err)
	}
	q.Repo.ID = 7
	if _, err := r.Bind(t.Context(), q); !errors.Is(err, project.ErrTwin) {
		t.Errorf("a twin: %v", err)
	}
	// Who calls a repository as another one was called gets nothing that was meant for that.
	q.Repo = repo(t, "acme/web")
	q.Repo.ID = 8
	if q.Borrowed, err = r.Bind(t.Context(), q); err != nil || !q.Borrowed {
		t.Errorf("the old name is its own: %v, %v", q.Borrowed, err)
	}
	if got := r.Policy(q).Labels; slices.Contains(got, "from-the-operator") {
		t.Errorf("it has what the operator said of another: %q", got)
	}
}

func TestUninstall(t *testing.T) {
	db := open(t)
	r := registry(t, db)
	ensure(t, r, 101, "acme/web")
	ensure(t, r, 101, "acme/api")
	kept := ensure(t, r, 202, "acme/web")
	if err := r.Uninstall(t.Context(), 101); err != nil {
		t.Fatal(err)
	}
	names, err := db.List(t.Context(), "", "", 100)
	if err != nil || !slices.Equal(names, []string{"i/202", kept.Name()}) {
		t.Errorf("left: %q %v", names, err)
	}
	if _, err := r.Ensure(t.Context(), 101, repo(t, "acme/web")); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("a project of nobody: %v", err)
	}
	if _, err := r.Space(t.Context(), 101); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("its space: %v", err)
	}
}
