// Package local starts agents as processes on this machine, for development and
// tests: text that strangers wrote then steers a process beside the app. What the
// app's environment holds is not passed on, and each agent gets a home of its own;
// that is no wall.
//
// Tasks are remembered in memory. After a restart of the app nothing is known of
// the ones before, and a plan starts a task again: on Linux the agent of the first
// gets SIGTERM when the app dies, and only one of the two is given the brief.
package local

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix/local/child"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	stopTimeout = 30 * time.Second // as on ECS
	remembered  = 1000             // tasks that ended
)

// Config says how agents are started.
type Config struct {
	Command []string // the agent's program and arguments
	// Env names what is passed on of the app's environment, besides PATH, the
	// locale, the time zone, certificates and proxies.
	Env         []string
	Dir         string        // where each task gets a directory of its own while it runs; "": the system's temporary one
	StopTimeout time.Duration // from SIGTERM to SIGKILL; 0: 30 s
	Remember    int           // how many tasks that ended, before the oldest is forgotten; 0: 1,000
	Log         zerolog.Logger
}

// Launcher is a [task.Launcher] of processes.
type Launcher struct {
	c Config

	mu     sync.Mutex
	closed bool
	tokens map[string]*process // by the token of their plan
	tasks  map[string]*process // by id
	order  []*process          // as they were started
	alive  sync.WaitGroup
}

var _ task.Launcher = (*Launcher)(nil)

// process is one task.
type process struct {
	task   task.Task // guarded by the launcher
	token  string
	sum    [sha256.Size]byte // of what it was launched with
	child  *child.Child
	killer *time.Timer // set once it was told to stop
}

// New returns a launcher.
func New(c Config) (*Launcher, error) {
	if len(c.Command) == 0 || c.Command[0] == "" {
		return nil, errors.New("local launcher: there is no command")
	}
	if c.StopTimeout <= 0 {
		c.StopTimeout = stopTimeout
	}
	if c.Remember <= 0 {
		c.Remember = remembered
	}
	return &Launcher{c: c, tokens: map[string]*process{}, tasks: map[string]*process{}}, nil
}

// Describe returns the tasks of the ids, in their order.
func (l *Launcher) Describe(ctx context.Context, ids ...string) ([]task.Task, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	tasks := make([]task.Task, len(ids))
	for i, id := range ids {
		tasks[i] = task.Task{ID: id, Phase: task.Missing}
		if p := l.tasks[id]; p != nil {
			tasks[i] = p.task
		}
	}
	return tasks, nil
}

// Find returns all tasks of a run that are remembered, in the order of their
// launch.
func (l *Launcher) Find(ctx context.Context, run string) (tasks []task.Task, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.order {
		if p.task.Run == run {
			tasks = append(tasks, p.task)
		}
	}
	return tasks, nil
}

// Stop has a task end.
func (l *Launcher) Stop(ctx context.Context, id, reason string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.tasks[id]; p != nil {
		l.stop(p, reason)
	}
	return nil
}

// stop sends SIGTERM, once, and SIGKILL if that does not help.
func (l *Launcher) stop(p *process, reason string) {
	if p.task.Phase != task.Running {
		return
	}
	p.task.Phase, p.task.Cause, p.task.Reason = task.Ending, task.Asked, reason
	p.task.Version++
	p.killer = time.AfterFunc(l.c.StopTimeout, p.child.Kill)
	p.child.Terminate()
}

// Close stops all tasks and returns when they have ended. Those that have not when
// ctx ends are killed. Nothing can be launched any more.
func (l *Launcher) Close(ctx context.Context) {
	l.mu.Lock()
	l.closed = true
	for _, p := range l.order {
		l.stop(p, "the app is stopping")
	}
	l.mu.Unlock()

	done := make(chan struct{})
	go func() {
		l.alive.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	l.mu.Lock()
	for _, p := range l.order {
		p.child.Kill()
	}
	l.mu.Unlock()
	<-done
}

// stay is there until a task has ended, and cleans up after it.
func (l *Launcher) stay(p *process, home string) {
	defer l.alive.Done()
	<-p.child.Done()
	if err := removeAll(home); err != nil {
		l.c.Log.Warn().Err(err).Str("run", p.task.Run).Msg("a task's directory is left behind")
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if p.killer != nil {
		p.killer.Stop()
	}
	exit := p.child.Exit()
	p.task.Exit = &exit
	p.task.Phase = task.Stopped
	p.task.Version++
	if p.task.Cause == "" {
		p.task.Cause, p.task.Reason = task.Exited, "the process ended"
	}
	l.forget()
}

// forget forgets the oldest tasks that ended, if there are too many.
func (l *Launcher) forget() {
	ended := 0
	for _, p := range l.order {
		if p.task.Phase == task.Stopped {
			ended++
		}
	}
	l.order = slices.DeleteFunc(l.order, func(p *process) bool {
		if p.task.Phase != task.Stopped || ended <= l.c.Remember {
			return false
		}
		ended--
		delete(l.tasks, p.task.ID)
		delete(l.tokens, p.token)
		return true
	})
}

// later says that nothing was done, and that it may be done another time.
func later(err error) error { return &work.Later{Err: err} }

// lookup is what there is in our environment of names.
func lookup(names ...string) (env []string) {
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
