package fix

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	watchKey = "run-watch"

	watchEvery  = 30 * time.Second
	watchLeast  = 5 * time.Second // between two looks, however hurried
	watchPage   = 100             // tasks in one call
	watchCall   = 20 * time.Second
	maxReason   = 500 // runes
	idleSuspect = 10 * time.Minute
)

// watch is the handler of the work that looks at the tasks of all slots. While there
// are none it is not due.
func (r *Runs) watch(ctx context.Context, _ work.Item) (time.Time, error) {
	now := r.Now()
	entries, err := r.App.Get(ctx, watchKey)
	if err != nil {
		return time.Time{}, fmt.Errorf("read when tasks were looked at: %w", err)
	}
	var last struct {
		At time.Time `json:"at"`
	}
	if err := storage.GetJSON(entries[0], &last); err != nil {
		return time.Time{}, err
	}
	if since := now.Sub(last.At); since >= 0 && since < watchLeast {
		return last.At.Add(watchLeast), nil
	}
	any := false
	for after := ""; ; {
		entries, err := r.App.Scan(ctx, slotPrefix, after, watchPage)
		if err != nil {
			return time.Time{}, fmt.Errorf("list places: %w", err)
		}
		if len(entries) > 0 {
			any, after = true, entries[len(entries)-1].Key
			err := r.lookAt(ctx, entries)
			var later *work.Later
			if errors.As(err, &later) {
				// The service did not answer for these; it may for the next ones.
				zerolog.Ctx(ctx).Warn().Err(err).Msg("tasks could not be looked at")
			} else if err != nil {
				return r.calm(ctx, err)
			}
		}
		if len(entries) < watchPage {
			break
		}
	}
	if !any {
		return time.Time{}, nil
	}
	var b storage.Batch
	last.At = now.UTC()
	b.SetJSON(watchKey, last)
	if err := r.App.Apply(ctx, &b); err != nil {
		return time.Time{}, fmt.Errorf("note when tasks were looked at: %w", err)
	}
	return now.Add(watchEvery), nil
}

// watched is one slot with the run that has it.
type watched struct {
	slot  Slot
	space storage.Space
	run   *run.Run
}

// lookAt looks at the tasks of at most a hundred slots, in one call.
func (r *Runs) lookAt(ctx context.Context, entries []storage.Entry) error {
	spaces := make(map[string]storage.Space)
	var ids []string
	var of []watched
	for _, e := range entries {
		var s Slot
		if err := storage.GetJSON(e, &s); err != nil {
			return err
		}
		space, known := spaces[s.Space]
		if !known {
			var err error
			if space, err = r.Projects.Open(ctx, s.Space); err != nil && !errors.Is(err, storage.ErrNoSpace) {
				return err
			}
			spaces[s.Space] = space
		}
		w := watched{slot: s, space: space}
		if space != nil {
			var err error
			if w.run, _, err = run.Load(ctx, space, s.Run); err != nil && !errors.Is(err, run.ErrNone) && !errors.Is(err, storage.ErrNoSpace) {
				return err
			}
		}
		if w.run == nil {
			if err := r.lost(ctx, s, e); err != nil {
				return err
			}
			continue
		}
		if err := r.suspect(ctx, w); err != nil {
			return err
		}
		if a := w.run.Attempt; s.Task != "" && a != nil && a.Task == s.Task && (a.Seen == nil || a.Seen.Phase != task.Stopped) {
			ids, of = append(ids, s.Task), append(of, w)
		}
	}
	if len(ids) == 0 || r.Launcher == nil {
		return nil
	}
	calling, cancel := context.WithTimeout(ctx, watchCall)
	defer cancel()
	tasks, err := r.Launcher.Describe(calling, ids...)
	if err != nil { // whatever it is: there is another look
		return &work.Later{Until: r.Now().Add(watchEvery), Err: fmt.Errorf("describe %d tasks: %w", len(ids), err)}
	}
	for i, t := range tasks[:min(len(tasks), len(of))] {
		if newer(of[i].run.Attempt.Seen, t) {
			if err := r.see(ctx, of[i], t); err != nil {
				return err
			}
		}
	}
	return nil
}

// newer reports whether what the service says of a task is later than what was seen.
func newer(seen *task.Task, t task.Task) bool {
	switch {
	case seen == nil:
		return true
	case seen.Phase == task.Stopped:
		return false
	case seen.Phase == task.Missing || t.Phase == task.Missing:
		return seen.Phase != t.Phase
	case seen.Version != t.Version:
		return t.Version > seen.Version
	}
	return t.Phase != seen.Phase
}

// see writes what became of a task into its run, before the service forgets it.
func (r *Runs) see(ctx context.Context, w watched, t task.Task) error {
	t.Reason = clip(t.Reason, maxReason)
	for range maxSteps {
		is, entry, err := run.Load(ctx, w.space, w.slot.Run)
		if errors.Is(err, run.ErrNone) || errors.Is(err, storage.ErrNoSpace) {
			return nil
		}
		if err != nil {
			return err
		}
		a := is.Attempt
		if a == nil || a.Task != w.slot.Task || !newer(a.Seen, t) {
			return nil
		}
		if a.Seen == nil || a.Seen.Phase != t.Phase {
			a.SeenAt = r.Now().UTC()
		}
		a.Seen = &t
		var b storage.Batch
		run.Save(&b, entry, is)
		work.Add(&b, run.Work(is.ID))
		err = w.space.Apply(ctx, &b)
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if errors.Is(err, storage.ErrNoSpace) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("note what became of the task of run %s: %w", is.ID, err)
		}
		r.Wake(w.space.Name())
		return nil
	}
	return nil // it changes all the time: the next look
}

// suspect makes a run due that has a place although it has long been at rest.
func (r *Runs) suspect(ctx context.Context, w watched) error {
	if w.run.State.Busy() && !w.run.Released || r.Now().Sub(w.run.Changed) < idleSuspect {
		return nil
	}
	var b storage.Batch
	work.Add(&b, run.Work(w.run.ID))
	if err := w.space.Apply(ctx, &b); err != nil && !errors.Is(err, storage.ErrNoSpace) {
		return fmt.Errorf("make run %s due: %w", w.run.ID, err)
	}
	r.Wake(w.space.Name())
	return nil
}
