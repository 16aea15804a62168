//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
)

// cancels has the maintainer cancel, and waits until the app knows: to say it once more
// is answered by that.
func (w *fixworld) cancels(number int) {
	w.t.Helper()
	w.say(maintainer, number, "/soulcaster cancel")
	w.say(maintainer, number, "/soulcaster cancel")
	if answer := w.answered(number, 1); !strings.Contains(answer, "being cancelled already") {
		w.t.Fatalf("the second cancel is answered %s", answer)
	}
}

// TestFixIsCancelledWhilePublishing: a cancel while the change is on its way to GitHub
// leaves nothing there that was not there before, and says so if it came too late.
//
// What GitHub takes its time for are reads: commands are answered meanwhile, while they
// wait for a write of the same installation.
func TestFixIsCancelledWhilePublishing(t *testing.T) {
	t.Parallel()
	// held has GitHub take its time, and returns what lets it go on.
	held := func(w *fixworld, path, after string) (letGo func()) {
		hold := make(chan struct{})
		w.hub.Break(hub.Fault{Method: "GET", Path: path, After: after, Hold: hold})
		return func() { close(hold) }
	}
	const tree = "/git/trees/" // is looked at to check the change

	t.Run("before the commit", func(t *testing.T) {
		t.Parallel()
		w := stages(t, stage{})
		letGo := held(w, tree, "")
		number := w.asked()
		w.reached("publishing", 1)
		w.cancels(number)
		letGo()
		w.until(number, "cancelled", "cancelled by "+maintainer)
		w.stopped()
		w.once(number, 1, 1, 0, 0)
		if all := w.hub.Branches(shop); len(all) != 1 {
			t.Errorf("there are branches %v", all)
		}
	})
	t.Run("as the branch is made", func(t *testing.T) {
		t.Parallel()
		w := stages(t, stage{})
		letGo := held(w, "/git/ref/heads/soulcaster/", "")
		number := w.asked()
		within(t, slow, "the commit is made", func() error { return atLeast(len(w.hub.Calls("POST", "/git/commits$")), 1) })
		w.cancels(number)
		letGo()
		w.until(number, "cancelled", "cancelled by "+maintainer)
		w.stopped()
		for _, p := range w.hub.Pulls(shop) {
			if p.State != "closed" || p.Merged {
				t.Errorf("there is a pull request %+v", p)
			}
		}
		if began := w.started(); len(began) > 0 {
			t.Errorf("workflows were started: %v", began)
		}
	})
	// again is a story whose first round is proposed.
	again := func(t *testing.T) (w *fixworld, number int, pull hub.Pull) {
		t.Helper()
		w = stages(t, stage{})
		number = w.asked()
		pull = w.proposal(1)
		w.until(number, "proposed")
		return w, number, pull
	}
	t.Run("before the second commit", func(t *testing.T) {
		t.Parallel()
		w, number, pull := again(t)
		letGo := held(w, tree, "")
		w.say(maintainer, pull.Number, "/soulcaster fix Say it louder")
		w.reached("publishing", 2)
		w.cancels(pull.Number)
		letGo()
		if answer := w.answered(pull.Number, 2); !strings.Contains(answer, "Round 2 came to nothing") {
			t.Errorf("the pull request is told %s", answer)
		}
		w.until(number, "proposed", "The last round came to nothing")
		if p := w.hub.Pull(shop, pull.Number); p.State != "open" || p.HeadSHA != pull.HeadSHA {
			t.Errorf("the proposal of the first round is %+v", p)
		}
		w.stopped()
		w.once(number, 1, 2, 1, 1)
	})
	t.Run("after the second commit", func(t *testing.T) {
		t.Parallel()
		w, number, pull := again(t)
		letGo := held(w, "/pulls/"+itoa(pull.Number)+"$", "^PATCH .*/git/refs/")
		w.say(maintainer, pull.Number, "/soulcaster fix Say it louder")
		w.commits(pull, 2)
		w.cancels(pull.Number)
		letGo()
		if answer := w.answered(pull.Number, 2); !strings.Contains(answer, "came too late: the commit of round 2 was on the branch already") {
			t.Errorf("the pull request is told %s", answer)
		}
		w.until(number, "proposed", "Round 2 of at most 4")
		if p := w.hub.Pull(shop, pull.Number); p.State != "open" || p.HeadSHA == pull.HeadSHA {
			t.Errorf("the proposal of the second round is %+v", p)
		}
		w.holds(pull.Head, "greet.js", "console.log('Hello!')\n")
		w.stopped()
		w.once(number, 1, 2, 1, 2)
		if all := w.answersTo(pull.Number); len(all) != 2 {
			t.Errorf("%d comments on the pull request", len(all))
		}
	})
}
