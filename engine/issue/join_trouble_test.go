package issue_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// canary is a word of a post that is deleted later.
const canary = "xylophonist"

const namesPost = "See https://www.reddit.com/r/shop/comments/bbb/x/"

const dark = "Size table unreadable in dark mode"

// takesBack has the maintainer say undo on the first issue.
func takesBack(w *enginetest.World) {
	w.T.Helper()
	undo(w, w.Time.UnixNano(), "maintainer")
	w.Settle()
	w.Pass(time.Second)
}

// sections counts our sections on GitHub.
func sections(w *enginetest.World) (n int) {
	for _, i := range w.GitHub.Issues(7) {
		n += strings.Count(i.Body, ours)
	}
	return n
}

// keeps are the keys of the project under which a text is stored.
func keeps(w *enginetest.World, text string) (keys []string) {
	w.T.Helper()
	for after := ""; ; {
		entries, err := w.Space(repo).Scan(w.T.Context(), "", after, 500)
		if err != nil {
			w.T.Fatal(err)
		}
		for _, e := range entries {
			if after = e.Key; strings.Contains(string(e.Value), text) {
				keys = append(keys, e.Key)
			}
		}
		if len(entries) < 500 {
			return keys
		}
	}
}

// TestNothingIsReplacedByJoining: what looks like a section of ours is another's, or was
// written by somebody, and stays.
func TestNothingIsReplacedByJoining(t *testing.T) {
	for name, body := range map[string]string{
		"of another Soulcaster": "<!-- soulcaster:cluster=000009 mac=theirs -->\n<!-- soulcaster:begin hash=aa -->\nTheirs. " + names77 + "\n<!-- soulcaster:end -->",
		"without a cluster":     "<!-- soulcaster:begin hash=aa -->\nFrom a customer.\n" + names77 + "\n<!-- soulcaster:end -->",
	} {
		w := errorsWorld(t, "mode: live\n")
		w.GitHub.Open(7, "maintainer", "Broken", body)
		strike(w, 77)
		w.Settle()
		if all := w.GitHub.Issues(7); len(all) != 2 || all[0].Body != body {
			t.Errorf("%s: %d issues, the first says:\n%s", name, len(all), all[0].Body)
		}
	}
}

// TestWhoOpenedIsAskedOnce, and of so many people: a stranger can open any number of issues.
func TestWhoOpenedIsAskedOnce(t *testing.T) {
	for _, mode := range []string{"preview", "live"} {
		w := errorsWorld(t, "mode: "+mode+"\n")
		for n := range 300 {
			w.GitHub.Open(7, fmt.Sprint("stranger", n%30), "Broken", names77)
		}
		for range 10 {
			strike(w, 77)
			w.Settle()
			w.Pass(time.Second)
		}
		if w.GitHub.Asked > 2*20 { // one listing before it is filed, one when it is
			t.Errorf("%s: GitHub was asked %d times", mode, w.GitHub.Asked)
		}
	}
}

// TestChangesWhileJoining: the problem gets an issue of its own where the one that somebody
// opened is closed meanwhile, or cannot be written; and nothing is kept of what was not sent.
func TestChangesWhileJoining(t *testing.T) {
	for name, refusal := range map[string]error{"closed": nil, "invalid": &github.ValidationError{Message: "no"}, "not kept": github.ErrNotKept} {
		w := world(t, "mode: live\nfile_after: {posts: 1}\n")
		w.GitHub.Allow("maintainer", github.Write)
		w.GitHub.Open(7, "maintainer", "Dark", namesPost)
		post(w, "aaa", "ann", "Login loops after a password reset", "Over and over.") // from here on the listing is known
		w.Settle()
		w.GitHub.Fault = func(call string, landed bool) error {
			if call == "edit issue" && !landed && refusal != nil {
				return refusal
			}
			return nil
		}
		if refusal == nil {
			w.GitHub.Close(7, 1, "completed")
		}
		post(w, "bbb", "ben", dark, "As a "+canary+" I sell red shoes, and the invoice of them lacks the tax number.")
		w.Settle()
		w.Pass(10 * time.Second)
		w.Settle()
		w.GitHub.Fault = nil
		if all := w.GitHub.Issues(7); all[0].Body != namesPost || len(all) != 3 {
			t.Errorf("%s: %d issues, the first says:\n%s", name, len(all), all[0].Body)
		}
		post(w, "bbb", "[deleted]", dark, "[deleted]")
		w.Settle()
		w.Pass(time.Hour)
		w.Settle()
		if keys := keeps(w, canary); len(keys) > 0 {
			t.Errorf("%s: what was deleted is still under %q", name, keys)
		}
	}
}

