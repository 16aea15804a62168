package issue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
)

// errorsWorld is a world whose only source is a Sentry.
func errorsWorld(t *testing.T, yaml string) *enginetest.World {
	t.Helper()
	file, err := policy.Parse([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	w := enginetest.New(t, true, project.Settings{enginetest.Installation: {repo: file}},
		source.Source{Installation: enginetest.Installation, ID: "sentry", Kind: source.Sentry, Repository: repo})
	w.GitHub.Add(7, repo, false)
	w.GitHub.Allow("maintainer", github.Write)
	w.GitHub.Allow("sorter", github.Triage)
	w.GitHub.Allow("reader", github.Read)
	return w
}

// group is an event of a group of Sentry's. Groups are unlike each other.
func group(w *enginetest.World, id int, event string) []feedback.Reading {
	w.T.Helper()
	kinds := []string{"TypeError: greeting is undefined", "KeyError: invoice", "TimeoutError: export of orders", "ValueError: colour of the chart"}
	readings, err := w.Reader("sentry").Sentry("event_alert", fmt.Appendf(nil,
		`{"action": "triggered", "data": {"event": {"event_id": %q, "issue_id": "%d", "title": %q, "project_slug": "shop",
		  "web_url": "https://sentry.io/organizations/acme/issues/%d/events/%s/"}}}`, event, id, kinds[id%len(kinds)], id, event))
	if err != nil {
		w.T.Fatal(err)
	}
	return readings
}

func strike(w *enginetest.World, id int) string {
	w.T.Helper()
	return w.Take("sentry", group(w, id, fmt.Sprintf("e%d-%d", id, w.Time.UnixNano()))...)[0].ID
}

const names77 = "Sentry Issue: [SHOP-1](https://acme.sentry.io/issues/77/?referrer=github_integration)"

const ours = "<!-- soulcaster:cluster="

func TestJoinsTheIssueThatNamesTheProblem(t *testing.T) {
	w := errorsWorld(t, "mode: live\n")
	n := w.GitHub.Open(7, "sentry-io[bot]", "TypeError", names77+"\r\n\r\nIt began on Monday.")
	id := strike(w, 77)
	w.Settle()
	all := w.GitHub.Issues(7)
	if len(all) != 1 || !strings.HasPrefix(all[0].Body, names77+"\r\n\r\nIt began on Monday.\n\n"+ours) || all[0].Title != "TypeError" {
		t.Fatalf("%d issues: %+v", len(all), all)
	}
	if got := w.GitHub.Writes(); !slices.Equal(got, []string{"edit issue"}) {
		t.Errorf("writes: %v", got)
	}
	if l := w.Line(repo, id); l.State != issue.Filed || l.Number != n || l.Text != "issue #1" || l.URL == "" {
		t.Errorf("it stands at %+v", l)
	}
	story, err := issue.Story(t.Context(), w.Space(repo), "000001")
	if err != nil || !slices.ContainsFunc(story, func(m issue.Moment) bool { return m.What == "joined issue #1, which names it" }) {
		t.Errorf("the story: %+v, %v", story, err)
	}

	// From now on it is kept as its own would be.
	w.GitHub.Close(7, n, "completed")
	due(w, repo, issue.LookWork("000001"))
	w.Settle()
	w.Pass(50 * time.Hour)
	strike(w, 77)
	w.Settle()
	if all := w.GitHub.Issues(7); len(all) != 1 || all[0].State != "open" {
		t.Errorf("a regression: %+v", all)
	}
}

// TestWhatIsNotJoined: each of these gets an issue of its own.
func TestWhatIsNotJoined(t *testing.T) {
	for name, c := range map[string]struct {
		by, body string
		change   func(i *github.Issue)
	}{
		"a stranger's":           {"stranger", names77, nil},
		"a reader's":             {"reader", names77, nil},
		"one that is closed":     {"maintainer", names77, func(i *github.Issue) { i.State = "closed" }},
		"a pull request":         {"maintainer", names77, func(i *github.Issue) { i.PullRequest = true }},
		"one without a link":     {"maintainer", "TypeError: greeting is undefined", nil},
		"one of another problem": {"maintainer", "https://acme.sentry.io/issues/78/", nil},
		"a list of problems":     {"maintainer", names77 + " https://acme.sentry.io/issues/78/", nil},
		"one of another Sentry":  {"maintainer", "https://errors.example.com/organizations/acme/issues/77/", nil},
		"one without room":       {"maintainer", names77 + strings.Repeat("\nlong", 13_000), nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := errorsWorld(t, "mode: live\n")
			n := w.GitHub.Open(7, c.by, "Broken", c.body)
			if c.change != nil {
				w.GitHub.Change(7, n, c.change)
			}
			strike(w, 77)
			w.Settle()
			all := w.GitHub.Issues(7)
			if len(all) != 2 || all[0].Body != c.body || !strings.Contains(all[1].Body, ours) {
				t.Fatalf("%d issues: %+v", len(all), all)
			}
		})
	}
	for name, by := range map[string]string{"a maintainer's": "maintainer", "one who sorts issues": "sorter"} {
		t.Run("but "+name, func(t *testing.T) {
			w := errorsWorld(t, "mode: live\n")
			w.GitHub.Open(7, by, "Broken", names77+" and https://github.com/acme/web/issues/12")
			strike(w, 77)
			w.Settle()
			if all := w.GitHub.Issues(7); len(all) != 1 || !strings.Contains(all[0].Body, ours) {
				t.Fatalf("%d issues: %+v", len(all), all)
			}
		})
	}
}

// TestTheOldestIsJoinedByOne: two problems never stand in one issue, nor one in two.
func TestTheOldestIsJoinedByOne(t *testing.T) {
	w := errorsWorld(t, "mode: live\n")
	w.GitHub.Open(7, "maintainer", "First", names77)
	w.GitHub.Open(7, "maintainer", "Second", names77)
	strike(w, 77)
	w.Settle()
	all := w.GitHub.Issues(7)
	if len(all) != 2 || !strings.Contains(all[0].Body, ours) || strings.Contains(all[1].Body, ours) {
		t.Fatalf("issues: %+v", all)
	}
	// A person makes it name another problem alone: that does not move in as well.
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.Body = strings.ReplaceAll(i.Body, "issues/77/", "issues/78/") })
	strike(w, 78)
	w.Settle()
	if all := w.GitHub.Issues(7); len(all) != 3 || strings.Count(all[0].Body, ours) != 1 || !strings.Contains(all[2].Body, ours) {
		t.Fatalf("issues: %+v", all)
	}
}

