package issue

import (
	"regexp"
	"slices"
	"strings"
)

// redact takes out of a title what could name somebody or something: what is in
// quotes, addresses, paths, and every word with a digit in it.
func redact(title string) string {
	title = inQuotes.ReplaceAllString(title, "…")
	words := strings.Fields(title)
	for i, w := range words {
		if strings.ContainsAny(w, "0123456789@\\=") || strings.Contains(strings.Trim(w, "/"), "/") || strings.HasPrefix(w, "/") {
			words[i] = "…"
		}
	}
	words = slices.CompactFunc(words, func(a, b string) bool { return a == "…" && b == "…" })
	if title = strings.Join(words, " "); strings.Trim(title, "… ") == "" {
		return ""
	}
	return title
}

// inQuotes finds what is in quotes. An apostrophe inside a word begins none.
var inQuotes = regexp.MustCompile("\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|`[^`]*`|\\B'[^']*'\\B|\\B‘[^’]*’\\B")
