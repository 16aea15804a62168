package tell_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".md")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

func TestStatus(t *testing.T) {
	views := map[string]tell.View{
		"queued": view(run.Queued, func(v *tell.View) { v.Run.Place, v.Run.Waits, v.Usage = 3, "a place in this installation", run.Usage{} }),
		"launching": view(run.Launching, func(v *tell.View) {
			v.Run.Comment, v.Run.CommentURL = 88, "https://github.com/acme/web/issues/7#issuecomment-88"
		}),
		"launching-by-key": view(run.Launching, func(v *tell.View) { v.Run.Rounds[0].Through = `the key "deploy"` }),
		"launching-again": view(run.Launching, func(v *tell.View) {
			v.Run.Attempts, v.Run.Attempt = 2, &run.Attempt{N: 2, Round: 1}
		}),
		"working-unheard": view(run.Working, func(v *tell.View) { v.Run.Attempt = &run.Attempt{N: 1, Round: 1} }),
		"working": view(run.Working, func(v *tell.View) {
			v.Run.Attempt = &run.Attempt{N: 1, Round: 1}
			v.Live = run.Live{At: v.Now.Add(-5 * time.Second), Attempt: 1, Phase: brief.Before, Note: "bash: env", Steps: 6}
			v.Usage.Priced = false
		}),
		"working-quiet": view(run.Working, func(v *tell.View) {
			v.Run.Attempt = &run.Attempt{N: 1, Round: 1}
			v.Live = run.Live{At: v.Now.Add(-90 * time.Second), Attempt: 1, Phase: "@octocat"}
		}),
		"publishing": view(run.Publishing),
		"proposed":   view(run.Proposed, withPull),
		"proposed-round-lost": view(run.Proposed, withPull, func(v *tell.View) {
			v.Run.Rounds = append(v.Run.Rounds, run.Round{N: 2, By: "hubot", Asked: began, Ended: v.Now, Refused: []run.Refusal{
				{Path: ".github/workflows/ci.yml", Rule: "workflow", Why: "workflows run with the repository's secrets: people change them"},
			}})
			because(run.ReasonUnsafe)(v)
		}),
		"merged":           view(run.Merged, withPull, func(v *tell.View) { v.Run.Pull.MergedBy = "octocat" }),
		"merged-elsewhere": view(run.Merged, withPull, func(v *tell.View) { v.Run.Pull.MergedBy, v.Run.Pull.Into = "octocat", "release/`1`" }),
		"proposed-spent": view(run.Proposed, withPull, func(v *tell.View) {
			v.Run.Rounds = append(v.Run.Rounds, run.Round{N: 2, By: "hubot", Asked: began, Ended: v.Now})
			v.Usage.Spent = "money"
			because(run.ReasonBudget)(v)
		}),
		"no_change": view(run.NoChange, func(v *tell.View) {
			v.Said = "The report is about another program.\n\n- see #5\n- @octocat knows"
		}),
		"no_change-silent": view(run.NoChange),
		"failed-unsafe": view(run.Failed, because(run.ReasonUnsafe), func(v *tell.View) {
			v.Run.Round().Refused = []run.Refusal{
				{Path: "a`b @octocat #1.txt", Rule: "secret", Why: "line 3 looks like a secret (aws-access-token)"},
				{Rule: "files", Why: "101 files are changed; the most is 100"},
			}
		}),
		"failed-no_launcher": view(run.Failed, because(run.ReasonNoLauncher)),
		"cancelled": view(run.Cancelled, because(run.ReasonCommand), func(v *tell.View) {
			v.Run.Wish = &run.Wish{Reason: run.ReasonCommand, By: "hubot"}
		}),
		"timed_out": view(run.TimedOut, because(run.ReasonTime)),
		"preview":   view(run.Launching, func(v *tell.View) { v.Run.Live, v.Page = false, "" }),
	}
	seen := make(map[run.State]bool)
	for name, v := range views {
		t.Run(name, func(t *testing.T) { golden(t, "status-"+name, tell.Status(v)) })
		seen[v.Run.State] = true
	}
	for _, s := range run.States() {
		if !seen[s] {
			t.Errorf("no status of a run that is %s", s)
		}
	}
}

func TestPull(t *testing.T) {
	proposals := map[string]tell.Proposal{
		"first": proposal(),
		"later": proposal(func(p *tell.Proposal) {
			p.Run.Rounds = append(p.Run.Rounds, run.Round{N: 2, By: "hubot"}, run.Round{N: 3})
			p.Run.Pull = &run.Pull{Number: 12, Checks: "hubot"}
			p.Ending, p.Tests, p.Said, p.Asked = brief.Deadline, nil, "", ""
			p.Test = "npm test"
			p.Files, p.Diff = p.Files[:2], nil // as it was recorded before lines were counted
		}),
		"untested":    proposal(func(p *tell.Proposal) { p.Tests = nil }),
		"half-tested": proposal(func(p *tell.Proposal) { p.Test, p.Tests = p.Tests[0].Command, p.Tests[:1] }),
		"odd": proposal(func(p *tell.Proposal) {
			p.Title, p.Held, p.Ending = "  ", false, brief.Budget
			p.Said = "No headings here, and a lone ` tick."
			p.Tests = []brief.Test{{When: "<b>", Command: "make `x`", TimedOut: true, Seconds: 600}}
			p.Usage.Priced, p.Usage.Spent = false, "tokens"
		}),
	}
	for name, p := range proposals {
		t.Run(name, func(t *testing.T) {
			golden(t, "pull-"+name, tell.PullTitle(p)+"\n\n"+tell.PullBody(p))
			golden(t, "commit-"+name, tell.CommitMessage(p))
		})
	}
	golden(t, "commit-checks", tell.ChecksMessage("octocat"))
}

func TestComments(t *testing.T) {
	second := func(v *tell.View) {
		v.Run.Rounds = append(v.Run.Rounds, run.Round{N: 2, By: "hubot", Asked: began})
	}
	golden(t, "round-empty", tell.RoundEnded(view(run.Proposed, withPull, second, func(v *tell.View) { v.Said = "Nothing is wrong there." })))
	golden(t, "round-moved", tell.RoundEnded(view(run.Proposed, withPull, second, because(run.ReasonMoved), func(v *tell.View) { v.Rounds = 1 })))
	golden(t, "round-spent", tell.RoundEnded(view(run.Proposed, withPull, second, because(run.ReasonBudget), func(v *tell.View) { v.Usage.Spent = "requests" })))
	golden(t, "alive-spent", tell.Alive(view(run.Proposed, withPull, func(v *tell.View) { v.Usage.Spent = "money" }), ""))
	golden(t, "alive-working", tell.Alive(view(run.Working), "https://github.com/acme/web/issues/7#issuecomment-1"))
	golden(t, "alive-proposed", tell.Alive(view(run.Proposed, withPull), ""))
}
