package markdown

import (
	"strings"
	"unicode/utf8"
)

// Code is a foreign name (a function, a file, a release) as code in a line of
// ours, at most max characters of it. GitHub finds no mentions and references
// in code. It is empty if s is blank. A pipe in it would end the cell of a table,
// so it does not belong in one.
func Code(s string, max int) string {
	s = quiet(line(s, max))
	if s == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	pad := ""
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		pad = " "
	}
	return fence + pad + s + pad + fence
}

// Fence is foreign text as a block of code, in its own form: a fence that
// nothing in the text can close, and no language, so that no diagram, map or
// formula is drawn. Its whole length is at most maxBytes; what is cut is cut
// between characters, with an ellipsis, and the block is closed. It is empty if
// s is blank or maxBytes is too little for anything.
func Fence(s string, maxBytes int) string {
	s = strings.Trim(shorten(StripCommands(quiet(clean(head(s, maxBytes))))), "\n")
	if strings.TrimSpace(s) == "" {
		return ""
	}
	fence := strings.Repeat("`", max(3, longestRun(s, '`')+1, longestRun(s, '~')+1))
	room := maxBytes - len(fence+"text\n"+"\n"+fence)
	if s = cutBytes(s, room); s == "" {
		return ""
	}
	return fence + "text\n" + s + "\n" + fence
}

// quiet breaks what would look like one of our markers to whoever reads the
// text of a body instead of rendering it.
func quiet(s string) string {
	return strings.ReplaceAll(s, "<!--", "<"+breaker+"!--")
}

// shorten cuts runs of more than 32 backticks or tildes, so that a text made of
// them does not make a fence as long as itself.
func shorten(s string) string {
	const most = 32
	var b strings.Builder
	run, last := 0, rune(0)
	for _, r := range s {
		if r != last {
			run, last = 0, r
		}
		if run++; run > most && (r == '`' || r == '~') {
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func longestRun(s string, of rune) int {
	longest, run := 0, 0
	for _, r := range s {
		if r != of {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// cutBytes shortens s to at most n bytes, the last of them an ellipsis if
// anything was cut.
func cutBytes(s string, n int) string {
	const ellipsis = "…"
	if len(s) <= n {
		return s
	}
	n -= len(ellipsis)
	if n <= 0 {
		return ""
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + ellipsis
}
