//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestUpgrade: an App that was registered without the fix keeps issues with what little it
// may do; once there is a launcher, pages and doctor say what lacks, and when that was
// asked for and accepted, the agent fixes things. Nothing is started again for it.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	w := unregistered(t, stage{})
	w.hub.Uninstall(acme) // there is no App yet
	file := w.env["SOULCASTER_CONFIG"]
	delete(w.env, "SOULCASTER_CONFIG")
	b := &browser{t: t}
	if r := b.ask("GET", w.register(b, url.Values{"keep": {"store"}}), nil); r.status != http.StatusSeeOther {
		t.Fatalf("the way back: %d %s", r.status, r.body)
	}
	w.ready()
	w.hub.Install(acme, "acme")
	w.stop()
	w.env["SOULCASTER_CONFIG"] = file // its sources
	w.start()
	number := w.greeting()

	const (
		missing = "missing: contents: write, pull_requests: write, checks: read"
		accept  = "has to accept contents: write, pull_requests: write, checks: read"
	)
	w.examines("FAIL  permissions of the App: "+missing, "FAIL  events of the App: not subscribed to: pull_request, pull_request_review, check_suite",
		"FAIL  installation 101: "+missing)
	w.overview("what lacks", func(page string) bool { return strings.Contains(page, accept) })
	w.fix(number)
	w.until(number, "failed", "contents and pull requests: write")
	w.once(number, 1, 0, 0, 0)

	w.hub.Ask(map[string]string{"issues": "write", "metadata": "read", "contents": "write", "pull_requests": "write", "checks": "read"},
		[]string{"issues", "issue_comment", "repository", "pull_request", "pull_request_review", "check_suite"})
	w.examines("ok    permissions of the App", "ok    events of the App", "FAIL  installation 101: "+missing)
	w.hub.Accept(acme)
	w.overview("that nothing lacks", func(page string) bool { return !strings.Contains(page, "has to accept") })
	w.examines("ok    permissions of the App", "ok    events of the App", "ok    installation 101: on acme")
	w.later()
	w.fix(number)
	pull := w.proposal(1)
	w.until(number, "proposed")
	w.hub.As(maintainer).Ready(shop, pull.Number)
	w.hub.As(maintainer).Merge(shop, pull.Number, "merge") // of which it hears since then
	w.until(number, "merged")
	w.holds("main", "greet.js", "console.log('Hello')\n")
}

// examines checks what the doctor says of a running server's App.
func (w *fixworld) examines(wants ...string) {
	w.t.Helper()
	p := launch(w.t, w.dir, w.environ(), binary, "doctor")
	<-p.done
	failed := 0
	for _, want := range wants {
		if !strings.Contains(p.out.String(), want+"\n") {
			w.t.Errorf("the doctor does not say %q:\n%s%s", want, &p.out, &p.log)
		}
		if strings.HasPrefix(want, "FAIL") {
			failed = 1
		}
	}
	if p.status != failed {
		w.t.Errorf("the doctor ends with %d:\n%s%s", p.status, &p.out, &p.log)
	}
}

// overview waits until the operator's first page says something, or does not any more.
func (w *fixworld) overview(what string, says func(page string) bool) {
	w.t.Helper()
	eventually(w.t, "the overview says "+what, func() error {
		r, err := w.send("GET", "/", map[string]string{"Authorization": "Bearer " + adminToken}, nil)
		if err != nil || r.status != http.StatusOK || !says(r.body) {
			return fmt.Errorf("%v %d %s", err, r.status, tail(r.body, 4<<10))
		}
		return nil
	})
}
