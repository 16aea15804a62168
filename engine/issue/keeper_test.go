package issue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const repo = "acme/web"

// world is an app with one project, live unless told otherwise.
func world(t *testing.T, yaml string) *enginetest.World {
	t.Helper()
	file, err := policy.Parse([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	w := enginetest.New(t, true, project.Settings{enginetest.Installation: {repo: file}},
		source.Source{Installation: enginetest.Installation, ID: "api", Kind: source.Feedback, Repository: repo},
		source.Source{Installation: enginetest.Installation, ID: "reddit", Kind: source.Reddit, Repository: repo},
	)
	w.GitHub.Add(7, repo, true)
	return w
}

const live = "mode: live\nfile_after: {reports: 1}\n"

// report takes in a report of a person, and returns its id.
func report(w *enginetest.World, author, title string, more ...string) string {
	w.T.Helper()
	json := fmt.Sprintf(`{"title": %q, "author": %q, "external_id": %q, "occurred_at": %q%s}`,
		title, author, author+title, w.Time.Format(time.RFC3339), strings.Join(more, ""))
	return w.Take("api", w.Report("api", json)...)[0].ID
}

func TestOneIssueThatIsEditedWhenItMatters(t *testing.T) {
	w := world(t, live)
	report(w, "ann", "CSV export of orders times out")
	w.Settle()
	all := w.GitHub.Issues(7)
	if len(all) != 1 || !slices.Equal(all[0].Labels, []string{"soulcaster"}) {
		t.Fatalf("issues: %+v, want one with the label", all)
	}
	if !strings.Contains(all[0].Body, "<!-- soulcaster:cluster=") || !strings.Contains(all[0].Body, "<!-- soulcaster:begin hash=") {
		t.Errorf("the body has no markers:\n%s", all[0].Body)
	}

	// People write around the section; a second person reports the same.
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.Body = "Seen by support too.\n\n" + i.Body + "\n\nPlease look at #4." })
	before := len(w.GitHub.Writes())
	report(w, "bob", "CSV export of orders times out!")
	w.Settle()
	all = w.GitHub.Issues(7)
	if got := w.GitHub.Writes()[before:]; len(all) != 1 || !slices.Equal(got, []string{"edit issue"}) {
		t.Fatalf("%d issues, writes %v; want one issue and one edit", len(all), got)
	}
	if b := all[0].Body; !strings.HasPrefix(b, "Seen by support too.\n\n") || !strings.HasSuffix(b, "\n\nPlease look at #4.") {
		t.Errorf("what people wrote did not survive:\n%s", b)
	}

	// Nothing new: nothing is written, now or tomorrow.
	before = len(w.GitHub.Writes())
	report(w, "bob", "CSV export of orders times out!")
	w.Settle()
	w.Pass(25 * time.Hour)
	w.Settle()
	if got := w.GitHub.Writes()[before:]; len(got) != 0 {
		t.Errorf("a repetition was told: %v", got)
	}
}

func TestPreviewRecordsAndDoesNothing(t *testing.T) {
	w := world(t, "file_after: {reports: 1}\n")
	id := report(w, "ann", "CSV export of orders times out")
	w.Settle()
	if got := w.GitHub.Writes(); len(got) != 0 {
		t.Fatalf("a preview wrote: %v", got)
	}
	l := w.Line(repo, id)
	rec, ok, err := w.Actions.Get(t.Context(), w.Space(repo), issue.CreateKey(l.Cluster))
	if err != nil || !ok || rec.State != action.Previewed || !strings.Contains(string(rec.Request), "CSV export") {
		t.Fatalf("record %+v (%v, %v), want the issue as it would be filed", rec, ok, err)
	}

	// The repository's own file goes live: what was previewed is done.
	w.GitHub.SetFile(7, "mode: live\nlabels: [from-users]\n")
	w.Pass(10 * time.Minute)
	w.Settle()
	if all := w.GitHub.Issues(7); len(all) != 1 || !slices.Equal(all[0].Labels, []string{"from-users"}) {
		t.Fatalf("issues after going live: %+v", all)
	}
	// And a file that is broken leaves the last good one in force.
	w.GitHub.SetFile(7, "mode: preview\nlabel: [typo]\n")
	w.Pass(10 * time.Minute)
	w.Settle()
	report(w, "cleo", "Login loops after a password reset")
	w.Settle()
	if all := w.GitHub.Issues(7); len(all) != 2 || !slices.Equal(all[1].Labels, []string{"from-users"}) {
		t.Fatalf("issues after the file broke: %+v, want a second one under the last good file", all)
	}
}

