package tasktest

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/task"
)

// exit: what became of the process is told as it was.
func exit(t *testing.T, s *suite) {
	p := s.place(t)
	for i, c := range []struct {
		name string
		end  func(v *visitor)
		want int
	}{
		{"0", func(v *visitor) { v.exit <- 0 }, 0},
		{"7", func(v *visitor) { v.exit <- 7 }, 7},
		{"killed", func(v *visitor) {
			if err := syscall.Kill(v.PID, syscall.SIGKILL); err != nil {
				t.Errorf("kill: %v", err)
			}
		}, 137},
	} {
		run := fmt.Sprintf("run%d", i)
		got, v := s.start(t, p, run, 1)
		c.end(v)
		stopped := until(t, p, got.ID, task.Stopped)
		if stopped.Cause != task.Exited || stopped.Exit == nil || *stopped.Exit != c.want {
			t.Errorf("%s: the task is %+v", c.name, stopped)
		}
	}
}

// stop: SIGTERM reaches the process. Stopping what is stopped, or was never
// there, is fine.
func stop(t *testing.T, s *suite) {
	p := s.place(t)
	got, v := s.start(t, p, "run1", 1)
	for range 2 {
		if err := p.Launcher.Stop(t.Context(), got.ID, "cancelled by a test"); err != nil {
			t.Fatalf("Stop: %v", err)
		}
	}
	receive(t, "SIGTERM", v.terminated)
	stopped := until(t, p, got.ID, task.Stopped)
	if stopped.Cause != task.Asked || stopped.Exit == nil || *stopped.Exit != 143 || stopped.Reason == "" {
		t.Errorf("a task that was stopped is %+v", stopped)
	}
	if err := p.Launcher.Stop(t.Context(), got.ID, "again"); err != nil {
		t.Errorf("Stop of a stopped task: %v", err)
	}
	if again := one(t, p, got.ID); again.Reason != stopped.Reason || again.Cause != stopped.Cause {
		t.Errorf("stopped again, it is %+v, and was %+v", again, stopped)
	}
	for _, id := range unknown(got.ID) {
		if err := p.Launcher.Stop(t.Context(), id, "cancelled by a test"); err != nil {
			t.Errorf("Stop of the unknown task %q: %v", id, err)
		}
	}
}

// stopStubborn: SIGKILL ends what does not mind SIGTERM.
func stopStubborn(t *testing.T, s *suite) {
	s.behave(manners{Stubborn: true})
	p := s.open(t, Wants{Command: Command(t), StopTimeout: 500 * time.Millisecond})
	got, v := s.start(t, p, "run1", 1)
	if err := p.Launcher.Stop(t.Context(), got.ID, "cancelled by a test"); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	receive(t, "SIGTERM", v.terminated)
	receive(t, "the end of the process", v.gone)
	stopped := until(t, p, got.ID, task.Stopped)
	if stopped.Cause != task.Asked || stopped.Exit == nil || *stopped.Exit != 137 {
		t.Errorf("a task that was killed is %+v", stopped)
	}
}

// leftovers: what a process started, in a process group of its own, ends with it.
func leftovers(t *testing.T, s *suite) {
	s.behave(manners{Child: true})
	p := s.place(t)
	got, v := s.start(t, p, "run1", 1)
	receive(t, "the process's child", s.children)
	v.exit <- 0
	until(t, p, got.ID, task.Stopped)
	receive(t, "the end of the child", s.orphans)
}

// describe: in the order asked, with more ids than any service takes at once, and
// with ids that nobody knows among them.
func describe(t *testing.T, s *suite) {
	p := s.place(t)
	a, _ := s.start(t, p, "runa", 1)
	b, v := s.start(t, p, "runb", 1)
	v.exit <- 0
	until(t, p, b.ID, task.Stopped)

	ids := slices.Repeat(append([]string{b.ID, a.ID, b.ID}, unknown(a.ID)...), 40)
	got, err := p.Launcher.Describe(t.Context(), ids...)
	if err != nil || len(got) != len(ids) {
		t.Fatalf("Describe of %d tasks = %d, %v", len(ids), len(got), err)
	}
	for i, id := range ids {
		phase, run := task.Missing, ""
		switch id {
		case a.ID:
			phase, run = task.Running, "runa"
		case b.ID:
			phase, run = task.Stopped, "runb"
		}
		if got[i].ID != id || got[i].Run != run || got[i].Phase != phase {
			t.Fatalf("task %d is %+v, want %q of run %q, %s", i, got[i], id, run, phase)
		}
	}
	if got, err := p.Launcher.Describe(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("Describe of nothing = %+v, %v", got, err)
	}
}

// unknown are ids that no launcher gave out. The first looks like id.
func unknown(id string) []string {
	other := []byte(id)
	for i := max(len(other)-6, 0); i < len(other); i++ {
		other[i] = '0' + (other[i]+1)%10
	}
	return []string{string(other), "no-such-task", "", "arn:aws:ecs:nowhere-1:1:task/x/y", "\x00 \n"}
}

// find: all attempts of a run, whatever became of them, and nobody else's.
func find(t *testing.T, s *suite) {
	p := s.place(t)
	first, v := s.start(t, p, "run1", 1)
	other, _ := s.start(t, p, "run11", 1)
	v.exit <- 0
	until(t, p, first.ID, task.Stopped)
	second, _ := s.start(t, p, "run1", 2)

	want := map[string]task.Phase{first.ID: task.Stopped, second.ID: task.Running}
	for _, got := range all(t, p, "run1", 2) {
		if got.Run != "run1" || got.Phase != want[got.ID] {
			t.Errorf("found %+v", got)
		}
		delete(want, got.ID)
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
	if got := all(t, p, "run11", 1); got[0].ID != other.ID {
		t.Errorf("found %+v, want %s", got, other.ID)
	}
	if got, err := p.Launcher.Find(t.Context(), "run2"); err != nil || len(got) != 0 {
		t.Errorf("Find of a run without tasks = %+v, %v", got, err)
	}
}

func receive(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
}