// TestTakenBackWhileJoining: what is deleted between the intent and the edit is not written,
// not kept, and no undo brings it.
func TestTakenBackWhileJoining(t *testing.T) {
	w := world(t, "mode: live\nfile_after: {posts: 2}\n")
	w.GitHub.Allow("maintainer", github.Write)
	w.GitHub.Open(7, "maintainer", "Dark", namesPost)
	shown := false
	w.GitHub.Fault = func(string, bool) error {
		for _, i := range w.GitHub.Issues(7) {
			shown = shown || strings.Contains(i.Body, canary)
		}
		return nil
	}
	post(w, "aaa", "ann", dark, "As a "+canary+" I cannot read the sizes in dark mode.")
	w.Settle()
	post(w, "bbb", "ben", dark, "Dark mode, and the sizes cannot be read.")
	dead := false
	w.Hook = func(point string) error {
		if dead = dead || point == "effect.before:issue.join"; dead {
			return errCrash
		}
		return nil
	}
	if err := w.TrySettle(); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	w.Hook = nil
	w.Restart()
	post(w, "aaa", "[deleted]", dark, "[deleted]")
	w.Pass(2 * time.Minute)
	w.Settle()
	if n := sections(w); n != 1 || shown {
		t.Errorf("%d sections; what was deleted was shown: %v", n, shown)
	}
	if keys := keeps(w, canary); len(keys) > 0 {
		t.Errorf("what was deleted is still under %q", keys)
	}
	takesBack(w)
	if shown {
		t.Error("an undo shows what was deleted")
	}
}

// TestPreviewRemembersAJoining that may have landed: going live ends it.
func TestPreviewRemembersAJoining(t *testing.T) {
	w := errorsWorld(t, "mode: live\n")
	w.GitHub.Open(7, "maintainer", "Broken", names77)
	lost := false
	w.GitHub.Fault = func(call string, landed bool) error {
		if !lost && landed && call == "edit issue" {
			lost = true
			return action.Unknown(errors.New("no answer"))
		}
		return nil
	}
	strike(w, 77)
	_ = w.TrySettle()
	rec := func() action.State {
		r, _, err := w.Actions.Get(t.Context(), w.Space(repo), issue.JoinKey("000001"))
		if err != nil {
			t.Fatal(err)
		}
		return r.State
	}
	if got := rec(); got != action.Undecided {
		t.Fatalf("the joining is %s", got)
	}
	say(w, "mode: preview\n")
	w.Pass(11 * time.Minute)
	w.Settle()
	if got := rec(); got != action.Undecided {
		t.Errorf("in preview it is %s", got)
	}
	w.GitHub.Close(7, 1, "completed")
	say(w, "mode: live\n")
	if n := sections(w); n != 1 || len(w.GitHub.Issues(7)) != 1 {
		t.Errorf("%d sections in %d issues", n, len(w.GitHub.Issues(7)))
	}
}

