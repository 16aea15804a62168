//go:build e2e

package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/fix/script"
)

// secrets are all that must stay where they are, by what they are.
func (w *fixworld) secrets() map[string]string {
	all := map[string]string{
		"the webhook secret": webhookSecret, "the model's key": modelKey, "the store's key": w.env["SOULCASTER_SECRET_KEY"],
		"the admin token": adminToken, "the OAuth secret": w.env["GITHUB_OAUTH_CLIENT_SECRET"], "AWS's key": w.env["AWS_SECRET_ACCESS_KEY"],
		// A line from the middle of it: line ends are written in several ways.
		"the App's private key": strings.Split(appKey(), "\n")[7],
		"a source's key":        key("acme-api"),
	}
	for i, token := range w.hub.Tokens() {
		all[fmt.Sprintf("GitHub token %d", i)] = token
	}
	for i, c := range w.door.redeemed() {
		all[fmt.Sprintf("claim %d", i)] = c.Claim
		all[fmt.Sprintf("run token %d", i)] = c.Token
		all[fmt.Sprintf("clone token %d", i)] = c.cloneToken
	}
	return all
}

// secretsAbsent checks that a text holds no secret, but for those whose names begin
// with an exception.
func (w *fixworld) secretsAbsent(where, text string, except ...string) {
	w.t.Helper()
	for name, secret := range w.secrets() {
		if secret == "" {
			w.t.Errorf("%s is not known, so that nothing is said of it", name)
		}
		if slices.ContainsFunc(except, func(e string) bool { return strings.HasPrefix(name, e) }) {
			continue
		}
		if strings.Contains(text, secret) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(secret))) {
			w.t.Errorf("%s: %s is there", where, name)
		}
	}
}

// TestFixKeepsSecrets looks for every secret wherever something of a run is written
// or shown, and in all that the coder's processes could read of themselves.
func TestFixKeepsSecrets(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	look := script.Bash("env; cat /proc/self/environ /proc/$PPID/environ /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | tail -c 30000")
	w := stages(t, stage{turns: script.Steps(
		script.Turn{Calls: []script.Call{script.Bash("env > leak.txt; cat .git/config ../clean.git/config >> leak.txt 2>&1; true"), look}},
		script.Turn{Calls: []script.Call{script.Edit("greet.js", "Helo", "Hello"), script.Bash("rm leak.txt")}, Hold: hold},
		script.Turn{Text: "It is right now."},
	)})
	number := w.asked()
	w.thinks(2)
	coders := 0
	for pid, env := range below(t, w.ecs.Tasks()[0].PID) {
		if bytes.Contains(env, []byte("KILO_CONFIG=")) {
			coders++
			w.secretsAbsent(fmt.Sprintf("the environment of Kilo's process %d", pid), string(env))
		}
	}
	if coders == 0 {
		t.Error("Kilo is not there")
	}
	close(hold)
	pull := w.proposal(1)
	w.until(number, "proposed")
	w.stopped()

	w.secretsAbsent("what the model was told", strings.Join(w.asks(), "\n"))
	w.secretsAbsent("what the app wrote", w.written())
	w.secretsAbsent("what the agent wrote", w.said.String())
	var calls, environments strings.Builder
	for _, c := range w.ecs.Calls("") {
		calls.WriteString(c.Body + "\n")
	}
	for _, task := range w.ecs.Tasks() {
		calls.WriteString(w.ecs.Event(task.ARN) + "\n")
		environments.WriteString(strings.Join(task.Env, "\n"))
	}
	w.secretsAbsent("what ECS was told", calls.String(), "claim ")
	w.secretsAbsent("the task's environment", environments.String(), "claim ")
	if !strings.Contains(environments.String(), w.door.redeemed()[0].Claim) {
		t.Error("the claim is not where it belongs")
	}
	w.secretsAbsent("what is on GitHub", w.scene()+pull.Body+w.hub.Issue(shop, number).Body+w.hub.Log(shop, pull.Head, "main")[0].Message)
	for _, c := range w.hub.Writes() {
		w.secretsAbsent("what GitHub was sent: "+c.Path, c.Body)
	}
	w.secretsAbsent("the app's pages", w.pages(allPages))
	if s := w.store; s.holds(t, modelKey) || s.holds(t, w.door.redeemed()[0].Token) || s.holds(t, w.door.redeemed()[0].cloneToken) {
		t.Error("the store holds a token")
	}
}

// asks are the bodies of what the model was asked.
func (w *fixworld) asks() (all []string) {
	for _, r := range w.model.Requests() {
		all = append(all, string(r.Body))
	}
	return all
}

// below returns the environments of all processes that descend from one.
func below(t *testing.T, root int) map[int][]byte {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Skip("SKIPPED: there is no /proc to look at processes with")
	}
	parents := make(map[int]int)
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		data, gone := os.ReadFile(path)
		if err != nil || gone != nil {
			continue // it ended meanwhile
		}
		// The name, in parentheses, may hold anything.
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if parents[pid], err = strconv.Atoi(fields[1]); err != nil {
			t.Fatalf("%s: %s", path, data)
		}
	}
	found := make(map[int][]byte)
	for pid := range parents {
		at := pid
		for at != root && at > 1 {
			at = parents[at]
		}
		if at == root {
			if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err == nil {
				found[pid] = env
			}
		}
	}
	return found
}
