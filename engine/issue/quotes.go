package issue

import (
	"cmp"
	"slices"
	"strings"

	"github.com/soulcaster/soulcaster/engine/feedback"
)

// quotes are what people wrote, the longest texts first: they say most. Nobody
// is quoted twice, nor a text that was quoted already.
func (v view) quotes(members []Member) []quote {
	var out []quote
	for _, f := range v.texts(members, maxQuotes) {
		out = append(out, quote{text: words(f), kind: f.Kind, at: f.First, link: v.link(f)})
	}
	return out
}

// texts are the posts and reports that may be quoted, at most so many, in that
// order.
func (v view) texts(members []Member, most int) []*feedback.Feedback {
	var from []*feedback.Feedback
	for _, m := range members {
		if f := m.Feedback; f.Kind != feedback.Sentry && v.open(f) && words(f) != "" {
			from = append(from, f)
		}
	}
	slices.SortStableFunc(from, func(a, b *feedback.Feedback) int {
		return cmp.Compare(min(len(words(b)), maxQuoteText), min(len(words(a)), maxQuoteText))
	})
	var out []*feedback.Feedback
	said := map[string]bool{}
	for _, f := range from {
		text := words(f)
		if len(out) == most {
			break
		}
		if said["text "+text] || f.Author != "" && said["author "+f.Author] {
			continue
		}
		said["text "+text], said["author "+f.Author] = true, true
		out = append(out, f)
	}
	return out
}

// words is what the author of a report or post wrote.
func words(f *feedback.Feedback) string {
	body, title := strings.TrimSpace(f.Body), strings.TrimSpace(f.Title)
	switch {
	case body == "":
		return title
	case strings.HasPrefix(body, strings.TrimRight(title, "….")):
		return body
	}
	return title + "\n\n" + body
}

func (v view) belonging(m Member) belonging {
	f := m.Feedback
	b := belonging{kind: f.Kind, at: f.First, reason: m.Reason, alike: m.Similarity, link: v.link(f)}
	if f.Kind == feedback.Sentry {
		b.error = v.failure(f)
	} else if v.open(f) {
		b.title = f.Title
	}
	return b
}
