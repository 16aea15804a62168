package fix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/session"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	// maxTasks is how many tasks are started for one round; the last one on capacity
	// that is not taken away.
	maxTasks = 3
	// tokenLife is how long a launch may be made again: half of the 24 hours for
	// which ECS knows a client token.
	tokenLife = 12 * time.Hour
	// launchTimeout bounds one call of the launcher.
	launchTimeout = 15 * time.Second

	// How long a task waits for room, and how long between two tries.
	tightFirst = time.Minute
	tightThen  = 2 * time.Minute
	tightSpot  = 3 * time.Minute // from then on it is tried on demand
	tightMost  = 15 * time.Minute
)

// launch sees to a run that has a place and no task yet.
func (s *sitting) launch(ctx context.Context) (time.Time, error) {
	r := s.run
	if s.Launcher == nil {
		return s.roundEnds(ctx, run.Failed, run.ReasonNoLauncher, "")
	}
	if s.now.Before(r.Again) {
		return r.Again, nil
	}
	if a := r.Attempt; a == nil || a.Round != r.Round().N || a.Stop != "" {
		return s.prepare(ctx)
	}
	if s.now.Sub(r.Attempt.Intended) > tokenLife {
		return s.roundEnds(ctx, run.Failed, run.ReasonNotStarted, "nobody knows whether its task was started, and it is too late to ask")
	}
	return s.start(ctx)
}

