package fix_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix/run"
)

// ordered decides on a command that is given on a page, as package command asks: of the
// pull request where there is an open one.
func (w *world) ordered(name string, at time.Time) run.Answer {
	w.T.Helper()
	o := run.Order{Name: name, Cluster: "c1", Number: 1, By: ann, ByID: enginetest.ID(ann), Order: "page", At: at}
	r, _, err := run.Of(w.T.Context(), w.space(), "c1")
	if err != nil {
		w.T.Fatal(err)
	}
	if r != nil && r.State == run.Proposed && r.Pull != nil {
		o.Cluster, o.Number, o.Pull = "", r.Pull.Number, true
	}
	a, err := w.runs.Order(w.T.Context(), w.space(), o)
	if err != nil {
		w.T.Fatal(err)
	}
	return a
}

// What is offered is what would change something, in every state of a run.
func TestOffers(t *testing.T) {
	for name, c := range map[string]struct {
		file  string
		begin func(w *world)
		want  string
	}{
		"nothing was asked": {"", func(*world) {}, "fix"},
		"queued":            {"", func(w *world) { w.to(run.Queued) }, "cancel"},
		"launching":         {"", func(w *world) { w.to(run.Launching) }, "cancel"},
		"working":           {"", func(w *world) { w.to(run.Working) }, "cancel"},
		"publishing":        {"", func(w *world) { w.to(run.Publishing) }, "cancel"},
		"proposed":          {"", func(w *world) { w.to(run.Proposed) }, "cancel checks fix"},
		"checks run anyway": {"fix: {checks: run}\n", func(w *world) { w.to(run.Proposed) }, "cancel fix"},
		"no more rounds":    {"fix: {rounds: 0}\n", func(w *world) { w.to(run.Proposed) }, "cancel checks"},
		"cancelled":         {"", func(w *world) { w.to(run.Working); w.say("cancel"); w.Settle(); w.pass(3 * time.Minute) }, "fix retry"},
		"being cancelled":   {"", func(w *world) { w.to(run.Working); w.say("cancel") }, ""},
		"no runs are allowed": {"", func(w *world) {
			w.GitHub.SetFile(repoID, "mode: live\nbudget: {runs_per_day: 0}\n")
			w.Pass(2 * time.Hour)
			w.Settle()
		}, ""},
		"the issue is closed":  {"", func(w *world) { w.GitHub.Close(repoID, 1, "completed") }, ""},
		"there is no launcher": {"", func(w *world) { w.Begin = func() { w.begin(nil) }; w.World.Restart() }, ""},
		"a round to nothing": {"", func(w *world) {
			w.proposed()
			w.review(1, ann, "more")
			w.claim(w.last())
			w.say("cancel")
			w.pass(3 * time.Minute)
			w.want(run.Proposed, run.ReasonCommand)
		}, "cancel checks fix retry"},
		"checks were let": {"", func(w *world) { w.to(run.Proposed); w.Pass(time.Minute); w.say("checks"); w.Settle() }, "cancel fix"},
		"in preview again": {"", func(w *world) {
			w.to(run.Proposed)
			w.GitHub.SetFile(repoID, "mode: preview\n")
			w.Pass(2 * time.Hour)
			w.Settle()
		}, "cancel"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.file)
			c.begin(w)
			w.Pass(time.Minute)
			offers, err := w.runs.Offers(t.Context(), w.space(), "c1")
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(offers)
			if got := strings.Join(offers, " "); got != c.want {
				t.Errorf("%q are offered, want %q", got, c.want)
			}
			for _, name := range []string{"fix", "retry", "cancel", "checks"} {
				a := w.ordered(name, w.Time)
				if (a.Change != nil) != slices.Contains(offers, name) {
					t.Errorf("%s is offered: %v; it is answered %q, and changes something: %v", name, slices.Contains(offers, name), a.Reply, a.Change != nil)
				}
			}
		})
	}
}

// What is ordered on pages and what in comments overtakes each other by its time.
func TestPagesAndCommentsOvertakeEachOther(t *testing.T) {
	w := newWorld(t, "")
	missed := w.Time
	w.Pass(time.Minute)
	w.comment = 1_000
	w.say("fix")
	for _, name := range []string{"cancel", "fix"} {
		if a := w.ordered(name, missed); a.Change != nil || name == "cancel" && !strings.Contains(a.Reply, "asked for after this was") {
			t.Errorf("%s on a page before the comment is answered %q", name, a.Reply)
		}
	}
	if a := w.ordered("cancel", w.Time.Add(time.Second)); a.Change == nil {
		t.Errorf("cancel on a page after the comment is answered %q", a.Reply)
	}

	w = newWorld(t, "")
	missed = w.Time
	w.Pass(time.Minute)
	a := w.ordered("fix", w.Time)
	w.note(a.Change)
	w.Settle()
	if text, err := w.orderAt("cancel", false, 1, "", missed); err != nil || !strings.Contains(text, "asked for after this was") {
		t.Errorf("cancel in a comment before the page is answered %q (%v)", text, err)
	}
	w.claim(w.want(run.Working, ""))
	// A page's order waits a while, GitHub being away; a comment that was written after it
	// is about it all the same.
	w.hand(changed())
	w.pass(2 * time.Minute)
	w.want(run.Proposed, "")
	asked := w.Time
	w.Pass(10 * time.Minute)
	w.note(w.ordered("fix", asked).Change)
	if text, err := w.orderAt("cancel", false, 1, "", asked.Add(time.Minute)); err != nil || text != "" {
		t.Errorf("cancel in a comment after the page is answered %q (%v)", text, err)
	}
}
