// Package child runs a command as a container would: with just the environment
// that it is given, and so that nothing of it is left when it ends. The command
// leads a session of its own; when it ends, whatever else is in that session is
// killed, the process groups that it made included.
package child

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	// maxLine bounds a line of output, in bytes; the rest of it is dropped.
	maxLine = 1 << 10
	// linger is how long output is waited for when all processes are killed: one
	// that left the session may hold the pipe for ever.
	linger = time.Second
)

// Spec says what to start.
type Spec struct {
	Command []string // program and arguments
	Env     []string // its whole environment, as NAME=value
	Dir     string
	// Line gets each line of its output, standard error included, cut at a
	// kilobyte; nil drops it. Calls do not overlap, and none comes after Done.
	Line func(line string)
}

// Child is a command that was started.
type Child struct {
	pid  int
	exit int
	done chan struct{}

	mu    sync.Mutex // no signal is sent once the pid may be someone else's
	ended bool
}

// Start starts a command.
func Start(s Spec) (*Child, error) {
	if len(s.Command) == 0 {
		return nil, errors.New("start process: there is no command")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	cmd := &exec.Cmd{Path: s.Command[0], Args: s.Command, Dir: s.Dir, Stdout: w, Stderr: w, SysProcAttr: attributes()}
	cmd.Env = append(make([]string, 0, len(s.Env)), s.Env...) // os/exec takes nil for "as the parent's"
	if cmd.Path, err = exec.LookPath(s.Command[0]); err != nil {
		r.Close()
		w.Close()
		return nil, fmt.Errorf("start process: %w", err)
	}
	c := &Child{done: make(chan struct{})}
	started := make(chan error)
	go c.run(cmd, r, w, s.Line, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	return c, nil
}

// PID is the process id of the command, which is that of its session too.
func (c *Child) PID() int { return c.pid }

// Done is closed when the command has ended and its session is empty.
func (c *Child) Done() <-chan struct{} { return c.done }

// Exit is the exit status once Done is closed: 128 and the signal if a signal
// ended it, as a shell and ECS tell it.
func (c *Child) Exit() int { return c.exit }

// Terminate sends SIGTERM to the command alone, as a container gets it: what it
// started is its own to end.
func (c *Child) Terminate() { c.signal(syscall.SIGTERM) }

// Kill sends SIGKILL to the command, whose end is the end of its session.
func (c *Child) Kill() { c.signal(syscall.SIGKILL) }

func (c *Child) signal(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		// ESRCH says that it ended just now.
		_ = syscall.Kill(c.pid, s)
	}
}

// run starts the command and stays with it to its end. It keeps its thread all
// the time: the kernel takes the end of the thread that started a process for the
// end of its parent (prctl(2), PR_SET_PDEATHSIG).
func (c *Child) run(cmd *exec.Cmd, r, w *os.File, line func(string), started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		started <- err
		return
	}
	c.pid = cmd.Process.Pid
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines(r, line)
	}()
	started <- nil

	c.exit = await(cmd, c.end)
	_ = r.SetReadDeadline(time.Now().Add(linger)) // a pipe takes deadlines
	<-read
	r.Close()
	close(c.done)
}

// end has no signal sent from now on.
func (c *Child) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}

// reap reaps the command and tells its exit status.
func reap(cmd *exec.Cmd) int {
	_ = cmd.Wait() // the state tells the same, and more
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// lines hands over what is read, a line at a time, and reads to the end.
func lines(r io.Reader, line func(string)) {
	for b := bufio.NewReaderSize(r, maxLine); ; {
		text, more, err := b.ReadLine()
		if err != nil {
			return
		}
		if line != nil {
			line(string(text))
		}
		for more && err == nil {
			_, more, err = b.ReadLine()
		}
	}
}
