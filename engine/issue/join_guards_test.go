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

// joined is a live world whose problem of group 77 joined issue 1.
func joined(t *testing.T) (w *enginetest.World, id string) {
	t.Helper()
	w = errorsWorld(t, "mode: live\n")
	w.GitHub.Open(7, "maintainer", "Broken", names77)
	id = strike(w, 77)
	w.Settle()
	if all := w.GitHub.Issues(7); len(all) != 1 || !strings.Contains(all[0].Body, ours) {
		t.Fatalf("issues: %+v", all)
	}
	return w, id
}

// noteOpened is GitHub's word that an issue changed which links something.
func noteOpened(w *enginetest.World) {
	w.T.Helper()
	var b storage.Batch
	issue.NoteOpened(&b)
	if err := w.Space(repo).Apply(w.T.Context(), &b); err != nil {
		w.T.Fatal(err)
	}
}

// crashesJoining stops the app between the intent to join issue 1 and the edit.
func crashesJoining(w *enginetest.World) {
	w.T.Helper()
	dead := false
	w.Hook = func(point string) error {
		if dead = dead || point == "effect.before:issue.join"; dead {
			return errCrash
		}
		return nil
	}
	if err := w.TrySettle(); !errors.Is(err, errCrash) {
		w.T.Fatal(err)
	}
	w.Hook = nil
	w.Restart()
}

// TestIsLookedAtOnceMoreWhenItIsJoined: what was known of the issue, or what was begun, may
// be out of date.
func TestIsLookedAtOnceMoreWhenItIsJoined(t *testing.T) {
	for name, change := range map[string]func(i *github.Issue){
		"it links another problem too": func(i *github.Issue) { i.Body += " https://acme.sentry.io/issues/79/" },
		"it links none":                func(i *github.Issue) { i.Body = "Never mind." },
		"it is a pull request":         func(i *github.Issue) { i.PullRequest = true },
		"it is closed":                 func(i *github.Issue) { i.State = "closed" },
		"it is deleted":                func(i *github.Issue) { i.State = "deleted" },
		"it holds another's section": func(i *github.Issue) {
			i.Body += "\n\n<!-- soulcaster:begin hash=aa -->\nTheirs.\n<!-- soulcaster:end -->"
		},
		"people filled it to the last brick": func(i *github.Issue) { i.Body += strings.Repeat("\nlong", 13_000) },
	} {
		for _, begun := range []bool{false, true} {
			w := errorsWorld(t, "mode: live\n")
			w.GitHub.Open(7, "maintainer", "Broken", names77)
			if begun {
				strike(w, 77)
				crashesJoining(w)
			} else {
				strike(w, 78) // from here on the listing is known
				w.Settle()
			}
			w.GitHub.Change(7, 1, change)
			body := w.GitHub.Issues(7)[0].Body
			if !begun {
				strike(w, 77)
			}
			w.Settle()
			want, wait := 3, 10*time.Second // and no ten minutes, for which the listing would be kept
			if begun {
				want, wait = 2, 2*time.Minute
			}
			for range 2 {
				w.Pass(wait)
				w.Settle()
			}
			if all := w.GitHub.Issues(7); len(all) != want || all[0].Body != body {
				t.Errorf("%s (begun: %v): %d issues, the first ends in %q", name, begun, len(all), all[0].Body[max(0, len(all[0].Body)-200):])
			}
		}
	}
}

// TestStandsForOneProblem: an issue that stands for a problem is no other's, also where
// people took the section out of it, nor where it came to stand for one meanwhile.
func TestStandsForOneProblem(t *testing.T) {
	w, _ := joined(t)
	const names78 = "https://acme.sentry.io/issues/78/"
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.Body = names78 })
	strike(w, 78)
	w.Settle()
	if of, err := issue.ClusterOf(t.Context(), w.Space(repo), 1); err != nil || of != "000001" || len(w.GitHub.Issues(7)) != 2 {
		t.Errorf("issue 1 of %d stands for %q (%v)", len(w.GitHub.Issues(7)), of, err)
	}

	w = errorsWorld(t, "mode: live\n")
	w.GitHub.Open(7, "maintainer", "Broken", names77)
	strike(w, 77)
	crashesJoining(w)
	var b storage.Batch
	b.SetJSON("issue-of/1", "000009")
	if err := w.Space(repo).Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	w.Pass(2 * time.Minute)
	w.Settle()
	w.Pass(time.Minute)
	w.Settle()
	if all := w.GitHub.Issues(7); len(all) != 2 || all[0].Body != names77 {
		t.Errorf("%d issues, the first says:\n%s", len(all), all[0].Body)
	}
}

