package feed

import "testing"

func TestExcerpt(t *testing.T) {
	for _, tt := range []struct {
		text  string
		limit int
		want  string
	}{
		{"short", 10, "short"},
		{"two  words\n", 10, "two words"},
		{"the quick brown fox", 12, "the quick…"},
		{"the quick brown fox", 19, "the quick brown fox"},
	} {
		if got := Excerpt(tt.text, tt.limit); got != tt.want {
			t.Errorf("Excerpt(%q, %d) = %q, want %q", tt.text, tt.limit, got, tt.want)
		}
	}
}
