package command

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/soulcaster/soulcaster/engine/github"
)

// Word is what a comment begins with to be a command, in any case.
const Word = "/soulcaster"

// Spec is one command that people can give.
type Spec struct {
	Name string
	Args string            // how its arguments are written, empty if it takes none
	Min  int               // how many it needs
	Max  int               // how many it takes; Free: any text
	Who  github.Permission // what one must at least have to give it
	Help string            // what it does, in a few words
}

// Free is the Max of a command that is followed by text, also on the lines below.
const Free = math.MaxInt

// Table returns all commands, in the order in which help shows them. The parser
// and the help know no others.
func Table() []Spec {
	return []Spec{
		{Name: "help", Who: github.Read, Help: "show this list"},
		{Name: "status", Who: github.Read, Help: "say what is known about this issue: its reports, why they belong together, and how far a fix is"},
		{Name: "fix", Args: "[words]", Max: Free, Who: github.Write, Help: "have the agent propose a fix, or take what was said about its pull request back to it; the words, also on the lines below, are for the agent"},
		{Name: "retry", Who: github.Write, Help: "try again what ended without a proposal"},
		{Name: "cancel", Who: github.Write, Help: "stop the agent, or close its pull request"},
		{Name: "checks", Who: github.Write, Help: "let the repository's checks run on the agent's pull request: look at the change first"},
		{Name: "mute", Who: github.Write, Help: "close the issue as not planned: reports are still counted, and nothing is written any more"},
		{Name: "unmute", Who: github.Write, Help: "take that back: reopen the issue, and keep it as before"},
		{Name: "undo", Who: github.Write, Help: "take back the last thing that Soulcaster did to this issue"},
	}
}

// Command is what a person asked for.
type Command struct {
	Spec
	Arguments []string
	Words     string // the arguments exactly as they were written, with what is between them
}

// Kind says what a comment turned out to be.
type Kind int

// The kinds of results.
const (
	Ignore Kind = iota // not meant for us
	Run                // a command
	Reply              // meant for us, but not understood
)

// Result is what to do about a comment.
type Result struct {
	Kind  Kind
	Reply string // with Reply: what to answer, in Markdown
}

// Parse reads a comment. Only its first line can be a command: one that begins
// with the word itself, so that quotes, code, lists and talk about commands are
// not taken for them. The line may be indented by up to three spaces, as a
// paragraph may in Markdown; four, or a tab, make it code. Blank lines before it
// do not count. The word alone asks for help.
//
// The Command is valid if the result's Kind is Run.
func Parse(body string) (Command, Result) {
	line := FirstLine(body)
	start := strings.TrimLeft(line, " ")
	if len(line)-len(start) > 3 || !strings.HasPrefix(start, "/") {
		return Command{}, Result{}
	}
	word, rest := cutWord(start)
	if lower(word) != Word {
		return Command{}, Result{}
	}
	name, rest := cutWord(rest)
	if name = lower(name); name == "" {
		name = "help"
	}
	args := strings.Fields(rest)
	for _, spec := range Table() {
		if spec.Name != name {
			continue
		}
		if len(args) < spec.Min || len(args) > spec.Max {
			return Command{}, Result{Kind: Reply, Reply: spec.wrongArguments()}
		}
		return Command{Spec: spec, Arguments: args, Words: rest}, Result{Kind: Run}
	}
	return Command{}, Result{Kind: Reply, Reply: unknown(name)}
}

// cutWord cuts off the first word of a line.
func cutWord(line string) (word, rest string) {
	line = strings.TrimSpace(line)
	end := strings.IndexFunc(line, unicode.IsSpace)
	if end < 0 {
		return line, ""
	}
	return line[:end], strings.TrimSpace(line[end:])
}

// FirstLine returns the first line of a comment that is not blank, without what
// cannot be seen at its end: spaces, a carriage return, zero-width characters.
// What cannot be seen at its start stays, because that is how a quoted command
// is kept from being one.
func FirstLine(body string) string {
	line, _ := Split(body)
	return line
}

// Split returns the first line of a comment, see [FirstLine], and what stands
// below it, as it was written but for blank lines before it and space after it.
func Split(body string) (line, rest string) {
	read := 0
	for line := range strings.Lines(body) {
		read += len(line)
		if line = strings.TrimRightFunc(line, invisible); line != "" {
			return line, strings.TrimRightFunc(withoutBlankLines(body[read:]), unicode.IsSpace)
		}
	}
	return "", ""
}

// withoutBlankLines returns a text from its first line on that is not blank.
func withoutBlankLines(text string) string {
	read := 0
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			break
		}
		read += len(line)
	}
	return text[read:]
}

// invisible reports whether nothing is seen of a character: white space, and
// format characters such as the zero-width space and the byte order mark.
func invisible(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }

// Help returns the list of all commands in Markdown. Commands stand in code
// inside a table, so that no line of it is one.
func Help() string {
	var b strings.Builder
	b.WriteString("Commands go in the first line of a comment on an issue, or on the agent's pull request:\n\n| command | who | |\n| --- | --- | --- |\n")
	for _, s := range Table() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.Usage(), s.Who, s.Help)
	}
	return b.String()
}

// Usage returns how the command is written, in Markdown code.
func (s Spec) Usage() string {
	if s.Args == "" {
		return "`" + Word + " " + s.Name + "`"
	}
	return "`" + Word + " " + s.Name + " " + s.Args + "`"
}

func (s Spec) wrongArguments() string {
	if s.Max == 0 {
		return fmt.Sprintf("This command takes nothing after its name: %s.", s.Usage())
	}
	return fmt.Sprintf("This is how the command is written: %s.", s.Usage())
}

// unknown answers a name that is in no table. The name itself is not repeated:
// it is a stranger's text.
func unknown(name string) string {
	best, nearest := 3, "" // two slips of the finger, at most, and fewer in a short name
	for _, s := range Table() {
		if d := distance(name, s.Name); d < best && 2*d < len(s.Name) {
			best, nearest = d, s.Usage()
		}
	}
	if nearest != "" {
		return fmt.Sprintf("There is no such command. Did you mean %s?", nearest)
	}
	return "There is no such command.\n\n" + Help()
}

// distance is how many letters have to be put in, left out, changed, or swapped
// with their neighbour to make b of a (the restricted Damerau–Levenshtein
// distance).
func distance(a, b string) int {
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range now {
		now[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, now = last, now, before
		now[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			now[j] = slices.Min([]int{change, last[j] + 1, now[j-1] + 1})
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
	}
	return now[len(b)]
}

// lower makes ASCII letters small and leaves all others alone: to Unicode, the
// Kelvin sign is a k.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