// TestOwnSectionIsJoinedAgain: a store that was lost knows nothing of it.
func TestOwnSectionIsJoinedAgain(t *testing.T) {
	w, _ := joined(t)
	body := w.GitHub.Issues(7)[0].Body
	w = errorsWorld(t, "mode: live\n")
	w.GitHub.Open(7, "maintainer", "Broken", body)
	id := strike(w, 77)
	w.Settle()
	if all := w.GitHub.Issues(7); len(all) != 1 || sections(w) != 1 || w.Line(repo, id).Number != 1 {
		t.Errorf("%d sections in %d issues", sections(w), len(all))
	}
}

// TestGitHubDoesNotTellWhatIsOpen: a preview does without; what is live waits, and no
// second issue is filed.
func TestGitHubDoesNotTellWhatIsOpen(t *testing.T) {
	w := errorsWorld(t, "mode: preview\n")
	strike(w, 78)
	w.Settle()
	noteOpened(w)
	w.GitHub.Suspend(enginetest.Installation, true)
	id := strike(w, 77)
	w.Settle()
	if l := w.Line(repo, id); l.Text != "preview: its issue would be filed" {
		t.Errorf("it stands at %+v", l)
	}

	w = errorsWorld(t, "mode: live\n")
	w.GitHub.Open(7, "maintainer", "Broken", names77)
	strike(w, 78)
	w.Settle()
	noteOpened(w)
	w.GitHub.Suspend(enginetest.Installation, true)
	w.GitHub.Fault = func(call string, landed bool) error { // it is back just in time
		w.GitHub.Suspend(enginetest.Installation, false)
		return nil
	}
	strike(w, 77)
	w.Settle()
	if len(w.GitHub.Issues(7)) != 2 {
		t.Errorf("written: %v", w.GitHub.Writes())
	}
	w.GitHub.Suspend(enginetest.Installation, false)
	w.Pass(11 * time.Minute)
	w.Settle()
	if all := w.GitHub.Issues(7); len(all) != 2 || sections(w) != 2 {
		t.Errorf("%d sections in %d issues", sections(w), len(all))
	}
}

// TestListingGrowsOld, should GitHub's word have been lost.
func TestListingGrowsOld(t *testing.T) {
	w := errorsWorld(t, "mode: preview\n")
	id := strike(w, 77)
	w.Settle()
	w.GitHub.Open(7, "maintainer", "Broken", names77)
	w.Pass(11 * time.Minute)
	strike(w, 77)
	w.Settle()
	if l := w.Line(repo, id); l.Joins != 1 {
		t.Errorf("it stands at %+v", l)
	}
}

// TestBegunJoiningThatLanded is ended by what it finds: one section, as the problem stands
// now, whatever people made of the rest.
func TestBegunJoiningThatLanded(t *testing.T) {
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
	id := strike(w, 77)
	_ = w.TrySettle()
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.Body += "\n\nAnd https://acme.sentry.io/issues/79/" })
	w.Pass(2 * time.Minute)
	w.Settle()
	if l, all := w.Line(repo, id), w.GitHub.Issues(7); l.Number != 1 || len(all) != 1 || sections(w) != 1 {
		t.Errorf("%d sections in %d issues, it stands at %+v", sections(w), len(all), l)
	}
}

// TestPartedIsAsNew: nothing of the issue that it left is said of the one that it gets.
func TestPartedIsAsNew(t *testing.T) {
	w, id := joined(t)
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.Locked = true })
	due(w, repo, issue.LookWork("000001"))
	w.Settle()
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.Locked = false })
	takesBack(w)
	w.Settle()
	l := w.Line(repo, id)
	if l.Number != 2 || l.State != issue.Filed || !l.Regressed.IsZero() {
		t.Fatalf("it stands at %+v", l)
	}
	story, err := issue.Story(t.Context(), w.Space(repo), "000001")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range story {
		if strings.Contains(m.What, "joined") {
			t.Errorf("the story tells of %+v", m)
		}
	}
	real, _, err := issue.LastWritten(t.Context(), w.Actions, w.Space(repo), "000001")
	if err != nil || real == nil || real.Added || real.Title == "" {
		t.Errorf("written: %+v, %v", real, err)
	}
}

