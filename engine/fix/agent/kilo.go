package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/kilo"
)

// imageKilo is where the agent's image has Kilo.
const imageKilo = "/opt/kilo/bin/kilo"

var errSilent = errors.New("kilo and its model said nothing for too long")

// findKilo returns the program and its leading arguments.
func findKilo(cfg *Config) ([]string, error) {
	if len(cfg.Kilo) > 0 {
		return cfg.Kilo, nil
	}
	if _, err := os.Stat(imageKilo); err == nil {
		return []string{imageKilo}, nil
	}
	path, err := exec.LookPath("kilo")
	if err != nil {
		return nil, fmt.Errorf("find kilo: it is neither %s nor in the PATH; %s says where else", imageKilo, envKilo)
	}
	return []string{path}, nil
}

// outcome is what came of Kilo's work.
type outcome struct {
	ending  brief.Ending
	failure brief.Failure
	said    string
	steps   int
}

// code has Kilo work on the tree until it is done, has said nothing for too long,
// has used up the budget, or ctx ends: why it ended is ctx's cause.
func code(ctx context.Context, s *session) outcome {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	w := &watch{log: s.journal.stream(), progress: s.progress, now: time.Now, last: time.Now()}
	exit, p, err := s.startKilo(ctx, w, end)
	o := outcome{ending: brief.Finished}
	var fault string
	o.steps, o.said, fault = w.end()
	o.said = s.redact.clean(o.said)
	if cause := context.Cause(ctx); cause != nil {
		o.ending, o.failure = endingOf(cause)
		return o
	}
	// Kilo's status says little: 0 if it did nothing, and an error may have been
	// overcome. A step that was finished is the least that it must have done.
	if err == nil && exit == 0 && o.steps > 0 {
		return o
	}
	if err != nil {
		s.journal.printf("kilo: %v", err)
	}
	s.journal.printf("kilo ended with status %d after %d steps; its last error: %s", exit, o.steps, cmp.Or(fault, "none"))
	o.ending, o.failure = brief.Failed, brief.FailedCoder
	if p != nil && p.bad.Load() > 0 {
		o.failure = brief.FailedModel
	}
	return o
}

// startKilo runs Kilo once, with a proxy of its own.
func (s *session) startKilo(ctx context.Context, w *watch, end context.CancelCauseFunc) (exit int, p *proxy, err error) {
	program, err := findKilo(s.cfg)
	if err != nil {
		return -1, nil, err
	}
	p, err = startProxy(ctx, s.app, s.journal, w.alive, func() { end(errSpent) })
	if err != nil {
		return -1, nil, err
	}
	defer p.Close()
	config, asked, err := s.kiloFiles(p.URL())
	if err != nil {
		return -1, p, err
	}
	room, err := s.place.newRoom(s.coder)
	if err != nil {
		return -1, p, err
	}
	in, err := os.Open(asked)
	if err != nil {
		return -1, p, fmt.Errorf("open the prompt: %w", err)
	}
	defer in.Close()

	watched := make(chan struct{})
	watching, stop := context.WithCancel(ctx)
	go func() {
		defer close(watched)
		w.guard(watching, s.cfg.times.silence, func() { end(errSilent) })
	}()
	defer func() { stop(); <-watched }()

	argv := slices.Concat(program, kilo.Arguments(s.brief.Model.Name, "run "+s.brief.Run))
	cmd := s.coder.command(ctx, s.place.work(), append(s.coder.environment(room), kilo.Switches(config)...), argv...)
	cmd.Stdin = in
	said := s.journal.stream()
	exit, err = s.coder.drive(ctx, cmd, w.event, func(line []byte) { said.line("kilo: " + string(line)) })
	return exit, p, err
}

// kiloFiles writes what Kilo reads of ours into a new folder: its configuration, what
// it is asked, and the repository's instructions. What the repository brings for Kilo
// is switched off, or put away by [place.hide], and Kilo's home is empty.
func (s *session) kiloFiles(url string) (config, asked string, err error) {
	dir, err := s.place.folder("kilo", 0o755)
	if err != nil {
		return "", "", err
	}
	texts := map[string]string{"prompt.md": s.prompt}
	instructions := ""
	if s.instructions != "" {
		instructions = filepath.Join(dir, "AGENTS.md")
		texts["AGENTS.md"] = s.instructions
	}
	data, err := kilo.Config(s.brief.Model, url, instructions)
	if err != nil {
		return "", "", err
	}
	texts["kilo.json"] = string(data)
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o444); err != nil {
			return "", "", fmt.Errorf("write kilo's files: %w", err)
		}
	}
	return filepath.Join(dir, "kilo.json"), filepath.Join(dir, "prompt.md"), nil
}

// guard calls silent once nothing was heard for as long as limit.
func (w *watch) guard(ctx context.Context, limit time.Duration, silent func()) {
	for {
		left := limit - w.quiet()
		if left <= 0 {
			silent()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(left):
		}
	}
}
