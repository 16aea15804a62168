package child_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/local/child"
)

// parentArg makes the test's binary a process that starts a child and waits.
const parentArg = "child-test-parent"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == parentArg {
		parent(os.Args[2])
	}
	os.Exit(m.Run())
}

// parent starts a shell that leaves a file when it gets SIGTERM, says so, and
// waits to be killed.
func parent(file string) {
	_, err := child.Start(child.Spec{
		Command: []string{"/bin/sh", "-c", "trap 'touch " + file + "; exit 0' TERM; echo ready; sleep 60 & wait"},
		Env:     []string{"PATH=" + os.Getenv("PATH")},
		Line:    func(line string) { fmt.Println(line) },
	})
	if err != nil {
		fmt.Println(err)
	}
	select {}
}

func start(t *testing.T, s child.Spec) *child.Child {
	t.Helper()
	c, err := child.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Kill(); <-c.Done() })
	return c
}

func wait(t *testing.T, c *child.Child) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("waited in vain for the end of the process")
	}
}

func TestExit(t *testing.T) {
	for _, c := range []struct {
		script string
		want   int
	}{{"exit 0", 0}, {"exit 42", 42}, {"kill -9 $$", 137}, {"kill -15 $$", 143}} {
		p := start(t, child.Spec{Command: []string{"/bin/sh", "-c", c.script}})
		if wait(t, p); p.Exit() != c.want {
			t.Errorf("%s: exit %d, want %d", c.script, p.Exit(), c.want)
		}
		p.Kill() // of what has ended: nothing
		p.Terminate()
	}
}

func TestStartFails(t *testing.T) {
	for name, s := range map[string]child.Spec{
		"nothing":      {},
		"no program":   {Command: []string{"/no/such/program"}},
		"no directory": {Command: []string{"/bin/true"}, Dir: "/no/such/directory"},
	} {
		if _, err := child.Start(s); err == nil {
			t.Errorf("%s: it started", name)
		}
	}
}

// The environment is what was given, and nothing if nothing was.
func TestEnvironment(t *testing.T) {
	t.Setenv("CANARY", "1")
	var lines []string
	p := start(t, child.Spec{Command: []string{"/usr/bin/env"}, Line: func(line string) { lines = append(lines, line) }})
	if wait(t, p); len(lines) != 0 || p.Exit() != 0 {
		t.Errorf("exit %d, the environment is %q", p.Exit(), lines)
	}
}

func TestLines(t *testing.T) {
	var lines []string
	p := start(t, child.Spec{Command: []string{"/bin/sh", "-c", "echo one; echo two >&2; printf '%05000d\n' 0; printf last"}, Line: func(line string) { lines = append(lines, line) }})
	wait(t, p)
	if len(lines) != 4 || lines[0] != "one" || lines[1] != "two" || len(lines[2]) != 1024 || lines[3] != "last" {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
}

// Everything in the session ends with its leader: what is in other process groups,
// what ignores SIGTERM, and what forks all the time.
func TestSessionEnds(t *testing.T) {
	dir := t.TempDir()
	script := `
set -m
(trap '' TERM; sleep 60; sleep 1) &
sh -c 'echo $$ > ` + dir + `/other; for i in $(seq 1000); do sleep 0.05 & sleep 0.05; done' &
while ! [ -s ` + dir + `/other ]; do sleep 0.01; done
exit 3`
	p := start(t, child.Spec{Command: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=" + os.Getenv("PATH")}})
	if wait(t, p); p.Exit() != 3 {
		t.Errorf("exit %d, want 3", p.Exit())
	}
	data, err := os.ReadFile(filepath.Join(dir, "other"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	if group, err := syscall.Getpgid(pid); err == nil && alive(pid) {
		t.Errorf("process %d, of group %d and the session of %d, is alive", pid, group, p.PID())
	}
}

func alive(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(data), ") Z ")
}

// What leaves the session and keeps the output open does not keep the end away.
func TestOutputKeptOpen(t *testing.T) {
	setsid, err := exec.LookPath("setsid")
	if err != nil {
		t.Skip("there is no setsid on this machine")
	}
	file := filepath.Join(t.TempDir(), "pid")
	p := start(t, child.Spec{Command: []string{"/bin/sh", "-c", setsid + " sh -c 'echo $$ > " + file + "; exec sleep 60' & while ! [ -s " + file + " ]; do sleep 0.01; done"}, Env: []string{"PATH=" + os.Getenv("PATH")}})
	wait(t, p)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && pid > 1 {
		_ = syscall.Kill(pid, syscall.SIGKILL) // ours to clean up
	}
}

// When the app is killed, the kernel tells its children.
func TestParentIsKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "terminated")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, parentArg, file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		t.Fatalf("the parent says %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(30 * time.Second); ; {
		if _, err := os.Stat(file); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("the child was not told that its parent is gone")
		}
	}
}
