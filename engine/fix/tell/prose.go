package tell

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/markdown"
)

const (
	maxLine  = 1000 // characters of one line
	maxLines = 200
)

// prose is foreign Markdown as Markdown that does nothing: paragraphs, flat lists,
// code in lines and in blocks stay what they are, a heading becomes a line in bold,
// and everything else (links, images, tables, HTML) is shown as it was written. It is
// at most maxBytes long, empty if text is blank, and has no line of ours in it.
func prose(text string, maxBytes int) string {
	var out writer
	text = strings.ToValidUTF8(text[:min(len(text), maxSaid)], "")
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	out.room = maxBytes - len(cut)
	for i := 0; i < len(lines) && !out.full; i++ {
		if i == maxLines {
			out.full = true
			break
		}
		line := lines[i]
		if mark := fenceMark(line); mark != "" {
			end := i + 1
			for end < len(lines) && !closes(lines[end], mark) {
				end++
			}
			out.block(fence(strings.Join(lines[i+1:end], "\n"), out.room))
			i = end
			continue
		}
		switch m := lead.FindStringSubmatch(line); {
		case strings.TrimSpace(line) == "":
			out.gap = true
		case m == nil:
			out.line(words(line))
		case strings.HasPrefix(m[1], "#"):
			if w := words(m[2]); w != "" {
				out.block("**" + w + "**")
			}
		case strings.HasPrefix(m[1], ">"):
			out.line(words(m[2]))
		default:
			out.item(words(m[2]))
		}
	}
	return out.String()
}

// lead is what may stand at the start of a line: of a heading, a quote, a list.
var lead = regexp.MustCompile(`^[ \t]*(#{1,6}[ \t]|>|[-*+][ \t]|\d{1,9}[.)][ \t])[ \t]*(.*)$`)

func fenceMark(line string) string {
	line = strings.TrimLeft(line, " \t")
	for _, c := range []string{"`", "~"} {
		if n := len(line) - len(strings.TrimLeft(line, c)); n >= 3 {
			return line[:n]
		}
	}
	return ""
}

func closes(line, mark string) bool {
	line = strings.TrimSpace(line)
	return len(line) >= len(mark) && strings.Trim(line, mark[:1]) == ""
}

// words is a line with the code in it.
func words(line string) string {
	if utf8.RuneCountInString(line) > maxLine {
		line = string([]rune(line)[:maxLine]) + "…"
	}
	var b strings.Builder
	for line != "" {
		before, rest, opened := strings.Cut(line, "`")
		inside, after, closed := strings.Cut(rest, "`")
		shown := ""
		if opened && closed {
			shown = code(inside, maxLine)
		}
		if shown == "" { // what remains holds no code, or only backticks
			add(&b, line)
			break
		}
		add(&b, before)
		b.WriteString(shown)
		line = after
	}
	return strings.TrimSpace(b.String())
}

// add writes plain words, with the spaces around them.
func add(b *strings.Builder, text string) {
	plain := markdown.Inline(text, maxLine)
	if b.Len() > 0 && plain != "" {
		// Not at the start of a line, where more has to be escaped.
		plain = strings.TrimPrefix(markdown.Inline("x"+strings.TrimSpace(text), maxLine+1), "x")
	}
	if strings.TrimLeft(text, " \t") != text && b.Len() > 0 {
		b.WriteString(" ")
	}
	b.WriteString(plain)
	if plain != "" && strings.TrimRight(text, " \t") != text {
		b.WriteString(" ")
	}
}

// code is a foreign name as code, which stays harmless where nobody renders it.
func code(s string, max int) string { return mute(markdown.Code(s, max)) }

// fence is foreign text as a block of code, which stays harmless where nobody renders
// it. Its whole length is at most maxBytes.
func fence(s string, maxBytes int) string {
	text := markdown.Fence(s, maxBytes)
	if grows := len(mute(text)) - len(text); len(text)+grows > maxBytes {
		text = markdown.Fence(s, maxBytes-grows)
	}
	return mute(text)
}

// mute breaks what GitHub would find in code once nobody takes it for code: a squash
// merge makes the description of a pull request the message of a commit, in which
// mentions call, references are noted on other issues and closing keywords close.
func mute(code string) string { return found.ReplaceAllString(code, "$1$3$5\u200b$2$4$6") }

// found is what GitHub finds in a commit's message: mentions and advisories,
// references, and addresses.
var found = regexp.MustCompile(`(?i)([@＠﹫]|ghsa-)([\pL\pN_])|([#＃﹟]|gh-)(\pN)|(:)(//)`)

// cut stands where something was left out.
const cut = "\n\n…"

// writer puts lines and blocks after one another while there is room.
type writer struct {
	strings.Builder
	room int
	gap  bool // an empty line is due
	list bool // the last line was one of a list
	full bool
}

func (w *writer) put(s string) {
	if w.full || s == "" {
		return
	}
	if w.Len() > 0 {
		s = "\n" + s
		if w.gap {
			s = "\n" + s
		}
	}
	if len(s) > w.room {
		w.WriteString(cut)
		w.full = true
		return
	}
	w.room -= len(s)
	w.WriteString(s)
	w.gap = false
}

func (w *writer) line(s string) {
	w.put(s)
	w.list = false
}

func (w *writer) item(s string) {
	if s == "" {
		return
	}
	w.gap = w.gap || !w.list // a list begins behind an empty line
	w.put("- " + s)
	w.list = true
}

func (w *writer) block(s string) {
	w.gap = true
	w.put(s)
	w.gap, w.list = true, false
}

// still takes the force out of what GitHub, and what else builds and releases, looks
// for in the message of a commit, into which titles and descriptions are copied by squash
// merges: directives that keep workflows from running, and trailers that credit people or
// name releases.
// https://docs.github.com/en/actions/managing-workflow-runs/skipping-workflow-runs
func still(s string) string {
	s = directive.ReplaceAllString(s, "$1\u200b$2")
	return trailer.ReplaceAllString(s, "$1\u200b$2")
}

var (
	directive = regexp.MustCompile(`(?i)(\[|\*\*\*)((?:[a-z]+ )?(?:skip|no)[ _](?:ci|[a-z]+)\b|[a-z]+ skip\])`)
	trailer   = regexp.MustCompile(`(?i)(skip|request|co|release|breaking)([- ](?:checks|authored-by|as|change))`)
)
