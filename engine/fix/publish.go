package fix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/publish"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

const (
	maxSaid = 4000 // runes
	maxSlow = 3    // tries of checking and committing that take too long
)

// publish brings the result of a round to the pull request. Its commit is recorded
// before the branch moves, so that a crash in between finds its own work.
func (s *sitting) publish(ctx context.Context) (time.Time, error) {
	result, err := run.ResultOf(ctx, s.space, s.run.ID, s.run.Attempt.N)
	if err != nil {
		return time.Time{}, err
	}
	if result == nil {
		return s.roundEnds(ctx, run.Failed, run.ReasonCollect, "the result is not there")
	}
	c, err := s.change(ctx, result)
	switch {
	case isGone(err):
		return s.roundEnds(ctx, run.Cancelled, run.ReasonGone, err.Error())
	case err != nil:
		return time.Time{}, err
	case s.run.Round().Commit == "":
		return s.commit(ctx, c)
	}
	return s.present(ctx, c)
}

// change is what the publisher is told of the present round.
func (s *sitting) change(ctx context.Context, result *brief.Result) (publish.Change, error) {
	r := s.run
	c := publish.Change{Space: s.space, At: s.at(), Run: r, Fix: s.policy.Fix, Result: result, Asked: r.Round().By, Through: r.Round().Through, Live: s.live(), Now: s.now}
	issue, err := s.Problems.Issue(ctx, s.space, r.Cluster)
	if err != nil {
		return c, err
	}
	c.Title = issue.Title
	if c.Usage, err = s.usage(ctx, s.space, r.ID); err != nil {
		return c, err
	}
	if c.Words, err = run.WordsOf(ctx, s.space, r.ID, r.Round().N); err != nil {
		return c, err
	}
	c.DefaultBranch, err = s.defaultBranch(ctx)
	return c, err
}

// commit checks what the agent made and commits it, or ends the round.
func (s *sitting) commit(ctx context.Context, c publish.Change) (time.Time, error) {
	r, round, result := s.run, s.run.Round(), c.Result
	round.Ending = result.Ending
	if result.Ending == brief.Failed {
		return s.roundEnds(ctx, run.Failed, failures[result.Failure], "")
	}
	if result.Ending == brief.Stopped && round.Tasks < maxTasks {
		// It was taken away half-way. What it had is dropped: a whole try is worth more.
		return s.anew(ctx, run.ReasonInterrupted, "the task was told to end")
	}
	if len(result.Files) == 0 && result.TooMuch == "" {
		return s.nothing(ctx, result)
	}
	if ended, err := s.pointless(ctx); err != nil || ended {
		return s.now, err
	}
	// Less than a handler may take, so that there is time to write what came of it.
	checking, cancel := context.WithTimeout(ctx, cmp.Or(s.Checking, time.Minute))
	defer cancel()
	slow := func() bool { return ctx.Err() == nil && checking.Err() != nil }
	refused, err := s.Publisher.Check(checking, c)
	switch {
	case err != nil && slow():
		return s.tooSlow(ctx, err)
	case errors.Is(err, publish.ErrEmpty):
		return s.nothing(ctx, result)
	case err != nil:
		return s.refused(ctx, fmt.Errorf("check change of run %s: %w", r.ID, err))
	case len(refused) > 0:
		round.Refused = refused
		return s.roundEnds(ctx, run.Failed, run.ReasonUnsafe, "")
	case result.TooMuch != "":
		return s.roundEnds(ctx, run.Failed, run.ReasonCollect, result.TooMuch)
	}
	sha, diff, err := s.Publisher.Commit(checking, c)
	switch {
	case err != nil && slow():
		return s.tooSlow(ctx, err)
	case errors.Is(err, publish.ErrEmpty):
		return s.nothing(ctx, result)
	case err != nil:
		return s.refused(ctx, fmt.Errorf("commit change of run %s: %w", r.ID, err))
	}
	r.Let, r.Shown, round.Diff = nil, nil, &diff
	if !s.live() {
		return s.present(ctx, c) // there is no commit
	}
	round.Commit, r.Head = sha, sha
	return s.save(ctx)
}

