//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/ecs/ecstest"
	"github.com/soulcaster/soulcaster/engine/fix/publish"
	fixrun "github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/script"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

// providers are those that tasks were started on.
func providers(all []ecstest.Task) (names []string) {
	for _, task := range all {
		names = append(names, task.Provider)
	}
	return names
}

// TestFixOnSpot: a task that is taken away is followed by another one, the third on
// capacity that stays.
func TestFixOnSpot(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	w := stages(t, stage{turns: holding(hold), stop: 5 * time.Second})
	number := w.asked()
	for n := range 2 {
		w.thinks(n + 1)
		w.ecs.Interrupt(w.ecs.Tasks()[n].ARN)
	}
	w.thinks(3)
	close(hold)
	w.proposal(1)
	w.until(number, "proposed")
	if got, want := providers(w.stopped()), []string{"FARGATE_SPOT", "FARGATE_SPOT", "FARGATE"}; !slices.Equal(got, want) {
		t.Errorf("the tasks ran on %v, want %v", got, want)
	}
	w.once(number, 1, 3, 1, 1)
}

// TestFixWithoutCapacity: where there is no room on Spot, it is tried again, and
// then on demand. This takes the app three minutes.
func TestFixWithoutCapacity(t *testing.T) {
	t.Parallel()
	w := stages(t, stage{absent: true})
	w.ecs.Capacity(2)
	w.start()
	number := w.asked()
	within(t, 2*slow, "a fix is proposed", func() error { return atLeast(len(w.hub.Pulls(shop)), 1) })
	w.until(number, "proposed")
	if got := providers(w.stopped()); !slices.Equal(got, []string{"FARGATE"}) {
		t.Errorf("the task ran on %v", got)
	}
	var tokens []string
	for _, c := range w.ecs.Calls("RunTask") {
		var asked struct{ ClientToken string }
		if err := json.Unmarshal([]byte(c.Body), &asked); err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, asked.ClientToken)
	}
	slices.Sort(tokens)
	if n := len(slices.Compact(tokens)); n != 3 {
		t.Errorf("%d client tokens in 3 tries", n)
	}
	w.once(number, 1, 1, 1, 1)
}

// TestFixOfAKilledAgent: a signal ends the agent, and the run. The same without
// events, where the app has to look for itself.
func TestFixOfAKilledAgent(t *testing.T) {
	t.Parallel()
	for name, quiet := range map[string]bool{"told": false, "found": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := stages(t, stage{turns: holding(make(chan struct{})), quiet: quiet})
			number := w.asked()
			w.thinks(1)
			if err := syscall.Kill(w.ecs.Tasks()[0].PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			w.until(number, "failed", "The agent was killed")
			w.stopped()
			w.once(number, 1, 1, 0, 0)
			received := len(w.ecs.Calls("ReceiveMessage"))
			if quiet && received > 0 || !quiet && (received == 0 || len(w.ecs.Dead()) > 0) {
				t.Errorf("%d looks at the queue, dead letters %v", received, w.ecs.Dead())
			}
		})
	}
}

// TestFixByEvents: with DescribeTasks away, nobody but the events can say that the
// app is to look; it looks as soon as it can.
func TestFixByEvents(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	w := stages(t, stage{turns: holding(hold)})
	number := w.asked()
	w.thinks(1)
	for _, junk := range []string{"", "no JSON", `{"detail-type": "ECS Task State Change", "source": "aws.ecs", "detail": {"taskArn": "arn:aws:ecs:eu-test-1:999999999999:task/other/1"}}`} {
		w.ecs.Send(junk)
	}
	looked := len(w.ecs.Calls("DescribeTasks"))
	w.ecs.Send(w.ecs.Event(w.ecs.Tasks()[0].ARN))
	within(t, slow, "the app looks at the tasks", func() error { return atLeast(len(w.ecs.Calls("DescribeTasks")), looked+1) })
	within(t, slow, "the queue is empty", func() error {
		if n := w.ecs.Waiting(); n > 0 {
			return fmt.Errorf("%d messages", n)
		}
		return nil
	})
	close(hold)
	w.until(number, "proposed")
}

