// Package tell is what a run says to people on GitHub: its status comment, its pull
// request, its commits, and short comments and replies. All of it is pure: a text for
// what is known.
//
// Two kinds of words meet in these texts. Ours are live Markdown. Everybody else's
// (the feedback's, the agent's, the names of files, people and commands) go through
// package markdown: they call nobody, link to nothing, close nothing and command
// nothing, and no directive in them keeps a workflow from running.
package tell

import (
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/markdown"
)

// MaxText is the longest text that this package makes, in bytes. GitHub takes a little
// more: https://docs.github.com/en/rest/issues/comments answers 422 beyond 65,536
// characters.
const MaxText = 60_000

// maxURL is the longest address that stands in a link, in bytes.
const maxURL = 1000

// login is somebody's name in a line, without the sign that would call them.
func login(name string) string {
	if name == "" {
		return "somebody"
	}
	return markdown.Inline(name, 50)
}

// asker is who asked for something, and by what if a program did it in their name.
func asker(by, through string) string {
	return action.By(login(by), markdown.Inline(through, 100))
}

// Span is a duration as people say it, to the minute once there is one.
func Span(d time.Duration) string {
	switch minutes := int(d / time.Minute); {
	case d < 0:
		return "0 s"
	case minutes == 0:
		return fmt.Sprintf("%d s", int(d/time.Second))
	case minutes < 120:
		return fmt.Sprintf("%d min", minutes)
	default:
		return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	}
}

// moment is a time as people read it.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Cost is what the model has cost: money where the price is known, else tokens. A
// dollar sign would begin a formula.
func Cost(u run.Usage) string {
	if u.Requests == 0 {
		return "nothing yet"
	}
	requests := fmt.Sprintf("%s to the model", count(u.Requests, "request"))
	tokens := fmt.Sprintf("%s tokens in, %s out", number(u.Input), number(u.Output))
	switch {
	case !u.Priced:
		return fmt.Sprintf("%s (the model's price is not known), %s", tokens, requests)
	case u.Micros < 10_000:
		return fmt.Sprintf("less than USD 0.01, %s", requests)
	}
	cents := (u.Micros + 5_000) / 10_000
	return fmt.Sprintf("USD %s.%02d, %s", number(cents/100), cents%100, requests)
}

// Price is Cost in a word or two.
func Price(u run.Usage) string {
	switch {
	case u.Requests == 0:
		return "nothing yet"
	case !u.Priced:
		return number(u.Input+u.Output) + " tokens"
	}
	money, _, _ := strings.Cut(Cost(u), ", ")
	return money
}

// number is a whole number with its thousands set apart.
func number(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count is a number of things.
func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return number(n) + " " + thing + "s"
}

// Diff is a change in a few words.
func Diff(d run.Diff) string {
	text := count(int64(d.Files), "file")
	if lines := changedLines(&d.Lines); lines != "" {
		text += ", " + lines
	}
	return text
}

// changedLines is how many lines changed, "" if none or if that is not known.
func changedLines(l *run.Lines) string {
	if l == nil || *l == (run.Lines{}) {
		return ""
	}
	return fmt.Sprintf("+%s −%s", number(int64(l.Added)), number(int64(l.Cut)))
}

// page links to the run's page, if the app has pages that can be reached.
func page(url string) string {
	if !plainURL(url) {
		return ""
	}
	return "[The run's page](" + url + ")"
}

// comment links to the comment that asked for a run, if it is known where that is. The
// address was told by a delivery: it has to name the comment.
func comment(r *run.Run) string {
	if !plainURL(r.CommentURL) || r.Comment == 0 || !strings.HasSuffix(r.CommentURL, fmt.Sprintf("#issuecomment-%d", r.Comment)) {
		return ""
	}
	return " ([comment](" + r.CommentURL + "))"
}

// plainURL reports whether an address of ours can stand in a link as it is.
func plainURL(url string) bool {
	return len(url) <= maxURL && (strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://")) &&
		strings.IndexFunc(url, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("()<>[]\\\"`@", r) }) < 0
}