// tooSlow ends a round whose change cannot be checked and committed in the time for it,
// after a few tries. What GitHub says of its own trouble does not count before that.
func (s *sitting) tooSlow(ctx context.Context, err error) (time.Time, error) {
	if s.tries >= maxSlow {
		return s.roundEnds(ctx, run.Failed, run.ReasonCollect, "the change could not be checked in time: "+err.Error())
	}
	// A failure, whatever its cause says: what is put off is tried without end.
	return time.Time{}, fmt.Errorf("check change of run %s in time: %v", s.run.ID, err)
}

// failures is what the agent's failures mean for the run.
var failures = map[brief.Failure]run.Reason{
	brief.FailedClone:   run.ReasonClone,
	brief.FailedCoder:   run.ReasonCoder,
	brief.FailedModel:   run.ReasonModel,
	brief.FailedSilent:  run.ReasonCoder,
	brief.FailedCollect: run.ReasonCollect,
}

// nothing ends a round whose agent changed nothing.
func (s *sitting) nothing(ctx context.Context, result *brief.Result) (time.Time, error) {
	said := clip(strings.TrimSpace(result.Said), 2*maxSaid)
	s.run.Round().Said = clip(s.Publisher.Redact(ctx, feedback.Redact(said)), maxSaid)
	switch result.Ending {
	case brief.Deadline:
		return s.roundEnds(ctx, run.TimedOut, run.ReasonTime, "")
	case brief.Budget:
		return s.roundEnds(ctx, run.Failed, run.ReasonBudget, "")
	case brief.Stopped:
		return s.roundEnds(ctx, run.Failed, run.ReasonInterrupted, "")
	}
	return s.roundEnds(ctx, run.NoChange, run.ReasonNone, "")
}

// present moves the branch to the commit and has the pull request say so.
func (s *sitting) present(ctx context.Context, c publish.Change) (time.Time, error) {
	r, round := s.run, s.run.Round()
	if err := s.Publisher.Move(ctx, c, round.Commit); err != nil {
		return s.refused(ctx, fmt.Errorf("move branch of run %s: %w", r.ID, err))
	}
	pull, err := s.Publisher.Propose(ctx, c, round.Commit)
	if err != nil {
		return s.refused(ctx, fmt.Errorf("propose run %s: %w", r.ID, err))
	}
	// By the clock of this moment: what people said before was not said of this.
	round.Ended, round.Reason, r.Reason, r.Detail = s.Now().UTC(), run.ReasonNone, run.ReasonNone, ""
	r.Looked = s.now
	if pull.Number != 0 && r.Pull == nil { // a preview's has no number
		r.Pull = &run.Pull{Number: pull.Number, URL: pull.URL}
	}
	if r.Pull != nil {
		r.Pull.Checks = "" // they were let run on what was there before
	}
	if round.N > 1 { // a wish was about the round
		if err := s.tooLate(ctx); err != nil {
			return time.Time{}, err
		}
		r.Wish = nil
	}
	return s.become(ctx, run.Proposed, func(b *storage.Batch) {
		if r.Pull != nil {
			run.SetPull(b, r.Pull.Number, r.ID)
		}
	})
}

// refused ends a round that GitHub does not let be proposed, and passes on what may
// go away by itself.
func (s *sitting) refused(ctx context.Context, err error) (time.Time, error) {
	if isLater(err) {
		return time.Time{}, err
	}
	if err := s.uncommit(ctx); err != nil {
		return time.Time{}, err
	}
	switch {
	case errors.Is(err, publish.ErrEmpty):
		return s.roundEnds(ctx, run.NoChange, run.ReasonNone, err.Error())
	case errors.Is(err, publish.ErrMoved):
		return s.roundEnds(ctx, run.Failed, run.ReasonMoved, err.Error())
	case errors.Is(err, publish.ErrClosed):
		if pull, err := s.pullNow(ctx); err != nil || pull == nil {
			return s.now, err
		}
		return s.roundEnds(ctx, run.Failed, run.ReasonMoved, "the pull request was closed for a moment")
	case errors.Is(err, publish.ErrTaken), errors.Is(err, github.ErrForbidden), errors.Is(err, github.ErrLocked), isInvalid(err):
		return s.roundEnds(ctx, run.Failed, run.ReasonForbidden, err.Error())
	case isGone(err):
		return s.roundEnds(ctx, run.Cancelled, run.ReasonGone, err.Error())
	}
	return time.Time{}, err
}
