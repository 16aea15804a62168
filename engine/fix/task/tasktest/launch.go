package tasktest

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/task"
)

// plan: the same is planned for the same, something else for something else, and
// what cannot be launched is not planned.
func plan(t *testing.T, s *suite) {
	l := s.place(t).Launcher
	first := mustPlan(t, l, s.spec("run1", 1))
	if !json.Valid(first) {
		t.Errorf("plan %s is no JSON", first)
	}
	for range 20 {
		if again := mustPlan(t, l, s.spec("run1", 1)); !bytes.Equal(first, again) {
			t.Fatalf("plans of one spec differ:\n%s\n%s", first, again)
		}
	}
	for _, other := range []task.Spec{s.spec("run2", 1), s.spec("run1", 2), {Run: "run1", Attempt: 1, URL: s.url + "/x"}} {
		if bytes.Equal(first, mustPlan(t, l, other)) {
			t.Errorf("the plan of %+v is that of run1, attempt 1", other)
		}
	}
	for name, bad := range map[string]task.Spec{
		"no run":       {Attempt: 1, URL: s.url},
		"capitals":     {Run: "Run", Attempt: 1, URL: s.url},
		"long run":     {Run: strings.Repeat("a", 21), Attempt: 1, URL: s.url},
		"no attempt":   {Run: "run", URL: s.url},
		"no URL":       {Run: "run", Attempt: 1},
		"endless URL":  {Run: "run", Attempt: 1, URL: s.url + strings.Repeat("/a", 5000)},
		"many attempt": {Run: "run", Attempt: 1_000_000_000, URL: s.url},
	} {
		if plan, err := l.Plan(bad); err == nil {
			t.Errorf("%s: Plan = %s, want an error", name, plan)
		}
	}
	for _, bad := range []string{``, `{}`, `[]`, `{"run":"x"}`, `null`} {
		if got, err := l.Launch(t.Context(), json.RawMessage(bad), secret); err == nil {
			t.Errorf("Launch(%q) = %+v, want an error", bad, got)
		}
	}
	if got, err := l.Launch(t.Context(), first, ""); err == nil {
		t.Errorf("Launch without a claim = %+v, want an error", got)
	}
}

// launch: a process starts, is seen running, ends, and is seen stopped.
func launch(t *testing.T, s *suite) {
	p := s.place(t)
	got, v := s.start(t, p, "run1", 1)
	running := until(t, p, got.ID, task.Running)
	if running.ID != got.ID || running.Run != "run1" || running.Cause != "" || running.Exit != nil {
		t.Errorf("a running task is %+v", running)
	}
	v.exit <- 0
	stopped := until(t, p, got.ID, task.Stopped)
	if stopped.Version <= running.Version || running.Version < got.Version {
		t.Errorf("versions are %d launched, %d running, %d stopped: they must grow", got.Version, running.Version, stopped.Version)
	}
	if stopped.Run != "run1" || stopped.Cause != task.Exited || stopped.Exit == nil || *stopped.Exit != 0 {
		t.Errorf("a stopped task is %+v", stopped)
	}
}

// same launches a plan again and expects the task that it started first, alone.
func same(t *testing.T, s *suite, p Place, plan json.RawMessage, first task.Task) {
	t.Helper()
	again, err := p.Launcher.Launch(t.Context(), plan, secret)
	if err != nil || again.ID != first.ID || again.Run != first.Run {
		t.Fatalf("second Launch = %+v, %v; want task %s", again, err, first.ID)
	}
	if tasks := all(t, p, "run1", 1); tasks[0].ID != first.ID {
		t.Errorf("found %+v, want task %s", tasks, first.ID)
	}
	if n := len(s.visits("run1")); n != 1 {
		t.Errorf("%d processes were started, want 1", n)
	}
}

func launchTwice(t *testing.T, s *suite) {
	p := s.place(t)
	plan := mustPlan(t, p.Launcher, s.spec("run1", 1))
	first, v := s.start(t, p, "run1", 1)
	same(t, s, p, plan, first)
	// Nor does a launch bring back what has ended.
	v.exit <- 3
	until(t, p, first.ID, task.Stopped)
	same(t, s, p, plan, first)
}

