package markdown

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// breaker keeps two characters apart without being seen.
	breaker = "\u200b"
	// maxInput bounds the work on one text, in bytes. Feedback is far smaller.
	maxInput = 256 << 10
	// perRune is how many bytes are looked at for each character that may be
	// shown: enough for every mark on it and for some that are not seen.
	perRune = 64
	// maxMarks is how many combining marks may sit on one character. Scripts use
	// up to four; a hundred paint over the lines around them.
	maxMarks = 4
)

// clean takes out what is not seen: control characters, direction marks,
// zero-width and tag characters, variation selectors, private and unassigned
// code points. Every kind of line end becomes \n; tabs stay; what is not UTF-8
// becomes U+FFFD.
func clean(s string) string {
	if len(s) > maxInput {
		s = s[:maxInput]
	}
	s = lineEnds.Replace(s)
	marks := 0
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII { // the last of which is a control character
			marks = 0
			if r < ' ' && r != '\n' && r != '\t' {
				return -1
			}
			return r
		}
		if !unicode.IsGraphic(r) || unseen(r) {
			return -1
		}
		if !unicode.Is(unicode.M, r) {
			marks = 0
			return r
		}
		if marks++; marks > maxMarks {
			return -1
		}
		return r
	}, s)
}

// lineEnds are the characters that some renderer starts a new line at.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n",
	"\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// unseen reports whether a character takes no room although Unicode counts it
// among the visible ones: fillers, joiners and the selectors of variants, in
// which text can be hidden. U+2800 is Braille's blank.
func unseen(r rune) bool {
	return r == '\u2800' || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// fold puts text on one line, with single spaces.
func fold(s string) string { return strings.Join(strings.Fields(s), " ") }

// head is as much of a text as is looked at to show n characters or bytes of it.
func head(s string, n int) string {
	if n = max(n, 0); n < maxInput/perRune {
		return s[:min(len(s), perRune*(n+1))]
	}
	return s
}

// line is the beginning of a text as one clean line of at most n characters.
func line(s string, n int) string { return cutRunes(fold(clean(head(s, n))), n) }

// cutRunes shortens s to at most n runes, the last of them an ellipsis if
// anything was cut.
func cutRunes(s string, n int) string {
	if n <= 0 {
		return ""
	}
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	kept := 0
	for i := range s {
		if kept == n-1 {
			return strings.TrimRight(s[:i], " "+breaker) + "…"
		}
		kept++
	}
	return s
}
