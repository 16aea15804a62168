package fix_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// cutIn has a cancel come in at a moment of the second round's publishing.
func (w *world) cutIn(call string, landed bool) {
	w.T.Helper()
	w.under()
	came := false
	w.GitHub.Fault = func(c string, l bool) error {
		if c == call && l == landed && !came {
			came = true
			w.order("cancel", false, 1, "")
		}
		return nil
	}
	w.hand(changed())
	w.Settle()
	w.GitHub.Fault = nil
	w.pass(2 * time.Minute)
	if !came {
		w.T.Fatalf("there was no %s", call)
	}
}

// A cancel while a later round is published takes effect as long as the branch has not
// moved, and else is told to have come too late.
func TestCancelWhilePublishing(t *testing.T) {
	w := newWorld(t, "")
	w.proposed()
	head := w.last().Head
	w.review(1, ann, "more")
	w.claim(w.want(run.Working, ""))
	// Once the commit is recorded, before the branch moves.
	w.Hook = func(point string) error {
		if point == "effect.before:branch.move" {
			return errors.New("crash")
		}
		return nil
	}
	w.hand(changed())
	if err := w.TrySettle(); err == nil {
		t.Fatal("the branch was not to be moved")
	}
	w.Hook = nil
	if r := w.last(); r.Round().Commit == "" {
		t.Fatalf("no commit is recorded: %+v", r.Round())
	}
	w.say("cancel")
	w.Settle()
	w.pass(2 * time.Minute)
	r := w.want(run.Proposed, run.ReasonCommand)
	if r.Head != head || r.Round().Commit != "" || w.GitHub.Branch(repoID, r.Branch)[0] != head {
		t.Errorf("head %s, commit %q, was %s; the branch holds %v", r.Head, r.Round().Commit, head, w.GitHub.Branch(repoID, r.Branch))
	}
	w.over()

	w = newWorld(t, "")
	w.cutIn("move branch", true)
	r = w.want(run.Proposed, "")
	if r.Wish != nil || r.Round().Commit != r.Head || r.Round().N != 2 {
		t.Errorf("wish %+v, round %+v, head %s", r.Wish, r.Round(), r.Head)
	}
	if told := w.GitHub.Comments(repoID, r.Pull.Number); len(told) != 1 || !strings.Contains(told[0], "came too late") {
		t.Errorf("told %q", told)
	}
}

// A round that is given up with a commit that is on no branch leaves none behind.
func TestGivenUpWithACommit(t *testing.T) {
	w := newWorld(t, "")
	r := w.under()
	head := r.Head
	w.hand(changed())
	w.GitHub.Fault = func(call string, landed bool) error {
		if call == "move branch" {
			return errors.New("nonsense")
		}
		return nil
	}
	for began := w.Time; w.last().State != run.Proposed; {
		if err := w.TrySettle(); err != nil {
			w.Pass(5 * time.Minute)
		}
		if w.Time.Sub(began) > time.Hour {
			t.Fatalf("after an hour the run is %s", w.last().State)
		}
	}
	w.GitHub.Fault = nil
	w.pass(2 * time.Minute)
	r = w.want(run.Proposed, run.ReasonForbidden)
	if r.Head != head || r.Round().Commit != "" {
		t.Errorf("head %s, want %s; commit %q", r.Head, head, r.Round().Commit)
	}
	if told := w.GitHub.Comments(repoID, r.Pull.Number); len(told) != 1 || !strings.Contains(told[0], "came to nothing") {
		t.Errorf("told %q", told)
	}
}

// What is told of a run after its end is not kept.
func TestNoNotesAfterTheEnd(t *testing.T) {
	w := newWorld(t, "")
	r := w.proposed()
	w.GitHub.Merge(repoID, r.Pull.Number, ann)
	w.deliver("pull_request", object{"action": "closed", "pull_request": object{"number": r.Pull.Number}})
	w.pass(5 * time.Minute)
	w.want(run.Merged, "")
	w.deliver("pull_request", object{"action": "edited", "pull_request": object{"number": r.Pull.Number}})
	w.quiet(func() {
		var b storage.Batch
		fix.NoteChecks(&b, r.ID, "sha")
		if err := w.space().Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	})
	w.pass(time.Minute)
	for _, prefix := range []string{"run-news/", "run-checks/"} {
		if left, err := w.space().Scan(t.Context(), prefix, "", 10); err != nil || len(left) > 0 {
			t.Errorf("%s: %d notes are kept (%v)", prefix, len(left), err)
		}
	}
}

// What was written before something else that was obeyed begins nothing when it is
// delivered at last.
func TestOrdersThatComeLate(t *testing.T) {
	overtaken := func(w *world, name string, pull bool, number int, comment int64, at time.Time) {
		t.Helper()
		was := w.last()
		w.comment = comment - 1
		text, err := w.orderAt(name, pull, number, "use a", at)
		if err != nil || !strings.Contains(text, "asked for after this was") {
			t.Errorf("%s: %q (%v)", name, text, err)
		}
		w.Settle()
		if r := w.last(); r.ID != was.ID || r.State != was.State || len(r.Rounds) != len(was.Rounds) {
			t.Errorf("after a late %s the run is %s, in round %d", name, r.State, r.Round().N)
		}
	}
	w := newWorld(t, "")
	missed := w.Time
	w.Pass(time.Minute)
	w.comment = 10
	w.say("fix")
	w.Settle()
	w.claim(w.want(run.Working, ""))
	w.say("cancel")
	w.Settle()
	w.pass(3 * time.Minute)
	w.want(run.Cancelled, run.ReasonCommand)
	overtaken(w, "fix", false, 1, 5, missed)
	overtaken(w, "retry", false, 1, 6, missed)
	overtaken(w, "fix", false, 1, 11, missed) // after the fix, before the cancel
	w.comment = 20
	if text := w.say("retry"); text != "" {
		t.Errorf("a new one: %q", text)
	}

	w = newWorld(t, "")
	w.comment = 10
	r := w.proposed()
	missed = w.Time
	w.Pass(time.Minute)
	w.comment = 30
	if text, err := w.order("fix", true, r.Pull.Number, "use b"); text != "" || err != nil {
		t.Fatalf("%q %v", text, err)
	}
	w.Settle()
	w.next(changed())
	w.want(run.Proposed, "")
	overtaken(w, "fix", true, r.Pull.Number, 25, missed)
}

// A cancel is about what went on when it was written, whoever had asked for that.
func TestCancelOfAnotherRound(t *testing.T) {
	w := newWorld(t, "")
	r := w.proposed()
	missed := w.Time
	w.Pass(5 * time.Minute)
	w.review(1, ann, "more")
	w.claim(w.want(run.Working, ""))
	w.comment = 40
	text, err := w.orderAt("cancel", true, r.Pull.Number, "", missed)
	if err != nil || !strings.Contains(text, "asked for after this was") || w.last().Wish != nil {
		t.Errorf("a cancel from before the review: %q (%v)", text, err)
	}
	during := w.Time
	w.Pass(time.Minute)
	w.hand(changed())
	w.Settle()
	w.want(run.Proposed, "")
	w.Pass(time.Minute)
	text, err = w.orderAt("cancel", true, r.Pull.Number, "", during)
	if err != nil || !strings.Contains(text, "has ended since") || w.last().Wish != nil {
		t.Errorf("a cancel of the round that has ended: %q (%v)", text, err)
	}
	if text, err = w.order("cancel", true, r.Pull.Number, ""); err != nil || text != "" || w.last().Wish == nil {
		t.Errorf("a cancel from now: %q (%v)", text, err)
	}
}