func TestClosedMeansClosed(t *testing.T) {
	w := world(t, live)
	report(w, "ann", "CSV export of orders times out", `, "release": "1.0"`)
	w.Settle()
	look := func() {
		space := w.Space(repo)
		cluster, err := issue.ClusterOf(t.Context(), space, 1)
		if err != nil || cluster == "" {
			t.Fatalf("issue 1 stands for %q (%v)", cluster, err)
		}
		var b storage.Batch
		work.Add(&b, issue.LookWork(cluster))
		if err := space.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		w.Settle()
	}
	state := func() string { return w.GitHub.Issues(7)[0].State }

	w.GitHub.Close(7, 1, "completed")
	look()
	report(w, "bob", "CSV export of orders times out!", `, "release": "1.0"`)
	w.Settle()
	if state() != "closed" {
		t.Fatal("reopened by feedback of the day of the closing")
	}
	w.Pass(25 * time.Hour)
	report(w, "cleo", "CSV export of orders times out again", `, "release": "1.0"`)
	w.Settle()
	if state() != "closed" {
		t.Fatal("reopened by an old release")
	}
	id := report(w, "dan", "CSV export of orders times out here", `, "release": "2.0"`)
	w.Settle()
	if state() != "open" {
		t.Fatalf("not reopened by a new release: %+v", w.Line(repo, id))
	}
	if c := w.GitHub.Comments(7, 1); len(c) != 1 || !strings.Contains(c[0], "2.0") {
		t.Errorf("comments %q, want one with the evidence", c)
	}

	w.GitHub.Close(7, 1, "not_planned")
	look()
	w.Pass(72 * time.Hour)
	id = report(w, "eve", "CSV export of orders times out once more", `, "release": "3.0"`)
	w.Settle()
	if l := w.Line(repo, id); state() != "closed" || l.State != issue.Muted {
		t.Fatalf("state %s, line %+v; want muted", state(), l)
	}
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.State, i.StateReason = "open", "reopened" })
	look()
	if l := w.Line(repo, id); l.State != issue.Filed {
		t.Errorf("after a person reopened it: %+v", l)
	}
}

func TestBudgetGoesToWhatHurtsMost(t *testing.T) {
	w := world(t, "mode: live\nfile_after: {reports: 1}\nbudget: {issues_per_day: 1}\n")
	report(w, "ann", "The logo is a little blurred on printed invoices")
	for i := range 5 {
		report(w, fmt.Sprint("p", i), "Payment with a credit card is declined twice")
	}
	w.Settle()
	all := w.GitHub.Issues(7)
	if len(all) != 1 || !strings.Contains(all[0].Title, "Payment") {
		t.Fatalf("issues %+v, want one about what hurts five people", all)
	}
	id := report(w, "ann", "The logo is a little blurred on printed invoices")
	if l := w.Line(repo, id); !strings.Contains(l.Text, "budget") {
		t.Errorf("what found no place stands at %q", l.Text)
	}
	w.Pass(24 * time.Hour)
	w.Settle()
	if got := len(w.GitHub.Issues(7)); got != 2 {
		t.Errorf("%d issues on the next day, want 2", got)
	}
}

func TestTenTimesAsManyIsSaidOnce(t *testing.T) {
	w := world(t, live)
	report(w, "ann", "CSV export of orders times out")
	w.Settle()
	for i := range 12 {
		report(w, fmt.Sprint("p", i), "CSV export of orders times out")
		w.Settle()
	}
	if c := w.GitHub.Comments(7, 1); len(c) != 1 {
		t.Errorf("comments %q, want one", c)
	}
}

