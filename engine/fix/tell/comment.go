package tell

import (
	"fmt"
	"strings"

	"github.com/soulcaster/soulcaster/engine/fix/run"
)

// NotOurs is the reply to a command on a pull request that no run has opened.
const NotOurs = "This pull request is not one of Soulcaster's: it was opened by somebody else."

// RoundEnded is the comment on the pull request when a round came to nothing.
func RoundEnded(v View) string {
	r := v.Run
	round := r.Round()
	var b strings.Builder
	fmt.Fprintf(&b, "Round %d came to nothing: the pull request is as it was.", round.N)
	why, next := roundBecause(v)
	if why == "" {
		b.WriteString(" The agent changed nothing.\n\n" + strings.TrimRight(reasons(v.Said), "\n"))
	} else {
		b.WriteString(" " + strings.TrimSpace(why+" "+next))
	}
	if refused := refusals(r); refused != "" {
		b.WriteString("\n\n" + refused)
	}
	if over := NoMore(v); over != "" {
		b.WriteString("\n\n" + over)
	} else {
		fmt.Fprintf(&b, "\n\n%s left: request changes, or comment `/soulcaster fix` with words on the pull request.", count(int64(1+v.Rounds-round.N), "round"))
	}
	if link := page(v.Page); link != "" {
		b.WriteString(" " + link + " has more.")
	}
	return b.String() + "\n"
}

// Alive is the reply to somebody who asks for a fix on the issue while a run is alive.
// statusURL is where its status comment is, "" if it has none yet.
func Alive(v View, statusURL string) string {
	r := v.Run
	text := fmt.Sprintf("A run for this is alive already: it is %s", State(r.State))
	if r.Pull != nil && r.Pull.Number > 0 {
		text += " in " + pull(r)
	}
	text += ". " + login(r.By) + " asked for it, " + moment(r.Created) + "."
	if plainURL(statusURL) {
		text += " [Its status](" + statusURL + ") is kept up to date."
	}
	if r.State == run.Proposed {
		if over := NoMore(v); over != "" {
			return text + " " + over + "\n"
		}
		return text + " For another round, comment `/soulcaster fix` with words on the pull request.\n"
	}
	return text + " It can be ended with `/soulcaster cancel`.\n"
}
