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

// failure is what an error group says failed: the root cause, and the newest
// call of the app's own in it or in what it led to.
func (v view) failure(f *feedback.Feedback) *failure {
	e := &failure{link: v.link(f)}
	for _, x := range f.Exceptions {
		if e.kind == "" && e.message == "" {
			e.kind, e.message = x.Type, x.Value
		}
		if frames := v.frames(x); len(frames) > 0 {
			e.function, e.file = frames[0].Function, v.file(frames[0].File)
			break
		}
	}
	if len(f.Exceptions) == 0 {
		e.kind, e.message = thin(f.Title)
		e.function = f.Culprit
	}
	if !v.full {
		e.message = ""
		if !isType(e.kind) {
			e.kind = ""
		}
		if len(f.Exceptions) == 0 && !culprit.MatchString(e.function) {
			e.function = ""
		}
	}
	e.kind, e.function = v.name(e.kind), v.name(e.function)
	e.kind = cmp.Or(e.kind, "Error")
	return e
}

// thin splits the title of a group without a stack, which Sentry makes of the
// exception's type and message.
func thin(title string) (kind, message string) {
	kind, message, found := strings.Cut(title, ": ")
	if !found || !isType(kind) {
		return "", title
	}
	return kind, message
}

// isType reports whether s can be the name of an exception's type, as
// java.lang.IllegalStateException, *url.Error or Acme::Billing::Declined.
func isType(s string) bool { return typeName.MatchString(s) && !strings.Contains(s, "//") }

var (
	typeName = regexp.MustCompile("^[\\pL_$*&][\\pL\\pN_$.:<>\\[\\]*&`/\\\\-]{0,199}$")
	// culprit is a place in code as Sentry writes it: "billing.charge in run",
	// "charge(app/billing)", "billing.views.charge". What it writes there for web
	// pages and tasks, an address or a name, is not.
	culprit = regexp.MustCompile(`^[\pL_$<?][\pL\pN_$.:<>]{0,199}( in [\pL_$<][\pL\pN_$.:<>]{0,199}|\([\pL\pN_$.:<>/-]{1,199}\)|\.[\pL_$<][\pL\pN_$<>]{0,199})$`)
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
			lines = append(lines, v.call(frame, number))
		}
		if len(lines) > 0 {
			break // the root cause is enough
		}
	}
	return lines
}

// call is one call of a stack: its function and where that is.
func (v view) call(frame feedback.Frame, number func(int) string) string {
	at := v.file(frame.File)
	if at != "" && frame.Line > 0 {
		at += ":" + number(frame.Line)
	}
	name := v.name(cmp.Or(frame.Function, frame.Module))
	if name == "" {
		return at
	}
	return name + between(" (", at, ")")
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
		// A share or a drive is taken for a host: "file://home/ann/", "C://Users/ann/".
		if whole := "/" + u.Host + u.Path; home.MatchString(whole) {
			return v.name(whole)
		}
		name = path.Clean("/" + u.Path)
	}
	name, _, _ = strings.Cut(name, "?")
	return v.name(name)
}

// name is the name of a piece of code. Unless everything may be shown it is
// without what stands before and in a person's folder: compilers put whole paths
// into the names of closures and modules too.
func (v view) name(name string) string {
	if v.full {
		return name
	}
	return home.ReplaceAllString(name, "")
}

// home finds everything up to and including a person's folder, the last one if
// there are several: what comes after "users", "home" or "documents and settings"
// wherever it is a component of a path (/mnt/c/Users/ann/, /var/home/ann/), what
// comes after "~", and "~ann". A folder of code that has one of these names is cut
// as well: that loses little, and a name that was published stays published.
var home = regexp.MustCompile(`(?is)^.*(?:^|[^\pL\pN_.-])(?:(?:users|home|documents and settings|~)[/\\]+[^/\\]+|~[^/\\]+)[/\\]+`)
