package fix_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Two commands that were decided at once make one run.
func TestTwoCommandsAtOnce(t *testing.T) {
	for name, prepare := range map[string]func(w *world) run.Order{
		"first run":  func(w *world) run.Order { return run.Order{Name: "fix", Cluster: "c1", Number: 1} },
		"next round": func(w *world) run.Order { return run.Order{Name: "fix", Number: w.proposed().Pull.Number, Pull: true} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			o := prepare(w)
			o.By, o.ByID, o.At = ann, enginetest.ID(ann), w.Time
			var answers []run.Answer
			for n := range int64(2) {
				o.Comment = w.comment + 1 + n // newer than what asked for the proposal
				a, err := w.runs.Order(t.Context(), w.space(), o)
				if err != nil || a.Change == nil {
					t.Fatalf("answer %+v (%v)", a, err)
				}
				answers = append(answers, a)
			}
			for i, want := range []error{nil, storage.ErrConflict} {
				var b storage.Batch
				answers[i].Change(&b)
				if err := w.space().Apply(t.Context(), &b); !errors.Is(err, want) {
					t.Errorf("command %d: %v, want %v", i+1, err, want)
				}
			}
			if text := w.say("fix"); !strings.Contains(text, "alive") {
				t.Errorf("asked again: %q, want the run that is alive", text)
			}
			w.Settle()
			if n := len(w.cloud.alive()); n != 1 {
				t.Errorf("%d tasks", n)
			}
		})
	}
}

// A cancel that is delivered late does not end what was asked for after it.
func TestCancelThatComesLate(t *testing.T) {
	w := newWorld(t, "")
	w.comment = 10
	w.say("fix")
	fixed := w.comment
	w.comment = 5
	if text := w.say("cancel"); !strings.Contains(text, "asked for after this was") || w.last().Wish != nil {
		t.Errorf("a comment from before the run: %q, wish %v", text, w.last().Wish)
	}
	w.comment = fixed
	if text := w.say("cancel"); strings.Contains(text, "after this was") || w.last().Wish == nil {
		t.Errorf("a comment from after it: %q", text)
	}
}

func TestOrdersThatChangeNothing(t *testing.T) {
	w := newWorld(t, "")
	ask := func(name string, pull bool, number int, want string) {
		t.Helper()
		if text, err := w.order(name, pull, number, ""); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s on #%d: %q (%v), want %q", name, number, text, err, want)
		}
	}
	ask("cancel", false, 1, "nothing to cancel")
	ask("retry", false, 1, "nothing to try again")
	ask("checks", false, 1, "no proposal")
	ask("fix", true, 1, "not one of Soulcaster's")
	ask("fix", false, 99, "no issue")
	w.GitHub.Close(repoID, 1, "completed")
	ask("fix", false, 1, "Reopen it")
	w.GitHub.Change(repoID, 1, func(i *github.Issue) { i.State = "open" })

	r := w.proposed()
	ask("retry", false, 1, "alive")
	w.GitHub.Merge(repoID, r.Pull.Number, ann)
	w.pass(time.Hour + time.Minute)
	w.want(run.Merged, "")
	ask("retry", false, 1, "nothing to try again")
	ask("fix", true, r.Pull.Number, "on the issue, #1")
	ask("cancel", true, r.Pull.Number, "nothing to cancel")

	w.Begin = func() { w.begin(nil) }
	w.World.Restart()
	ask("fix", false, 1, "SOULCASTER_LAUNCHER")
	ask("retry", false, 1, "SOULCASTER_LAUNCHER")
}

// A launcher that is taken away ends what waits for it.
func TestNoLauncherAnyMore(t *testing.T) {
	w := newWorld(t, "")
	w.say("fix")
	w.Begin = func() { w.begin(nil) }
	w.World.Restart()
	w.Settle()
	w.want(run.Failed, run.ReasonNoLauncher)
	w.over()
}

func TestPreviewWritesNothing(t *testing.T) {
	w := newWorld(t, "")
	w.GitHub.SetFile(repoID, "mode: preview\n")
	w.Pass(2 * time.Hour)
	w.Settle()
	before := len(w.GitHub.Writes())
	w.say("fix")
	w.Settle()
	w.claim(w.want(run.Working, ""))
	w.hand(changed())
	w.Settle()
	w.pass(2 * time.Minute)
	r := w.want(run.Proposed, "")
	w.over()
	if after := w.GitHub.Writes(); len(after) != before || r.Pull != nil || r.Status != 0 {
		t.Errorf("a preview wrote %v", after[before:])
	}
	rec, ok, err := w.Actions.Get(t.Context(), w.space(), "run.status/"+r.ID)
	if err != nil || !ok || rec.State != "previewed" {
		t.Errorf("the status comment is %s (%v)", rec.State, err)
	}
	if text := w.say("checks"); !strings.Contains(text, "preview") {
		t.Errorf("checks are answered %q", text)
	}
	// Nobody can merge it, so it is in nobody's way.
	w.say("fix")
	w.Settle()
	if is := w.want(run.Working, ""); is.ID == r.ID {
		t.Error("it is still the first run")
	}
	was, _, err := run.Load(t.Context(), w.space(), r.ID)
	if err != nil || was.State != run.Cancelled {
		t.Errorf("the first run is %s (%v)", was.State, err)
	}
	w.say("cancel")
	w.Settle()
	w.over()
}