// prepare makes sure that a task may be started, and records that it will be.
func (s *sitting) prepare(ctx context.Context) (time.Time, error) {
	r := s.run
	who := github.Person{ID: r.Round().ByID, Login: r.Round().By}
	if who.Login == "" {
		who = github.Person{ID: r.ByID, Login: r.By}
	}
	may, err := s.Host.Permission(ctx, s.at(), who)
	if errors.Is(err, github.ErrSuspended) || errors.Is(err, github.ErrUninstalled) {
		return s.roundEnds(ctx, run.Cancelled, run.ReasonUninstalled, err.Error())
	}
	if err != nil && !isGone(err) {
		return time.Time{}, fmt.Errorf("ask what %s may do: %w", who.Login, err)
	}
	if err != nil || may < github.Write { // who is not there may nothing
		return s.roundEnds(ctx, run.Cancelled, run.ReasonPermission, "")
	}
	lacks, err := s.lacks(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if len(lacks) > 0 {
		return s.roundEnds(ctx, run.Failed, run.ReasonForbidden, "the App lacks "+strings.Join(lacks, ", "))
	}
	if ended, err := s.pointless(ctx); err != nil || ended {
		return s.now, err
	}
	if ended, err := s.base(ctx); err != nil || ended {
		return s.now, err
	}
	round := r.Round()
	if a := r.Attempt; a != nil && a.Result && a.Round == round.N { // it was taken away half-way
		if err := run.ForgetResult(ctx, s.space, r.ID, a.N); err != nil {
			return time.Time{}, err
		}
	}
	spot := round.Tasks < maxTasks-1 && (round.Tight.IsZero() || s.now.Sub(round.Tight) < tightSpot)
	r.Attempts++
	r.Attempt = &run.Attempt{N: r.Attempts, Round: round.N, Spot: spot, Intended: s.now}
	return s.save(ctx)
}

// lacks names the permissions without which no proposal could be made, as GitHub told of
// the installation last: an agent would work for nothing.
func (s *sitting) lacks(ctx context.Context) ([]string, error) {
	home, err := s.Projects.Space(ctx, s.project.Installation)
	if err != nil {
		return nil, err
	}
	in, _, err := project.LoadInstallation(ctx, home)
	return slices.DeleteFunc(in.Lacks, func(p string) bool { return strings.HasPrefix(p, "checks:") }), err
}

// pointless ends the round if nobody waits for a fix any more.
func (s *sitting) pointless(ctx context.Context) (bool, error) {
	if s.run.Pull != nil {
		pull, err := s.pullNow(ctx)
		if err != nil || pull == nil {
			return pull == nil, err
		}
	}
	if s.run.Issue == 0 {
		return false, nil // a preview's, which was never filed
	}
	i, err := s.Host.GetIssue(ctx, s.at(), s.run.Issue)
	switch {
	case isGone(err):
		_, err = s.roundEnds(ctx, run.Cancelled, run.ReasonGone, err.Error())
		return true, err
	case err != nil:
		return false, fmt.Errorf("ask for issue %d: %w", s.run.Issue, err)
	case i.State == "closed":
		_, err = s.roundEnds(ctx, run.Cancelled, run.ReasonClosed, "")
		return true, err
	}
	return false, nil
}

// base finds the commit that the round works on: the head of the default branch, or
// that of the proposal, whoever made it.
func (s *sitting) base(ctx context.Context) (ended bool, err error) {
	round := s.run.Round()
	if round.Base != "" {
		return false, nil
	}
	branch, err := s.defaultBranch(ctx)
	if isGone(err) {
		_, err = s.roundEnds(ctx, run.Cancelled, run.ReasonGone, err.Error())
		return true, err
	}
	if err != nil {
		return false, err
	}
	sha, found, err := s.Host.Ref(ctx, s.at(), branch)
	if err != nil {
		return false, fmt.Errorf("ask for branch %s: %w", branch, err)
	}
	if !found {
		_, err = s.roundEnds(ctx, run.Cancelled, run.ReasonGone, "there is no branch "+branch)
		return true, err
	}
	round.Default, round.Base = sha, sha
	if s.run.Pull == nil {
		return false, nil
	}
	if round.Base, found, err = s.Host.Ref(ctx, s.at(), s.run.Branch); err != nil {
		return false, fmt.Errorf("ask for branch %s: %w", s.run.Branch, err)
	}
	if !found {
		_, err = s.roundEnds(ctx, run.Failed, run.ReasonMoved, "there is no branch "+s.run.Branch)
		return true, err
	}
	return false, nil
}

func (s *sitting) defaultBranch(ctx context.Context) (string, error) {
	now, err := s.Host.Repository(ctx, s.at())
	if err != nil {
		return "", fmt.Errorf("ask for repository %s: %w", s.project.Repo, err)
	}
	return now.DefaultBranch, nil
}

func launchKey(id string, attempt int) string { return fmt.Sprintf("task.launch/%s/%d", id, attempt) }

// start starts the task of the present attempt, once. Whether it was started is
// found out by starting it again with the same bytes; see the package's comment.
func (s *sitting) start(ctx context.Context) (time.Time, error) {
	r, a := s.run, s.run.Attempt
	key := launchKey(r.ID, a.N)
	rec, known, err := s.Log.Get(ctx, s.space, key)
	if err != nil {
		return time.Time{}, err
	}
	plan := rec.Request
	if !known {
		plan, err = s.Launcher.Plan(task.Spec{Run: r.ID, Attempt: a.N, URL: s.AgentURL, Spot: a.Spot})
		if err != nil {
			return s.roundEnds(ctx, run.Failed, run.ReasonRefused, err.Error())
		}
	}
	claim := session.Claim(s.Claims, s.space.Name(), r.ID, a.N)
	launch := func(ctx context.Context) (task.Task, error) {
		ctx, cancel := context.WithTimeout(ctx, launchTimeout)
		defer cancel()
		return s.Launcher.Launch(ctx, plan, claim)
	}
	rec, err = s.Log.Once(ctx, s.space, action.Action{
		Key: key, Kind: "task.launch", Subject: r.ID, By: s.by(), Why: fmt.Sprintf("round %d, attempt %d", a.Round, a.N), RequestID: r.RequestID, Request: plan,
	}, true, action.Effect{
		Do: func(ctx context.Context) (any, error) { return launch(ctx) },
		Find: func(ctx context.Context, _ time.Time) (any, bool, error) {
			t, err := launch(ctx)
			return t, err == nil, err
		},
	})
	if err != nil {
		return s.notStarted(ctx, err)
	}
	var t task.Task
	if err := json.Unmarshal(rec.Result, &t); err != nil {
		return time.Time{}, fmt.Errorf("read record of %s: %w", key, err)
	}
	// The slot first: from here on the task is found by whoever looks for it.
	if err := s.admission.bind(ctx, r.ID, t.ID); err != nil {
		return time.Time{}, err
	}
	a.Task, a.Seen, a.SeenAt = t.ID, &t, s.now
	r.Round().Tasks++
	r.Round().Tight = time.Time{} // there was room; should the task be lost, the wait begins anew
	return s.become(ctx, run.Working)
}

// notStarted decides what a launch means that did not succeed.
func (s *sitting) notStarted(ctx context.Context, err error) (time.Time, error) {
	var later *work.Later
	switch {
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrNoSpace), errors.Is(err, storage.ErrConflict):
		return time.Time{}, err
	case errors.Is(err, task.ErrCapacity):
		return s.tight(ctx, err)
	case errors.Is(err, task.ErrRefused):
		return s.roundEnds(ctx, run.Failed, run.ReasonRefused, err.Error())
	case errors.As(err, &later):
		return s.calm(ctx, err)
	case action.IsUnknown(err):
		zerolog.Ctx(ctx).Warn().Err(err).Str("run", s.run.ID).Msg("nobody knows whether a task was started; it is asked again")
		return s.now.Add(look), nil
	}
	// A launcher that does not keep to its contract, or a token of another plan:
	// whatever it is, trying again is no cure.
	return s.roundEnds(ctx, run.Failed, run.ReasonRefused, err.Error())
}

// tight waits for room. Nothing was started, and the next try is an attempt of its
// own: a token that was answered "no room" might be answered so for a day.
func (s *sitting) tight(ctx context.Context, err error) (time.Time, error) {
	r, round := s.run, s.run.Round()
	if round.Tight.IsZero() {
		round.Tight = s.now
	}
	since := s.now.Sub(round.Tight)
	if since >= tightMost {
		return s.roundEnds(ctx, run.Failed, run.ReasonCapacity, err.Error())
	}
	r.Attempt.Stop = run.ReasonCapacity
	r.Again = s.now.Add(tightThen)
	if since < tightFirst {
		r.Again = s.now.Add(tightFirst)
	}
	return s.save(ctx)
}
