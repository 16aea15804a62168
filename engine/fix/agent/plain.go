package agent

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	// ansi matches what colours a terminal's output.
	ansi = regexp.MustCompile(`\x1b\[[0-9;?]*[ -/]*[@-~]`)
	// hidden matches what Markdown and HTML show nobody.
	hidden = regexp.MustCompile(`(?s)<!--.*?-->`)
)

// plain is what a person sees of a text: without HTML comments and characters that
// have no shape, hide or reorder others, or move a cursor, and at most limit runes.
// It is valid UTF-8 with lines that end in \n.
func plain(text string, limit int) string {
	// Cut first, so that the work is bounded, and leave room for what is taken out.
	if n := 8 * limit; len(text) > n {
		for n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n]
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = ansi.ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			return '\n'
		case unicode.IsControl(r) || unseen(r):
			return -1
		}
		return r
	}, text)
	for range 10 { // what is taken out may leave another behind
		next := hidden.ReplaceAllString(text, "")
		if next == text {
			break
		}
		text = next
	}
	// One that does not end hides all that follows on a page. Here it shows.
	text = strings.ReplaceAll(text, "<!--", "<!- -")
	if utf8.RuneCountInString(text) > limit {
		text = string([]rune(text)[:limit]) + "\n[… it is longer]"
	}
	return text
}

// unseen reports whether a character has no shape of its own. Unlike package
// feedback, which keeps texts for people, it counts joiners and variation selectors
// among them: strings of those spell messages that only a model reads.
func unseen(r rune) bool {
	switch {
	case unicode.Is(unicode.Cf, r), // zero width, bidi, tags, soft hyphen
		r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0100 && r <= 0xe01ef, // variation selectors
		r == 0x034f, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x3164, r == 0xffa0, // fillers
		r >= 0xe0000 && r <= 0xe0fff: // all that Unicode keeps for what is not shown
		return true
	}
	return false
}

// label is text as part of a line of ours: one line of ordinary characters.
func label(text string, limit int) string {
	text = plain(text, limit)
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r == '<' || r == '>' || r == '"' || r == '`' {
			return '_'
		}
		return r
	}, text)), " ")
}
