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
