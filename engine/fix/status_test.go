package fix_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Before anything is started the comment shows what the agent will get.
func TestEvidenceIsShownFirst(t *testing.T) {
	w := newWorld(t, "")
	w.caps.All.AtOnce = 1
	w.World.Restart()
	w.GitHub.Fault = func(call string, landed bool) error {
		if call == "comment" && !landed && len(w.cloud.order) > 0 {
			t.Error("a task was started before the status comment")
		}
		return nil
	}
	w.say("fix")
	w.Settle()
	w.want(run.Working, "")
	if text := w.GitHub.Comments(repoID, 1)[0]; !strings.Contains(text, "it breaks") {
		t.Errorf("the comment does not show the evidence: %s", text)
	}
}

func TestWhatCannotBeShownIsNotStarted(t *testing.T) {
	for name, c := range map[string]struct {
		do     func(w *world)
		reason run.Reason
	}{
		"locked": {func(w *world) { w.GitHub.Change(repoID, 1, func(i *github.Issue) { i.Locked = true }) }, run.ReasonHidden},
		"forbidden": {func(w *world) {
			w.GitHub.Fault = func(call string, landed bool) error { return github.ErrForbidden }
		}, run.ReasonHidden},
		"other evidence": {func(w *world) {
			r := w.last()
			var b storage.Batch
			b.SetJSON("run-evidence/"+r.ID, []string{})
			if err := w.space().Apply(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
		}, run.ReasonHidden},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			w.say("fix")
			c.do(w)
			w.Settle()
			w.want(run.Failed, c.reason)
			w.over()
			if len(w.cloud.order) != 0 {
				t.Error("a task was started")
			}
		})
	}
}

// edits counts the edits of the status comment and fails if two are too close.
func (w *world) edits(least time.Duration) *int {
	n, last := 0, time.Time{}
	w.GitHub.Fault = func(call string, landed bool) error {
		if call == "edit comment" && landed {
			n++
			if gap := w.Time.Sub(last); gap < least {
				w.T.Errorf("edited again after %v", gap)
			}
			last = w.Time
		}
		return nil
	}
	return &n
}

func TestStatusIsEditedInItsTime(t *testing.T) {
	w := newWorld(t, "")
	w.say("fix")
	edits := w.edits(15 * time.Second)
	w.Settle()
	if *edits != 0 {
		t.Errorf("edited %d times in the first moment", *edits)
	}
	w.claim(w.want(run.Working, ""))
	for range 20 { // ten minutes
		w.beat(w.last())
		w.pass(30 * time.Second)
	}
	if *edits < 9 || *edits > 12 {
		t.Errorf("edited %d times in ten minutes, want once a minute", *edits)
	}
	if text := w.GitHub.Comments(repoID, 1)[0]; !strings.Contains(text, "https://soul.example/runs/101/") {
		t.Errorf("no link to the run's page: %s", text)
	}
	w.Pass(20 * time.Second)
	was := *edits
	w.hand(changed())
	w.Settle()
	if *edits != was+1 || !strings.Contains(w.GitHub.Comments(repoID, 1)[0], "#2") {
		t.Errorf("the proposal was told in %d edits: %s", *edits-was, w.GitHub.Comments(repoID, 1)[0])
	}
	w.pass(2 * time.Minute)
	was = *edits
	w.pass(3 * time.Hour)
	if *edits != was {
		t.Errorf("edited %d times while nothing happened", *edits-was)
	}
}

// What becomes of the comment holds up nothing.
func TestStatusThatCannotBeEdited(t *testing.T) {
	for _, refusal := range []error{github.ErrNotFound, github.ErrForbidden, github.ErrNotKept, fmt.Errorf("nonsense")} {
		w := newWorld(t, "")
		w.say("fix")
		w.Settle()
		w.GitHub.Fault = func(call string, landed bool) error {
			if call == "edit comment" {
				return refusal
			}
			return nil
		}
		w.pass(time.Minute)
		w.claim(w.want(run.Working, ""))
		w.hand(changed())
		w.Settle()
		w.pass(time.Minute)
		w.want(run.Proposed, "")
		if n := len(w.GitHub.Comments(repoID, 1)); n != 1 {
			t.Errorf("%v: %d comments", refusal, n)
		}
	}
}

func TestTidy(t *testing.T) {
	w := newWorld(t, "")
	w.proposed()
	r := w.last()
	fill := func(id string) {
		var b storage.Batch
		for n := range 120 {
			b.Set(fmt.Sprintf("run-log/%s/1/%012d", id, n), []byte("x"))
			b.Set(fmt.Sprintf("run-result/%s/9/%03d", id, n), []byte("x"))
		}
		if err := w.space().Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (logs, results int) {
		for prefix, n := range map[string]*int{"run-log/": &logs, "run-result/": &results} {
			entries, err := w.space().Scan(t.Context(), prefix, "", 500)
			if err != nil {
				t.Fatal(err)
			}
			*n = len(entries)
		}
		return logs, results
	}
	tidy := func() {
		t.Helper()
		if err := fix.Tidy(t.Context(), w.space(), w.Time); err != nil {
			t.Fatal(err)
		}
	}
	fill(r.ID)
	fill("aaaagone")
	tidy()
	if logs, results := left(); logs != 120 || results < 120 {
		t.Errorf("%d pieces of logs and %d of results are left of a run that goes on, want all", logs, results)
	}
	w.GitHub.Merge(repoID, r.Pull.Number, ann)
	w.pass(time.Hour + time.Minute)
	w.Pass(25 * time.Hour)
	tidy()
	if logs, results := left(); logs != 120 || results != 0 {
		t.Errorf("after a day %d pieces of logs and %d of results", logs, results)
	}
	w.Pass(30 * 24 * time.Hour)
	tidy()
	if logs, _ := left(); logs != 0 {
		t.Errorf("after a month %d pieces of logs", logs)
	}
	w.want(run.Merged, "")
}

// Until there is a pull request the status comment links to the command.
func TestStatusLinksToTheCommand(t *testing.T) {
	w := newWorld(t, "")
	w.say("fix")
	w.Settle()
	if text := w.GitHub.Comments(repoID, 1)[0]; !strings.Contains(text, "([comment](https://github.example/acme/web/issues/1#issuecomment-1))") {
		t.Errorf("the comment does not link to the command: %s", text)
	}
}
