package upkeep_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/upkeep"
	"github.com/soulcaster/soulcaster/engine/work"
)

const repo = "acme/web"

func world(t *testing.T) *enginetest.World {
	t.Helper()
	file, err := policy.Parse([]byte("mode: live\nfile_after: {reports: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	w := enginetest.New(t, true, project.Settings{enginetest.Installation: {repo: file}},
		source.Source{Installation: enginetest.Installation, ID: "api", Kind: source.Feedback, Repository: repo},
		source.Source{Installation: enginetest.Installation, ID: "new-name", Kind: source.Feedback, Repository: "acme/site"})
	w.GitHub.Add(7, repo, false)
	return w
}

func report(w *enginetest.World, sourceID, title string) string {
	return w.Take(sourceID, w.Report(sourceID, `{"title": "`+title+`"}`)...)[0].ID
}

func known(w *enginetest.World) project.Project {
	w.T.Helper()
	p, _, err := project.Load(w.T.Context(), w.Space(repo))
	if err != nil {
		w.T.Fatal(err)
	}
	return p
}

func TestRenameIsFollowed(t *testing.T) {
	w := world(t)
	report(w, "api", "CSV export of orders times out")
	w.Settle()
	if p := known(w); p.Repo.ID != 7 || p.DefaultBranch != "main" {
		t.Fatalf("project %+v", p)
	}
	w.GitHub.Rename(7, "acme/site")
	w.GitHub.Add(8, repo, false) // somebody else takes the old name
	w.Pass(10 * time.Minute)
	w.Settle()
	if p := known(w); p.Repo.ID != 7 || p.Repo.String() != "acme/site" {
		t.Fatalf("after the rename: %+v", p)
	}
	// Settings may use either name, and mean the same project.
	report(w, "new-name", "CSV export of orders times out!")
	report(w, "api", "Login loops after a password reset")
	w.Settle()
	if n, other := len(w.GitHub.Issues(7)), len(w.GitHub.Issues(8)); n != 2 || other != 0 {
		t.Errorf("%d issues in the renamed repository, %d in the new one; want 2 and 0", n, other)
	}
	// Deliveries find it by its id, and the other repository is none of ours.
	if s, err := w.Projects.Find(t.Context(), enginetest.Installation, 7, "acme/site"); err != nil || s.Name() != w.Space(repo).Name() {
		t.Errorf("found %v (%v)", s, err)
	}
	if _, err := w.Projects.Find(t.Context(), enginetest.Installation, 8, repo); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("the repository with the old name: %v, want %v", err, storage.ErrNoSpace)
	}
}

func TestOneRepositoryUnderTwoNamesIsSaid(t *testing.T) {
	w := world(t)
	report(w, "new-name", "Search finds nothing with an umlaut")
	w.GitHub.Rename(7, "acme/site")
	w.Settle()
	w.GitHub.Rename(7, repo)
	report(w, "api", "CSV export of orders times out")
	w.Settle()
	if p := known(w); !strings.Contains(p.Unavailable, "another project") {
		t.Errorf("the second project of one repository: %+v", p)
	}
}

func TestThreeStatesOfTheFile(t *testing.T) {
	w := world(t)
	report(w, "api", "CSV export of orders times out")
	look := func() project.Project {
		w.Pass(10 * time.Minute)
		w.Settle()
		return known(w)
	}
	if p := look(); p.FileError != "" || p.File.Strictness != nil {
		t.Errorf("no file: %+v", p)
	}
	w.GitHub.SetFile(7, "strictness: careful\n")
	if p := look(); p.FileError != "" || p.File.Strictness == nil {
		t.Errorf("a good file: %+v", p)
	}
	w.GitHub.SetFile(7, "strictnes: eager\n")
	if p := look(); !strings.Contains(p.FileError, "strictnes") || *p.File.Strictness != policy.Careful {
		t.Errorf("a bad file: %+v", p)
	}
	w.GitHub.SetFile(7, "")
	if p := look(); p.FileError != "" || p.File.Strictness != nil {
		t.Errorf("the file is gone: %+v", p)
	}
}

func TestSuspendedWaitsAndGoesOn(t *testing.T) {
	w := world(t)
	id := report(w, "api", "CSV export of orders times out")
	w.GitHub.Suspend(enginetest.Installation, true)
	w.Settle()
	if n := len(w.GitHub.Issues(7)); n != 0 {
		t.Fatalf("%d issues while suspended", n)
	}
	w.GitHub.Suspend(enginetest.Installation, false)
	w.Pass(time.Hour)
	w.Settle()
	if l := w.Line(repo, id); l.State != issue.Filed {
		t.Errorf("after it was resumed: %+v", l)
	}
}

