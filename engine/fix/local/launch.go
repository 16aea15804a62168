package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/soulcaster/soulcaster/engine/fix/local/child"
	"github.com/soulcaster/soulcaster/engine/fix/task"
)

// maxLines bounds how much of one task's output is logged.
const maxLines = 1000

// passed are the names that every agent gets of our environment: how to find
// programs, read text and reach the network. Proxies' names are looked up in both
// spellings.
var passed = [...]string{
	"PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
}

// plan is what Launch does, but for the claim, and for the values of what is
// passed on: a proxy's URL may hold a password.
type plan struct {
	Run     string   `json:"run"`
	Attempt int      `json:"attempt"`
	URL     string   `json:"url"`
	Command []string `json:"command"`
	Env     []string `json:"env,omitempty"` // names
}

func (p *plan) spec() task.Spec { return task.Spec{Run: p.Run, Attempt: p.Attempt, URL: p.URL} }

// Plan returns what Launch does.
func (l *Launcher) Plan(s task.Spec) (json.RawMessage, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("plan a local task: %w", err)
	}
	return json.Marshal(plan{Run: s.Run, Attempt: s.Attempt, URL: s.URL, Command: l.c.Command, Env: l.c.Env})
}

// Launch starts the process of a plan, unless that was done and is remembered.
func (l *Launcher) Launch(ctx context.Context, request json.RawMessage, claim string) (task.Task, error) {
	if err := ctx.Err(); err != nil {
		return task.Task{}, later(err)
	}
	var p plan
	if err := json.Unmarshal(request, &p); err != nil {
		return task.Task{}, fmt.Errorf("launch a local task: %w", err)
	}
	err := p.spec().Check()
	if err == nil {
		err = task.CheckClaim(claim)
	}
	if err == nil && len(p.Command) == 0 {
		err = errors.New("the plan has no command")
	}
	if err != nil {
		return task.Task{}, fmt.Errorf("launch a local task: %w", err)
	}
	sum := sha256.Sum256([]byte(string(request) + "\x00" + claim))

	l.mu.Lock()
	defer l.mu.Unlock()
	if was := l.tokens[p.spec().Token()]; was != nil {
		if was.sum != sum {
			return task.Task{}, fmt.Errorf("launch %s: %w", p.spec().Token(), task.ErrOtherPlan)
		}
		return was.task, nil
	}
	if l.closed {
		return task.Task{}, later(errors.New("the app is stopping"))
	}
	started, err := l.start(&p, claim)
	if err != nil {
		return task.Task{}, fmt.Errorf("%w: %w", task.ErrRefused, err)
	}
	started.sum = sum
	return started.task, nil
}

// start starts a process and remembers it.
func (l *Launcher) start(p *plan, claim string) (*process, error) {
	token := p.spec().Token()
	id := "local-" + token + "-" + strings.ToLower(rand.Text()[:8])
	home, err := os.MkdirTemp(l.c.Dir, "soulcaster-"+token+"-")
	if err != nil {
		return nil, fmt.Errorf("make a task's directory: %w", err)
	}
	tmp := filepath.Join(home, "tmp")
	// As root, the agent has another user work below, which passes through and lists
	// nothing.
	if err := errors.Join(os.Mkdir(tmp, 0o711), os.Chmod(tmp, 0o711), os.Chmod(home, 0o711)); err != nil {
		return nil, errors.Join(fmt.Errorf("make a task's directory: %w", err), removeAll(home))
	}
	env := slices.Concat(lookup(passed[:]...), lookup(p.Env...), []string{
		"HOME=" + home, "TMPDIR=" + tmp,
		task.EnvURL + "=" + p.URL, task.EnvRun + "=" + p.Run, task.EnvClaim + "=" + claim, task.EnvTask + "=" + id,
	})
	c, err := child.Start(child.Spec{Command: p.Command, Env: env, Dir: home, Line: l.logger(p, id, claim)})
	if err != nil {
		return nil, errors.Join(err, removeAll(home))
	}
	started := &process{task: task.Task{ID: id, Run: p.Run, Phase: task.Running, Version: 1}, token: token, child: c}
	l.tokens[token], l.tasks[id] = started, started
	l.order = append(l.order, started)
	l.alive.Add(1)
	go l.stay(started, home)
	return started, nil
}

// logger logs the agent's own log, of which it keeps feedback and secrets out as
// it does on ECS, where it goes to CloudWatch. Only for debugging, and not without
// bounds.
func (l *Launcher) logger(p *plan, id, claim string) func(string) {
	log := l.c.Log.With().Str("run", p.Run).Str("task", id).Logger()
	n := 0
	return func(line string) {
		if n++; n > maxLines {
			return
		}
		log.Debug().Str("said", strings.ReplaceAll(line, claim, "[claim]")).Msg("agent")
	}
}

// removeAll removes a tree, also one with directories that may not be written, as
// Go's module cache is.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	// Only below dir, whatever links the agent left.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("remove a task's directory: %w", err)
	}
	defer root.Close()
	_ = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = root.Chmod(path, 0o700) // what this does not open, RemoveAll tells
		}
		return nil
	})
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove a task's directory: %w", err)
	}
	return nil
}
