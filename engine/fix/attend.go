package fix

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
)

const (
	claimAfterRun    = 10 * time.Minute // from running to the claim
	claimAfterLaunch = 15 * time.Minute // from the launch to the claim
	silence          = 2 * time.Minute  // between two heartbeats
	grace            = 3 * time.Minute  // from the agent's deadline until it is stopped
	missing          = 5 * time.Minute  // until a task that is not to be found has ended
	patience         = time.Minute      // that who is overdue is listened for, while the app is there to hear
	listen           = 20 * time.Second // between two looks at who is overdue
	glance           = time.Minute      // between two looks at what nobody tells
)

// attend sees to a run whose task was started.
func (s *sitting) attend(ctx context.Context) (time.Time, error) {
	r, a := s.run, s.run.Attempt
	if a.Result {
		return s.become(ctx, run.Publishing)
	}
	live, err := run.LiveOf(ctx, s.space, r.ID)
	if err != nil {
		return time.Time{}, err
	}
	if a.Seen != nil && a.Seen.Phase == task.Stopped {
		return s.stopped(ctx, *a.Seen)
	}
	heard := a.Claimed
	if live.Attempt == a.N && live.At.After(heard) {
		heard = live.At
	}
	again := s.now.Add(glance)
	lost := func(since time.Time, most time.Duration) bool {
		until := since.Add(most)
		again = earlier(again, until)
		return !s.now.Before(until)
	}
	var over func() (time.Time, error)
	switch {
	case !a.Deadline.IsZero() && lost(a.Deadline, grace):
		over = func() (time.Time, error) { return s.roundEnds(ctx, run.TimedOut, run.ReasonTime, "") }
	case !heard.IsZero() && lost(heard, silence):
		detail := fmt.Sprintf("last heard of at %s", heard.UTC().Format(time.RFC3339))
		over = func() (time.Time, error) { return s.roundEnds(ctx, run.Failed, run.ReasonSilent, detail) }
	case !heard.IsZero():
		return again, nil
	case a.Seen != nil && a.Seen.Phase == task.Missing && lost(a.SeenAt, missing):
		// It may have been there after all: it is stopped before another one starts.
		over = func() (time.Time, error) { return s.anew(ctx, run.ReasonInterrupted, "the task is not to be found") }
	case lost(r.Changed, claimAfterLaunch), a.Seen != nil && a.Seen.Phase == task.Running && lost(a.SeenAt, claimAfterRun):
		over = func() (time.Time, error) {
			return s.roundEnds(ctx, run.Failed, run.ReasonSilent, "the task never claimed its brief")
		}
	default:
		return again, nil
	}
	return s.listen(ctx, heard, over)
}

// listen gives who is overdue another minute to be heard, in which somebody listens:
// while the app, or its store, was away, nobody could be heard.
func (s *sitting) listen(ctx context.Context, heard time.Time, over func() (time.Time, error)) (time.Time, error) {
	a := s.run.Attempt
	if a.Quiet.IsZero() || heard.After(a.Quiet) || s.now.Sub(a.Listened) > patience {
		a.Quiet = s.now // nobody listened before
	}
	if s.now.Sub(a.Quiet) >= patience {
		return over()
	}
	a.Listened = s.now
	if _, err := s.save(ctx); err != nil {
		return time.Time{}, err
	}
	return s.now.Add(listen), nil
}

// stopped decides what a task means that ended without a result.
func (s *sitting) stopped(ctx context.Context, t task.Task) (time.Time, error) {
	detail := fmt.Sprintf("the task ended: %s: %s", t.Cause, t.Reason)
	if t.Exit != nil {
		detail += fmt.Sprintf(" (exit %d)", *t.Exit)
	}
	switch {
	case t.Cause == task.Interrupted, t.Cause == task.Trouble:
		return s.anew(ctx, run.ReasonInterrupted, detail)
	case t.Cause == task.NotStarted:
		return s.anew(ctx, run.ReasonNotStarted, detail)
	case t.Cause == task.Asked, t.Exit != nil && *t.Exit >= 128: // by a signal, as shells write it
		return s.roundEnds(ctx, run.Failed, run.ReasonKilled, detail)
	}
	return s.roundEnds(ctx, run.Failed, run.ReasonCrashed, detail)
}

// anew has another task started for the round, if there were not enough of them.
func (s *sitting) anew(ctx context.Context, reason run.Reason, detail string) (time.Time, error) {
	r, a := s.run, s.run.Attempt
	if r.Round().Tasks >= maxTasks {
		return s.roundEnds(ctx, run.Failed, reason, detail)
	}
	if a.Seen == nil || a.Seen.Phase != task.Stopped {
		// What cannot be stopped gets no brief either: another attempt takes its place.
		if err := s.stop(ctx, a.Task, reason); isLater(err) {
			return time.Time{}, err
		} else if err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Str("run", r.ID).Msg("a task that is lost could not be stopped")
		}
	}
	zerolog.Ctx(ctx).Warn().Str("run", r.ID).Int("attempt", a.N).Str("detail", detail).Msg("a task was lost; another one is started")
	a.Stop, r.Again = reason, time.Time{}
	return s.become(ctx, run.Launching)
}