func TestGoneIssueIsLeftAlone(t *testing.T) {
	for _, state := range []string{"deleted"} {
		w := world(t, live)
		id := report(w, "ann", "CSV export of orders times out")
		w.Settle()
		w.GitHub.Change(7, 1, func(i *github.Issue) { i.State = state })
		report(w, "bob", "CSV export of orders times out!")
		w.Settle()
		if l := w.Line(repo, id); l.State != issue.Blocked || len(w.GitHub.Issues(7)) != 1 {
			t.Errorf("%s: %+v", state, l)
		}
	}
}

// TestTakenBackTextIsGoneEverywhere: what somebody deletes at its source leaves
// the issue, open or closed, and the store.
func TestTakenBackTextIsGoneEverywhere(t *testing.T) {
	const canary = "xylophonist"
	for _, closed := range []bool{false, true} {
		w := world(t, "mode: live\nfile_after: {posts: 2}\n")
		post := func(id, author, title, text string) {
			w.T.Helper()
			readings, err := w.Reader("reddit").Reddit(fmt.Appendf(nil, `{"kind": "t3", "data": {"name": "t3_%s", "author": %q, "title": %q,
				"selftext": %q, "subreddit": "shop", "subreddit_type": "public", "permalink": "/r/shop/comments/%s/x/", "created_utc": %d}}`,
				id, author, title, text, id, w.Time.Unix()))
			if err != nil {
				t.Fatal(err)
			}
			w.Take("reddit", readings...)
			w.Settle()
		}
		post("aaa", "u1", "Dark mode makes the size table unreadable", "The table of sizes is dark grey on black.")
		post("bbb", "u2", "Size table unreadable in dark mode", "As a "+canary+" I cannot read the sizes in dark mode.")
		post("ccc", "u3", "Size table unreadable in dark mode", "Dark mode, and the sizes cannot be read.")
		all := w.GitHub.Issues(7)
		if len(all) != 1 || !strings.Contains(all[0].Body, canary) {
			t.Fatalf("issues %+v, want one that quotes the post", all)
		}
		if closed {
			w.GitHub.Close(7, 1, "completed")
		}
		post("bbb", "[deleted]", "Size table unreadable in dark mode", "[deleted]")
		if strings.Contains(w.GitHub.Issues(7)[0].Body, canary) {
			t.Errorf("closed %v: the issue still quotes what was deleted", closed)
		}
		names, err := w.DB.List(t.Context(), "", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			space, err := w.DB.Open(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			entries, err := space.Scan(t.Context(), "", "", 500)
			if err != nil || len(entries) == 500 {
				t.Fatalf("scan %s: %d entries (%v)", name, len(entries), err)
			}
			for _, e := range entries {
				if strings.Contains(string(e.Value), canary) {
					t.Errorf("closed %v: %s still holds the text: %s", closed, e.Key, e.Value)
				}
			}
		}
	}
}

// TestCrashAnywhere stops the app at every fault point in turn, starts it again,
// and looks for what a user would see: one issue, edited, with nothing doubled.
func TestCrashAnywhere(t *testing.T) {
	everyPoint(t, 20, func() *enginetest.World { return world(t, live) }, func(m *mortal) {
		for _, by := range []string{"ann", "bob"} {
			m.does(func() error {
				_, err := m.TryTake("api", m.Report("api", fmt.Sprintf(`{"title": "CSV export of orders times out", "author": %q}`, by))...)
				return err
			})
			m.does(m.TrySettle)
		}
		m.Pass(2 * time.Minute)
		m.does(m.TrySettle)
		if all := m.GitHub.Issues(7); len(all) != 1 || !strings.Contains(all[0].Body, "2 people") {
			t.Errorf("issues %+v, want one that tells of two people", all)
		}
	})
}