// TestNothingIsToJoinAnyMore: a page does not show what would be added to an issue that was
// closed since.
func TestNothingIsToJoinAnyMore(t *testing.T) {
	w := errorsWorld(t, "mode: preview\n")
	w.GitHub.Open(7, "maintainer", "Broken", names77)
	id := strike(w, 77)
	w.Settle()
	if l := w.Line(repo, id); l.Joins != 1 {
		t.Fatalf("it stands at %+v", l)
	}
	w.GitHub.Close(7, 1, "completed")
	say(w, "mode: live\nbudget: {issues_per_day: 0}\n")
	_, noted, err := issue.LastWritten(t.Context(), w.Actions, w.Space(repo), "000001")
	if l := w.Line(repo, id); err != nil || l.Joins != 0 || noted != nil {
		t.Errorf("it stands at %+v, noted is %+v, %v", l, noted, err)
	}
}

// TestUndoneJoiningOfWhatIsClosed: whoever closed the issue meant the problem, which gets no
// new one.
func TestUndoneJoiningOfWhatIsClosed(t *testing.T) {
	for _, reason := range []string{"not_planned", "completed"} {
		w := errorsWorld(t, "mode: live\n")
		w.GitHub.Open(7, "maintainer", "Broken", names77)
		id := strike(w, 77)
		w.Settle()
		w.GitHub.Close(7, 1, reason)
		due(w, repo, issue.LookWork("000001"))
		w.Settle()
		takesBack(w)
		l := w.Line(repo, id)
		if all := w.GitHub.Issues(7); len(all) != 1 || all[0].Body != names77 || l.State != issue.Muted || l.Number != 0 {
			t.Errorf("closed as %s: %d issues, it stands at %+v", reason, len(all), l)
		}
	}
}

// TestCrashWhileUndoingAJoining stops the app at every fault point of the undo.
func TestCrashWhileUndoingAJoining(t *testing.T) {
	everyPoint(t, 30, func() *enginetest.World {
		w, _ := joined(t)
		return w
	}, func(m *mortal) {
		var b storage.Batch
		issue.Ask(&b, "000001", issue.Wish{By: "@maintainer", Order: "o1", Number: 1, At: m.Time, Reply: "command.reply/1"})
		m.does(func() error { return m.Space(repo).Apply(t.Context(), &b) })
		m.does(m.TrySettle)
		if all := m.GitHub.Issues(7); len(all) != 2 || all[0].Body != names77 || all[0].State != "open" || strings.Count(all[1].Body, ours) != 1 {
			t.Errorf("issues %+v", all)
		}
		if said := m.GitHub.Comments(7, 1); len(said) != 1 {
			t.Errorf("said %q", said)
		}
		if of, err := issue.ClusterOf(t.Context(), m.Space(repo), 1); of != "" || err != nil {
			t.Errorf("issue 1 stands for %q (%v)", of, err)
		}
	})
}

// TestTakenBackFromAJoinedIssue: the words of people and their title stay as they are.
func TestTakenBackFromAJoinedIssue(t *testing.T) {
	for _, body := range []string{namesPost + "\r\n\r\nMore.", "```\n" + namesPost} {
		w := world(t, "mode: live\nfile_after: {posts: 1}\n")
		w.GitHub.Allow("maintainer", github.Write)
		w.GitHub.Open(7, "maintainer", "Dark", body)
		post(w, "bbb", "ben", dark, "As a "+canary+" I cannot read the sizes in dark mode.")
		w.Settle()
		if !strings.Contains(w.GitHub.Issues(7)[0].Body, canary) {
			t.Fatalf("it was not joined: %+v", w.GitHub.Issues(7))
		}
		post(w, "bbb", "[deleted]", dark, "[deleted]")
		w.Settle()
		i := w.GitHub.Issues(7)[0]
		if i.Title != "Dark" || strings.Contains(i.Body, canary) || !strings.Contains(i.Body, body) || len(keeps(w, canary)) > 0 {
			t.Errorf("it is %q:\n%s\nkept under %q", i.Title, i.Body, keeps(w, canary))
		}
		takesBack(w)
		takesBack(w)
		if i := w.GitHub.Issues(7)[0]; i.Body != body {
			t.Errorf("after the undo:\n%q, want\n%q", i.Body, body)
		}
	}
}