// TestFixGoesSilent: an agent that stops answering is stopped. This takes the app
// more than three minutes: it listens before it gives up.
func TestFixGoesSilent(t *testing.T) {
	t.Parallel()
	w := stages(t, stage{turns: holding(make(chan struct{})), stop: time.Second})
	number := w.asked()
	w.thinks(1)
	pid := w.ecs.Tasks()[0].PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	within(t, 2*slow, "it is given up", func() error {
		return says(w.statuses(number)[0].Body, "**Fix run: failed**", "not heard from for too long")
	})
	if all := w.stopped(); all[0].StopCode != "UserInitiated" {
		t.Errorf("the task ended as %s", all[0].StopCode)
	}
	w.once(number, 1, 1, 0, 0)
}

// other is a text that differs from s in its first character.
func other(s string) string {
	if s[0] == 'x' {
		return "y" + s[1:]
	}
	return "x" + s[1:]
}

// TestFixTokens: what a container was given is good for one task while it works, and
// for nothing afterwards.
func TestFixTokens(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	w := stages(t, stage{turns: holding(hold)})
	number := w.asked()
	w.thinks(1)
	got := w.door.redeemed()[0]
	said := ""
	ask := func(method, path, token string, body any) int {
		t.Helper()
		r, err := request(method, w.door.url+path, map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}, encode(body))
		if err != nil {
			t.Fatal(err)
		}
		w.secretsAbsent("an answer to a stranger", r.body)
		said = r.body
		return r.status
	}
	home := "/agent/runs/" + got.Run
	chat := object{"model": modelName, "messages": []any{object{"role": "user", "content": "hello"}}}
	beat := object{"attempt": 1, "phase": "working"}
	thought := len(w.model.Requests())
	for _, tt := range []struct {
		what         string
		method, path string
		token        string
		body         any
		want         int
	}{
		{"the claim again, by the same task", "POST", "/agent/claim", "", got.body, http.StatusConflict},
		{"the claim by another task", "POST", "/agent/claim", "", object{"run": got.Run, "claim": got.Claim, "task": strings.Replace(got.Task, "1", "2", 1)}, http.StatusConflict},
		{"another claim", "POST", "/agent/claim", "", object{"run": got.Run, "claim": other(got.Claim), "task": got.Task}, http.StatusNotFound},
		{"the claim as a token", "POST", home + "/heartbeat", got.Claim, beat, http.StatusNotFound},
		{"no token", "POST", home + "/v1/chat/completions", "", chat, http.StatusUnauthorized},
		{"the token for another run", "POST", "/agent/runs/abcdefgh12345678/v1/chat/completions", got.Token, chat, http.StatusNotFound},
		{"another model", "POST", home + "/v1/chat/completions", got.Token, object{"model": "gpt-expensive", "messages": chat["messages"]}, http.StatusBadRequest},
	} {
		if status := ask(tt.method, tt.path, tt.token, tt.body); status != tt.want {
			t.Errorf("%s is answered %d, want %d", tt.what, status, tt.want)
		}
	}
	if n := len(w.model.Requests()); n != thought {
		t.Errorf("the model was asked %d times more", n-thought)
	}
	// The clone token is void by now: the agent has cloned.
	if slices.Contains(w.hub.Tokens(), got.cloneToken) {
		t.Error("the clone token is good after the clone")
	}
	close(hold)
	w.until(number, "proposed")
	w.stopped()
	thought = len(w.model.Requests())
	if status := ask("POST", home+"/v1/chat/completions", got.Token, chat); status != http.StatusGone {
		t.Errorf("after the end the model answers %d", status)
	}
	if ask("POST", home+"/heartbeat", got.Token, beat); !strings.Contains(said, `"stop":"`) {
		t.Errorf("after the end a heartbeat is answered %s", said)
	}
	evil := object{"round": 1, "attempt": 1, "ending": "finished", "base": w.hub.Branches(shop)["main"],
		"files": []any{object{"path": "evil.js", "mode": "100644", "content": "ZXZpbA=="}}}
	ask("PUT", home+"/result", got.Token, evil) // whatever the answer is, nothing comes of it
	if status := ask("POST", "/agent/claim", "", got.body); status != http.StatusGone && status != http.StatusConflict {
		t.Errorf("after the end the claim is answered %d", status)
	}
	if n := len(w.model.Requests()); n != thought {
		t.Errorf("after the end the model was asked %d times more", n-thought)
	}
	w.say(maintainer, number, "/soulcaster help") // what was due before is done by then
	w.answered(number, 1)
	w.once(number, 1, 1, 1, 1)
}

