package fix_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

func runningTask(runID, id string) *task.Task {
	return &task.Task{ID: id, Run: runID, Phase: task.Running, Version: 2}
}

// What became of a task is written down, the latest answer only.
func TestWhatIsSeenOfATask(t *testing.T) {
	w := newWorld(t, "")
	w.say("fix")
	w.Settle()
	w.claim(w.want(run.Working, ""))
	id := w.last().Attempt.Task
	see := func(phase task.Phase, version int64, want task.Phase, after time.Duration) {
		t.Helper()
		w.cloud.tasks[id].Phase, w.cloud.tasks[id].Version = phase, version
		w.pass(31 * time.Second)
		w.beat(w.last())
		a := w.last().Attempt
		if a.Seen == nil || a.Seen.Phase != want || w.Time.Sub(a.SeenAt) > after {
			t.Fatalf("seen %+v at %v (now %v), want %s", a.Seen, a.SeenAt, w.Time, want)
		}
	}
	see(task.Running, 3, task.Running, 31*time.Second)
	see(task.Running, 4, task.Running, 63*time.Second) // since it runs
	see(task.Pending, 2, task.Running, 95*time.Second) // an old answer
	see(task.Missing, 0, task.Missing, 31*time.Second)
	see(task.Running, 4, task.Running, 31*time.Second)
	w.cloud.end(id, task.Exited, nil)
	w.pass(31 * time.Second)
	w.want(run.Failed, run.ReasonCrashed)
	delete(w.cloud.tasks, id) // the service forgets
	w.over()
	if a := w.last().Attempt; a.Seen.Phase != task.Stopped || a.Seen.Cause != task.Exited {
		t.Errorf("what became of it was forgotten: %+v", a.Seen)
	}
}

func TestHurriedLooksKeepTheirDistance(t *testing.T) {
	w := newWorld(t, "")
	w.say("fix")
	w.Settle()
	w.claim(w.want(run.Working, ""))
	w.pass(time.Minute)
	was := w.cloud.described
	for range 60 {
		w.beat(w.last())
		if err := w.runs.Hurry(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Settle()
		w.Pass(time.Second)
	}
	if n := w.cloud.described - was; n < 10 || n > 13 {
		t.Errorf("looked %d times in a minute of events, want every five seconds", n)
	}
	w.cloud.end(w.last().Attempt.Task, task.Exited, nil)
	w.over()
	was = w.cloud.described
	w.pass(5 * time.Minute)
	if n := w.cloud.described - was; n != 0 {
		t.Errorf("looked %d times while there was nothing to see", n)
	}
}

// steady is a service on which a thousand tasks run.
type steady struct {
	calls int
	asked int
}

func (s *steady) Plan(task.Spec) (json.RawMessage, error) { return json.RawMessage("{}"), nil }
func (s *steady) Launch(context.Context, json.RawMessage, string) (task.Task, error) {
	return task.Task{}, task.ErrRefused
}
func (s *steady) Find(context.Context, string) ([]task.Task, error) { return nil, nil }
func (s *steady) Stop(context.Context, string, string) error        { return nil }
func (s *steady) Describe(_ context.Context, ids ...string) ([]task.Task, error) {
	s.calls++
	s.asked += len(ids)
	all := make([]task.Task, len(ids))
	for i, id := range ids {
		all[i] = task.Task{ID: id, Phase: task.Running, Version: 2}
	}
	return all, nil
}

// handlers collects what is registered.
type handlers map[string]work.Handler

func (h handlers) Handle(kind string, do work.Handler) { h[kind] = do }

// thousand fills a world with runs that are at work.
func thousand(t testing.TB, w *world, n int) {
	t.Helper()
	space, app := w.space(), w.app()
	apply := func(s storage.Space, b *storage.Batch) {
		if err := s.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		*b = storage.Batch{}
	}
	var ours, apps storage.Batch
	for i := range n {
		id := fmt.Sprintf("run%04d", i)
		r := run.Run{ID: id, Cluster: "c1", Issue: 1, State: run.Working, Created: w.Time, Changed: w.Time, Attempts: 1,
			Rounds:  []run.Round{{N: 1, By: ann, ByID: enginetest.ID(ann), Tasks: 1, Base: "base0", Asked: w.Time}},
			Attempt: &run.Attempt{N: 1, Round: 1, Task: "task/" + id, Claimed: w.Time, Seen: &task.Task{Phase: task.Running, Version: 2}, SeenAt: w.Time}}
		ours.SetJSON("run/"+id, r)
		apps.SetJSON("run-slot/"+id, fix.Slot{Run: id, Round: 1, Space: space.Name(), Installation: enginetest.Installation, Task: "task/" + id})
		if len(ours.Ops) == 250 || i == n-1 {
			apply(space, &ours)
			apply(app, &apps)
		}
	}
}

// BenchmarkLook is one app that looks at 1,000 tasks for a minute.
func BenchmarkLook(b *testing.B) {
	inMemory(b)
	w := newWorld(b, "")
	service := new(steady)
	w.Begin = func() { w.begin(service) }
	w.World.Restart()
	thousand(b, w, 1000)
	h := handlers{}
	w.runs.Register(h)
	minute := func() {
		for end := w.Time.Add(time.Minute); w.Time.Before(end); {
			again, err := h[fix.TasksWork](b.Context(), work.Item{Space: w.app(), Key: fix.TasksWork, Kind: fix.TasksWork})
			if err != nil || again.IsZero() {
				b.Fatalf("again %v (%v)", again, err)
			}
			w.Time = again
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ReportAllocs()
	minutes := 0
	for b.Loop() {
		minute()
		minutes++
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(service.calls)/float64(minutes), "calls/minute")
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/1024, "kB-kept")
}

// A thousand runs are ten calls a look, all of them asked for.
func TestThousandRuns(t *testing.T) {
	inMemory(t)
	w := newWorld(t, "")
	service := new(steady)
	w.Begin = func() { w.begin(service) }
	w.World.Restart()
	thousand(t, w, 1000)
	h := handlers{}
	w.runs.Register(h)
	again, err := h[fix.TasksWork](t.Context(), work.Item{Space: w.app(), Key: fix.TasksWork, Kind: fix.TasksWork})
	if err != nil || service.calls != 10 || service.asked != 1000 || again.Sub(w.Time) != 30*time.Second {
		t.Errorf("%d calls about %d tasks, again at %v (%v)", service.calls, service.asked, again, err)
	}
}
