package command_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const title = "CSV export of orders times out"

// unfiled is a world with one report, which is not enough for an issue. Without live
// there is no GitHub.
func unfiled(t *testing.T, live bool) *enginetest.World {
	t.Helper()
	mode := "mode: live\n"
	if !live {
		mode = "mode: preview\n"
	}
	file, err := policy.Parse([]byte(mode + "file_after: {reports: 2}\n"))
	if err != nil {
		t.Fatal(err)
	}
	w := enginetest.New(t, live, project.Settings{enginetest.Installation: {repo: file}},
		source.Source{Installation: enginetest.Installation, ID: "api", Kind: source.Feedback, Repository: repo})
	if live {
		w.GitHub.Add(7, repo, true)
		w.GitHub.Allow("maintainer", github.Write)
		w.GitHub.Allow("reader", github.Read)
	}
	report(w, "ann", title)
	w.Settle()
	return w
}

// line is where the only cluster stands.
func line(w *enginetest.World) issue.Line {
	w.T.Helper()
	l, ok, err := issue.LineOf(w.T.Context(), w.Space(repo), "000001")
	if err != nil || !ok {
		w.T.Fatalf("there is no line (%v)", err)
	}
	return l
}

// give orders on the cluster's page, and returns what is answered.
func give(w *enginetest.World, by, name, words string) command.Order {
	w.T.Helper()
	o, err := w.Commands.Give(w.T.Context(), w.Space(repo), "000001", command.Given{Name: name, Words: words, By: enginetest.Person(by), RequestID: "r7"})
	if err != nil {
		w.T.Fatal(err)
	}
	w.Settle()
	all, err := w.Commands.Orders(w.T.Context(), w.Space(repo), "000001")
	if err != nil {
		w.T.Fatal(err)
	}
	for _, kept := range all {
		if kept.ID == o.ID {
			return kept
		}
	}
	w.T.Fatalf("order %s is not kept", o.ID)
	return o
}

