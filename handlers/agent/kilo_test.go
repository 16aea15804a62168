package agent_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/script"
)

// kilo is a folder with the real Kilo's settings, and where its binary is.
type kilo struct {
	*house
	binary, repository, home string
}

// newKilo finds the real Kilo, which has 170 MB and so is no part of the tree.
func newKilo(h *house) *kilo {
	h.Helper()
	binary := os.Getenv("SOULCASTER_KILO")
	if binary == "" {
		h.Skip("SOULCASTER_KILO does not say where Kilo's binary is: what the real one sends is not tested")
	}
	k := &kilo{house: h, binary: binary, repository: h.TempDir(), home: h.TempDir()}
	if err := os.WriteFile(filepath.Join(k.repository, "greet.js"), []byte("console.log('Helo')\n"), 0o600); err != nil {
		h.Fatal(err)
	}
	return k
}

// run has Kilo work against the gateway, as a provider of the name.
func (k *kilo) run(r begun, provider string) (output string, err error) {
	k.Helper()
	settings, err := json.Marshal(map[string]any{
		"autoupdate": false, "share": "disabled", "snapshot": false,
		"model": provider + "/scripted", "small_model": provider + "/scripted",
		"enabled_providers": []string{provider}, "disabled_providers": []string{"kilo"},
		"provider": map[string]any{provider: map[string]any{
			"npm": "@ai-sdk/openai-compatible", "name": "Soulcaster",
			"options": map[string]any{"baseURL": k.url + r.path("v1"), "apiKey": r.token, "timeout": 60_000, "chunkTimeout": 30_000},
			"models":  map[string]any{"scripted": map[string]any{"name": "Scripted", "tool_call": true, "limit": map[string]int{"context": 200_000, "output": 8192}}},
		}},
		"permission": map[string]string{"*": "allow"},
	})
	if err != nil {
		return "", err
	}
	path := filepath.Join(k.home, "kilo.json")
	if err := os.WriteFile(path, settings, 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(k.Context(), k.binary, "run", "--auto", "--format", "json", "--agent", "code", "-m", provider+"/scripted", "--title", "x")
	cmd.Dir = k.repository
	cmd.Stdin = strings.NewReader("It says Helo. Fix it.")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + k.home, "KILO_CONFIG=" + path, "KILO_DISABLE_PROJECT_CONFIG=1",
		"KILO_TELEMETRY_LEVEL=off", "KILO_DISABLE_AUTOUPDATE=1", "KILO_DISABLE_MODELS_FETCH=1", "KILO_DISABLE_SESSION_INGEST=1",
		"KILO_DISABLE_LSP_DOWNLOAD=1", "KILO_DISABLE_SHARE=1", "KILO_DISABLE_DEFAULT_PLUGINS=1", "KILO_SESSION_RETRY_LIMIT=1"}
	cmd.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

func fixing(k *kilo) []script.Turn {
	file := filepath.Join(k.repository, "greet.js")
	return script.Steps(
		script.Turn{Calls: []script.Call{script.Bash("cat greet.js"), script.Read(file)}},
		script.Turn{Calls: []script.Call{script.Edit(file, "Helo", "Hello")}},
		script.Turn{Calls: []script.Call{script.Write(filepath.Join(k.repository, "new.js"), "// new\n")}},
		script.Turn{Text: "It says Hello now."},
	)
}

// The real Kilo fixes a file through the gateway. It gives the signatures of tool
// calls back if its provider is called google, and not if it is called otherwise:
// the day that changes, the agent's settings may change too.
func TestTheRealKiloThroughTheGateway(t *testing.T) {
	for provider, signed := range map[string]bool{"google": true, "other": false} {
		t.Run(provider, func(t *testing.T) {
			k := newKilo(newHouse(t, run.Budget{}))
			k.model.Turns = fixing(k)
			r := k.begin(acme, "acme/web")
			out, err := k.run(r, provider)
			data, failed := os.ReadFile(filepath.Join(k.repository, "greet.js"))
			if failed != nil {
				t.Fatal(failed)
			}
			fixed := string(data) == "console.log('Hello')\n"
			problems := ""
			for _, request := range k.model.Requests() {
				problems += request.Problem
			}
			if fixed != signed || (err == nil) != signed || strings.Contains(problems, "missing a thought_signature") == signed {
				t.Errorf("%v, the file is %q, the model says %q\n%s", err, data, problems, out)
			}
			u, _, err := run.UsageOf(t.Context(), r.space, r.id)
			if err != nil || u.Requests == 0 || (signed && (u.Input == 0 || u.Output == 0)) {
				t.Errorf("the usage is %+v, %v", u, err)
			}
		})
	}
}

func TestTheRealKiloEndsWhenTheBudgetIsSpent(t *testing.T) {
	k := newKilo(newHouse(t, run.Budget{Requests: 2}))
	k.model.Turns = fixing(k)
	r := k.begin(acme, "acme/web")
	out, err := k.run(r, "google")
	u, _, failed := run.UsageOf(t.Context(), r.space, r.id)
	if failed != nil {
		t.Fatal(failed)
	}
	if err == nil || !strings.Contains(out, "budget of this run is used up") || u.Spent != "requests" || u.Requests != 2 {
		t.Errorf("%v, %+v\n%s", err, u, out)
	}
}
