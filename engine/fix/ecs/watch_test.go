package ecs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/ecs"
	"github.com/soulcaster/soulcaster/engine/fix/ecs/ecstest"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/work"
)

// start launches a task of a run.
func start(t *testing.T, l *ecs.Launcher, run string) task.Task {
	t.Helper()
	s := spec
	s.Run = run
	got, err := l.Launch(t.Context(), mustPlan(t, l, s), secret)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func describe(t *testing.T, l *ecs.Launcher, id string) task.Task {
	t.Helper()
	got, err := l.Describe(t.Context(), id)
	if err != nil || len(got) != 1 {
		t.Fatalf("Describe(%s) = %+v, %v", id, got, err)
	}
	return got[0]
}

func until(t *testing.T, l *ecs.Launcher, id string, phase task.Phase) (got task.Task) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s is %s", id, phase), func() bool {
		got = describe(t, l, id)
		return got.Phase == phase
	})
	return got
}

// What became of a task is told as it was, whoever ended it.
func TestCauses(t *testing.T) {
	t.Parallel()
	exit := func(n int) *int { return &n }
	for _, c := range []struct {
		name  string
		fault ecstest.Fault
		end   func(s *ecstest.Server, arn string)
		cause task.Cause
		exit  *int
		says  string
	}{
		{"exited", ecstest.Fault{}, func(s *ecstest.Server, arn string) { s.Exit(arn, 3) }, task.Exited, exit(3), "Essential container"},
		{"Spot", ecstest.Fault{}, func(s *ecstest.Server, arn string) { s.Interrupt(arn) }, task.Interrupted, exit(143), "Spot"},
		{"taken away", ecstest.Fault{}, func(s *ecstest.Server, arn string) { s.End(arn, "TerminationNotice", "maintenance") }, task.Interrupted, exit(143), "maintenance"},
		{"machine", ecstest.Fault{}, func(s *ecstest.Server, arn string) { s.End(arn, "InfrastructureHealth", "unhealthy") }, task.Trouble, exit(143), "unhealthy"},
		{"unknown code", ecstest.Fault{}, func(s *ecstest.Server, arn string) { s.End(arn, "SomethingNew", "new") }, task.Exited, exit(143), "new"},
		{"no image", ecstest.Unstarted("CannotPullContainerError: not found"), nil, task.NotStarted, nil, "CannotPullContainerError"},
		{"no room after all", ecstest.Unstarted("Capacity is unavailable at this time. Please try again later or in a different availability zone"), nil, task.Trouble, nil, "Capacity"},
	} {
		l, s := open(t, ecstest.Options{}, nil)
		s.Fault("RunTask", 1, c.fault)
		got := start(t, l, "run1")
		if c.end != nil {
			until(t, l, got.ID, task.Running)
			c.end(s, got.ID)
		}
		stopped := until(t, l, got.ID, task.Stopped)
		if stopped.Cause != c.cause || fmt.Sprint(deref(stopped.Exit)) != fmt.Sprint(deref(c.exit)) || !strings.Contains(stopped.Reason, c.says) {
			t.Errorf("%s: the task is %+v (exit %v), want %s, exit %v, %q", c.name, stopped, deref(stopped.Exit), c.cause, deref(c.exit), c.says)
		}
	}
}

func deref(n *int) any {
	if n == nil {
		return nil
	}
	return *n
}

// The program of the task is not there.
func TestProgramThatIsMissing(t *testing.T) {
	t.Parallel()
	l, _ := open(t, ecstest.Options{Command: []string{"/no/such/program"}}, nil)
	stopped := until(t, l, start(t, l, "run1").ID, task.Stopped)
	if stopped.Cause != task.NotStarted || stopped.Exit != nil || !strings.Contains(stopped.Reason, "CannotStartContainerError") {
		t.Errorf("the task is %+v", stopped)
	}
}

// A task that never starts is pending until it is stopped.
func TestTaskThatNeverStarts(t *testing.T) {
	t.Parallel()
	l, s := open(t, ecstest.Options{}, nil)
	s.Fault("RunTask", 1, ecstest.Never())
	got := start(t, l, "run1")
	if now := describe(t, l, got.ID); now.Phase != task.Pending {
		t.Errorf("the task is %+v", now)
	}
	if err := l.Stop(t.Context(), got.ID, "too slow"); err != nil {
		t.Fatal(err)
	}
	if now := until(t, l, got.ID, task.Stopped); now.Cause != task.Asked || now.Exit != nil || now.Reason != "too slow" {
		t.Errorf("the task is %+v", now)
	}
}