// TestFixOfMuchOutput: a repository whose tests print a gigabyte in lines, and an agent
// whose command prints one without any, are no burden to the model or the app: what it
// keeps of the log is what it said that it keeps, and the run's page answers.
func TestFixOfMuchOutput(t *testing.T) {
	t.Parallel()
	files := shopFiles()
	files["test.sh"] = "grep -q Hello greet.js && exit\nyes \"$(head -c 1000 /dev/zero | tr '\\0' 'y')\" | head -c 1000000000\nexit 1\n"
	w := stages(t, stage{files: files, fix: `test: "sh test.sh"`, turns: script.Steps(
		script.Turn{Calls: []script.Call{script.Bash("head -c 1000000000 /dev/zero | tr '\\0' 'x'"), script.Edit("greet.js", "Helo", "Hello")}},
		script.Turn{Text: "It is right now."},
	)})
	number := w.asked()
	w.proposal(1)
	w.until(number, "proposed")
	w.stopped()
	for _, body := range w.asks() {
		if len(body) > 1<<20 {
			t.Errorf("the model was sent %d bytes", len(body))
		}
	}
	w.once(number, 1, 1, 1, 1)

	w.kill()
	page, log := w.logged()
	if most := int(publish.Limits().LogBytes); len(log) > most || len(log) < most/2 || !strings.Contains(log, "the log is longer than the") {
		t.Errorf("%d bytes of the log are kept, of %d at most; the end is %s", len(log), most, tail(log, 1000))
	}
	if !strings.Contains(tail(log, 10_000), "* finished : 1 files changed") {
		t.Errorf("the log does not say how it ended: %s", tail(log, 1000))
	}
	w.start()
	if r := w.get(page); r.status != http.StatusOK || len(r.body) > 1<<20 || !strings.Contains(r.body, "1 files changed") {
		t.Errorf("the run's page answers %d with %d bytes", r.status, len(r.body))
	}
}

// logged is where the page of the story's run is, and all that the store, whose app
// is away, has of its log.
func (w *fixworld) logged() (page, log string) {
	w.t.Helper()
	db, err := bolt.Open(w.t.Context(), strings.TrimPrefix(w.store.url, "bolt:"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	spaces, err := db.List(w.t.Context(), "", "", 100)
	if err != nil {
		w.t.Fatal(err)
	}
	id := w.door.redeemed()[0].Run
	for _, name := range spaces {
		space, err := db.Open(w.t.Context(), name)
		if err != nil {
			w.t.Fatal(err)
		}
		for after := ""; ; {
			text, next, err := fixrun.LogOf(w.t.Context(), space, id, 1, after, 500)
			if err != nil {
				w.t.Fatal(err)
			}
			if log += text; next == "" || next == after {
				break
			}
			after = next
		}
		if log != "" {
			return "/runs/" + strings.TrimPrefix(name, "p/") + "/" + id, log
		}
	}
	w.t.Fatalf("no space has a log of run %s", id)
	return "", ""
}
