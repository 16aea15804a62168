package tell

import (
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/markdown"
)

// Status is the one status comment of a run. It is edited as the run goes on: its
// text stays the same while nothing but seconds change.
func Status(v View) string {
	r := v.Run
	var b strings.Builder
	fmt.Fprintf(&b, "**Fix run: %s**\n\n", State(r.State))
	for _, paragraph := range []string{now(v), ending(v)} {
		if paragraph != "" {
			b.WriteString(paragraph + "\n\n")
		}
	}
	for _, f := range facts(v) {
		b.WriteString("- " + f + "\n")
	}
	b.WriteString("\n")
	if refused := refusals(r); refused != "" {
		b.WriteString(refused + "\n\n")
	}
	if r.State == run.NoChange {
		b.WriteString(reasons(v.Said))
	}
	const tail = "\n"
	b.WriteString(evidence(v.Evidence, r.EvidenceHash, page(v.Page) != "", MaxText-b.Len()-len(tail)))
	return b.String() + tail
}

// now says what goes on.
func now(v View) string {
	r := v.Run
	switch r.State {
	case run.Queued:
		text := "The run waits for a place"
		if r.Place > 0 {
			text += fmt.Sprintf("; it is number %s in the queue", number(int64(r.Place)))
		}
		if r.Waits != "" {
			text += ". It waits for " + markdown.Inline(r.Waits, 200)
		}
		return text + "."
	case run.Launching:
		if r.Attempt != nil && r.Attempt.Round == r.Round().N && r.Attempts > 1 {
			return "The agent is being started again: what it ran on before did not work out."
		}
		return "The agent is being started."
	case run.Working:
		return working(v)
	case run.Publishing:
		return "The agent has handed over a change. It is being checked and then proposed."
	case run.Proposed:
		return proposed(v)
	case run.Merged:
		text := fmt.Sprintf("%s was merged", pull(r))
		if r.Pull != nil && r.Pull.MergedBy != "" {
			text += " by " + login(r.Pull.MergedBy)
		}
		if r.Pull != nil && r.Pull.Into != "" {
			return text + " into " + markdown.Code(r.Pull.Into, 100) + ", which is not the default branch: the problem does not count as fixed by that."
		}
		return text + ". The problem counts as fixed, and is watched until that is proven."
	case run.NoChange:
		return "The agent looked at it and changed nothing, so there is no pull request. " +
			"More words on what is wrong and where to look may help: comment `/soulcaster fix` with them on the issue."
	}
	return ""
}

func working(v View) string {
	r := v.Run
	if r.Attempt == nil || v.Live.At.IsZero() || v.Live.Attempt != r.Attempt.N {
		return "The agent's task was started; the agent has not been heard from yet."
	}
	text := "The agent is " + phase(v.Live.Phase)
	if v.Live.Steps > 0 {
		text += fmt.Sprintf(" (%s so far)", count(int64(v.Live.Steps), "step"))
	}
	if quiet := v.Now.Sub(v.Live.At); quiet >= time.Minute {
		text += ", last heard from " + Span(quiet) + " ago"
	}
	return text + "."
}

// phase is what the agent is at. The name comes from the container: only ours are
// shown.
func phase(p brief.Phase) string {
	switch p {
	case brief.Cloning:
		return "fetching the repository"
	case brief.Before:
		return "running the repository's tests before it changes anything"
	case brief.After:
		return "running the repository's tests on its change"
	case brief.Collecting:
		return "collecting what it changed"
	}
	return "working on the fix"
}

func proposed(v View) string {
	r, over := v.Run, NoMore(v)
	text := fmt.Sprintf("The fix is proposed in %s: please review it there. ", pull(r))
	if over == "" {
		text += "Requesting changes, or `/soulcaster fix` with words on the pull request, takes it back to the agent; "
	}
	text += "`/soulcaster checks` lets the repository's workflows run on it if they are held; `/soulcaster cancel` closes it."
	if over != "" {
		text += " " + over
	}
	if r.Reason != run.ReasonNone {
		if why, next := roundBecause(v); why != "" {
			text += "\n\nThe last round came to nothing. " + strings.TrimSpace(why+" "+next)
		}
	}
	return text
}

// pull names the pull request: a live reference, in our own repository.
func pull(r *run.Run) string {
	if r.Pull == nil || r.Pull.Number == 0 {
		return "the pull request"
	}
	return fmt.Sprintf("#%d", r.Pull.Number)
}

// ending says why a run is over, and what can be done.
func ending(v View) string {
	r := v.Run
	switch r.State {
	case run.Failed, run.Cancelled, run.TimedOut:
	default:
		return ""
	}
	why, next := Because(r.Reason)
	if why == "" {
		why = "It ended before there was a change to propose."
	}
	if r.Wish != nil && r.Wish.By != "" && r.Reason == run.ReasonCommand {
		why = "It was cancelled by " + asker(r.Wish.By, r.Wish.Through) + "."
	}
	return strings.TrimSpace(why + " " + next)
}

// refusals lists what the publisher refused in the present round.
func refusals(r *run.Run) string {
	var lines []string
	for _, f := range r.Round().Refused {
		line := "- " + markdown.Inline(f.Why, 200) + " (" + markdown.Inline(f.Rule, 30) + ")"
		if code := markdown.Code(f.Path, 200); code != "" {
			line = "- " + code + ": " + line[2:]
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return ""
	}
	return "What was refused:\n\n" + strings.Join(lines, "\n")
}

// facts are the lines that every status has.
func facts(v View) []string {
	r := v.Run
	list := []string{"Asked for by " + asker(r.By, r.Rounds[0].Through) + comment(r) + ", " + moment(r.Created)}
	if round := r.Round(); round.N > 1 {
		by := "failing checks asked for it"
		if round.By != "" {
			by = asker(round.By, round.Through) + " asked for it"
		}
		list = append(list, fmt.Sprintf("Round %d of at most %d: %s", round.N, 1+v.Rounds, by))
	}
	if t := took(r, v.Now); t > 0 {
		text := "Time so far: " + Span(t)
		if !r.State.Busy() {
			text = "Time in all: " + Span(t)
		} else if v.Minutes > 0 {
			text += fmt.Sprintf("; the agent has %d min a round", v.Minutes)
		}
		list = append(list, text)
	}
	list = append(list, "Cost: "+Cost(v.Usage))
	if d := r.Diff(); d != nil {
		list = append(list, "Change: "+Diff(*d))
	}
	if r.Pull != nil && r.Pull.Number > 0 {
		list = append(list, "Pull request: "+pull(r))
	}
	if link := page(v.Page); link != "" {
		list = append(list, link)
	}
	if !r.Live {
		list = append(list, "This is a preview: nothing is written to the repository")
	}
	return list
}

// took is how long the rounds took, without the time between them, in which people
// were at it.
func took(r *run.Run, now time.Time) (sum time.Duration) {
	for i, round := range r.Rounds {
		end := round.Ended
		if end.IsZero() && i == len(r.Rounds)-1 {
			if end = r.Ended; end.IsZero() && r.State.Busy() {
				end = now
			}
		}
		if !end.IsZero() {
			sum += max(0, end.Sub(round.Asked))
		}
	}
	return sum
}

// reasons are the agent's own, where it changed nothing.
func reasons(said string) string {
	text := prose(said, 6000)
	if text == "" {
		return "It left no reasons.\n\n"
	}
	return "Its reasons, in its own words:\n\n" + text + "\n\n"
}
