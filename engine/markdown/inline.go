package markdown

import (
	"strings"
	"unicode/utf8"
)

// Inline is foreign text as part of a line of ours, at its start too: one line
// of plain text in which nothing is formatted, linked, mentioned or obeyed. At
// most max characters of s are shown; an ellipsis says that some were cut. The
// result is longer in bytes, up to nine for a character. It may stand in the
// cell of a table.
//
// A dollar becomes the full-width one: GitHub's formulas look for dollars in
// ways that no escape is documented for.
func Inline(s string, max int) string {
	return escape(dead(StripCommands(line(s, max))))
}

// escape makes Markdown read a line as plain text. What only matters at the
// start of a block (# - + = > 1. : and so on) is escaped there only.
func escape(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '$':
			b.WriteRune('＄')
			continue
		case strings.ContainsRune("\\`*_[]<>|~&", r), i == 0 && asciiPunct(r), listNumber(s, i):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func asciiPunct(r rune) bool {
	return r > ' ' && r < utf8.RuneSelf && !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
}

// listNumber reports whether the i-th byte is what ends the number of a numbered
// list at the start of the line.
func listNumber(s string, i int) bool {
	return (s[i] == '.' || s[i] == ')') && i > 0 && strings.Trim(s[:i], "0123456789") == ""
}

// Quote is foreign prose as a block quote: at most twelve lines and max
// characters of it, each line as [Inline] has it. It is empty if s is blank.
// What follows it must begin after an empty line.
func Quote(s string, max int) string {
	const maxLines = 12
	var b strings.Builder
	lines, gap := 0, false
	for text := range strings.SplitSeq(clean(head(s, max)), "\n") {
		text = fold(text)
		if text == "" {
			gap = lines > 0
			continue
		}
		if lines == maxLines || max <= 0 {
			b.WriteString("\n>\n> …")
			break
		}
		if lines > 0 {
			b.WriteString("\n")
		}
		if gap {
			b.WriteString(">\n")
			gap = false
		}
		b.WriteString("> ")
		b.WriteString(Inline(text, max))
		max -= utf8.RuneCountInString(text)
		lines++
	}
	return b.String()
}

// Title is foreign text as the title of an issue: one line of at most 200
// characters. Titles are no Markdown, but people and programs copy them into
// commits, messages and mails, so that what [Inline] breaks is broken here too.
// A title is empty if nothing in s can be seen.
func Title(s string) string {
	const limit = 200
	s = strings.ReplaceAll(line(s, limit), "`", "'")
	return cutRunes(dead(StripCommands(s)), limit)
}
