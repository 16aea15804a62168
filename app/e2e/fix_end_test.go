//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
	"github.com/soulcaster/soulcaster/engine/fix/ecs/ecstest"
	"github.com/soulcaster/soulcaster/engine/fix/script"
)

// does is a model that uses tools once and is done.
func does(calls ...script.Call) []script.Turn {
	return script.Steps(script.Turn{Calls: calls}, script.Turn{Text: "That is all that I did."})
}

// TestFixEnds is the bad days that end a run without a proposal: the status says
// why, in our words, and what can be done.
func TestFixEnds(t *testing.T) {
	t.Parallel()
	// Put together here, so that no scanner finds them in this file.
	token := "ghp_" + "x7Kq2mV9pL4wR8nT3bY6" + "cD1fG5hJ0sA2eZ7u"
	privateKey := "-----BEGIN " + "RSA PRIVATE KEY-----\n" + strings.Repeat("MIIEowIBAAKCAQEAr7Kq2mV9pL4wR8nT3bY6cD1fG5hJ0sA2eZ7uQ4tW\n", 12) + "-----END " + "RSA PRIVATE KEY-----\n"
	raw := "the raw words of an error 4711"
	for _, tt := range []struct {
		name  string
		stage stage
		bad   func(w *fixworld) // before the app starts
		state string
		says  []string
		tasks int
	}{
		{"nothing changed", stage{turns: []script.Turn{{Text: "The report is about @somebody else's shop, see #1."}}}, nil,
			"over, with nothing to change", []string{"changed nothing", "somebody else", "/soulcaster fix"}, 1},
		{"changed and changed back", stage{turns: does(script.Edit("greet.js", "Helo", "Hullo"), script.Edit("greet.js", "Hullo", "Helo"))}, nil,
			"over, with nothing to change", []string{"That is all that I did."}, 1},
		{"workflow", stage{turns: does(script.Write(".github/workflows/send.yml", "on: push\n"))}, nil,
			"failed", []string{"`.github/workflows/send.yml`: ", "(workflow)"}, 1},
		{"owners", stage{turns: does(script.Write("CODEOWNERS", "* @stranger\n"), script.Edit("greet.js", "Helo", "Hello"))}, nil,
			"failed", []string{"`CODEOWNERS`: "}, 1},
		{"submodules", stage{turns: does(script.Write(".gitmodules", "[submodule \"x\"]\n"))}, nil, "failed", []string{"`.gitmodules`: "}, 1},
		{"link out of the tree", stage{turns: does(script.Bash("ln -s /etc/passwd passwords"))}, nil, "failed", []string{"`passwords`: ", "(link)"}, 1},
		{"binary", stage{turns: does(script.Bash("head -c 4096 /dev/zero > tool.bin"))}, nil, "failed", []string{"`tool.bin`: "}, 1},
		{"path that the operator denies", stage{fix: `paths: ["!src/**"]`, turns: does(script.Edit("src/cart.js", "items.length", "0"))}, nil,
			"failed", []string{"`src/cart.js`: ", "(policy)"}, 1},
		{"token in the change", stage{turns: does(script.Write("deploy.js", "const token = '"+token+"'\n"))}, nil, "failed", []string{"`deploy.js`: ", "(secret)"}, 1},
		{"key in the change", stage{turns: does(script.Write("deploy.pem.txt", privateKey))}, nil, "failed", []string{"`deploy.pem.txt`: ", "(secret)"}, 1},
		{"no such model key", stage{env: []string{"SOULCASTER_MODEL_KEY=wrong"}}, nil, "failed", []string{"The language model did not answer."}, 1},
		{"model down", stage{turns: []script.Turn{{Status: 500, Text: raw}}}, nil, "failed", []string{"The language model did not answer.", "/soulcaster retry"}, 1},
		{"budget used up", stage{runs: "runs: {per_run: {requests: 1}}"}, nil, "failed", []string{"The model's budget for this run was used up"}, 1},
		{"Kilo does not start", stage{kilo: []string{"/nonexistent/kilo"}}, nil, "failed", []string{"The coding agent did not start, or crashed."}, 1},
		{"Kilo crashes", stage{kilo: []string{"/bin/sh", "-c", "echo '" + raw + "' >&2; kill -SEGV $$", "kilo"}}, nil,
			"failed", []string{"The coding agent did not start, or crashed."}, 1},
		{"no clone", stage{}, func(w *fixworld) { w.hub.Break(hub.Fault{Path: "git-upload-pack|/info/refs", Status: 500, Body: raw}) },
			"failed", []string{"The repository could not be fetched."}, 1},
		{"refused by ECS", stage{}, func(w *fixworld) { w.ecs.Fault("RunTask", 9, ecstest.Deny()) }, "failed", []string{"the launcher's settings are wrong"}, 0},
		{"never started", stage{}, func(w *fixworld) { w.ecs.Fault("RunTask", 3, ecstest.Unstarted("CannotPullContainerError: "+raw)) },
			"failed", []string{"was accepted but never ran"}, 3},
		{"time is up", stage{fix: "minutes: 1", turns: []script.Turn{{Hang: true}}}, nil, "out of time", []string{"`fix.minutes`"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.stage.absent = true
			w := stages(t, tt.stage)
			if tt.bad != nil {
				tt.bad(w)
			}
			w.start(tt.stage.env...)
			number := w.asked()
			text := w.until(number, tt.state, tt.says...)
			if strings.Contains(text, raw) || strings.Contains(text, token) || strings.Contains(text, "@somebody") {
				t.Errorf("the status shows what is not its own, alive:\n%s", text)
			}
			w.stopped()
			w.once(number, 1, tt.tasks, 0, 0)
			if all := w.hub.Branches(shop); len(all) != 1 {
				t.Errorf("there are branches %v", all)
			}
			if s := w.written(); strings.Contains(s, token) {
				t.Error("the app's log holds the token of the change")
			}
		})
	}
}