// TestJoiningTakesNoPlace that is left over for the issue that the problem gets later: one
// that is filed after an undo waits for a place of its own.
func TestJoiningTakesNoPlace(t *testing.T) {
	w := errorsWorld(t, "mode: live\nbudget: {issues_per_day: 1}\n")
	strike(w, 78) // the day's only place
	w.Settle()
	n := w.GitHub.Open(7, "maintainer", "Broken", names77)
	noteOpened(w)
	id := strike(w, 77)
	w.Settle()
	if l := w.Line(repo, id); l.Number != n {
		t.Fatalf("it stands at %+v", l)
	}
}

// TestIsLookedForAgainBeforeFiling: whoever opens one while the problem waits for its place
// was quicker, though GitHub did not tell.
func TestIsLookedForAgainBeforeFiling(t *testing.T) {
	w := errorsWorld(t, "mode: live\n")
	strike(w, 78) // from here on the listing is known
	w.Settle()
	w.GitHub.Open(7, "maintainer", "Broken", names77)
	id := strike(w, 77)
	w.Settle()
	if l := w.Line(repo, id); l.Number != 2 || len(w.GitHub.Issues(7)) != 2 {
		t.Errorf("%d issues, it stands at %+v", len(w.GitHub.Issues(7)), l)
	}
}

// TestBegunJoiningKeepsToItsRoom: what is written after a crash is no longer than there was
// room for.
func TestBegunJoiningKeepsToItsRoom(t *testing.T) {
	w := errorsWorld(t, "mode: live\n")
	body := names77 + "\n" + strings.Repeat("x", issue.MaxBody-len(names77)-1-2-600)
	w.GitHub.Open(7, "maintainer", "Broken", body)
	strike(w, 77)
	crashesJoining(w)
	w.Pass(2 * time.Minute)
	w.Settle()
	if i := w.GitHub.Issues(7)[0]; sections(w) != 1 || !strings.HasPrefix(i.Body, body) || len(i.Body) == len(body) || len(i.Body) > issue.MaxBody {
		t.Errorf("%d sections, the body has %d bytes, %d of them ours", sections(w), len(i.Body), len(i.Body)-len(body))
	}
}

// TestCannotBeWritten: GitHub refuses the edit of a conversation that is locked as of one
// that is invalid, and the problem gets an issue of its own.
func TestCannotBeWritten(t *testing.T) {
	for _, refusal := range []error{github.ErrLocked, github.ErrNotKept, &github.ValidationError{Message: "no"}} {
		w := errorsWorld(t, "mode: live\n")
		w.GitHub.Open(7, "maintainer", "Broken", names77)
		w.GitHub.Fault = func(call string, landed bool) error {
			if call == "edit issue" && !landed {
				return refusal
			}
			return nil
		}
		id := strike(w, 77)
		w.Settle()
		if l := w.Line(repo, id); l.Number != 2 || w.GitHub.Issues(7)[0].Body != names77 {
			t.Errorf("%v: it stands at %+v", refusal, l)
		}
	}
}

// TestPreviewThatJoinsWaitsForNoPlace, and shows no title of an issue that it would have
// filed.
func TestPreviewThatJoinsWaitsForNoPlace(t *testing.T) {
	w := errorsWorld(t, "mode: preview\nbudget: {issues_per_day: 0}\n")
	strike(w, 77)
	w.Settle()
	waits := func(want bool) (since string) {
		t.Helper()
		got, err := issue.WaitsForPlace(t.Context(), w.Space(repo), "000001")
		if err != nil || got != want {
			t.Fatalf("it waits for a place: %v, %v", got, err)
		}
		entries, err := w.Space(repo).Get(t.Context(), "candidate/000001")
		if err != nil {
			t.Fatal(err)
		}
		var c issue.Candidate
		if err := storage.GetJSON(entries[0], &c); err != nil {
			t.Fatal(err)
		}
		return c.Since.String()
	}
	first := waits(true)
	n := w.GitHub.Open(7, "maintainer", "Broken", names77)
	noteOpened(w)
	w.Pass(time.Minute)
	strike(w, 77)
	w.Settle()
	waits(false)
	w.GitHub.Close(7, n, "completed")
	noteOpened(w)
	w.Pass(time.Minute)
	strike(w, 77)
	w.Settle()
	if again := waits(true); again == first {
		t.Errorf("it waits since %s, as if it had never been about to join", again)
	}

	w = errorsWorld(t, "mode: preview\n")
	strike(w, 77)
	w.Settle()
	w.GitHub.Open(7, "maintainer", "Broken", names77)
	noteOpened(w)
	w.Pass(time.Minute)
	strike(w, 77)
	w.Settle()
	_, noted, err := issue.LastWritten(t.Context(), w.Actions, w.Space(repo), "000001")
	if err != nil || noted == nil || !noted.Added || noted.Title != "" {
		t.Errorf("noted: %+v, %v", noted, err)
	}
}