// ECS does not know a task at once, and forgets it some time after its end.
func TestMissing(t *testing.T) {
	t.Parallel()
	l, s := open(t, ecstest.Options{Unseen: 2, Keep: 1}, nil)
	got := start(t, l, "run1")
	for range 2 {
		if now := describe(t, l, got.ID); now.Phase != task.Missing || now.ID != got.ID {
			t.Errorf("just started, the task is %+v", now)
		}
	}
	until(t, l, got.ID, task.Running)
	s.Exit(got.ID, 0)
	until(t, l, got.ID, task.Missing)
	if err := l.Stop(t.Context(), got.ID, "x"); err != nil {
		t.Errorf("Stop of a forgotten task: %v", err)
	}
	if found, err := l.Find(t.Context(), "run1"); err != nil || len(found) != 0 {
		t.Errorf("found %+v, %v", found, err)
	}
}

// A thousand tasks take ten calls.
func TestDescribeInBatches(t *testing.T) {
	t.Parallel()
	l, s := open(t, ecstest.Options{}, nil)
	var ids []string
	for i := range 1000 {
		ids = append(ids, fmt.Sprintf("arn:aws:ecs:eu-test-1:123456789012:task/soulcaster/%032x", i+1))
	}
	got := start(t, l, "run1")
	until(t, l, got.ID, task.Running)
	before := len(s.Calls("DescribeTasks"))
	tasks, err := l.Describe(t.Context(), ids...)
	if err != nil || len(tasks) != 1000 || tasks[0].ID != got.ID || tasks[0].Phase != task.Running || tasks[999].Phase != task.Missing {
		t.Errorf("%d tasks, %v", len(tasks), err)
	}
	asked := map[string]bool{} // a call that was repeated is the same bytes
	for _, c := range s.Calls("DescribeTasks")[before:] {
		asked[c.Body] = true
	}
	if len(asked) != 10 {
		t.Errorf("%d calls, want 10", len(asked))
	}
}

// One id that ECS does not even look up hides no other; one of another cluster is
// asked for there.
func TestDescribeWithForeignTasks(t *testing.T) {
	t.Parallel()
	l, s := open(t, ecstest.Options{}, nil)
	got := start(t, l, "run1")
	until(t, l, got.ID, task.Running)
	ids := []string{
		"arn:aws:ecs:eu-test-1:999999999999:task/soulcaster/00000000000000000000000000000001",
		"arn:aws:ecs:eu-test-1:123456789012:task/gone/00000000000000000000000000000001",
		"arn:aws:ecs:us-east-1:123456789012:task/soulcaster/00000000000000000000000000000001",
		got.ID,
	}
	tasks, err := l.Describe(t.Context(), ids...)
	if err != nil || len(tasks) != 4 || tasks[3].Phase != task.Running {
		t.Fatalf("Describe = %+v, %v", tasks, err)
	}
	for i, now := range tasks[:3] {
		if now.ID != ids[i] || now.Phase != task.Missing {
			t.Errorf("task %d is %+v", i, now)
		}
	}
	// The app's settings name another cluster now; the task is where it was.
	moved := connect(t, s, func(c *ecs.Config) { c.Cluster = "other" })
	if now := describe(t, moved, got.ID); now.Phase != task.Running {
		t.Errorf("the task is %+v", now)
	}
	if err := moved.Stop(t.Context(), got.ID, "x"); err != nil {
		t.Fatal(err)
	}
	until(t, l, got.ID, task.Stopped)
}

// More tasks than one page holds are found; those of others are not.
func TestFindPages(t *testing.T) {
	t.Parallel()
	l, _ := open(t, ecstest.Options{}, nil)
	for i := range 120 {
		s := spec
		s.Run, s.Attempt = "run1", i+1
		if _, err := l.Launch(t.Context(), mustPlan(t, l, s), secret); err != nil {
			t.Fatal(err)
		}
	}
	start(t, l, "run12")
	tasks, err := l.Find(t.Context(), "run1")
	if err != nil || len(tasks) != 120 {
		t.Fatalf("found %d tasks, %v; want 120", len(tasks), err)
	}
	seen := map[string]bool{}
	for _, now := range tasks {
		seen[now.ID] = true
		if now.Run != "run1" {
			t.Errorf("found %+v", now)
		}
	}
	if len(seen) != 120 {
		t.Errorf("%d different tasks, want 120", len(seen))
	}
}

