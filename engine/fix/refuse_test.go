package fix_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// spentAll notes that a run's budget is used up, as the model gateway does.
func (w *world) spentAll(id string) {
	w.T.Helper()
	u, entry, err := run.UsageOf(w.T.Context(), w.space(), id)
	if err != nil {
		w.T.Fatal(err)
	}
	u.Requests, u.Spent = 5, "money"
	w.note(func(b *storage.Batch) { run.SaveUsage(b, entry, u) })
}

// A run whose budget is used up has no further round, and no text says otherwise; a
// new run is begun as the texts say.
func TestSpentRunHasNoOtherRound(t *testing.T) {
	w := newWorld(t, "")
	r := w.under()
	w.spentAll(r.ID)
	w.hand(brief.Result{Ending: brief.Budget})
	w.Settle()
	w.pass(2 * time.Minute)
	r = w.want(run.Proposed, run.ReasonBudget)
	w.refusedRounds("The model's budget of this run is used up")
	if text := w.say("fix"); !strings.Contains(text, "close the pull request") {
		t.Errorf("on the issue a fix is answered %q", text)
	}
	status := w.GitHub.Comments(repoID, 1)[0]
	for _, text := range append(w.GitHub.Comments(repoID, r.Pull.Number), status) {
		if strings.Contains(text, "equest changes") || strings.Contains(text, "equesting changes") || strings.Contains(text, "retry") ||
			!strings.Contains(text, "close the pull request, then comment `/soulcaster fix` on the issue") {
			t.Errorf("advised: %s", text)
		}
	}
	w.GitHub.ChangePull(repoID, r.Pull.Number, func(p *github.Pull) { p.State = "closed" })
	w.deliver("pull_request", object{"action": "closed", "pull_request": object{"number": r.Pull.Number}})
	if text := w.say("fix"); text != "" {
		t.Errorf("afterwards a fix is answered %q", text)
	}
	w.Settle()
	if is := w.want(run.Working, ""); is.ID == r.ID {
		t.Error("it is the same run")
	}
}

