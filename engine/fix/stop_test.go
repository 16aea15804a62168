package fix_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/work"
)

// slow is a cloud whose tasks take their time to stop.
type slow struct{ *cloud }

func (c slow) Stop(_ context.Context, id, _ string) error {
	c.stops = append(c.stops, id)
	c.tasks[id].Phase = task.Ending
	c.tasks[id].Version++
	return nil
}

// A place is free when the task that had it was seen to have stopped, and what became
// of it is kept; not for ever, though.
func TestPlaceOfATaskThatStops(t *testing.T) {
	for _, stops := range []bool{true, false} {
		w := newWorld(t, "")
		w.Begin = func() { w.begin(slow{w.cloud}) }
		w.World.Restart()
		w.say("fix")
		w.Settle()
		w.claim(w.want(run.Working, ""))
		id := w.last().Attempt.Task
		w.say("cancel")
		w.Settle()
		w.pass(3 * time.Minute)
		if busy, _ := w.slots(); busy != 1 || w.last().Released {
			t.Fatalf("%d places are taken while the task is %s", busy, w.cloud.tasks[id].Phase)
		}
		if n := len(w.cloud.stops); n != 1 {
			t.Errorf("it was told to stop %d times", n)
		}
		killed := 137
		if stops {
			w.cloud.end(id, task.Asked, &killed)
			w.pass(45 * time.Second)
		} else {
			w.pass(3 * time.Minute)
		}
		if busy, _ := w.slots(); busy != 0 || !w.last().Released {
			t.Errorf("stopped %v: %d places are taken", stops, busy)
		}
		if a := w.last().Attempt; stops && (a.Seen == nil || a.Seen.Phase != task.Stopped || a.Seen.Exit == nil || *a.Seen.Exit != killed) {
			t.Errorf("kept %+v", a.Seen)
		}
	}
}

// A task that was lost waits for room anew.
func TestRoomAfterATaskWasLost(t *testing.T) {
	w := newWorld(t, "")
	full := slices.Repeat([]error{task.ErrCapacity}, 6) // for ten minutes
	w.cloud.fail = append(slices.Clone(full), nil)
	w.say("fix")
	w.Settle()
	w.pass(12 * time.Minute)
	r := w.want(run.Working, "")
	w.cloud.fail = full
	w.cloud.end(r.Attempt.Task, task.Interrupted, nil)
	w.pass(12 * time.Minute)
	w.want(run.Working, "")
}

// doubtful is a GitHub that does not say what people may do.
type doubtful struct {
	*enginetest.GitHub
	err error
}

func (d doubtful) Permission(context.Context, github.At, github.Person) (github.Permission, error) {
	return github.None, d.err
}

// Nothing starts while nobody knows whether it may.
func TestPermissionThatIsNotTold(t *testing.T) {
	for _, c := range []struct {
		err    error
		state  run.State
		reason run.Reason
	}{
		{github.ErrNotFound, run.Cancelled, run.ReasonPermission},
		{github.ErrGone, run.Cancelled, run.ReasonPermission},
		{&work.Later{Err: errors.New("throttled")}, run.Launching, ""},
		{github.ErrSuspended, run.Cancelled, run.ReasonUninstalled},
	} {
		w := newWorld(t, "")
		w.say("fix")
		w.runs.Host = doubtful{w.GitHub, c.err}
		w.Settle()
		w.pass(time.Minute)
		w.want(c.state, c.reason)
		if len(w.cloud.order) != 0 {
			t.Errorf("%v: a task was started", c.err)
		}
	}
}

// choosy is a service that does not describe some tasks.
type choosy struct {
	steady
	bad string
}

func (c *choosy) Describe(ctx context.Context, ids ...string) ([]task.Task, error) {
	if slices.Contains(ids, c.bad) {
		return nil, errors.New("nonsense")
	}
	return c.steady.Describe(ctx, ids...)
}

// One call that fails leaves the tasks of the others looked at.
func TestOneDescribeThatFails(t *testing.T) {
	inMemory(t)
	w := newWorld(t, "")
	service := &choosy{bad: "task/run0000"}
	w.Begin = func() { w.begin(service) }
	w.World.Restart()
	thousand(t, w, 300)
	h := handlers{}
	w.runs.Register(h)
	again, err := h[fix.TasksWork](t.Context(), work.Item{Space: w.app(), Key: fix.TasksWork, Kind: fix.TasksWork})
	if err != nil || service.asked != 200 || again.Sub(w.Time) != 30*time.Second {
		t.Errorf("%d tasks were looked at, again at %v (%v); want the 200 of the other calls", service.asked, again, err)
	}
}
