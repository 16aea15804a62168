//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
	"github.com/soulcaster/soulcaster/engine/fix/ecs/ecstest"
)

// TestFixAnswersLost: GitHub or ECS did what they were asked and the answer was lost,
// or did not do it and said so. Either way it is done once in the end.
func TestFixAnswersLost(t *testing.T) {
	t.Parallel()
	github := func(f hub.Fault) func(*fixworld) {
		f.Times = 1
		return func(w *fixworld) { w.hub.Break(f) }
	}
	aws := func(f ecstest.Fault) func(*fixworld) { return func(w *fixworld) { w.ecs.Fault("RunTask", 1, f) } }
	for _, tt := range []struct {
		name string
		bad  func(w *fixworld) // once the issue is there
	}{
		{"status comment", github(hub.Fault{Method: "POST", Path: `/issues/\d+/comments$`, Lost: true})},
		{"commit", github(hub.Fault{Method: "POST", Path: "/git/commits$", Lost: true})},
		{"branch", github(hub.Fault{Method: "POST", Path: "/git/refs$", Lost: true})},
		{"pull request", github(hub.Fault{Method: "POST", Path: "/pulls$", Lost: true})},
		{"pull request, overloaded", github(hub.Fault{Method: "POST", Path: "/pulls$", Status: http.StatusBadGateway})},
		{"pull request, rate limit", github(hub.RateLimited("POST", "/pulls$", 1, 2))},
		{"read token", github(hub.Fault{Method: "POST", Path: "/access_tokens$", Status: http.StatusBadGateway})},
		{"task", aws(ecstest.Lost())},
		{"task, no answer", aws(ecstest.Hanging())},
		{"task, trouble", aws(ecstest.Broken())},
		{"task, throttled", aws(ecstest.Throttle())},
		{"task, away", aws(ecstest.Away())},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := stages(t, stage{})
			number := w.greeting()
			tt.bad(w)
			w.fix(number)
			within(t, settling, "a fix is proposed", func() error { return atLeast(len(w.hub.Pulls(shop)), 1) })
			w.until(number, "proposed")
			w.stopped()
			w.once(number, 1, 1, 1, 1)
		})
	}
}

// TestFixLocal: with the local launcher, which an operator has to allow beside live
// credentials, the app runs the agent itself.
func TestFixLocal(t *testing.T) {
	t.Parallel()
	w := stages(t, stage{absent: true})
	local := []string{"SOULCASTER_LAUNCHER=local", "SOULCASTER_KILO=" + string(encode([]string{binary, "stand-in"}))}
	refused := launch(t, w.dir, w.environ(local...), binary, "serve")
	if status := refused.wait(); status != 2 {
		t.Errorf("without being allowed it ended with %d", status)
	}
	if err := says(refused.log.String()+refused.out.String(), "SOULCASTER_ALLOW_LOCAL_AGENT"); err != nil {
		t.Error(err)
	}
	w.start(append(local, "SOULCASTER_ALLOW_LOCAL_AGENT=true", "TMPDIR="+w.place)...)
	number := w.asked()
	pull := w.proposal(1)
	w.until(number, "proposed")
	w.holds(pull.Head, "greet.js", "console.log('Hello')\n")
	if n := len(w.ecs.Calls("")); n > 0 {
		t.Errorf("%d calls to ECS", n)
	}
	w.secretsAbsent("what the app wrote", fmt.Sprint(w.written()))
	w.once(number, 1, 0, 1, 1)
	w.stop()
}
