package fix_test

import (
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
)

const evidenceText = "it breaks"

// kept is where the evidence, or what the agent said of it, still is: in the store, and in
// comments.
func (w *world) kept(r *run.Run) (found []string) {
	w.T.Helper()
	entries, err := w.space().Scan(w.T.Context(), "", "", 10_000)
	if err != nil {
		w.T.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(string(e.Value), evidenceText) && (strings.Contains(e.Key, r.ID)) {
			found = append(found, e.Key)
		}
	}
	for _, c := range w.GitHub.Comments(repoID, r.Issue) {
		if strings.Contains(c, evidenceText) {
			found = append(found, "a comment: "+c)
		}
	}
	return found
}

// Where what people wrote is erased, the runs that had it forget it: those under way end,
// and what was shown is not shown any more.
func TestWithdraw(t *testing.T) {
	for _, c := range []struct {
		name   string
		state  run.State // when it is withdrawn
		is     run.State // afterwards
		reason run.Reason
		later  time.Duration
	}{
		{"it waits to be launched", run.Launching, run.Cancelled, run.ReasonGone, 0},
		{"it works", run.Working, run.Cancelled, run.ReasonGone, 0},
		{"it is proposed", run.Proposed, run.Proposed, "", 0},
		{"it was over long ago", run.Cancelled, run.Cancelled, run.ReasonCommand, 10 * 24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "")
			w.issue()
			if _, err := w.order("fix", false, 2, ""); err != nil {
				t.Fatal(err)
			}
			var r *run.Run
			if c.state == run.Cancelled {
				r = w.to(run.Working)
				w.quiet(func() {
					if err := run.AddLog(t.Context(), w.space(), r.ID, brief.Log{Attempt: r.Attempts, Text: "I read: " + evidenceText}, 20, 1000); err != nil {
						t.Fatal(err)
					}
				})
				w.say("cancel")
				w.Settle()
				w.pass(5 * time.Minute)
			} else {
				r = w.to(c.state)
			}
			w.pass(c.later)
			r = w.last()
			if len(w.kept(r)) == 0 {
				t.Fatal("there is nothing to withdraw")
			}
			n, err := fix.Withdraw(t.Context(), w.space(), func(id string) bool { return id == "c1" })
			if err != nil || n != 1 {
				t.Fatalf("%d runs, %v", n, err)
			}
			w.pass(10 * time.Minute)
			w.want(c.is, c.reason)
			if found := w.kept(w.last()); len(found) > 0 {
				t.Errorf("it is still in %q", found)
			}
			list, err := run.Evidence(t.Context(), w.space(), r.ID)
			hash, bad := run.HashEvidence(list)
			if err != nil || bad != nil || len(list) != 0 || hash != w.last().EvidenceHash {
				t.Errorf("its evidence: %v, %v; the hash fits: %v", list, err, hash == w.last().EvidenceHash)
			}
			if comments := w.GitHub.Comments(repoID, r.Issue); len(comments) == 0 && r.Status != 0 {
				t.Error("the status comment is gone")
			}
			if other := w.of("c2"); other.State == run.Cancelled || len(w.kept(other)) == 0 {
				t.Errorf("the run of another problem is %s and has %q", other.State, w.kept(other))
			}
			left, err := w.space().Scan(t.Context(), "run-withdrawn/", "", 10)
			if err != nil || len(left) != 0 {
				t.Errorf("still to be withdrawn: %v, %v", left, err)
			}
		})
	}
}
