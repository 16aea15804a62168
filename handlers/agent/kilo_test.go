package agent_test

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/kilo"
	"github.com/soulcaster/soulcaster/engine/fix/kilo/kilotest"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/script"
)

// coder is a folder in which the real Kilo works, configured as the agent does it.
type coder struct {
	*house
	binary, repository, home string
}

func newCoder(h *house) *coder {
	h.Helper()
	c := &coder{house: h, binary: kilotest.Find(h), repository: h.TempDir(), home: h.TempDir()}
	if err := os.WriteFile(filepath.Join(c.repository, "greet.js"), []byte("console.log('Helo')\n"), 0o600); err != nil {
		h.Fatal(err)
	}
	return c
}

// run has Kilo work against the gateway, under another name of its provider if one
// is given.
func (c *coder) run(r begun, provider string) (output string, err error) {
	c.Helper()
	config, err := kilo.Config(kilo.Model("scripted", 200_000), c.url+r.path("v1"), "")
	if err != nil {
		return "", err
	}
	arguments := kilo.Arguments("scripted", "x")
	text := strings.ReplaceAll(string(config), `"none"`, `"`+r.token+`"`)
	if provider != "" {
		text = strings.ReplaceAll(text, `"google`, `"`+provider)
		for i, a := range arguments {
			arguments[i] = strings.Replace(a, "google/", provider+"/", 1)
		}
	}
	path := filepath.Join(c.home, "kilo.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(c.Context(), c.binary, arguments...)
	cmd.Dir = c.repository
	cmd.Stdin = strings.NewReader("It says Helo. Fix it.")
	cmd.Env = append(kilo.Switches(path), "PATH="+os.Getenv("PATH"), "HOME="+c.home)
	cmd.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

func fixing(c *coder) []script.Turn {
	file := filepath.Join(c.repository, "greet.js")
	return script.Steps(
		script.Turn{Calls: []script.Call{script.Bash("cat greet.js"), script.Read(file)}},
		script.Turn{Calls: []script.Call{script.Edit(file, "Helo", "Hello")}},
		script.Turn{Calls: []script.Call{script.Write(filepath.Join(c.repository, "new.js"), "// new\n")}},
		script.Turn{Text: "It says Hello now."},
	)
}

// The real Kilo fixes a file through the gateway. It gives the signatures of tool
// calls back if its provider is called google, and not if it is called otherwise:
// the day that changes, the agent's settings may change too.
func TestRealKiloThroughTheGateway(t *testing.T) {
	for provider, signed := range map[string]bool{"": true, "other": false} {
		t.Run(cmp.Or(provider, "google"), func(t *testing.T) {
			c := newCoder(newHouse(t, run.Budget{}))
			c.model.Turns = fixing(c)
			r := c.begin(acme, "acme/web")
			out, err := c.run(r, provider)
			data, failed := os.ReadFile(filepath.Join(c.repository, "greet.js"))
			if failed != nil {
				t.Fatal(failed)
			}
			fixed := string(data) == "console.log('Hello')\n"
			problems := ""
			for _, request := range c.model.Requests() {
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

func TestRealKiloEndsWhenTheBudgetIsSpent(t *testing.T) {
	c := newCoder(newHouse(t, run.Budget{Requests: 2}))
	c.model.Turns = fixing(c)
	r := c.begin(acme, "acme/web")
	out, err := c.run(r, "")
	u, _, failed := run.UsageOf(t.Context(), r.space, r.id)
	if failed != nil {
		t.Fatal(failed)
	}
	if err == nil || !strings.Contains(out, "budget of this run is used up") || u.Spent != "requests" || u.Requests != 2 {
		t.Errorf("%v, %+v\n%s", err, u, out)
	}
}
