package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/local/child"
)

// bare has Kilo alone fix a bug: in a plain clone, with the report as its prompt.
func (s *suite) bare(ctx context.Context, c *bug, as *account, dir string) (a attempt, err error) {
	tree, home := filepath.Join(dir, "result"), filepath.Join(dir, "home")
	if err := errors.Join(c.place(tree, "repo"), os.Mkdir(home, 0o755)); err != nil {
		return a, err
	}
	for _, args := range [][]string{{"init", "--quiet", "--template=", "--initial-branch=main"}, {"add", "--all"}, {"commit", "--quiet", "--message=Initial commit"}} {
		if _, err := git(ctx, tree, nil, args...); err != nil {
			return a, err
		}
	}
	base, err := git(ctx, tree, nil, "rev-parse", "HEAD")
	if err != nil {
		return a, err
	}
	config, prompt := filepath.Join(dir, "kilo.json"), filepath.Join(dir, "prompt.md")
	if err := errors.Join(os.WriteFile(config, bareConfig(s.model, as.url()), 0o644), os.WriteFile(prompt, []byte(c.Report.text()), 0o644)); err != nil {
		return a, fmt.Errorf("write kilo's configuration: %w", err)
	}
	// Kilo reads its prompt from standard input.
	command := slices.Concat([]string{"/bin/sh", "-c", `exec "$@" <"$0"`, prompt}, s.kilo.command,
		[]string{"run", "--auto", "--format", "json", "--agent", "code", "-m", providerOf + "/" + s.model.name, "--title", c.Name})
	running, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	began := time.Now()
	exit, said, err := drive(running, child.Spec{Command: command, Dir: tree, Env: append(surroundings(home), bareSwitches(config)...)})
	a.Seconds = time.Since(began).Seconds()
	if err != nil {
		return a, err
	}
	if running.Err() != nil {
		a.Note = "stopped when its time was over"
	}
	if _, err := git(ctx, tree, nil, "add", "--all"); err != nil {
		return a, err
	}
	different, err := git(ctx, tree, nil, "diff", "--cached", "--name-only", base)
	switch {
	case err != nil:
		return a, err
	case different != "":
		a.Outcome = changed
	case exit != 0 || running.Err() != nil:
		a.Outcome = failed
		if a.Note == "" {
			a.Note = fmt.Sprintf("kilo ended with status %d", exit)
		}
		a.Said = said
	default:
		a.Outcome = empty
	}
	return a, nil
}

// bareConfig is Kilo's configuration: the same kind that Soulcaster's agent writes.
func bareConfig(m configured, address string) []byte {
	name := providerOf + "/" + m.name
	data, err := json.MarshalIndent(map[string]any{
		"$schema": "https://app.kilo.ai/config.json", "autoupdate": false, "share": "disabled",
		"snapshot": false, // otherwise it may ask a question that nobody answers
		"model":    name, "small_model": name,
		"enabled_providers": []string{providerOf}, "disabled_providers": []string{"kilo"},
		"provider": map[string]any{providerOf: map[string]any{
			"npm": "@ai-sdk/openai-compatible", "name": "The model",
			"options": map[string]any{"baseURL": address, "apiKey": "none", // the meter has it
				"timeout": (10 * time.Minute).Milliseconds(), "chunkTimeout": (5 * time.Minute).Milliseconds()},
			"models": map[string]any{m.name: map[string]any{"name": m.name, "tool_call": true,
				"limit": map[string]int{"context": m.context, "output": min(32_000, m.context/4)}}},
		}},
		"permission": map[string]any{"*": "allow", "question": "deny", "webfetch": "deny", "websearch": "deny", "external_directory": "deny", "task": "deny"},
	}, "", "  ")
	if err != nil {
		panic(err) // maps and strings alone
	}
	return data
}

// bareSwitches turn off what Kilo would do beside its work.
func bareSwitches(config string) []string {
	return []string{
		"KILO_CONFIG=" + config, "KILO_DISABLE_PROJECT_CONFIG=1", "KILO_DISABLE_DEFAULT_PLUGINS=1", "KILO_DISABLE_AUTOUPDATE=1",
		"KILO_DISABLE_MODELS_FETCH=1", "KILO_DISABLE_SESSION_INGEST=1", "KILO_DISABLE_LSP_DOWNLOAD=1", "KILO_DISABLE_SHARE=1",
		"KILO_TELEMETRY_LEVEL=off", "KILO_SESSION_RETRY_LIMIT=3", "OTEL_SDK_DISABLED=true", "NO_COLOR=1",
	}
}