func TestMuteClosesTheIssue(t *testing.T) {
	w := world(t)
	say(w, 1, "maintainer", "/soulcaster mute")
	w.Settle()
	i, l := w.GitHub.Issues(7)[0], line(w)
	if i.State != "closed" || i.StateReason != "not_planned" || l.State != issue.Muted {
		t.Fatalf("the issue is %s (%s), the problem %s: %s", i.State, i.StateReason, l.State, l.Text)
	}
	body := i.Body
	for n := range 30 {
		report(w, fmt.Sprint("p", n), title)
	}
	w.Pass(72 * time.Hour)
	w.Settle()
	if i, l := w.GitHub.Issues(7)[0], line(w); i.State != "closed" || i.Body != body || l.Reports != 31 || l.State != issue.Muted {
		t.Errorf("muted, the issue is %s, %d reports are counted, %s", i.State, l.Reports, l.Text)
	}
	say(w, 2, "maintainer", "/soulcaster mute")
	say(w, 3, "maintainer", "/soulcaster unmute")
	w.Settle()
	w.Pass(time.Minute)
	w.Settle()
	if i, l := w.GitHub.Issues(7)[0], line(w); i.State != "open" || i.Body == body || l.State != issue.Filed {
		t.Errorf("unmuted, the issue is %s, %s", i.State, l.Text)
	}
	say(w, 4, "maintainer", "/soulcaster unmute")
	w.Settle()
	c := w.GitHub.Comments(7, 1)
	for n, want := range []string{"Closed as not planned, and muted", "muted already", "Open again"} {
		if len(c) < 5 || !strings.Contains(c[n], want) {
			t.Fatalf("answers %q; want the %d. with %q", c, n+1, want)
		}
	}
	if last := c[len(c)-1]; !strings.Contains(last, "not muted") {
		t.Errorf("the last answer is %q", last)
	}
	entries, err := w.Actions.List(t.Context(), w.Space(repo), "000001", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, e := range entries {
		if (e.Kind == "issue.mute" || e.Kind == "issue.unmute") && e.What == "done" && e.By == "@maintainer" && e.RequestID == "r1" {
			asked++
		}
	}
	if asked != 2 {
		t.Errorf("%d of two are in the audit: %+v", asked, entries)
	}
}

// What is muted before it is enough for an issue is never filed, in a preview too.
func TestMuteBeforeTheIssue(t *testing.T) {
	for _, live := range []bool{true, false} {
		w := unfiled(t, live)
		by := "maintainer"
		if o := give(w, by, "mute", ""); o.State != command.Answered || !strings.Contains(o.Answer, "no issue is filed") {
			t.Fatalf("answered %+v", o)
		}
		report(w, "bob", title)
		w.Settle()
		if l := line(w); l.State != issue.Muted || l.Reports != 2 || l.Number != 0 || !strings.Contains(l.Text, by) {
			t.Fatalf("muted, the problem stands at %+v", l)
		}
		if _, ok, err := w.Actions.Get(t.Context(), w.Space(repo), issue.CreateKey("000001")); err != nil || ok {
			t.Errorf("an issue was previewed (%v)", err)
		}
		w.Restart()
		w.Pass(48 * time.Hour)
		w.Settle()
		if l := line(w); l.State != issue.Muted {
			t.Fatalf("after a restart the problem is %+v", l)
		}
		if o := give(w, by, "undo", ""); !strings.Contains(o.Answer, "Muting was taken back") {
			t.Fatalf("undo is answered %q", o.Answer)
		}
		want := issue.Preview
		if live {
			want = issue.Filed
		}
		if l := line(w); l.State != want {
			t.Fatalf("after undo the problem is %+v, want %s", l, want)
		}
	}
}

func TestUnmuteBeforeTheIssue(t *testing.T) {
	w := unfiled(t, true)
	report(w, "bob", "Search finds nothing in Firefox")
	give(w, "maintainer", "mute", "")
	if o := give(w, "maintainer", "unmute", ""); !strings.Contains(o.Answer, "No longer muted") {
		t.Errorf("answered %q", o.Answer)
	}
	if l := line(w); l.State != issue.Held || l.Text != "held: 1 of 2 people" {
		t.Errorf("unmuted, the problem is %+v", l)
	}
	if o := give(w, "maintainer", "undo", ""); !strings.Contains(o.Answer, "The end of muting was taken back") || line(w).State != issue.Muted {
		t.Errorf("undo is answered %q, the problem is %+v", o.Answer, line(w))
	}
}

// What is closed as completed stays closed, and does not come back.
func TestMuteOfWhatIsClosed(t *testing.T) {
	w := world(t)
	w.GitHub.Close(7, 1, "completed")
	writes := len(w.GitHub.Writes())
	o := give(w, "maintainer", "mute", "")
	back := func() {
		t.Helper()
		w.Pass(48 * time.Hour)
		report(w, fmt.Sprint("p", w.Time), title)
		w.Settle()
	}
	back()
	if i, l := w.GitHub.Issues(7)[0], line(w); i.State != "closed" || l.State != issue.Muted || len(w.GitHub.Writes()) != writes || !strings.Contains(o.Answer, "stays closed") {
		t.Fatalf("the issue is %s, the problem %s, written %v, answered %q", i.State, l.Text, w.GitHub.Writes()[writes:], o.Answer)
	}
	if o := give(w, "maintainer", "unmute", ""); !strings.Contains(o.Answer, "watched") {
		t.Errorf("answered %q", o.Answer)
	}
	back()
	if i := w.GitHub.Issues(7)[0]; i.State != "open" {
		t.Errorf("unmuted, it is back, and the issue is %s", i.State)
	}
}

// TestMuteIsNotDoneAgain: only the answer is missing when somebody reopens.
func TestMuteIsNotDoneAgain(t *testing.T) {
	w := world(t)
	w.GitHub.Fault = func(call string, landed bool) error {
		if call == "comment" && !landed {
			return &work.Later{Until: w.Time.Add(time.Hour), Err: errors.New("slow down")}
		}
		return nil
	}
	say(w, 1, "maintainer", "/soulcaster mute")
	w.Settle()
	if i := w.GitHub.Issues(7)[0]; i.State != "closed" {
		t.Fatalf("the issue is %s", i.State)
	}
	w.GitHub.Fault = nil
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.State, i.StateReason, i.ClosedAt = "open", "reopened", time.Time{} })
	w.Pass(2 * time.Hour)
	w.Settle()
	if i, c, l := w.GitHub.Issues(7)[0], w.GitHub.Comments(7, 1), line(w); i.State != "open" || len(c) != 1 || l.State != issue.Filed {
		t.Errorf("the issue is %s, the problem %s, answers %q; want it left open, and one answer", i.State, l.Text, c)
	}
}

func TestUndoOfMuteAndUnmute(t *testing.T) {
	w := world(t)
	for n, c := range []struct{ name, state, answer string }{
		{"mute", "closed", "muted"},
		{"undo", "open", "Muting was taken back"},
		{"mute", "closed", "muted"},
		{"unmute", "open", "Open again"},
		{"undo", "closed", "The end of muting was taken back"},
		{"undo", "open", "Muting was taken back"},
	} {
		o := give(w, "maintainer", c.name, "")
		if i := w.GitHub.Issues(7)[0]; i.State != c.state || !strings.Contains(o.Answer, c.answer) {
			t.Fatalf("%d: after %s the issue is %s, answered %q", n+1, c.name, i.State, o.Answer)
		}
		w.Pass(time.Minute)
	}
}

