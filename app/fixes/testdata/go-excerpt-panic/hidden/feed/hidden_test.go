package feed

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestExcerptOfAnything(t *testing.T) {
	for _, text := range []string{
		"https://example.com/a/very/long/link/without/any/space/in/it",
		"東京は今日も雨が降っていますので、傘を持って出かけてください。",
		strings.Repeat("ä", 100),
		"один два три четыре пять шесть семь восемь девять десять",
		strings.Repeat("a", 39) + " b", "",
	} {
		for limit := 1; limit < 60; limit++ {
			got := Excerpt(text, limit)
			if n := utf8.RuneCountInString(got); n > limit || !utf8.ValidString(got) {
				t.Errorf("Excerpt(%q, %d) = %q: %d characters", text, limit, got, n)
			}
			if utf8.RuneCountInString(text) <= limit && got != text {
				t.Errorf("Excerpt(%q, %d) = %q, and it is short enough", text, limit, got)
			}
		}
	}
}

func TestExcerptKeepsAsMuchAsFits(t *testing.T) {
	if got := Excerpt(strings.Repeat("x", 30), 10); got != strings.Repeat("x", 9)+"…" {
		t.Errorf("without a space: %q", got)
	}
	if got := Excerpt("the quick brown fox", 12); got != "the quick…" {
		t.Errorf("with spaces: %q", got)
	}
}