func launchAtOnce(t *testing.T, s *suite) {
	p := s.place(t)
	plan := mustPlan(t, p.Launcher, s.spec("run1", 1))
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		tasks []task.Task
	)
	for range 8 {
		wg.Go(func() {
			got, err := p.Launcher.Launch(t.Context(), plan, secret)
			if err != nil {
				t.Errorf("Launch: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			tasks = append(tasks, got)
		})
	}
	wg.Wait()
	for _, got := range tasks {
		if got.ID == "" || got.ID != tasks[0].ID {
			t.Fatalf("one plan, launched eight times at once, is %+v", tasks)
		}
	}
	s.visitor(t, "run1", 1)
	same(t, s, p, plan, tasks[0])
}

func launchAfterLostAnswer(t *testing.T, s *suite) {
	p := s.place(t)
	if p.Lose == nil {
		t.Skip("there is nothing between the launcher and its tasks that could lose an answer")
	}
	plan := mustPlan(t, p.Launcher, s.spec("run1", 1))
	p.Lose()
	if got, err := p.Launcher.Launch(t.Context(), plan, secret); !action.IsUnknown(err) {
		t.Fatalf("Launch whose answer is lost = %+v, %v; want an unknown end", got, err)
	}
	s.visitor(t, "run1", 1)
	first, err := p.Launcher.Launch(t.Context(), plan, secret)
	if err != nil {
		t.Fatalf("Launch after a lost answer: %v", err)
	}
	same(t, s, p, plan, first)
}

// otherPlan: the token of a run and an attempt is for one plan, and one claim.
func otherPlan(t *testing.T, s *suite) {
	p := s.place(t)
	first, _ := s.start(t, p, "run1", 1)
	spec := s.spec("run1", 1)
	spec.URL += "/elsewhere"
	if got, err := p.Launcher.Launch(t.Context(), mustPlan(t, p.Launcher, spec), secret); !errors.Is(err, task.ErrOtherPlan) {
		t.Errorf("Launch of another plan = %+v, %v; want ErrOtherPlan", got, err)
	}
	plan := mustPlan(t, p.Launcher, s.spec("run1", 1))
	if got, err := p.Launcher.Launch(t.Context(), plan, secret+"x"); !errors.Is(err, task.ErrOtherPlan) {
		t.Errorf("Launch with another claim = %+v, %v; want ErrOtherPlan", got, err)
	}
	same(t, s, p, plan, first)
}

// claim: the process has what it needs and nothing else of ours; nobody else has
// the claim.
func claim(t *testing.T, s *suite) {
	p := s.place(t)
	got, v := s.start(t, p, "run1", 1)
	plan := mustPlan(t, p.Launcher, s.spec("run1", 1))

	for _, want := range []string{task.EnvURL + "=" + s.url, task.EnvRun + "=run1", task.EnvClaim + "=" + secret} {
		if !slices.Contains(v.Env, want) {
			t.Errorf("%s is not in the environment %q", want, v.Env)
		}
	}
	ours := []string{task.EnvURL, task.EnvRun, task.EnvClaim, task.EnvTask}
	for _, entry := range v.Env {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "SOULCASTER_") && !slices.Contains(ours, name) {
			t.Errorf("%s is in the environment", name)
		}
	}
	if strings.Contains(strings.Join(v.Args, " "), secret) {
		t.Errorf("the claim is among the arguments %q", v.Args)
	}

	tasks := append(all(t, p, "run1", 1), got, one(t, p, got.ID))
	_, errOther := p.Launcher.Launch(t.Context(), plan, secret+"x")
	_, errPlan := p.Launcher.Launch(t.Context(), json.RawMessage(`{"x":1}`), secret)
	_, errEnded := p.Launcher.Launch(ended(), mustPlan(t, p.Launcher, s.spec("run1", 2)), secret)
	if p.Lose != nil {
		p.Lose()
	}
	_, errLost := p.Launcher.Launch(t.Context(), mustPlan(t, p.Launcher, s.spec("run1", 3)), secret)
	shown, err := json.Marshal(tasks)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"the plan":                           string(plan),
		"the tasks":                          string(shown),
		"the error of another claim":         text(errOther),
		"the error of a bad plan":            text(errPlan),
		"the error of a context that ended":  text(errEnded),
		"the error of an answer that's lost": text(errLost),
	} {
		if strings.Contains(text, secret) {
			t.Errorf("the claim is in %s: %s", what, text)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// endedContext: nothing is done for a context that has ended.
func endedContext(t *testing.T, s *suite) {
	p := s.place(t)
	running, v := s.start(t, p, "run2", 1)
	plan := mustPlan(t, p.Launcher, s.spec("run1", 1))
	if got, err := p.Launcher.Launch(ended(), plan, secret); err == nil || action.IsUnknown(err) {
		t.Errorf("Launch = %+v, %v; want an error that says that nothing was started", got, err)
	}
	if got, err := p.Launcher.Describe(ended(), running.ID); err == nil {
		t.Errorf("Describe = %+v, want an error", got)
	}
	if got, err := p.Launcher.Find(ended(), "run2"); err == nil {
		t.Errorf("Find = %+v, want an error", got)
	}
	if err := p.Launcher.Stop(ended(), running.ID, "test"); err == nil {
		t.Error("Stop: want an error")
	}
	if got, err := p.Launcher.Find(t.Context(), "run1"); err != nil || len(got) != 0 {
		t.Errorf("Find = %+v, %v; want nothing", got, err)
	}
	// Had it been stopped, it would not be there to be told how to exit.
	v.exit <- 5
	if got := until(t, p, running.ID, task.Stopped); got.Exit == nil || *got.Exit != 5 {
		t.Errorf("after a Stop that was not to be, the task is %+v", got)
	}
}
