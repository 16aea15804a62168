package markdown

import "strings"

// Plain is foreign text as somebody sees it, for a reader other than GitHub:
// without the characters that are not seen, in which orders can be hidden, every
// kind of line end as \n, at most maxBytes long, the last character an ellipsis if
// anything was cut. What is Markdown in it stays so: on GitHub it goes into a
// [Fence].
func Plain(s string, maxBytes int) string {
	return cutBytes(strings.TrimSpace(clean(head(s, maxBytes))), maxBytes)
}
