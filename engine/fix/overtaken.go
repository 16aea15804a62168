package fix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
)

// everyBusyPull is how often the pull request of a run under way is asked for,
// whatever deliveries say.
const everyBusyPull = 5 * time.Minute

// overtaken ends a round that nobody wants any more, or that nobody is allowed. What
// is on the branch already is seen through to the pull request.
func (s *sitting) overtaken(ctx context.Context) (bool, error) {
	r := s.run
	reason, detail, err := s.unwanted(ctx)
	if err != nil {
		return false, err
	}
	if reason == run.ReasonNone {
		if r.Pull == nil || r.Round().Commit != "" {
			return false, nil
		}
		return s.heard(ctx)
	}
	if err := s.uncommit(ctx); err != nil || r.Round().Commit != "" {
		return false, err
	}
	_, err = s.roundEnds(ctx, run.Cancelled, reason, detail)
	return true, err
}

// unwanted says why a round under way is to end, if it is.
func (s *sitting) unwanted(ctx context.Context) (run.Reason, string, error) {
	r := s.run
	if r.Wish != nil {
		return r.Wish.Reason, "", nil
	}
	if mark, err := s.withdrawn(ctx); err != nil || mark.Exists() {
		return run.ReasonGone, "what somebody wrote was erased, and the agent had it", err
	}
	home, err := s.Projects.Space(ctx, s.project.Installation)
	if err != nil {
		return "", "", err
	}
	in, _, err := project.LoadInstallation(ctx, home)
	if err != nil {
		return "", "", err
	}
	issue, err := s.Problems.Issue(ctx, s.space, r.Cluster)
	switch {
	case err != nil:
		return "", "", err
	case in.Suspended:
		return run.ReasonUninstalled, "the installation is suspended", nil
	case r.Live && s.project.Unavailable != "":
		return run.ReasonGone, s.project.Unavailable, nil
	case r.Live && !s.live():
		return run.ReasonOff, "the repository is in preview", nil
	case r.State == run.Queued && r.Round().N == 1 && s.policy.Budget.Runs == 0:
		return run.ReasonOff, "the repository allows no runs", nil // it would wait for ever
	case issue.Number != 0 && issue.Number == r.Issue && !issue.Open:
		return run.ReasonClosed, "", nil
	case r.Issue != 0 && issue.Number != r.Issue:
		return run.ReasonGone, fmt.Sprintf("the problem was taken out of issue #%d", r.Issue), nil
	}
	return run.ReasonNone, "", nil
}

// heard looks at the pull request of a run under way if a delivery told of it, and
// now and then, should one have been lost.
func (s *sitting) heard(ctx context.Context) (over bool, err error) {
	r := s.run
	notes, err := s.space.Get(ctx, newsPrefix+r.ID)
	if err != nil {
		return false, err
	}
	since := r.Looked
	if asked := r.Round().Asked; asked.After(since) {
		since = asked
	}
	routine := s.now.Sub(since) >= everyBusyPull
	if !notes[0].Exists() && !routine {
		return false, nil
	}
	pull, err := s.pullNow(ctx)
	if err != nil || pull == nil {
		return pull == nil, err
	}
	if routine {
		r.Looked = s.now
		_, err := s.save(ctx)
		return true, err // the next step goes on from here
	}
	return s.forget(ctx, notes[0])
}

// uncommit takes the commit of the present round back, unless the branch is at it:
// then it stands.
func (s *sitting) uncommit(ctx context.Context) error {
	r, round := s.run, s.run.Round()
	if round.Commit == "" {
		return nil
	}
	at, _, err := s.Host.Ref(ctx, s.at(), r.Branch)
	switch {
	case isGone(err), errors.Is(err, github.ErrForbidden):
		zerolog.Ctx(ctx).Warn().Err(err).Str("run", r.ID).Msg("a branch cannot be asked for; its last commit counts as not pushed")
	case err != nil:
		return fmt.Errorf("ask for branch %s: %w", r.Branch, err)
	case at == round.Commit:
		return nil
	}
	round.Commit, round.Diff = "", nil
	_, r.Head = r.Proposal()
	return nil
}

// tooLate says, once, that a wish to cancel a later round came when its commit was on
// the branch already.
func (s *sitting) tooLate(ctx context.Context) error {
	r := s.run
	if r.Wish == nil || r.Pull == nil {
		return nil
	}
	text := fmt.Sprintf("`/soulcaster cancel` came too late: the commit of round %d was on the branch already. "+
		"To take the whole proposal back, close this pull request.", r.Round().N)
	return s.comment(ctx, fmt.Sprintf("run.late/%s/%d", r.ID, r.Round().N), cmp.Or(string(r.Wish.Reason), "too late"), text)
}