// A project that is in preview again writes nothing to an issue that it has.
func TestMuteInPreview(t *testing.T) {
	w := world(t)
	w.GitHub.SetFile(7, "mode: preview\nfile_after: {reports: 1}\n")
	w.Pass(2 * time.Hour)
	w.Settle()
	for _, name := range []string{"mute", "unmute", "undo"} {
		if o := give(w, "maintainer", name, ""); !strings.Contains(o.Answer, "in preview") || w.GitHub.Issues(7)[0].State != "open" {
			t.Errorf("%s is answered %q, the issue is %s", name, o.Answer, w.GitHub.Issues(7)[0].State)
		}
	}
}

// A wish that was noted by an earlier version is still an undo.
func TestUndoOfBefore(t *testing.T) {
	w := world(t)
	var b storage.Batch
	b.Set("undo/000001/00000000000000000099", []byte(`{"by":"@maintainer","comment":99,"reply":"command.reply/99"}`))
	work.Add(&b, "issue/000001")
	if err := w.Space(repo).Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if i, c := w.GitHub.Issues(7)[0], w.GitHub.Comments(7, 1); i.State != "closed" || len(c) != 1 || !strings.Contains(c[0], "was taken back") {
		t.Errorf("the issue is %s, answers %q", i.State, c)
	}
}

// inMemory keeps the files of a test where a write costs nothing: what is tested is what
// happens between writes, at each of many points.
func inMemory(t *testing.T) {
	const shared = "/dev/shm"
	if info, err := os.Stat(shared); err == nil && info.IsDir() {
		t.Setenv("TMPDIR", shared)
	}
}

// TestMuteThroughCrashes stops the app at every point of muting and unmuting, with an
// issue, without one, and while one is filed. Whatever happens, each is done once and
// answered once.
func TestMuteThroughCrashes(t *testing.T) {
	crash := errors.New("crash")
	for name, begin := range map[string]func(t *testing.T) *enginetest.World{
		"filed":   world,
		"unfiled": func(t *testing.T) *enginetest.World { return unfiled(t, true) },
		"while it is filed": func(t *testing.T) *enginetest.World {
			w := unfiled(t, true)
			report(w, "bob", title)
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t)
			for n := 1; ; n++ {
				w := begin(t)
				passed, dead := 0, false
				hook := func(string) error {
					if passed++; passed == n || dead {
						dead = true
						return crash
					}
					return nil
				}
				w.Hook = hook
				settle := func() {
					t.Helper()
					for {
						err := w.TrySettle()
						if err == nil {
							w.Pass(2 * time.Minute)
							if err = w.TrySettle(); err == nil {
								return
							}
						}
						if !errors.Is(err, crash) {
							t.Fatalf("point %d: %v", n, err)
						}
						w.Restart()
						dead = false
						w.Pass(2 * time.Minute)
					}
				}
				order := func(name string) {
					t.Helper()
					for {
						_, err := w.Commands.Give(t.Context(), w.Space(repo), "000001", command.Given{Name: name, By: enginetest.Person("maintainer")})
						if err == nil {
							return
						}
						if !errors.Is(err, crash) {
							t.Fatalf("point %d: %v", n, err)
						}
						w.Hook = nil
						w.Restart()
						// It may have been taken all the same: whoever orders sees that on the page.
						all, err := w.Commands.Orders(t.Context(), w.Space(repo), "000001")
						if err != nil {
							t.Fatal(err)
						}
						dead, w.Hook = false, hook
						if len(all) > 0 && all[0].Command == name {
							return
						}
					}
				}
				order("mute")
				settle()
				muted, first := line(w), w.GitHub.Issues(7)
				order("unmute")
				settle()
				w.Hook = nil
				issues, l := w.GitHub.Issues(7), line(w)
				if muted.State != issue.Muted || l.State == issue.Muted || len(first) == 1 && (first[0].State != "closed" || issues[0].State != "open") || len(issues) > 1 {
					t.Fatalf("crash at point %d of %d: muted it is %+v (%+v), unmuted %+v (%+v)", n, passed, muted, first, l, issues)
				}
				orders, err := w.Commands.Orders(t.Context(), w.Space(repo), "000001")
				if err != nil || len(orders) != 2 || !strings.Contains(orders[0].Answer, "Open again") && !strings.Contains(orders[0].Answer, "No longer") || !strings.Contains(orders[1].Answer, "uted") || strings.Contains(orders[1].Answer, "already") {
					t.Fatalf("crash at point %d: answers %+v (%v)", n, orders, err)
				}
				for _, prefix := range []string{"undo/", "command-turn/"} {
					if left, err := w.Space(repo).Scan(t.Context(), prefix, "", 10); err != nil || len(left) != 0 {
						t.Fatalf("crash at point %d: %s is left (%v)", n, left[0].Key, err)
					}
				}
				if passed < n {
					t.Logf("crashed at each of %d points", n-1)
					return
				}
			}
		})
	}
}