// TestUndoOfWhatPeopleTookOut writes nothing.
func TestUndoOfWhatPeopleTookOut(t *testing.T) {
	w, _ := joined(t)
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.Body = names77 + "\n\n" })
	takesBack(w)
	edits := 0
	for _, call := range w.GitHub.Writes() {
		if call == "edit issue" {
			edits++
		}
	}
	if i := w.GitHub.Issues(7)[0]; i.Body != names77+"\n\n" || edits != 1 {
		t.Errorf("%d edits: %q", edits, i.Body)
	}
}

// TestPartedMayMove: feedback of a cluster that has no issue any more is moved without a
// person's word.
func TestPartedMayMove(t *testing.T) {
	w, _ := joined(t)
	w.GitHub.Close(7, 1, "completed")
	due(w, repo, issue.LookWork("000001"))
	w.Settle()
	takesBack(w)
	entries, err := w.Space(repo).Get(t.Context(), "filed/000001")
	if err != nil || entries[0].Exists() {
		t.Errorf("it counts as filed: %+v, %v", entries, err)
	}
}

// TestTextOfPreviewGoes when the problem is not to have an issue any more.
func TestTextOfPreviewGoes(t *testing.T) {
	w := world(t, "mode: preview\nfile_after: {posts: 1}\n")
	w.GitHub.Allow("maintainer", github.Write)
	w.GitHub.Open(7, "maintainer", "Dark", namesPost)
	post(w, "bbb", "ben", dark, "As a "+canary+" I cannot read the sizes in dark mode.")
	w.Settle()
	if _, ok, err := w.Actions.Get(t.Context(), w.Space(repo), issue.JoinKey("000001")); !ok || err != nil {
		t.Fatalf("nothing would be joined: %v", err)
	}
	post(w, "bbb", "[deleted]", dark, "[deleted]")
	w.Settle()
	if keys := keeps(w, canary); len(keys) > 0 {
		t.Errorf("what was deleted is still under %q", keys)
	}
}

// TestPlaceIsNotKept for the issue that the problem gets after an undo: it got the place
// for one that was not filed.
func TestPlaceIsNotKept(t *testing.T) {
	w := errorsWorld(t, "mode: live\nbudget: {issues_per_day: 3}\n") // two by now
	strike(w, 78)                                                    // from here on the listing is known
	w.Settle()
	w.GitHub.Open(7, "maintainer", "Broken", names77)
	id := strike(w, 77)
	w.Settle()
	if l := w.Line(repo, id); l.Number != 2 {
		t.Fatalf("it stands at %+v", l)
	}
	undoOn(w, 2)
	if l := w.Line(repo, id); l.Number != 0 || l.State != issue.Held {
		t.Errorf("it stands at %+v", l)
	}
}

// undoOn has the maintainer say undo on an issue of cluster 2.
func undoOn(w *enginetest.World, number int) {
	w.T.Helper()
	var b storage.Batch
	issue.Ask(&b, "000002", issue.Wish{By: "@maintainer", Order: "o", Number: number, At: w.Time, Reply: "command.reply/o"})
	if err := w.Space(repo).Apply(w.T.Context(), &b); err != nil {
		w.T.Fatal(err)
	}
	w.Settle()
	w.Pass(time.Second)
	w.Settle()
}

// TestUndoKeepsNothingOfEdits: what the issue said is kept no longer than the issue, for
// nothing would take it out when it is taken back at its source.
func TestUndoKeepsNothingOfEdits(t *testing.T) {
	w := world(t, "mode: live\nfile_after: {posts: 1}\n")
	w.GitHub.Allow("maintainer", github.Write)
	w.GitHub.Open(7, "maintainer", "Dark", namesPost)
	post(w, "bbb", "ben", dark, "As a "+canary+" I cannot read the sizes in dark mode.")
	w.Settle()
	w.Pass(time.Hour)
	post(w, "ccc", "cat", dark, "Dark mode, and the sizes cannot be read.")
	w.Settle()
	w.Pass(25 * time.Hour)
	w.Settle()
	if rec, _, err := w.Actions.Get(t.Context(), w.Space(repo), issue.EditKey("000001")); err != nil || len(rec.Request) == 0 {
		t.Fatalf("no edit: %+v, %v", rec, err)
	}
	w.GitHub.Close(7, 1, "not_planned") // so that it gets no other one
	due(w, repo, issue.LookWork("000001"))
	w.Settle()
	for range 2 {
		takesBack(w)
	}
	if n := sections(w); n != 0 {
		t.Fatalf("%d sections", n)
	}
	for _, key := range []string{issue.EditKey("000001"), "undo/" + issue.EditKey("000001"), issue.JoinKey("000001")} {
		if rec, _, err := w.Actions.Get(t.Context(), w.Space(repo), key); err != nil || len(rec.Request) != 0 {
			t.Errorf("%s keeps %s (%v)", key, rec.Request, err)
		}
	}
}

