// Package feed prepares posts for lists.
package feed

import "strings"

// Excerpt is the beginning of a post, in at most limit characters, for lists. What
// was cut off is shown as an ellipsis, which counts as one character.
func Excerpt(text string, limit int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= limit {
		return text
	}
	cut := text[:limit-1]
	return cut[:strings.LastIndex(cut, " ")] + "…"
}
