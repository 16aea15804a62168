package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

// imageKilo is where the agent's image has Kilo.
const imageKilo = "/opt/kilo/bin/kilo"

// provider is the one model provider that Kilo knows: the proxy. Kilo's client for
// OpenAI-compatible models keeps the thought signatures of Gemini's tool calls under
// the provider's name and sends them back from under google alone; without them
// Gemini refuses the next turn.
const provider = "google"

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

// kiloConfig is Kilo's configuration, all of it: what the repository brings is
// switched off by [kiloSwitches] or put away by [place.hide], and Kilo's home is
// empty. The permissions are guard rails that
// save the model detours; the boundary is the coder's user.
func kiloConfig(m brief.Model, baseURL, instructions string) ([]byte, error) {
	model := provider + "/" + m.Name
	config := map[string]any{
		"$schema":    "https://app.kilo.ai/config.json",
		"autoupdate": false,
		"share":      "disabled",
		// Without this Kilo may ask a question about it that nobody answers.
		"snapshot":           false,
		"model":              model,
		"small_model":        model,
		"enabled_providers":  []string{provider},
		"disabled_providers": []string{"kilo"},
		"provider": map[string]any{provider: map[string]any{
			"npm":  "@ai-sdk/openai-compatible", // comes with Kilo
			"name": "Soulcaster",
			"options": map[string]any{
				"baseURL":      baseURL,
				"apiKey":       "none", // the proxy adds the token
				"timeout":      (10 * time.Minute).Milliseconds(),
				"chunkTimeout": (5 * time.Minute).Milliseconds(),
			},
			"models": map[string]any{m.Name: map[string]any{
				"name":      m.Name,
				"tool_call": true,
				"limit":     map[string]int{"context": m.Context, "output": m.Output},
			}},
		}},
		"permission": map[string]any{
			"*": "allow", "question": "deny", "webfetch": "deny", "websearch": "deny",
			"external_directory": "deny", "task": "deny",
			"bash": map[string]string{"*": "allow", "git push*": "deny", "git remote*": "deny", "gh *": "deny"},
			"edit": map[string]string{"*": "allow", ".github/workflows/**": "deny"},
		},
	}
	if instructions != "" {
		config["instructions"] = []string{instructions}
	}
	data, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode kilo's configuration: %w", err)
	}
	return data, nil
}

// kiloSwitches turn off what Kilo would do beside its work.
func kiloSwitches(config string) []string {
	return []string{
		"KILO_CONFIG=" + config,
		"KILO_DISABLE_PROJECT_CONFIG=1",
		"KILO_DISABLE_DEFAULT_PLUGINS=1",
		"KILO_DISABLE_EXTERNAL_SKILLS=1", // .claude/skills, .agents/skills
		"KILO_DISABLE_CLAUDE_CODE=1",
		"KILO_DISABLE_AUTOUPDATE=1",
		"KILO_DISABLE_MODELS_FETCH=1",
		"KILO_DISABLE_SESSION_INGEST=1",
		"KILO_DISABLE_LSP_DOWNLOAD=1",
		"KILO_DISABLE_SHARE=1",
		"KILO_TELEMETRY_LEVEL=off",
		"KILO_SESSION_RETRY_LIMIT=3",
		"OTEL_SDK_DISABLED=true",
	}
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
	w := &watch{journal: s.journal, progress: s.progress, now: time.Now, last: time.Now()}
	exit, p, err := s.startKilo(ctx, w, end)
	o := outcome{ending: brief.Finished}
	o.steps, o.said, _ = w.end()
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
	s.journal.printf("kilo ended with status %d after %d steps", exit, o.steps)
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

	argv := slices.Concat(program, []string{"run", "--auto", "--format", "json", "--agent", "code",
		"-m", provider + "/" + s.brief.Model.Name, "--title", "run " + s.brief.Run})
	cmd := s.coder.command(ctx, s.place.work(), append(s.coder.environment(room), kiloSwitches(config)...), argv...)
	cmd.Stdin = in
	exit, err = s.coder.drive(ctx, cmd, w.event, func(line []byte) { s.journal.line("kilo: " + string(line)) })
	return exit, p, err
}

// kiloFiles writes what Kilo reads of ours into a new folder: its configuration, what
// it is asked, and the repository's instructions.
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
	data, err := kiloConfig(s.brief.Model, url, instructions)
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