func TestWatchErrors(t *testing.T) {
	t.Parallel()
	l, s := open(t, ecstest.Options{}, nil)
	got := start(t, l, "run1")
	for _, c := range []struct {
		operation string
		call      func(ctx context.Context) error
	}{
		{"DescribeTasks", func(ctx context.Context) error { _, err := l.Describe(ctx, got.ID); return err }},
		{"ListTasks", func(ctx context.Context) error { _, err := l.Find(ctx, "run1"); return err }},
		{"StopTask", func(ctx context.Context) error { return l.Stop(ctx, got.ID, "x") }},
	} {
		var later *work.Later
		s.Fault(c.operation, 3, ecstest.Throttle())
		if err := c.call(t.Context()); !errors.As(err, &later) {
			t.Errorf("%s, throttled: %v; want it to be put off", c.operation, err)
		}
		s.Fault(c.operation, 1, ecstest.Deny())
		if err := c.call(t.Context()); !errors.Is(err, task.ErrRefused) {
			t.Errorf("%s, denied: %v; want ErrRefused", c.operation, err)
		}
		s.Fault(c.operation, 1, ecstest.Hanging())
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := c.call(ctx); err == nil {
			t.Errorf("%s, hanging: no error", c.operation)
		}
		cancel()
		if err := c.call(t.Context()); err != nil {
			t.Errorf("%s: %v", c.operation, err)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		o      ecstest.Options
		change func(*ecs.Config)
		fault  string // operation that is denied
		want   []string
	}{
		{name: "in order"},
		{name: "no cluster", change: func(c *ecs.Config) { c.Cluster = "other" }, want: []string{"no cluster other"}},
		{name: "no Spot", o: ecstest.Options{Providers: []string{"FARGATE"}}, want: []string{"FARGATE_SPOT"}},
		{name: "no Spot needed", o: ecstest.Options{Providers: []string{"FARGATE"}}, change: func(c *ecs.Config) { c.Spot = false }},
		{name: "no task definition", change: func(c *ecs.Config) { c.TaskDefinition = "other" }, want: []string{"cannot be looked at"}},
		{name: "inactive", o: ecstest.Options{Definition: ecstest.Definition{Inactive: true}}, want: []string{"INACTIVE"}},
		{name: "container", o: ecstest.Options{Definition: ecstest.Definition{Container: "main"}}, want: []string{"no container agent"}},
		{name: "container by another name", o: ecstest.Options{Definition: ecstest.Definition{Container: "main"}}, change: func(c *ecs.Config) { c.Container = "main" }},
		{name: "not essential", o: ecstest.Options{Definition: ecstest.Definition{Unessential: true}}, want: []string{"not essential"}},
		{name: "role, size and kind", o: ecstest.Options{Definition: ecstest.Definition{TaskRole: "arn:aws:iam::1:role/x", CPU: "512", Memory: "4096", NotFargate: true}},
			want: []string{"does not run on Fargate", "has a task role", "512 CPU units"}},
		{name: "denied", fault: "DescribeClusters", want: []string{"not authorized"}},
		{name: "other queue", change: func(c *ecs.Config) { c.EventsQueue += "-other" }, want: []string{"queue cannot be looked at"}},
		{name: "no queue", change: func(c *ecs.Config) { c.EventsQueue = "" }},
	} {
		s, err := ecstest.New(c.o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		l := connect(t, s, func(cfg *ecs.Config) {
			cfg.EventsQueue = s.QueueURL
			if c.change != nil {
				c.change(cfg)
			}
		})
		if c.fault != "" {
			s.Fault(c.fault, 1, ecstest.Deny())
		}
		found := l.Check(t.Context())
		if len(found) != len(c.want) {
			t.Errorf("%s: found %+v, want %q", c.name, found, c.want)
			continue
		}
		for i, p := range found {
			if !strings.Contains(p.What, c.want[i]) || p.Todo == "" {
				t.Errorf("%s: found %+v, want %q", c.name, p, c.want[i])
			}
		}
	}
}
