package markdown

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPlain(t *testing.T) {
	for s, want := range map[string]string{
		"":                                     "",
		" \u200b\n ":                           "",
		"a\u200bb\u202ec\U000e0041d\x00e\x1bf": "abcdef",
		"one\r\ntwo\u2028three":                "one\ntwo\nthree",
		"# @x <!-- [a](b)\n\tindented":         "# @x <!-- [a](b)\n\tindented", // Markdown stays
		strings.Repeat("é", 20):                strings.Repeat("é", 13) + "…",
	} {
		if got := Plain(s, 30); got != want || len(got) > 30 || !utf8.ValidString(got) {
			t.Errorf("Plain(%q) = %q, want %q", s, got, want)
		}
	}
}
