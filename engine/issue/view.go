package issue

import (
	"cmp"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/soulcaster/soulcaster/engine/feedback"
)

// view decides what may be seen of a feedback.
type view struct{ full bool }

// open reports whether the text of a post or report may be quoted. That the
// source of error groups is public does not make the values in their messages so.
func (v view) open(f *feedback.Feedback) bool {
	return v.full || f.Public && f.Kind != feedback.Sentry
}

func (v view) link(f *feedback.Feedback) string {
	if f.Kind == feedback.Sentry || v.open(f) {
		return f.URL
	}
	return ""
}

// title says in one line what is wrong, in the words of the most telling member
// that has any.
func (v view) title(members []Member) string {
	redacted := ""
	for _, m := range members {
		f := m.Feedback
		switch {
		case v.open(f) && f.Title != "":
			return f.Title
		case f.Kind == feedback.Sentry:
			e := v.failure(f)
			return e.kind + prefixed(" in ", e.function) + between(" (", e.file, ")")
		case redacted == "" && f.Kind == feedback.Report:
			redacted = redact(f.Title)
		}
	}
	return redacted
}

func prefixed(before, s string) string { return between(before, s, "") }

// between puts text around s, unless there is none.
func between(before, s, after string) string {
	if s == "" {
		return ""
	}
	return before + s + after
}

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

// failure is what an error group says failed: the root cause, and the newest of
// the app's own frames in it.
func (v view) failure(f *feedback.Feedback) *failure {
	e := &failure{link: v.link(f)}
	for _, x := range f.Exceptions {
		if x.Type != "" || x.Value != "" || len(x.Frames) > 0 {
			e.kind, e.message = x.Type, x.Value
			if frames := v.frames(x); len(frames) > 0 {
				e.function, e.file = frames[0].Function, v.file(frames[0].File)
			}
			break
		}
	}
	if len(f.Exceptions) == 0 {
		e.kind, e.message = thin(f.Title)
		e.function = f.Culprit
	}
	if !v.full {
		e.message = ""
		if !codeName.MatchString(e.kind) {
			e.kind = ""
		}
		if len(f.Exceptions) == 0 && !culprit.MatchString(e.function) {
			e.function = ""
		}
	}
	e.kind = cmp.Or(e.kind, "Error")
	return e
}

// thin splits the title of a group without a stack, which Sentry makes of the
// exception's type and message.
func thin(title string) (kind, message string) {
	kind, message, found := strings.Cut(title, ": ")
	if !found || !codeName.MatchString(kind) {
		return "", title
	}
	return kind, message
}

var (
	codeName = regexp.MustCompile(`^[\pL_$][\pL\pN_$.:<>\\-]{0,199}$`)
	// culprit is a module and a function, as "billing.charge in run". What Sentry
	// puts there for web pages, an address, is not.
	culprit = regexp.MustCompile(`^[\pL_$<?(][\pL\pN_$.:<>()\\-]{0,199}( in [\pL_$<][\pL\pN_$.:<>()\\-]{0,199})?$`)
)

// frames are the frames of an exception that may be shown, newest call first:
// the app's own or, if it has none and everything may be shown, all.
func (v view) frames(x feedback.Exception) []feedback.Frame {
	var own, all []feedback.Frame
	for _, f := range slices.Backward(x.Frames) {
		if f.Function == "" && f.File == "" && f.Module == "" {
			continue
		}
		all = append(all, f)
		if f.InApp {
			own = append(own, f)
		}
	}
	if len(own) == 0 && v.full {
		return all
	}
	return own
}

// stack is the stack of the failure, a line for a call.
func (v view) stack(f *feedback.Feedback) []string {
	var lines []string
	for _, x := range f.Exceptions {
		for _, frame := range v.frames(x) {
			if len(lines) == maxFrames {
				return lines
			}
			at := v.file(frame.File)
			if at != "" && frame.Line > 0 {
				at += ":" + number(frame.Line)
			}
			if name := cmp.Or(frame.Function, frame.Module); name == "" {
				lines = append(lines, at)
			} else {
				lines = append(lines, name+between(" (", at, ")"))
			}
		}
		if len(lines) > 0 {
			break // the root cause is enough
		}
	}
	return lines
}

// file is the name of a file. Unless everything may be shown it is without the
// host and the query of an address and without the name of who built it.
func (v view) file(name string) string {
	if v.full {
		return name
	}
	if strings.Contains(name, "://") {
		u, err := url.Parse(name)
		if err != nil {
			return ""
		}
		name = path.Clean("/" + u.Path)
	}
	name, _, _ = strings.Cut(name, "?")
	return home.ReplaceAllString(name, "")
}

var home = regexp.MustCompile(`(?i)^(/(users|home)/[^/]+/|[a-z]:\\(users|documents and settings)\\[^\\]+\\)`)

// quotes are what people wrote, the longest texts first: they say most. Nobody
// is quoted twice, nor a text that was quoted already.
func (v view) quotes(members []Member) []quote {
	var from []*feedback.Feedback
	for _, m := range members {
		if f := m.Feedback; f.Kind != feedback.Sentry && v.open(f) && words(f) != "" {
			from = append(from, f)
		}
	}
	slices.SortStableFunc(from, func(a, b *feedback.Feedback) int {
		return cmp.Compare(min(len(words(b)), maxQuoteText), min(len(words(a)), maxQuoteText))
	})
	var out []quote
	said := map[string]bool{}
	for _, f := range from {
		text := words(f)
		if len(out) == maxQuotes {
			break
		}
		if said["text "+text] || f.Author != "" && said["author "+f.Author] {
			continue
		}
		said["text "+text], said["author "+f.Author] = true, true
		out = append(out, quote{text: text, kind: f.Kind, at: f.First, link: v.link(f)})
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
