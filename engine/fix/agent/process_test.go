package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

// prelude is what the scripts that play Kilo begin with.
const prelude = `#!/bin/sh
set -eu
say() { printf '{"type":"text","part":{"text":"%s"}}\n' "$1"; }
step() { printf '{"type":"step_finish","part":{"reason":"stop","tokens":{"input":10,"output":2}}}\n'; }
tool() { printf '{"type":"tool_use","part":{"tool":"%s","state":{"status":"completed","input":{"command":"%s"},"output":"%s","metadata":{"exit":0}}}}\n' "$1" "$2" "${3-}"; }
`

// script writes a stand-in for Kilo. In it, @MARKS@ is the folder of marks and
// @DIR@ the world's.
func (w *world) script(body string) []string {
	w.t.Helper()
	body = strings.NewReplacer("@MARKS@", w.marks, "@DIR@", w.dir).Replace(body)
	path := filepath.Join(w.dir, "kilo")
	if err := os.WriteFile(path, []byte(prelude+body), 0o755); err != nil {
		w.t.Fatal(err)
	}
	return []string{path}
}

// agent is the agent as a process.
type agent struct {
	w      *world
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

func (w *world) start(kilo []string, env ...string) *agent {
	w.t.Helper()
	a := w.prepare(kilo, env...)
	if err := a.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) prepare(kilo []string, env ...string) *agent {
	w.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	program, err := json.Marshal(kilo)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock() // what the test set before is what the server sees
	defer w.mu.Unlock()
	a := &agent{w: w, cmd: exec.CommandContext(w.t.Context(), exe)}
	a.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + filepath.Join(w.dir, "tmp"), asAgent + "=1",
		envURL + "=" + w.server.URL, envRun + "=r1", envClaim + "=" + theClaim, envKilo + "=" + string(program)}, env...)
	a.cmd.Stderr = &a.stderr
	return a
}

// wait returns the agent's exit status and what it handed over last, nil if it
// handed over nothing.
func (a *agent) wait() (int, *brief.Result) {
	a.w.t.Helper()
	err := a.cmd.Wait()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		a.w.t.Fatal(err)
	}
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.w.clean(a.stderr.String())
	if a.w.t.Failed() || testing.Verbose() {
		a.w.t.Logf("the agent wrote:\n%s\nits log:\n%s", &a.stderr, &a.w.log)
	}
	status := a.cmd.ProcessState.ExitCode()
	if len(a.w.results) == 0 {
		return status, nil
	}
	return status, &a.w.results[len(a.w.results)-1]
}

// clean checks what holds after every run: no secret got out, no folder is left.
func (w *world) clean(stderr string) {
	w.t.Helper()
	results, err := json.Marshal(w.results)
	if err != nil {
		w.t.Fatal(err)
	}
	for where, text := range map[string]string{"stderr": stderr, "the log": w.log.String(), "the result": string(results)} {
		for _, secret := range []string{theClaim, theToken, theCloneToken} {
			if strings.Contains(text, secret) {
				w.t.Errorf("%s holds %s", where, secret)
			}
		}
	}
	left, err := os.ReadDir(filepath.Join(w.dir, "tmp"))
	if err != nil || len(left) > 0 {
		w.t.Errorf("left behind: %v %v", left, err)
	}
}

// marked are the names of the marks, and the user of each.
func (w *world) marked() map[string]int {
	w.t.Helper()
	marks := map[string]int{}
	entries, err := os.ReadDir(w.marks)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			w.t.Fatal(err)
		}
		marks[e.Name()], _ = ownerOf(info)
	}
	return marks
}

func (w *world) read(mark string) string {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(w.marks, mark))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

// summary is a result's files, a line each: mode, path, content.
func summary(files []brief.File) string {
	var lines []string
	for _, f := range files {
		lines = append(lines, fmt.Sprintf("%s %s %s", f.Mode, f.Path, strconv.Quote(string(f.Content))))
	}
	return strings.Join(lines, "\n")
}

// parseArchive reads a fixture: sections that begin with a line "-- NAME --".
func parseArchive(t *testing.T, path string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	name := "about"
	for line := range strings.Lines(string(data)) {
		if head, ok := strings.CutPrefix(strings.TrimSuffix(line, " --\n"), "-- "); ok && strings.HasSuffix(line, " --\n") {
			name = head
			sections[name] = ""
			continue
		}
		sections[name] += line
	}
	return sections
}

// below are the sections whose names begin with a prefix, without it.
func below(sections map[string]string, prefix string) map[string]string {
	files := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		if path, ok := strings.CutPrefix(name, prefix); ok {
			files[path] = sections[name]
		}
	}
	return files
}
