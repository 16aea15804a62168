package fix

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	// lastWords is how long a task that has handed over its result may go on by
	// itself: it sends the rest of its log.
	lastWords = time.Minute
	// settleLaunch is how long after its intent a launch may still start a task.
	settleLaunch = 90 * time.Second
	// giveUpStop is how long the stopping of a task is tried before its place is
	// given away all the same: its container is told to end by every heartbeat.
	giveUpStop = 15 * time.Minute
	// unseenStop is how long a task that was told to stop is watched before its place
	// is given away without it having been seen to.
	unseenStop = 5 * time.Minute
	// keepIndex is how long after its end it is known where a run is.
	keepIndex = 24 * time.Hour

	maxDetail = 1000 // runes
)

// roundEnds ends the present round without a proposal. If there is one from an
// earlier round, the run goes back to it; otherwise it ends in the state.
func (s *sitting) roundEnds(ctx context.Context, state run.State, reason run.Reason, detail string) (time.Time, error) {
	r, round := s.run, s.run.Round()
	round.Ended, round.Reason = s.now, reason
	r.Reason, r.Detail, r.Released = reason, clip(detail, maxDetail), false
	if r.Pull == nil {
		return s.end(ctx, state)
	}
	r.Wish, r.Place, r.Waits = nil, 0, "" // a wish that it end was about the round
	return s.become(ctx, run.Proposed)
}

// end ends the run in a state.
func (s *sitting) end(ctx context.Context, state run.State, also ...func(b *storage.Batch)) (time.Time, error) {
	r := s.run
	if r.State.Busy() {
		r.Released = false
	}
	r.Ended, r.Place, r.Waits = s.now, 0, ""
	return s.become(ctx, state, append(also, func(b *storage.Batch) {
		b.Delete(newsPrefix + r.ID)
		b.Delete(checksPrefix + r.ID)
	})...)
}

// settle sees to a run that has ended: its place, its pull request if somebody merges
// it all the same, and, a day later, where it is.
func (s *sitting) settle(ctx context.Context) (time.Time, error) {
	r := s.run
	if !r.Released {
		return s.release(ctx)
	}
	notes, err := s.space.Get(ctx, newsPrefix+r.ID, checksPrefix+r.ID) // that came since
	if err != nil {
		return time.Time{}, err
	}
	if _, err := s.forget(ctx, notes...); err != nil {
		return time.Time{}, err
	}
	if r.State == run.Cancelled && r.Pull != nil && r.Live {
		merged, err := s.mergedAfterAll(ctx)
		if err != nil || merged {
			return s.now, err
		}
	}
	if until := r.Ended.Add(keepIndex); s.now.Before(until) {
		return until, nil
	}
	var b storage.Batch
	run.Unindex(&b, r.ID)
	if err := s.App.Apply(ctx, &b); err != nil {
		return time.Time{}, fmt.Errorf("forget where run %s is: %w", r.ID, err)
	}
	return time.Time{}, nil
}

// release stops what is left of the last task and frees the run's place.
func (s *sitting) release(ctx context.Context) (time.Time, error) {
	r := s.run
	if wait, err := s.stopTask(ctx); err != nil || !wait.IsZero() {
		return wait, err
	}
	usage, _, err := run.UsageOf(ctx, s.space, r.ID)
	if err != nil {
		return time.Time{}, err
	}
	if r.Attempt != nil && r.Attempt.Result {
		if err := run.ForgetResult(ctx, s.space, r.ID, r.Attempt.N); err != nil {
			return time.Time{}, err
		}
	}
	of := s.ticket()
	if r.State == run.Queued { // for the next round: the place is that of the one before
		of.Round--
		of.Since = r.Rounds[len(r.Rounds)-2].Asked
	}
	if err := s.admission.leave(ctx, of, usage.Micros); err != nil {
		return time.Time{}, err
	}
	r.Released = true
	return s.save(ctx)
}

