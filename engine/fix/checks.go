package fix

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// checked starts a round for checks that failed on our own commit, once, if the
// repository wants that.
func (s *sitting) checked(ctx context.Context, note storage.Entry) (bool, error) {
	r := s.run
	if !note.Exists() {
		return false, nil
	}
	var e ended
	if err := storage.GetJSON(note, &e); err != nil {
		return false, err
	}
	failed, err := s.failed(ctx, e.SHA)
	if err != nil {
		return false, err
	}
	if len(failed) == 0 {
		return s.forget(ctx, note)
	}
	why, err := s.mayRound(ctx, s.space, s.project, s.policy, r)
	if err != nil {
		return false, err
	}
	again := false
	for _, round := range r.Rounds {
		again = again || round.Checks != ""
	}
	if again || why != "" {
		text := "Checks of the agent's commit failed. "
		if why != "" {
			text += why
		} else {
			text += "Soulcaster takes that back to the agent by itself only once for a proposal: say `/soulcaster fix` with words here, or request changes, to have it try again."
		}
		if err := s.comment(ctx, fmt.Sprintf("run.checks/%s/%s", r.ID, e.SHA), "checks failed", text); err != nil {
			return false, err
		}
		return s.forget(ctx, note)
	}
	review := new(brief.Review)
	for _, c := range failed[:min(len(failed), maxChecks)] {
		review.Checks = append(review.Checks, brief.Check{
			Name: clip(c.Name, 200), Conclusion: clip(c.Conclusion, 50), Summary: clip(strings.TrimSpace(c.Title+"\n"+c.Summary), maxBody),
		})
	}
	_, err = s.nextRound(ctx, run.Round{Checks: e.SHA}, run.Words{Review: review}, func(b *storage.Batch) {
		b.RequireEntry(note)
		b.Delete(note.Key)
	})
	return true, err
}

// failed returns the checks of a commit that failed, if it is the head of ours, its
// checks may run, and the repository wants the agent to be told.
func (s *sitting) failed(ctx context.Context, sha string) ([]github.CheckRun, error) {
	r := s.run
	let := s.policy.Fix.Checks == policy.Run || r.Let != nil && r.Let.Done
	if sha == "" || sha != r.Head || !s.policy.Fix.Repair || !let {
		return nil, nil
	}
	failed, err := s.Host.FailedChecks(ctx, s.at(), sha)
	if err != nil && !isGone(err) && !errors.Is(err, github.ErrForbidden) {
		return nil, fmt.Errorf("ask for checks of %s: %w", sha, err)
	}
	return failed, nil
}
