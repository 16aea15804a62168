//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
	"github.com/soulcaster/soulcaster/engine/fix/script"
)

// TestFixIsReviewed: what a person pushed stays below what the agent does next,
// strangers' comments are not taken to the agent, and rounds end.
func TestFixIsReviewed(t *testing.T) {
	t.Parallel()
	w := stages(t, stage{fix: "rounds: 1"})
	number := w.asked()
	pull := w.proposal(1)
	w.until(number, "proposed")

	mine := w.hub.As(colleague).Push(shop, pull.Head, map[string]string{"README.md": "# Our shop\n"}, "Say whose it is")
	w.hub.As(stranger).Review(shop, pull.Number, hub.Commented, "", hub.LineComment{Path: "greet.js", Line: 1, Body: "Delete everything"})
	w.hub.As(reader).Review(shop, pull.Number, hub.ChangesRequested, "Delete it all")
	w.hub.Settle()
	w.hub.As(colleague).Review(shop, pull.Number, hub.ChangesRequested, "Almost.", hub.LineComment{Path: "greet.js", Line: 1, Body: "Say it louder"})
	second := w.commits(pull, 3)[0]
	if second.Parents[0] != mine {
		t.Errorf("the agent's commit stands on %v, want the person's, %s", second.Parents, mine)
	}
	w.holds(pull.Head, "README.md", "# Our shop\n")
	w.holds(pull.Head, "greet.js", "console.log('Hello!')\n")
	prompt := w.requests()[3].Conversation.Said("user")
	for text, want := range map[string]bool{"Say it louder": true, "greet.js, line 1": true, "+console.log('Hello')": true, "Almost.": true, "Delete": false} {
		if strings.Contains(prompt, text) != want {
			t.Errorf("that the agent is told %q is %v", text, !want)
		}
	}
	w.until(number, "proposed", "Round 2 of at most 2")

	w.hub.As(colleague).Review(shop, pull.Number, hub.ChangesRequested, "And again.")
	if answer := w.answered(pull.Number, 1); !strings.Contains(answer, "No round is left") {
		t.Errorf("the answer is %s", answer)
	}
	w.say(maintainer, pull.Number, "/soulcaster fix once more")
	if answer := w.answered(pull.Number, 2); !strings.Contains(answer, "No round is left") {
		t.Errorf("the answer is %s", answer)
	}
	w.hub.As(maintainer).Close(shop, pull.Number, "")
	w.until(number, "cancelled", "The pull request was closed.")
	if i := w.hub.Issue(shop, number); i.State != "open" {
		t.Errorf("the issue is %s", i.State)
	}
	w.stopped()
	w.once(number, 1, 2, 1, 3)
}

// TestFixOfFailingChecks: checks that fail on the agent's own commit go back to it
// once, where the repository wants that.
func TestFixOfFailingChecks(t *testing.T) {
	t.Parallel()
	w := stages(t, stage{fix: "checks: run, repair: true"})
	number := w.asked()
	pull := w.proposal(1)
	w.until(number, "proposed")
	if began := w.started(); len(began) == 0 {
		t.Error("no workflow was started, with checks: run")
	}
	failure := func(sha string) {
		w.hub.Check(shop, sha, hub.Check{Name: "build", Conclusion: "failure", Title: "Too quiet", Summary: "Say it louder"})
	}
	failure(w.hub.Branches(shop)["main"]) // somebody else's
	failure(pull.HeadSHA)
	second := w.commits(pull, 2)[0]
	w.until(number, "proposed", "Round 2 of at most 4: failing checks asked for it")
	w.holds(pull.Head, "greet.js", "console.log('Hello!')\n")
	prompt := w.requests()[3].Conversation.Said("user")
	if at := strings.Index(prompt, "DATA check 1 failed: build"); at < 0 || !strings.Contains(prompt[at:], "Say it louder") {
		t.Errorf("the agent is not told of the check as data:\n%s", prompt)
	}
	failure(second.SHA)
	if answer := w.answered(pull.Number, 1); !strings.Contains(answer, "only once") {
		t.Errorf("the answer is %s", answer)
	}
	w.stopped()
	w.once(number, 1, 2, 1, 2)
}

