package issue

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/policy"
)

// State says how far a problem is from having an issue.
type State string

// The states.
const (
	Ready   State = "ready"   // its issue may be filed, when the day's budget has a place
	Preview State = "preview" // the same, but the project writes nothing yet: it is shown
	Held    State = "held"    // it waits for more
	Ignored State = "ignored" // nothing in it counts
)

// Standing is where a problem stands, and the reason as people read it: in the
// answer to an ingest, on the page, in `/soulcaster status`.
type Standing struct {
	State  State
	Reason string // "held: 1 of 2 people"
}

// Verdict is what the language model takes posts for.
type Verdict string

// The verdicts.
const (
	Bug     Verdict = "bug"
	Request Verdict = "request"
	Chatter Verdict = "chatter" // neither: praise, small talk, a question that got its answer
)

// Eligible says whether a problem is enough for an issue. Errors, reports and
// posts are counted apart, and one of them has to be enough by itself. Posts
// are only if they are a bug or a request: the model says so in judge or, where
// it was not asked (nil), the number of people who post does.
func Eligible(p Problem, pol policy.Policy, judge *Verdict) Standing {
	if p.Reports == 0 {
		return Standing{Ignored, "ignored: " + commonest(p.Uncounted)}
	}
	need := pol.FileAfter
	posts := p.Posters >= need.Posts
	if p.ErrorGroups >= need.Errors || p.Reporters >= need.Reports || posts && (judge == nil || *judge != Chatter) {
		if pol.Mode != policy.Live {
			return Standing{Preview, "held: preview"}
		}
		return Standing{Ready, "ready"}
	}
	if p.ErrorGroups == 0 && p.Reporters == 0 {
		switch {
		case p.Posters == 0:
			return Standing{Held, "held: resolved in Sentry"}
		case posts:
			return Standing{Held, "held: posts alone, neither a bug nor a request"}
		}
		return Standing{Held, fmt.Sprintf("held: posts alone, %d of %d people", p.Posters, need.Posts)}
	}
	var have []string
	if p.ErrorGroups > 0 {
		have = append(have, fmt.Sprintf("%d of %d errors", p.ErrorGroups, need.Errors))
	}
	if p.Reporters > 0 {
		have = append(have, fmt.Sprintf("%d of %d people", p.Reporters, need.Reports))
	}
	return Standing{Held, "held: " + strings.Join(have, ", ")}
}

// commonest is the reason that keeps most members from counting.
func commonest(members []Uncounted) string {
	count := map[string]int{}
	for _, u := range members {
		count[u.Why]++
	}
	best := ""
	for why, n := range count {
		if best == "" || cmp.Or(cmp.Compare(n, count[best]), strings.Compare(best, why)) > 0 {
			best = why
		}
	}
	return cmp.Or(best, "nothing is left in it")
}

// Hurt says how many a problem hurts, to order those that wait for a place in
// the day's budget.
type Hurt struct {
	People int // whom Sentry counted, and who reported or posted
	Voices int // of these, who took the trouble to say so
	Events int
}

// Hurt says how many the problem hurts.
func (p Problem) Hurt() Hurt {
	return Hurt{People: p.Users + p.People, Voices: p.People, Events: p.Events}
}

// Compare returns a positive number if h hurts more than o: more people, then
// more who spoke up, then more events.
func (h Hurt) Compare(o Hurt) int {
	return cmp.Or(cmp.Compare(h.People, o.People), cmp.Compare(h.Voices, o.Voices), cmp.Compare(h.Events, o.Events))
}

// Places says how many new issues may be filed now, in a day (UTC) whose budget
// is perDay and in which filed were filed; if it is none, again is when to ask
// again.
//
// Seven tenths of the budget (rounded down, at least one) may be used at once.
// The other k are kept for what comes later: the i-th opens when i/(k+1) of the
// day is over. Of ten, seven are open at midnight and one more at 6, 12 and
// 18 o'clock; of two, one at midnight and one at noon; a single one at once. What
// was not used is not carried over.
func Places(perDay, filed int, now time.Time) (places int, again time.Time) {
	start := day(now)
	tomorrow := start.Add(24 * time.Hour)
	if perDay <= 0 {
		return 0, tomorrow
	}
	atOnce := max(1, perDay*7/10)
	kept := perDay - atOnce
	opens := func(i int) time.Time { // the i-th of those that are kept, from 1
		return start.Add(24 * time.Hour * time.Duration(i) / time.Duration(kept+1))
	}
	open := atOnce
	for open < perDay && !opens(open-atOnce+1).After(now) {
		open++
	}
	switch {
	case filed < open:
		return open - filed, time.Time{}
	case filed < perDay:
		return 0, opens(filed - atOnce + 1)
	}
	return 0, tomorrow
}

// HeldByBudget is where a problem stands that is ready but finds no place today.
func HeldByBudget(perDay, filed int) Standing {
	return Standing{Held, fmt.Sprintf("held: budget, %d of %d issues filed today", filed, perDay)}
}
