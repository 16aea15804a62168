package fix

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	// lostSettle is how long after a run was found to be gone a launch of its may
	// still start a task; lostGiveUp is how long its tasks are tried to be stopped.
	lostSettle = 2 * time.Minute
	lostGiveUp = 30 * time.Minute
)

// lost stops the tasks of a run whose space was erased, and frees its place when
// they have ended. What it cost went with the space: all that was set aside for it
// counts as spent, for all; of an installation that is gone nothing is counted.
func (r *Runs) lost(ctx context.Context, s Slot, entry storage.Entry) error {
	now := r.Now()
	over := r.Launcher == nil
	if !over {
		calling, cancel := context.WithTimeout(ctx, watchCall)
		defer cancel()
		going, err := r.stopAll(calling, s)
		if err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Str("run", s.Run).Msg("the task of a run that was erased could not be stopped; it is tried again")
		}
		since := now.Sub(s.Lost)
		over = !s.Lost.IsZero() && (err == nil && going == 0 && since >= lostSettle || since >= lostGiveUp)
	}
	var b storage.Batch
	b.RequireEntry(entry)
	switch {
	case over:
		b.Delete(entry.Key)
		own := []string{project.InstallationSpace(s.Installation)}
		if _, err := r.Projects.Space(ctx, s.Installation); errors.Is(err, storage.ErrNoSpace) {
			own = nil
		} else if err != nil {
			return err
		}
		if err := r.admission.charge(ctx, &b, s.Reserved, own...); err != nil {
			return err
		}
		run.Unindex(&b, s.Run)
		work.Add(&b, RunsWork)
		zerolog.Ctx(ctx).Warn().Str("run", s.Run).Str("space", s.Space).Msg("a run was erased under way; its place is free")
	case s.Lost.IsZero():
		s.Lost = now.UTC()
		b.SetJSON(entry.Key, s)
	default:
		return nil
	}
	if err := r.App.Apply(ctx, &b); err != nil && !errors.Is(err, storage.ErrConflict) {
		return fmt.Errorf("free place of run %s: %w", s.Run, err)
	}
	r.Wake(r.App.Name())
	return nil
}

// stopAll stops every task of a slot's run, and says how many have not ended yet.
func (r *Runs) stopAll(ctx context.Context, s Slot) (going int, err error) {
	const reason = "the run was erased"
	tasks, err := r.Launcher.Find(ctx, s.Run)
	known := false
	for _, t := range tasks {
		known = known || t.ID == s.Task
		if t.Phase == task.Stopped {
			continue
		}
		going++
		if t.Phase != task.Ending {
			err = errors.Join(err, r.Launcher.Stop(ctx, t.ID, reason))
		}
	}
	if s.Task != "" && !known {
		err = errors.Join(err, r.Launcher.Stop(ctx, s.Task, reason))
	}
	return going, err
}
