// Package feed prepares posts for lists.
package feed

import "strings"

// Excerpt is the beginning of a post, in at most limit characters, for lists. What
// was cut off is shown as an ellipsis, which counts as one character.
func Excerpt(text string, limit int) string {
	text = strings.Join(strings.Fields(text), " ")
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	cut := string(runes[:limit-1])
	if space := strings.LastIndex(cut, " "); space > 0 {
		cut = cut[:space]
	}
	return cut + "…"
}