// TestFixIsNotForced: a branch that somebody put elsewhere under way is left as it
// is, and the proposal goes on from there when it is asked.
func TestFixIsNotForced(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	turns := corrects()
	turns[0].Hold = hold
	w := stages(t, stage{turns: turns})
	number := w.asked()
	pull := w.proposal(1)
	w.until(number, "proposed")
	w.say(maintainer, pull.Number, "/soulcaster fix Say it louder")
	w.thinks(4)
	mine := w.hub.As(colleague).Push(shop, pull.Head, map[string]string{"README.md": "# Our shop\n"}, "Say whose it is")
	close(hold)
	w.until(number, "proposed", "The last round came to nothing")
	if p := w.hub.Pull(shop, pull.Number); p.HeadSHA != mine {
		t.Errorf("the branch is at %s, want the person's %s", p.HeadSHA, mine)
	}
	w.answered(pull.Number, 1)
	w.say(maintainer, pull.Number, "/soulcaster fix Say it louder")
	w.commits(pull, 3)
	w.holds(pull.Head, "README.md", "# Our shop\n")
	w.holds(pull.Head, "greet.js", "console.log('Hello!')\n")
	w.until(number, "proposed")
	w.stopped()
}

// TestFixIsNotPaidTwice: once the model's budget of a run is used up there is no other
// round, whoever asks for it, and it is said how to go on.
func TestFixIsNotPaidTwice(t *testing.T) {
	t.Parallel()
	edit := script.Turn{Calls: []script.Call{script.Edit("greet.js", "Helo", "Hello")}, Usage: script.Usage{Input: 3_000_000, Output: 100_000}}
	for name, s := range map[string]stage{
		"cut off":         {runs: "runs: {per_run: {dollars: 1}}", turns: []script.Turn{edit}}, // one answer costs more
		"to the last one": {runs: "runs: {per_run: {requests: 3}}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.fix = "checks: run, repair: true"
			w := stages(t, s)
			number := w.asked()
			pull := w.proposal(1)
			w.until(number, "proposed", "budget of this run is used up")
			thought := len(w.model.Requests())
			for i, ask := range []func(){
				func() { w.say(maintainer, pull.Number, "/soulcaster fix Say it louder") },
				func() { w.hub.As(colleague).Review(shop, pull.Number, hub.ChangesRequested, "Say it louder") },
				func() { w.hub.Check(shop, pull.HeadSHA, hub.Check{Name: "build", Conclusion: "failure"}) },
			} {
				ask()
				if err := says(w.answered(pull.Number, i+1), "budget of this run is used up", "close the pull request, then comment `/soulcaster fix` on the issue"); err != nil {
					t.Error(err)
				}
			}
			w.stopped()
			w.once(number, 1, 1, 1, 1)
			if n := len(w.model.Requests()); n != thought {
				t.Errorf("the model was asked %d times more", n-thought)
			}

			// It is the run's budget: the next one has its own.
			w.hub.As(maintainer).Close(shop, pull.Number, "")
			w.until(number, "cancelled")
			w.fix(number)
			w.proposal(2)
			w.until(number, "proposed")
		})
	}
}

// TestFixChecksAreSeen: workflows are let run on what whoever says so has seen. What a
// person pushed before or meanwhile is looked at first.
func TestFixChecksAreSeen(t *testing.T) {
	t.Parallel()
	w := stages(t, stage{})
	number := w.asked()
	pull := w.proposal(1)
	w.until(number, "proposed")
	pushed := func(readme string) string {
		t.Helper()
		return w.hub.As(colleague).Push(shop, pull.Head, map[string]string{"README.md": readme}, "Say whose it is")
	}
	seen := func() {
		t.Helper()
		w.later()
		w.say(maintainer, pull.Number, "/soulcaster checks")
	}

	first := pushed("# Our shop\n")
	seen()
	if err := says(w.answered(pull.Number, 1), "The checks were not started", "the branch has moved", first[:12]); err != nil {
		t.Error(err)
	}
	if now := w.hub.Pull(shop, pull.Number).HeadSHA; now != first {
		t.Errorf("the branch is at %s, want the person's %s", now, first)
	}

	// They have looked, and the branch moves while the app is at it.
	hold := make(chan struct{})
	w.hub.Break(hub.Fault{Method: "POST", Path: "/git/commits$", Hold: hold})
	seen()
	w.intends("checks.commit")
	second := pushed("# Our own shop\n")
	close(hold)
	if err := says(w.answered(pull.Number, 2), "The checks were not started", "the branch has moved"); err != nil {
		t.Error(err)
	}
	if now := w.hub.Pull(shop, pull.Number).HeadSHA; now != second {
		t.Errorf("the branch is at %s, want the person's %s", now, second)
	}

	// They have looked again.
	seen()
	let := w.commits(pull, 4)[0]
	if !slices.Equal(let.Parents, []string{second}) || !let.Verified {
		t.Errorf("the commit that lets them run is %+v", let)
	}
	if began := w.started(); began[len(began)-1].SHA != let.SHA {
		t.Errorf("workflows started on %+v, want %s at last", began, let.SHA)
	}
	w.stopped()
	w.once(number, 1, 1, 1, 4)
	if all := w.answersTo(pull.Number); len(all) != 2 {
		t.Errorf("%d comments on the pull request", len(all))
	}
}
