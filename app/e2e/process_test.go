//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience ends a test that waits for what does not come. The machine may be
// slow and busy; nothing is expected to take that long.
const patience = 2 * time.Minute

// eventually waits until check has nothing to say against it, and fails the test
// with what it said last when patience runs out.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	within(t, patience, what, check)
}

func within(t testing.TB, limit time.Duration, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v: %v", what, limit, err)
		}
	}
}

// process is a program of ours that runs.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	out    output // standard output
	log    output // standard error
	done   chan struct{}
	status int // once done: the exit status, -1 after a signal
}

// launch starts a program with nothing in its environment but what is given. It
// ends with the test, and its log is shown if the test failed.
func launch(t testing.TB, dir string, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = surroundings(dir, env)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.log
	noOrphan(p.cmd)
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	go func() {
		defer close(p.done)
		var exit *exec.ExitError
		if err := p.cmd.Wait(); errors.As(err, &exit) {
			p.status = exit.ExitCode()
		} else if err != nil {
			p.status = -2
		}
	}()
	t.Cleanup(func() {
		p.kill()
		if strings.Contains(p.log.String(), "WARNING: DATA RACE") {
			t.Error("the race detector found something, see the log")
		}
		if t.Failed() {
			t.Logf("log of %s %s (its end):\n%s", program, strings.Join(args, " "), tail(p.log.String(), 24<<10))
		}
	})
	return p
}

// surroundings is the environment of a program that lives in the folder. The race
// detector would wait a second at the end of each.
func surroundings(dir string, env []string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "GORACE=atexit_sleep_ms=0"}, env...)
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.done
}

// running reports whether it has not ended yet.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// wait waits for the end of the process and returns its exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.status
	case <-time.After(patience):
		p.t.Fatalf("%v still runs\n%s", p.cmd.Args, tail(p.log.String(), 4<<10))
		return 0
	}
}

// serving waits until the app says that it serves, and returns its address and
// that of its metrics. It returns an error if the process ends instead.
func (p *process) serving() (address, metrics string, err error) {
	p.t.Helper()
	line := struct{ Address, Metrics string }{}
	eventually(p.t, "the app serves", func() error {
		for _, l := range p.log.lines("serving") {
			return json.Unmarshal(l, &line)
		}
		if !p.running() {
			err = fmt.Errorf("it ended with status %d", p.status)
			return nil
		}
		return errors.New("it does not say so")
	})
	return line.Address, line.Metrics, err
}

// output is what a process wrote.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// lines are the lines of a JSON log that have that message.
func (o *output) lines(message string) (found [][]byte) {
	for line := range strings.Lines(o.String()) {
		var l struct{ Message string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Message == message {
			found = append(found, []byte(line))
		}
	}
	return found
}