// A run that has made its last request, and ended well with it, has no other round.
func TestLastRequestIsTheLast(t *testing.T) {
	w := newWorld(t, "")
	w.capped(fix.Caps{Requests: 5})
	r := w.under()
	u, entry, err := run.UsageOf(t.Context(), w.space(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	u.Requests = 5
	w.note(func(b *storage.Batch) { run.SaveUsage(b, entry, u) })
	w.hand(changed())
	w.Settle()
	w.pass(2 * time.Minute)
	w.want(run.Proposed, "")
	w.refusedRounds("The model's budget of this run is used up")
	if text := w.GitHub.Comments(repoID, 1)[0]; strings.Contains(text, "equesting changes") {
		t.Errorf("advised: %s", text)
	}
}

// Retry on the pull request has a round again that came to nothing, with the same
// words and review; on the issue it begins a run again that was not merged.
func TestRetry(t *testing.T) {
	w := newWorld(t, "fix: {rounds: 4}\n")
	w.say("fix", "mind the gap")
	w.Settle()
	w.claim(w.last())
	w.hand(changed())
	w.Settle()
	w.pass(time.Minute)
	r := w.want(run.Proposed, "")
	retry := func(pull bool, want string) {
		t.Helper()
		number := 1
		if pull {
			number = r.Pull.Number
		}
		if text, err := w.order("retry", pull, number, ""); err != nil || want == "" && text != "" || !strings.Contains(text, want) {
			t.Errorf("retry is answered %q (%v), want %q", text, err, want)
		}
		w.Settle()
	}
	retry(true, "brought what is proposed")
	w.review(1, ann, "shorter", github.ReviewComment{ID: 10, Author: ann, Path: "a.go", Line: 3, Body: "this"})
	retry(true, "alive")
	w.say("cancel")
	w.Settle()
	w.want(run.Proposed, run.ReasonCommand)
	retry(false, "proposed in #2")
	w.GitHub.EditLine(repoID, r.Pull.Number, 10, "that")
	retry(true, "")
	w.pass(30 * time.Second) // until the task before was seen to have stopped
	w.want(run.Working, "")
	if words := w.words(3); words.Review == nil || words.Review.Body != "shorter" || len(words.Review.Comments) != 1 || words.Review.Comments[0].Body != "this" {
		t.Errorf("the round is begun again with %+v", words)
	}
	w.claim(w.last())
	w.hand(brief.Result{Ending: brief.Finished, Said: "It was right."})
	w.Settle()
	w.pass(time.Minute)
	w.want(run.Proposed, "")
	retry(true, "")
	w.next(changed())
	w.say("cancel") // closes the pull request
	w.Settle()
	w.want(run.Cancelled, run.ReasonCommand)
	w.over()
	retry(true, "on the issue, #1")
	retry(false, "")
	is := w.want(run.Working, "")
	words, err := run.WordsOf(t.Context(), w.space(), is.ID, 1)
	if is.ID == r.ID || err != nil || words.Words != "mind the gap" {
		t.Errorf("run %s after %s, with %+v (%v)", is.ID, r.ID, words, err)
	}
}

var (
	advised = regexp.MustCompile("`/soulcaster ([a-z]+)[^`]*`[^`.]*on the (issue|pull request)")
	advice  = regexp.MustCompile("`/soulcaster ")
)

// Whatever a text sends people to is not refused there.
func TestAdviceIsTaken(t *testing.T) {
	follow := func(w *world, reason run.Reason, text string, number int) {
		t.Helper()
		found := advised.FindAllStringSubmatch(text, -1)
		if n := len(advice.FindAllString(text, -1)); n != len(found) {
			t.Errorf("%s: not every command says where it is to be given: %q", reason, text)
		}
		for _, a := range found {
			pull := a[2] == "pull request"
			at := 1
			if pull {
				at = number
			}
			if answer, err := w.order(a[1], pull, at, ""); err != nil || answer != "" {
				t.Errorf("%s: %q; %s is answered %q (%v)", reason, text, a[0], answer, err)
			}
		}
	}
	for _, reason := range append(run.Reasons(), run.ReasonNone) {
		for _, state := range []run.State{run.Failed, run.Cancelled, run.TimedOut, run.NoChange} {
			w := newWorld(t, "")
			w.say("fix", "mind the gap")
			w.change(w.last().ID, func(r *run.Run, b *storage.Batch) {
				r.State, r.Reason, r.Round().Reason, r.Ended, r.Round().Ended = state, reason, reason, w.Time, w.Time
			})
			why, next := tell.Because(reason)
			follow(w, reason, strings.TrimSpace(why+" "+next), 0)
			if reason == run.ReasonNone {
				if state == run.NoChange {
					text, _, _ := strings.Cut(tell.Status(tell.View{Run: w.last(), Now: w.Time}), "- Asked for")
					w = newWorld(t, "")
					follow(w, "no change", text, 0)
				}
			}
		}
		if reason == run.ReasonPullClosed {
			continue // ends the run, in any round
		}
		w := newWorld(t, "")
		w.under()
		w.change(w.last().ID, func(r *run.Run, b *storage.Batch) {
			r.State, r.Reason, r.Round().Reason, r.Round().Ended = run.Proposed, reason, reason, w.Time
		})
		why, next := tell.BecauseRound(reason)
		follow(w, reason, strings.TrimSpace(why+" "+next), w.last().Pull.Number)
	}
}

// What was not seen is not let run.
func TestChecksOfWhatWasSeen(t *testing.T) {
	w := newWorld(t, "")
	r := w.proposed()
	seen := w.Time
	w.Pass(time.Minute)
	w.review(1, ann, "more")
	w.next(changed())
	checks := func(at time.Time, want string) {
		t.Helper()
		if text, err := w.orderAt("checks", true, r.Pull.Number, "", at); err != nil || want == "" && text != "" || !strings.Contains(text, want) {
			t.Errorf("checks are answered %q (%v), want %q", text, err, want)
		}
		w.Settle()
	}
	checks(seen, "newer than your command")
	if w.last().Let != nil {
		t.Fatal("the checks of what came afterwards run")
	}
	w.Pass(time.Minute)
	w.GitHub.Push(repoID, r.Branch, "theirs")
	checks(w.Time, "the branch has moved since")
	told := w.Time
	if w.last().Let != nil {
		t.Fatal("the checks of a commit run that nobody looked at")
	}
	w.Pass(time.Minute)
	checks(told.Add(-time.Second), "newer than your command") // said before that answer
	w.GitHub.Push(repoID, r.Branch, "theirs too")
	checks(w.Time, "the branch has moved since")
	w.Pass(time.Minute)
	checks(w.Time, "")
	if r := w.want(run.Proposed, ""); r.Let == nil || !r.Let.Done || r.Let.From != "theirs too" {
		t.Errorf("let %+v", r.Let)
	}
}

// The branch moves between the order and the commit for the checks.
func TestChecksOfABranchThatMovedMeanwhile(t *testing.T) {
	w := newWorld(t, "")
	r := w.proposed()
	if text := w.say("checks"); text != "" {
		t.Fatal(text)
	}
	w.GitHub.Push(repoID, r.Branch, "theirs")
	w.Settle()
	if got := w.GitHub.Branch(repoID, r.Branch); got[0] != "theirs" {
		t.Errorf("the branch holds %v", got)
	}
	if told := w.GitHub.Comments(repoID, r.Pull.Number); len(told) != 1 || !strings.Contains(told[0], "the branch has moved since") {
		t.Errorf("told %q", told)
	}
	w.Pass(time.Minute)
	w.say("checks") // they have looked
	w.Settle()
	if r := w.last(); r.Let == nil || !r.Let.Done {
		t.Errorf("let %+v", r.Let)
	}
}

// A repository that goes back to preview gets nothing more, whatever its runs are at.
func TestBackToPreview(t *testing.T) {
	w := newWorld(t, "fix: {repair: true}\n")
	r := w.under()
	w.GitHub.SetFile(repoID, "mode: preview\nfix: {repair: true}\n")
	w.upkeep()
	before := len(w.GitHub.Writes())
	w.pass(2 * time.Minute)
	w.want(run.Proposed, run.ReasonOff)
	w.over()
	w.refusedRounds("preview")
	if text, err := w.order("checks", true, r.Pull.Number, ""); err != nil || !strings.Contains(text, "preview") {
		t.Errorf("checks are answered %q (%v)", text, err)
	}
	w.say("cancel")
	w.pass(time.Hour + time.Minute)
	w.want(run.Cancelled, run.ReasonCommand)
	if after := w.GitHub.Writes(); len(after) != before {
		t.Errorf("written: %v", after[before:])
	}
}

// A repository that cannot be written to any more ends its runs.
func TestUnavailable(t *testing.T) {
	w := newWorld(t, "")
	w.say("fix")
	w.Settle()
	w.claim(w.want(run.Working, ""))
	w.GitHub.Archive(repoID)
	w.upkeep()
	w.pass(time.Minute)
	w.want(run.Cancelled, run.ReasonGone)
	w.over()
	if text := w.say("fix"); !strings.Contains(text, "archived") {
		t.Errorf("a fix is answered %q", text)
	}
	w = newWorld(t, "")
	w.under()
	w.GitHub.Archive(repoID)
	w.upkeep()
	w.pass(time.Minute)
	w.want(run.Proposed, run.ReasonGone)
	w.over()
	w.refusedRounds("archived")
}

// A repository that allows no runs is told so, and none waits.
func TestNoRunsAllowed(t *testing.T) {
	w := newWorldWith(t, "budget: {runs_per_day: 0}\n")
	for _, name := range []string{"fix", "retry"} {
		if text := w.say(name); name == "fix" && !strings.Contains(text, "allows no runs") {
			t.Errorf("%s is answered %q", name, text)
		}
	}
	w = newWorldWith(t, "budget: {runs_per_day: 1}\n")
	w.line(1, 1)
	w.line(2, 2)
	if r := w.of("c2"); r.State != run.Queued {
		t.Fatalf("the second run is %s", r.State)
	}
	w.GitHub.SetFile(repoID, "mode: live\nbudget: {runs_per_day: 0}\n")
	w.upkeep()
	w.pass(time.Minute)
	if r := w.of("c2"); r.State != run.Cancelled || r.Reason != run.ReasonOff {
		t.Errorf("the second run is %s (%s), want it to end", r.State, r.Reason)
	}
	if _, waiting := w.slots(); waiting != 0 {
		t.Errorf("%d tickets wait", waiting)
	}
}
