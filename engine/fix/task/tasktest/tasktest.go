// Package tasktest is what every launcher must do: a suite that starts real
// processes through it. A task runs the test's own binary, which [Main] makes a
// small agent that tells the suite what it was given and does what it is told.
package tasktest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/task"
)

// patience is how long the suite waits for what must happen.
const patience = 30 * time.Second

// Place is a launcher and the place that it starts tasks in.
type Place struct {
	Launcher task.Launcher
	// Lose has the next launch happen and its answer get lost. It is nil where
	// nothing lies between.
	Lose func()
}

// Wants is what a test needs of a place.
type Wants struct {
	Command     []string      // what a task runs
	StopTimeout time.Duration // from SIGTERM to SIGKILL
}

// Test runs the suite. open opens a new place, which is gone when t ends. The
// package's TestMain must call [Main] first.
func Test(t *testing.T, open func(t *testing.T, w Wants) Place) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"Plan", plan},
		{"Launch", launch},
		{"LaunchTwice", launchTwice},
		{"LaunchAtOnce", launchAtOnce},
		{"LaunchAfterLostAnswer", launchAfterLostAnswer},
		{"OtherPlan", otherPlan},
		{"Exit", exit},
		{"Stop", stop},
		{"StopStubborn", stopStubborn},
		{"Leftovers", leftovers},
		{"Describe", describe},
		{"Find", find},
		{"Claim", claim},
		{"EndedContext", endedContext},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, &suite{hub: newHub(t), open: open})
		})
	}
}

// suite is one test's hub, which the processes talk to, and its place.
type suite struct {
	*hub
	open func(t *testing.T, w Wants) Place
}

// place opens a place whose tasks are our agents.
func (s *suite) place(t *testing.T) Place {
	t.Helper()
	return s.open(t, Wants{Command: Command(t), StopTimeout: time.Minute})
}

// Command is what makes the test's binary a task's program.
func Command(t testing.TB) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, agentArg}
}

// spec is a launch whose process will talk to the hub.
func (s *suite) spec(run string, attempt int) task.Spec {
	return task.Spec{Run: run, Attempt: attempt, URL: s.url}
}

const secret = "c1a1m-0123456789abcdef0123456789abcdef"

// start launches a task of a run and waits until its process said hello.
func (s *suite) start(t *testing.T, p Place, run string, attempt int) (task.Task, *visitor) {
	t.Helper()
	plan := mustPlan(t, p.Launcher, s.spec(run, attempt))
	got, err := p.Launcher.Launch(t.Context(), plan, secret)
	if err != nil {
		t.Fatalf("Launch: %v", err)
	}
	if got.ID == "" || got.Run != run {
		t.Fatalf("Launch returned %+v, want an id and run %q", got, run)
	}
	return got, s.visitor(t, run, attempt)
}

func mustPlan(t *testing.T, l task.Starter, s task.Spec) json.RawMessage {
	t.Helper()
	plan, err := l.Plan(s)
	if err != nil {
		t.Fatalf("Plan(%+v): %v", s, err)
	}
	return plan
}

// one describes one task.
func one(t *testing.T, p Place, id string) task.Task {
	t.Helper()
	got, err := p.Launcher.Describe(t.Context(), id)
	if err != nil || len(got) != 1 {
		t.Fatalf("Describe(%s) = %+v, %v", id, got, err)
	}
	return got[0]
}

// until waits until a task is in a phase.
func until(t *testing.T, p Place, id string, phase task.Phase) (got task.Task) {
	t.Helper()
	eventually(t, fmt.Sprintf("task %s is %s", id, phase), func() bool {
		got = one(t, p, id)
		return got.Phase == phase
	})
	return got
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// all finds the tasks of a run, which may take a moment to be seen.
func all(t *testing.T, p Place, run string, n int) (tasks []task.Task) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d tasks of run %s are found", n, run), func() bool {
		var err error
		if tasks, err = p.Launcher.Find(t.Context(), run); err != nil {
			t.Fatalf("Find: %v", err)
		}
		if len(tasks) > n {
			t.Fatalf("Find(%s) = %+v, want %d tasks", run, tasks, n)
		}
		return len(tasks) == n
	})
	return tasks
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