// TestFixOfALimitedAgent: what there is when the budget or the time is used up is
// proposed, and says that it is not finished.
func TestFixOfALimitedAgent(t *testing.T) {
	t.Parallel()
	edit := script.Turn{Calls: []script.Call{script.Edit("greet.js", "Helo", "Hello")}}
	for name, s := range map[string]stage{
		"requests": {runs: "runs: {per_run: {requests: 1}}", turns: []script.Turn{edit}},
		"tokens":   {runs: "runs: {per_run: {tokens: 5000}}", turns: script.Steps(script.Turn{Calls: edit.Calls, Usage: script.Usage{Input: 4000, Output: 2000}}, edit)},
		"money":    {runs: "runs: {per_run: {dollars: 1}}", turns: script.Steps(script.Turn{Calls: edit.Calls, Usage: script.Usage{Input: 3_000_000, Output: 100_000}}, edit)},
		"time":     {fix: "minutes: 1", turns: script.Steps(edit, script.Turn{Hang: true})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := stages(t, s)
			number := w.asked()
			pull := w.proposal(1)
			w.until(number, "proposed")
			w.holds(pull.Head, "greet.js", "console.log('Hello')\n")
			if err := says(pull.Body, "**Incomplete:**"); err != nil {
				t.Error(err)
			}
			w.stopped()
			w.once(number, 1, 1, 1, 1)
		})
	}
}

// TestFixWithASlowModel: an answer that comes in pieces, late, is an answer.
func TestFixWithASlowModel(t *testing.T) {
	t.Parallel()
	turns := corrects()
	for i := range turns {
		turns[i].Wait = 400 * time.Millisecond
	}
	w := stages(t, stage{turns: turns})
	number := w.asked()
	w.proposal(1)
	w.until(number, "proposed")
	w.once(number, 1, 1, 1, 1)
}

// TestFixIsRetried: after a failure, the same words are tried again in a new run.
func TestFixIsRetried(t *testing.T) {
	t.Parallel()
	w := stages(t, stage{absent: true})
	w.ecs.Fault("RunTask", 1, ecstest.Deny())
	w.start()
	number := w.asked("Mind the tabs.")
	w.until(number, "failed")
	w.say(maintainer, number, "/soulcaster retry")
	w.proposal(1)
	w.until(number, "proposed")
	if prompt := w.requests()[0].Conversation.Said("user"); !strings.Contains(prompt, "Mind the tabs.") {
		t.Error("the words were not taken over")
	}
	w.once(number, 2, 1, 1, 1)
	var states []string
	for _, c := range w.statuses(number) {
		head, _, _ := strings.Cut(c.Body, "\n")
		states = append(states, head)
	}
	if want := []string{"**Fix run: failed**", "**Fix run: proposed**"}; !slices.Equal(states, want) {
		t.Errorf("the runs are %v", states)
	}
}