// TestPreviewSaysWhatItWouldJoin, writes nothing, and joins when it goes live.
func TestPreviewSaysWhatItWouldJoin(t *testing.T) {
	w := errorsWorld(t, "mode: preview\n")
	id := strike(w, 77)
	w.Settle()
	if l := w.Line(repo, id); l.Text != "preview: its issue would be filed" {
		t.Fatalf("it stands at %+v", l)
	}
	n := w.GitHub.Open(7, "maintainer", "Broken", names77)
	strike(w, 77)
	w.Settle()
	if l := w.Line(repo, id); l.Joins != 0 {
		t.Errorf("GitHub is asked for every report")
	}
	told := func() {
		t.Helper()
		noteOpened(w)
		w.Pass(time.Second)
		strike(w, 77)
		w.Settle()
	}
	told()
	if l := w.Line(repo, id); l.State != issue.Preview || l.Text != "preview: it would join issue #1" || l.Joins != n || l.JoinsURL == "" || len(w.GitHub.Writes()) != 0 {
		t.Fatalf("it stands at %+v, written: %v", l, w.GitHub.Writes())
	}
	real, noted, err := issue.LastWritten(t.Context(), w.Actions, w.Space(repo), "000001")
	if err != nil || real != nil || noted == nil || !noted.Added || !strings.HasPrefix(noted.Body, ours) {
		t.Errorf("noted: %+v %+v %v", real, noted, err)
	}
	w.GitHub.Change(7, n, func(i *github.Issue) { i.State = "closed" })
	told()
	if l := w.Line(repo, id); l.Text != "preview: its issue would be filed" || l.Joins != 0 {
		t.Fatalf("after it was closed it stands at %+v", l)
	}
	if _, noted, err := issue.LastWritten(t.Context(), w.Actions, w.Space(repo), "000001"); err != nil || noted == nil || noted.Title == "" {
		t.Errorf("noted: %+v %v", noted, err)
	}
}

// TestUndoneJoining: the issue is as people wrote it, but for empty lines at its end, and the
// problem gets one of its own.
func TestUndoneJoining(t *testing.T) {
	w := errorsWorld(t, "mode: live\n")
	n := w.GitHub.Open(7, "maintainer", "Broken", names77+"\n")
	strike(w, 77)
	w.Settle()
	takesBack(w)
	all := w.GitHub.Issues(7)
	if len(all) != 2 || all[0].Body != names77 || all[0].State != "open" || !strings.Contains(all[1].Body, ours) {
		t.Fatalf("issues: %+v", all)
	}
	if of, err := issue.ClusterOf(t.Context(), w.Space(repo), n); err != nil || of != "" {
		t.Errorf("issue %d still stands for %q (%v)", n, of, err)
	}
	strike(w, 77)
	w.Pass(25 * time.Hour)
	w.Settle()
	if all := w.GitHub.Issues(7); len(all) != 2 || all[0].Body != names77 {
		t.Errorf("a day later: %+v", all)
	}
	// On its page, the next undo takes back what was edited, and then the filing.
	for range 3 {
		if _, err := w.Commands.Give(t.Context(), w.Space(repo), "000001", command.Given{Name: "undo", By: enginetest.Person("maintainer"), RequestID: fmt.Sprint("r", w.Time.UnixNano())}); err != nil {
			t.Fatal(err)
		}
		w.Settle()
		w.Pass(time.Second)
	}
	if all := w.GitHub.Issues(7); len(all) != 2 || all[1].State != "closed" || all[0].State != "open" {
		t.Errorf("after more: %+v", all)
	}
}

// TestCrashWhileJoining stops the app at every fault point: one issue, one section, and one
// cluster that knows of it.
func TestCrashWhileJoining(t *testing.T) {
	everyPoint(t, 15, func() *enginetest.World {
		w := errorsWorld(t, "mode: live\n")
		w.GitHub.Open(7, "maintainer", "Broken", names77)
		return w
	}, func(m *mortal) {
		id := ""
		m.does(func() error {
			answers, err := m.TryTake("sentry", group(m.World, 77, "e1")...)
			if err == nil {
				id = answers[0].ID
			}
			return err
		})
		m.does(m.TrySettle)
		if all := m.GitHub.Issues(7); len(all) != 1 || sections(m.World) != 1 {
			t.Errorf("issues %+v", all)
		}
		if l := m.Line(repo, id); l.Number != 1 {
			t.Errorf("it stands at %+v", l)
		}
	})
}
