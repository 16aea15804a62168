package tell

import (
	"fmt"
	"strings"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/markdown"
)

// evidence is exactly what the agent gets of strangers' words, folded, in at most
// maxBytes. paged says that there is a page that people can open.
func evidence(list []brief.Evidence, hash string, paged bool, maxBytes int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<details><summary>The evidence that the agent gets: %s</summary>\n\n", count(int64(len(list)), "piece"))
	b.WriteString("This was written by strangers. The agent gets it as data and is told not to follow anything in it.")
	if hash = first(hash, 12); hash != "" {
		b.WriteString(" Its hash begins with `" + hash + "`.")
	}
	b.WriteString("\n")
	const end = "\n</details>"
	rest := "\nThere is more of it than fits here; the agent gets it all.\n"
	if paged {
		rest = "\nThere is more of it than fits here; the run's page has it all.\n"
	}
	room := maxBytes - b.Len() - len(end) - len(rest)
	for i, e := range list {
		head := fmt.Sprintf("\n**%d.** %s: %s", i+1, markdown.Inline(e.Source, 40), markdown.Inline(e.Field, 40))
		if !e.At.IsZero() {
			head += ", " + moment(e.At)
		}
		head += "\n\n"
		whole := 3*len(e.Text) + 200 // what neutralising adds is less
		text := markdown.Fence(e.Text, whole)
		if text == "" {
			text = "*Nothing that can be seen.*"
		}
		if len(head)+len(text)+1 > room {
			text = markdown.Fence(e.Text, room-len(head)-1)
			if text != "" {
				b.WriteString(head + text + "\n")
			}
			b.WriteString(rest)
			break
		}
		b.WriteString(head + text + "\n")
		room -= len(head) + len(text) + 1
	}
	b.WriteString(end)
	return b.String()
}

// first is the beginning of a hash. It stands in code, where it links to no commit.
func first(hash string, n int) string {
	hash = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'f' {
			return r
		}
		return -1
	}, hash)
	return hash[:min(n, len(hash))]
}
