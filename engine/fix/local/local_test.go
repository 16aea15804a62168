package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix/local"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/fix/task/tasktest"
	"github.com/soulcaster/soulcaster/engine/work"
)

func TestMain(m *testing.M) {
	tasktest.Main()
	os.Exit(m.Run())
}

// open opens a launcher, which must leave nothing behind.
func open(t *testing.T, c local.Config) *local.Launcher {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	l, err := local.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		l.Close(now)
		if left, err := os.ReadDir(c.Dir); err != nil || len(left) > 0 {
			t.Errorf("after Close there are %v, %v", left, err)
		}
	})
	return l
}

func TestLauncher(t *testing.T) {
	tasktest.Test(t, func(t *testing.T, w tasktest.Wants) tasktest.Place {
		return tasktest.Place{Launcher: open(t, local.Config{Command: w.Command, StopTimeout: w.StopTimeout})}
	})
}

const secret = "c1a1m-0123456789abcdef"

// launch starts a task of a run.
func launch(t *testing.T, l *local.Launcher, run string) task.Task {
	t.Helper()
	plan, err := l.Plan(task.Spec{Run: run, Attempt: 1, URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Launch(t.Context(), plan, secret)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// stopped waits for the end of a task.
func stopped(t *testing.T, l *local.Launcher, id string) (now task.Task) {
	t.Helper()
	eventually(t, id+" stopped", func() bool {
		got, err := l.Describe(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		now = got[0]
		return now.Phase == task.Stopped
	})
	return now
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(30 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func shell(script string) []string { return []string{"/bin/sh", "-c", script} }

// The agent gets what it needs of the app's environment, and nothing else of it.
func TestEnvironment(t *testing.T) {
	t.Setenv("GITHUB_APP_PRIVATE_KEY", "canary")
	t.Setenv("GEMINI_API_KEY", "canary")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary")
	t.Setenv("SOULCASTER_SECRET_KEY", "canary")
	t.Setenv("HTTPS_PROXY", "http://proxy.example:3128")
	t.Setenv("KILO_BINARY", "/opt/kilo")
	out := filepath.Join(t.TempDir(), "out")
	dir := t.TempDir()
	l := open(t, local.Config{Dir: dir, Env: []string{"KILO_BINARY", "NOT_SET"},
		Command: shell("{ env; pwd; touch $HOME/x $TMPDIR/x; } > " + out)})
	got := launch(t, l, "run1")
	if now := stopped(t, l, got.ID); *now.Exit != 0 {
		t.Fatalf("the task is %+v, exit %d", now, *now.Exit)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		names = append(names, name)
		switch name {
		case "HOME", "TMPDIR":
			if !strings.HasPrefix(value, dir+"/") {
				t.Errorf("%s is %s, want it below %s", name, value, dir)
			}
		case task.EnvTask:
			if value != got.ID {
				t.Errorf("the task is told that it is %s, and is %s", value, got.ID)
			}
		}
	}
	for _, want := range []string{"PATH", "HOME", "TMPDIR", "HTTPS_PROXY", "KILO_BINARY", task.EnvURL, task.EnvRun, task.EnvClaim, task.EnvTask} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not in the environment", want)
		}
	}
	if strings.Contains(string(data), "canary") || slices.Contains(names, "NOT_SET") {
		t.Errorf("the environment is\n%s", data)
	}
}

// What cannot be started is the operator's to mend, and is launched once it can be.
func TestProgramThatIsMissing(t *testing.T) {
	program := filepath.Join(t.TempDir(), "agent")
	l := open(t, local.Config{Command: []string{program}})
	plan, err := l.Plan(task.Spec{Run: "run1", Attempt: 1, URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.Launch(t.Context(), plan, secret); !errors.Is(err, task.ErrRefused) || !strings.Contains(err.Error(), program) || strings.Contains(err.Error(), secret) {
		t.Errorf("Launch = %+v, %v; want ErrRefused that names the program", got, err)
	}
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexit 4\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := l.Launch(t.Context(), plan, secret)
	if err != nil {
		t.Fatal(err)
	}
	if now := stopped(t, l, got.ID); *now.Exit != 4 {
		t.Errorf("exit %d, want 4", *now.Exit)
	}
}

// Close stops what minds SIGTERM and kills what does not; then nothing is launched.
func TestClose(t *testing.T) {
	ready := t.TempDir()
	script := func(trap string) []string {
		return shell("trap " + trap + " TERM; touch " + ready + "/$SOULCASTER_RUN; for i in $(seq 3000); do sleep 0.01; done")
	}
	dir := t.TempDir()
	mild, err := local.New(local.Config{Command: script("'exit 9'"), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	stubborn, err := local.New(local.Config{Command: script("''"), Dir: dir, StopTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	a, b := launch(t, mild, "mild"), launch(t, stubborn, "stubborn")
	eventually(t, "both run", func() bool {
		got, err := os.ReadDir(ready)
		return err == nil && len(got) == 2
	})
	mild.Close(t.Context())
	if now := stopped(t, mild, a.ID); *now.Exit != 9 || now.Cause != task.Asked {
		t.Errorf("the mild task is %+v, exit %d", now, *now.Exit)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stubborn.Close(ctx)
	if now := stopped(t, stubborn, b.ID); *now.Exit != 137 || now.Cause != task.Asked {
		t.Errorf("the stubborn task is %+v, exit %d", now, *now.Exit)
	}
	plan, err := mild.Plan(task.Spec{Run: "run2", Attempt: 1, URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	var later *work.Later
	if got, err := mild.Launch(t.Context(), plan, secret); !errors.As(err, &later) {
		t.Errorf("after Close, Launch = %+v, %v", got, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The output is in the log for debugging, without the claim, and not endless.
func TestOutput(t *testing.T) {
	for _, c := range []struct {
		level zerolog.Level
		want  bool
	}{{zerolog.DebugLevel, true}, {zerolog.InfoLevel, false}} {
		var log lockedBuilder
		l := open(t, local.Config{Log: zerolog.New(&log).Level(c.level),
			Command: shell(`echo "the claim is $SOULCASTER_CLAIM"; head -c 5000 /dev/zero | tr '\0' x; echo; i=0; while [ $i -lt 3000 ]; do echo line; i=$((i+1)); done; echo last >&2`)})
		stopped(t, l, launch(t, l, "run1").ID)
		text := log.String()
		if got := strings.Contains(text, "the claim is [claim]"); got != c.want || strings.Contains(text, secret) {
			t.Errorf("%s: the output is there: %v, want %v; the claim is: %v", c.level, got, c.want, strings.Contains(text, secret))
		}
		if n := strings.Count(text, "\n"); n > 1000 || len(text) > 300_000 {
			t.Errorf("%s: %d lines, %d bytes were logged", c.level, n, len(text))
		}
	}
}

type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// The directory of a task goes, whatever the task made of it.
func TestDirectoryIsRemoved(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l := open(t, local.Config{Dir: dir, Command: shell(
		"mkdir -p $HOME/a/b && touch $HOME/a/b/c && ln -s " + outside + " $HOME/a/link && chmod 0 $HOME/a/b && chmod 0555 $HOME/a $HOME")})
	stopped(t, l, launch(t, l, "run1").ID)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if info, err := os.Stat(outside); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("what a link led to is %v, %v", info, err)
	}
}

// Tasks that ended are forgotten, the oldest first, when there are too many.
func TestForgets(t *testing.T) {
	l := open(t, local.Config{Command: []string{"/bin/true"}, Remember: 20})
	alive := open(t, local.Config{Command: []string{"/bin/true"}})
	var ids []string
	for i := range 30 {
		ids = append(ids, launch(t, l, fmt.Sprintf("run%d", i)).ID)
		stopped(t, l, ids[i])
	}
	got, err := l.Describe(t.Context(), ids...)
	if err != nil {
		t.Fatal(err)
	}
	for i, now := range got {
		if (now.Phase == task.Missing) != (i < 10) {
			t.Errorf("task %d of 30 is %s", i, now.Phase)
		}
	}
	if found, err := l.Find(t.Context(), "run0"); err != nil || len(found) != 0 {
		t.Errorf("found %+v, %v", found, err)
	}
	// What another launcher started is unknown, as after a restart.
	if got, err := alive.Describe(t.Context(), ids[29]); err != nil || got[0].Phase != task.Missing {
		t.Errorf("%+v, %v", got, err)
	}
}