// stopTask makes sure that no task of the run goes on: it is told to stop, and then
// watched until it was seen to have done so, which is kept. A time says when to look
// again.
func (s *sitting) stopTask(ctx context.Context) (time.Time, error) {
	r, a := s.run, s.run.Attempt
	if a == nil || s.Launcher == nil || a.Seen != nil && a.Seen.Phase == task.Stopped {
		return time.Time{}, nil
	}
	if until := r.Changed.Add(lastWords); a.Result && s.now.Before(until) {
		return until, nil
	}
	if !a.Stopping.IsZero() {
		return s.stopping(ctx)
	}
	ids, wait, err := s.tasks(ctx)
	if err == nil && wait.IsZero() {
		for _, id := range ids {
			if err = s.stop(ctx, id, r.Reason); err != nil {
				break
			}
		}
	}
	switch {
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrNoSpace), err == nil && (!wait.IsZero() || len(ids) == 0):
		return wait, err
	case err == nil:
		a.Task, a.Stopping = cmp.Or(a.Task, ids[0]), s.now
		if err := s.admission.bind(ctx, r.ID, a.Task); err != nil { // whoever watches finds it
			return time.Time{}, err
		}
		return s.now.Add(look), s.keep(ctx)
	}
	log := zerolog.Ctx(ctx).Error().Err(err).Str("run", r.ID)
	if s.now.Sub(r.Changed) < giveUpStop {
		log.Msg("a task could not be stopped; it is tried again")
		return s.now.Add(look), nil
	}
	log.Msg("a task could not be stopped; its place is given away all the same")
	return time.Time{}, nil
}

// stopping waits for a task that was told to stop.
func (s *sitting) stopping(ctx context.Context) (time.Time, error) {
	a := s.run.Attempt
	if s.now.Sub(a.Stopping) < unseenStop {
		return s.now.Add(look), nil
	}
	zerolog.Ctx(ctx).Error().Str("run", s.run.ID).Str("task", a.Task).Msg("a task was told to stop and was not seen to; its place is given away all the same")
	return time.Time{}, nil
}

// keep writes the run, for a step that goes on to wait.
func (s *sitting) keep(ctx context.Context) error {
	_, err := s.save(ctx)
	return err
}

// tasks returns the ids of the tasks of the present attempt that may be going on.
func (s *sitting) tasks(ctx context.Context) (ids []string, wait time.Time, err error) {
	r, a := s.run, s.run.Attempt
	if a.Task != "" {
		return []string{a.Task}, time.Time{}, nil
	}
	rec, known, err := s.Log.Get(ctx, s.space, launchKey(r.ID, a.N))
	switch {
	case err != nil:
		return nil, time.Time{}, err
	case !known, rec.State == action.Failed:
		return nil, time.Time{}, nil // it was never begun, or nothing came of it
	case rec.State == action.Done:
		var t task.Task
		if err := json.Unmarshal(rec.Result, &t); err != nil {
			return nil, time.Time{}, fmt.Errorf("read record of %s: %w", rec.Key, err)
		}
		return []string{t.ID}, time.Time{}, nil
	}
	// It may have been started, and may still be.
	if until := rec.Intended.Add(settleLaunch); s.now.Before(until) {
		return nil, until, nil
	}
	return s.running(ctx)
}

// running finds all tasks of the run that go on.
func (s *sitting) running(ctx context.Context) (ids []string, wait time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, launchTimeout)
	defer cancel()
	found, err := s.Launcher.Find(ctx, s.run.ID)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("find tasks of run %s: %w", s.run.ID, err)
	}
	for _, t := range found {
		if t.Phase != task.Stopped {
			ids = append(ids, t.ID)
		}
	}
	return ids, time.Time{}, nil
}

// stop stops a task. To stop it twice is to stop it once.
func (s *sitting) stop(ctx context.Context, id string, why run.Reason) error {
	if id == "" || s.Launcher == nil { // whose task it is was taken out of the settings
		return nil
	}
	reason := string(why)
	if reason == "" {
		reason = "it has handed over its result"
	}
	request, err := json.Marshal(map[string]string{"task": id, "reason": reason})
	if err != nil {
		return fmt.Errorf("stop task %s: %w", id, err)
	}
	_, err = s.Log.Converge(ctx, s.space, action.Action{
		Key: "task.stop/" + s.run.ID, Kind: "task.stop", Subject: s.run.ID, By: s.by(), Why: reason, Request: request,
	}, true, action.Effect{Do: func(ctx context.Context) (any, error) { return nil, s.Launcher.Stop(ctx, id, reason) }})
	var later *work.Later
	if errors.As(err, &later) {
		return err
	}
	if err != nil {
		return fmt.Errorf("stop task of run %s: %w", s.run.ID, err)
	}
	return nil
}
