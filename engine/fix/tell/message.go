package tell

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/markdown"
)

const (
	maxSubject = 72 // characters of a message's first line: what GitHub shows of it
	width      = 72
	maxReason  = 400 // characters of the agent's words in a message
)

// SkipChecks ends the message of a commit that is to start no workflow. GitHub wants
// the trailers behind two empty lines, at the end, and this one last:
// https://docs.github.com/en/actions/managing-workflow-runs/skipping-workflow-runs
const SkipChecks = "\n\n\nskip-checks: true"

// CommitMessage is the message of a round's commit. It closes nothing and calls
// nobody: the pull request says what it closes.
func CommitMessage(p Proposal) string {
	title, round := "Fix: ", ""
	if n := p.Run.Round().N; n > 1 {
		round = fmt.Sprintf(" (round %d)", n)
	}
	title += subject(p, maxSubject-len(title)-len(round)) + round

	var b strings.Builder
	b.WriteString(title + "\n\n")
	if why := reason(p.Said); why != "" {
		b.WriteString(wrap(why) + "\n\n")
	}
	by := "Failing checks asked for it."
	if p.Asked != "" {
		by = markdown.Title(p.Asked) + " asked for it on GitHub."
	}
	b.WriteString(wrap(fmt.Sprintf("For %s. A coding agent wrote it. %s", issueOf(p.Run), by)))
	text := still(b.String())
	if p.Held {
		text += SkipChecks
	}
	return text
}

// ChecksMessage is the message of the commit that lets the repository's workflows
// run. There is nothing of strangers in it that could keep them from it.
func ChecksMessage(by string) string {
	return "Let the checks run\n\n" + still(wrap("The files are those of the commit before. "+
		markdown.Title(by)+" asked on GitHub for the repository's workflows to run on them."))
}

// reason is the first paragraph of what the agent says that it changed, on one line.
func reason(said string) string {
	s := parse(said)
	text := s.changed
	if text == "" {
		text = s.other
	}
	text, _, _ = strings.Cut(text, "\n\n")
	if fenceMark(text) != "" {
		return ""
	}
	text = strings.TrimLeft(text, "#*->+ \t\n")
	if i := nextItem.FindStringIndex(text); i != nil {
		text = text[:i[0]]
	}
	if utf8.RuneCountInString(text) > maxReason {
		text = string([]rune(text)[:maxReason-1]) + "…"
	}
	var parts []string // a title is at most 200 characters
	for words := strings.Fields(text); len(words) > 0; {
		n, length := 1, len(words[0])
		for n < len(words) && length+1+len(words[n]) < 150 {
			length += 1 + len(words[n])
			n++
		}
		parts = append(parts, markdown.Title(strings.Join(words[:n], " ")))
		words = words[n:]
	}
	return strings.Join(parts, " ")
}

// nextItem is where the next point of a list begins.
var nextItem = regexp.MustCompile(`\n[ \t]*([-*+]|\d+[.)])[ \t]`)

// wrap breaks a text into lines. No line begins with what could be taken for a
// comment's mark, a command or a trailer's name.
func wrap(text string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case column == 0:
		case column+1+n > width && !strings.ContainsAny(word[:1], "/#-") && !strings.Contains(word, ":"):
			b.WriteString("\n")
			column = 0
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
