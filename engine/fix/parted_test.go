package fix_test

import (
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// TestTakenOutOfItsIssueInEveryState: a problem that is not its run's issue's any more is
// not what somebody wanted fixed.
func TestTakenOutOfItsIssueInEveryState(t *testing.T) {
	for _, state := range []run.State{run.Queued, run.Launching, run.Working, run.Publishing, run.Proposed} {
		t.Run(string(state), func(t *testing.T) {
			w := newWorld(t, "")
			r := w.to(state)
			w.change(r.ID, func(r *run.Run, _ *storage.Batch) { r.Issue = 9 })
			w.pass(2 * time.Minute)
			if state == run.Proposed {
				w.want(run.Proposed, "")
				return
			}
			w.want(run.Cancelled, run.ReasonGone)
		})
	}
}

// TestIssueThatCameLater: a run that was begun for a problem without an issue goes on when
// the problem gets one.
func TestIssueThatCameLater(t *testing.T) {
	w := newWorld(t, "")
	r := w.to(run.Working)
	w.change(r.ID, func(r *run.Run, _ *storage.Batch) { r.Issue = 0 })
	w.pass(time.Minute)
	w.want(run.Working, "")
}

// TestTakenOutOfItsIssueHasNoOtherRound: a proposal says so, and no round is spent on it.
func TestTakenOutOfItsIssueHasNoOtherRound(t *testing.T) {
	w := newWorld(t, "fix: {rounds: 4}\n")
	r := w.proposed()
	w.change(r.ID, func(r *run.Run, _ *storage.Batch) { r.Issue = 9 })
	w.pass(time.Minute)
	w.refusedRounds("was taken out of the issue")
	if r := w.want(run.Proposed, ""); len(r.Rounds) != 1 {
		t.Errorf("%d rounds", len(r.Rounds))
	}
}
