//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
)

// TestFix is the way of a fix from a stranger's report to the merge.
func TestFix(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		w := stages(t, stage{store: s, fix: `test: "sh test.sh"`})
		number := w.greeting()
		main := w.hub.Branches(shop)["main"]
		order := w.fix(number, "Mind the tabs.")

		pull := w.proposal(1)
		w.until(number, "proposed", "proposed in #"+itoa(pull.Number))
		if c := w.hub.Comments(shop, number)[0]; c.ID != order.ID || !slices.Equal(c.Reactions, []string{"eyes"}) {
			t.Errorf("the command got %v", c.Reactions)
		}
		if shown := w.statuses(number)[0].Body; !strings.Contains(shown, "It says Helo when I open it.") || !strings.Contains(shown, "USD 0.01") ||
			!strings.Contains(shown, "Change: 1 file, +1 −1") {
			t.Errorf("the status shows no evidence, no cost, or no change:\n%s", shown)
		}
		if !pull.Draft || pull.Base != "main" || !slices.Equal(pull.Files, []string{"greet.js"}) || !strings.HasPrefix(pull.Head, "soulcaster/issue-"+itoa(number)+"-") {
			t.Errorf("the proposal is %+v", pull)
		}
		for _, want := range []string{"Fixes #" + itoa(number), maintainer, "A letter was missing in the greeting.", "**failed** (exit status 1)", "| passed |", "Changed: 1 file, +1 −1", "`greet.js`: +1 −1"} {
			if !strings.Contains(pull.Body, want) {
				t.Errorf("the proposal does not say %q:\n%s", want, pull.Body)
			}
		}
		made := w.commits(pull, 1)[0]
		if !made.Verified || made.Parents[0] != main || !strings.Contains(made.Author, botName) {
			t.Errorf("the commit is %+v", made)
		}
		w.holds(pull.Head, "greet.js", "console.log('Hello')\n")
		if began := w.started(); len(began) > 0 {
			t.Errorf("workflows were started before anybody looked: %+v", began)
		}
		prompt := w.requests()[0].Conversation.Said("user")
		for _, want := range []string{"Mind the tabs.", "It says Helo when I open it."} {
			if !strings.Contains(prompt, want) {
				t.Errorf("the agent was not told %q", want)
			}
		}

		// A person has looked, and lets the checks run.
		w.later()
		w.say(maintainer, pull.Number, "/soulcaster checks")
		let := w.commits(pull, 2)[0]
		if began := w.started(); len(began) == 0 || began[0].SHA != let.SHA || let.Tree != made.Tree {
			t.Errorf("after /soulcaster checks %+v started, on %+v", began, let)
		}

		// The review goes back to the agent.
		w.hub.As(colleague).Review(shop, pull.Number, hub.ChangesRequested, "Nearly.", hub.LineComment{Path: "greet.js", Line: 1, Body: "Say it louder"})
		second := w.commits(pull, 3)[0]
		if second.Parents[0] != let.SHA {
			t.Errorf("the second commit stands on %v, want %s", second.Parents, let.SHA)
		}
		w.until(number, "proposed", "Round 2 of at most 4: "+colleague+" asked for it")
		w.holds(pull.Head, "greet.js", "console.log('Hello!')\n")
		if n := len(w.started()); n != 2 {
			t.Errorf("%d starts of workflows, want the 2 that were asked for", n)
		}

		// And a person merges it.
		w.hub.As(maintainer).Ready(shop, pull.Number)
		w.hub.As(maintainer).Merge(shop, pull.Number, "merge")
		w.until(number, "merged", "merged by "+maintainer)
		if i := w.hub.Issue(shop, number); i.State != "closed" || i.StateReason != "completed" || i.ClosedBy != maintainer {
			t.Errorf("after the merge the issue is %+v", i)
		}
		within(t, slow, "the issue says that it is fixed", func() error {
			return says(w.hub.Issue(shop, number).Body, "Fixed by #"+itoa(pull.Number), "Not proven yet")
		})
		w.stopped()
		w.once(number, 1, 2, 1, 3)
	})
}