// Once it is known that an installation is suspended, nothing of its work is done: what
// comes is kept, and goes on when the suspension is lifted.
func TestSuspendedStops(t *testing.T) {
	w := world(t)
	first := report(w, "api", "CSV export of orders times out")
	w.Settle()
	look := func() {
		home, err := w.Projects.Space(t.Context(), enginetest.Installation)
		if err != nil {
			t.Fatal(err)
		}
		var b storage.Batch
		work.Add(&b, upkeep.InstallationWork)
		if err := home.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		w.Settle()
	}
	covers := func() []int64 {
		home, err := w.Projects.Space(t.Context(), enginetest.Installation)
		if err != nil {
			t.Fatal(err)
		}
		in, _, err := project.LoadInstallation(t.Context(), home)
		if err != nil {
			t.Fatal(err)
		}
		return in.Covers
	}
	look()
	all := covers()
	w.GitHub.Suspend(enginetest.Installation, true)
	look()
	if !slices.Contains(all, 7) || !slices.Equal(covers(), all) {
		t.Errorf("it covers %v, and suspended %v", all, covers())
	}
	writes := len(w.GitHub.Writes())
	second := report(w, "api", "Dark mode flickers on the settings page")
	report(w, "api", "CSV export of orders times out")
	w.Settle()
	if m, _, err := cluster.Memberships(t.Context(), w.Space(repo), second); err != nil || m[0] != nil {
		t.Errorf("it was grouped: %+v, %v", m[0], err)
	}
	w.Pass(time.Hour)
	w.Settle()
	if got := w.GitHub.Writes()[writes:]; len(got) != 0 {
		t.Errorf("written while suspended: %q", got)
	}
	w.GitHub.Suspend(enginetest.Installation, false)
	look()
	w.Pass(time.Hour)
	w.Settle()
	for _, id := range []string{first, second} {
		if l := w.Line(repo, id); l.State != issue.Filed {
			t.Errorf("after it was resumed: %+v", l)
		}
	}
}

// What an installation does not let the App do is remembered until it does.
func TestInstallationLacksPermissions(t *testing.T) {
	w := world(t)
	report(w, "api", "CSV export of orders times out")
	home, err := w.Projects.Space(t.Context(), enginetest.Installation)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		granted map[string]string
		want    []string
	}{
		{map[string]string{"issues": "read", "metadata": "read"}, []string{"issues: write"}},
		{map[string]string{}, []string{"issues: write", "metadata: read"}},
		{map[string]string{"issues": "write", "metadata": "read", "contents": "read"}, nil},
	} {
		w.GitHub.Grant(enginetest.Installation, tt.granted)
		var b storage.Batch
		work.Add(&b, upkeep.InstallationWork)
		if err := home.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		w.Settle()
		if in, _, err := project.LoadInstallation(t.Context(), home); err != nil || !slices.Equal(in.Lacks, tt.want) {
			t.Errorf("%v: %q, %v", tt.granted, in.Lacks, err)
		}
	}
	if got := upkeep.Lacks(map[string]string{"issues": "write", "metadata": "read", "contents": "read"}, true); !slices.Equal(got, []string{"contents: write", "pull_requests: write", "checks: read"}) {
		t.Errorf("for the agent: %q", got)
	}
}

// What GitHub told of the end of is erased at once. What it just does not know any more is
// asked for again: a wrong answer costs nobody anything.
func TestUninstalledIsErased(t *testing.T) {
	for name, told := range map[string]bool{"GitHub told": true, "nothing was told": false} {
		t.Run(name, func(t *testing.T) {
			w := world(t)
			report(w, "api", "CSV export of orders times out")
			w.Settle()
			home, err := w.Projects.Space(t.Context(), enginetest.Installation)
			if err != nil {
				t.Fatal(err)
			}
			look := func() {
				t.Helper()
				var b storage.Batch
				if told {
					project.NoteUninstalled(&b)
				}
				work.Add(&b, upkeep.InstallationWork)
				if err := home.Apply(t.Context(), &b); err != nil {
					t.Fatal(err)
				}
				w.Settle()
			}
			w.GitHub.Uninstall(enginetest.Installation)
			look()
			if !told {
				w.Pass(9 * time.Minute)
				look()
				report(w, "api", "It is still there")
				w.Pass(2 * time.Minute)
				w.Settle()
			}
			names, err := w.DB.List(t.Context(), "", "", 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				if project.Installation(name) == enginetest.Installation {
					t.Errorf("space %s is left", name)
				}
			}
			if _, err := w.TryTake("api", w.Report("api", `{"title": "more"}`)...); !errors.Is(err, storage.ErrNoSpace) {
				t.Errorf("feedback for an uninstalled tenant: %v, want %v", err, storage.ErrNoSpace)
			}
		})
	}
}

// What is remembered of releases and deliveries does not grow without end.
func TestOldReleasesAndDeliveriesAreForgotten(t *testing.T) {
	w := world(t)
	report(w, "api", "CSV export of orders times out")
	w.Settle()
	var b storage.Batch
	type at struct {
		At time.Time `json:"at"`
	}
	for key, age := range map[string]time.Duration{"release/new": 140, "release/old": 151, "delivery/new": 2, "delivery/old": 5} {
		b.SetJSON(key, at{w.Time.Add(-age * 24 * time.Hour)})
	}
	if err := w.Space(repo).Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	w.Pass(25 * time.Hour)
	w.Settle()
	entries, err := w.Space(repo).Get(t.Context(), "release/new", "release/old", "delivery/new", "delivery/old")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, true, false} {
		if entries[i].Exists() != want {
			t.Errorf("%s is there: %v, want %v", entries[i].Key, !want, want)
		}
	}
}