// TestAnsweredWhereItWasSaid, also when the problem has another issue by then.
func TestAnsweredWhereItWasSaid(t *testing.T) {
	w, id := joined(t)
	takesBack(w)
	if l := w.Line(repo, id); l.Number != 2 {
		t.Fatalf("it stands at %+v", l)
	}
	before := len(w.GitHub.Comments(7, 1))
	var b storage.Batch
	issue.Ask(&b, "000001", issue.Wish{By: "@maintainer", Order: "late", Number: 1, At: w.Time, Reply: "command.reply/late"})
	if err := w.Space(repo).Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if said := w.GitHub.Comments(7, 1); len(said) != before+1 || !strings.Contains(said[before], "Nothing was done") || len(w.GitHub.Comments(7, 2)) != 0 {
		t.Errorf("said on 1: %q, on 2: %q", said, w.GitHub.Comments(7, 2))
	}
}

// TestTwoSayUndoAtOnce on an issue that was joined: the second one meant this issue, and
// not the one that the problem gets next.
func TestTwoSayUndoAtOnce(t *testing.T) {
	w, id := joined(t)
	undo(w, 1, "mona")
	undo(w, 2, "hubot")
	w.Settle()
	w.Pass(time.Minute)
	w.Settle()
	said := strings.Join(w.GitHub.Comments(7, 1), "\n")
	if l := w.Line(repo, id); l.Number != 2 || l.State != issue.Filed || !strings.Contains(said, "Taken out") || !strings.Contains(said, "Nothing was done") || len(w.GitHub.Comments(7, 2)) != 0 {
		t.Errorf("it stands at %+v; said on 1: %s; on 2: %q", l, said, w.GitHub.Comments(7, 2))
	}
}

// TestClosedAMomentAgo: who closes the issue and says undo at once, before GitHub's word of
// it came, is not given a second one.
func TestClosedAMomentAgo(t *testing.T) {
	w, id := joined(t)
	w.GitHub.Close(7, 1, "not_planned")
	takesBack(w)
	if l, all := w.Line(repo, id), w.GitHub.Issues(7); len(all) != 1 || l.State != issue.Muted || all[0].Body != names77 {
		t.Errorf("%d issues, it stands at %+v", len(all), l)
	}
}

// TestStrangersDoNotMakeUsAsk: each of their edits is told to us.
func TestStrangersDoNotMakeUsAsk(t *testing.T) {
	w := errorsWorld(t, "mode: preview\n")
	for n := range 30 {
		w.GitHub.Open(7, fmt.Sprint("stranger", n), "Broken", names77)
	}
	for range 10 {
		noteOpened(w)
		strike(w, 77)
		w.Settle()
		w.Pass(time.Second)
	}
	if w.GitHub.Asked > 20 {
		t.Errorf("GitHub was asked %d times", w.GitHub.Asked)
	}
}

// TestJoinedIssueHasItsOwnTitle, and none that a preview would have given to a new one.
func TestJoinedIssueHasItsOwnTitle(t *testing.T) {
	w := errorsWorld(t, "mode: preview\n")
	strike(w, 77)
	w.Settle()
	w.GitHub.Open(7, "maintainer", "Login is broken", names77)
	say(w, "mode: live\n")
	told := func() *issue.Written {
		t.Helper()
		real, _, err := issue.LastWritten(t.Context(), w.Actions, w.Space(repo), "000001")
		if err != nil || real == nil || !strings.HasPrefix(real.Body, ours) {
			t.Fatalf("written: %+v, %v", real, err)
		}
		return real
	}
	if got := told(); got.Title != "" || len(got.Labels) != 0 || !got.Added || got.Edited {
		t.Errorf("as it was joined: %+v", got)
	}
	w.Pass(25 * time.Hour)
	for range 20 {
		strike(w, 77)
	}
	w.Settle()
	w.Pass(25 * time.Hour)
	w.Settle()
	if got := told(); got.Title != "" || len(got.Labels) != 0 || !got.Added || !got.Edited {
		t.Errorf("as it was edited: %+v", got)
	}
}
