package markdown

import (
	"regexp"
	"strings"
	"unicode"
)

// StripCommands takes the force out of commands: words like /close at the start
// of a line, which apps obey wherever they find them, in quotes and code too.
// Their slash becomes the division slash (U+2215), which looks the same. Paths
// such as /usr/bin/env are no commands and stay.
func StripCommands(s string) string {
	return command.ReplaceAllString(s, "${1}∕${2}")
}

var command = regexp.MustCompile(`(?m)^([ \t>*+-]*)/([A-Za-z][A-Za-z0-9_-]*(?:[ \t\r,:;.!?]|$))`)

// dead breaks everything in a line of clean text that GitHub, or the mail and
// chat programs that it writes to, would bring to life in rendered text:
// mentions, references, addresses, commit hashes, emoji names, comments.
func dead(s string) string {
	var b strings.Builder
	runes := []rune(s)
	hex := hexRun{}
	for i, r := range runes {
		if hex.full(runes, i) {
			b.WriteString(breaker)
		}
		b.WriteRune(r)
		next := 'x' // what our own line goes on with
		if i+1 < len(runes) {
			next = runes[i+1]
		}
		if !unicode.IsSpace(next) && breaksAfter(runes, i, next) {
			b.WriteString(breaker)
		}
	}
	return b.String()
}

// breaksAfter reports whether what begins with the i-th character, and goes on
// with next, must be broken behind it.
func breaksAfter(runes []rune, i int, next rune) bool {
	switch runes[i] {
	case '@', '＠', '﹫', '#', '＃', '﹟':
		return true // a mention, a mail address, a reference
	case ':':
		return true // https://, mailto:, :emoji:
	case '-': // GH-12, GHSA-…, and what a repository may have set up, like JIRA-12
		return unicode.IsDigit(next) && i > 0 && unicode.IsLetter(runes[i-1]) || before(runes, i, "ghsa")
	case '<':
		return next == '!' // a comment, to whoever reads the source
	case '.':
		return before(runes, i, "www")
	}
	return false
}

// before reports whether the word stands right before the i-th character.
func before(runes []rune, i int, word string) bool {
	return i >= len(word) && strings.EqualFold(string(runes[i-len(word):i]), word)
}

// hexRun counts the hexadecimal digits in a row. Seven can name a commit, so
// that every run of seven or more is broken into sixes.
type hexRun struct{ length, since int }

func (h *hexRun) full(runes []rune, i int) bool {
	if !isHex(runes[i]) {
		*h = hexRun{}
		return false
	}
	if h.length == 0 {
		for h.length < len(runes)-i && isHex(runes[i+h.length]) {
			h.length++
		}
	}
	if h.length < 7 {
		return false
	}
	if h.since == 6 {
		h.since = 1
		return true
	}
	h.since++
	return false
}

func isHex(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F'
}
