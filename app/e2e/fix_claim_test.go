//go:build e2e

package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/ecs/ecstest"
)

// TestFixIsNeverClaimed: a task that runs and does not come for its brief is given up
// and stopped. If it comes then, while nobody can stop it, it gets nothing.
func TestFixIsNeverClaimed(t *testing.T) {
	t.Parallel()
	w := stages(t, stage{mute: true, timed: true})
	number := w.asked()
	w.reached("working", 1)
	w.ecs.Fault("StopTask", 1000, ecstest.Away())
	within(t, slow, "the task was seen to run", func() error { return atLeast(len(w.ecs.Calls("DescribeTasks")), 1) })
	if text := w.statuses(number)[0].Body; strings.Contains(text, "failed") {
		t.Fatalf("it is given up at once: %s", text)
	}
	w.pass(10 * time.Minute)
	// Before it gives up the app listens for a minute, and only time in which it looks
	// now and then counts.
	looks := 0
	within(t, slow, "it is given up", func() error {
		if n := len(w.ecs.Calls("DescribeTasks")); n > looks {
			looks = n
			w.pass(15 * time.Second)
		}
		return says(w.statuses(number)[0].Body, "**Fix run: failed**", "not heard from for too long")
	})

	task := w.ecs.Tasks()[0]
	if task.Status != "RUNNING" {
		t.Fatalf("the task is %s already, so nothing is said of one that comes late", task.Status)
	}
	claim := object{"task": task.ARN}
	for _, e := range task.Env {
		switch name, value, _ := strings.Cut(e, "="); name {
		case "SOULCASTER_RUN":
			claim["run"] = value
		case "SOULCASTER_CLAIM":
			claim["claim"] = value
		}
	}
	tokens := w.hub.Tokens()
	late, err := request("POST", w.door.url+"/agent/claim", map[string]string{"Content-Type": "application/json"}, encode(claim))
	if err != nil {
		t.Fatal(err)
	}
	if late.status != http.StatusGone {
		t.Errorf("the late claim is answered %d %s", late.status, late.body)
	}
	if now := w.hub.Tokens(); !slices.Equal(now, tokens) {
		t.Errorf("for the late claim there are %d tokens instead of %d", len(now), len(tokens))
	}

	w.ecs.Mend()
	w.pass(30 * time.Second)
	if all := w.stopped(); all[0].StopCode != "UserInitiated" {
		t.Errorf("the task ended as %s", all[0].StopCode)
	}
	w.once(number, 1, 1, 0, 0)
	if n := len(w.hub.Branches(shop)); n != 1 {
		t.Errorf("%d branches", n)
	}
}
