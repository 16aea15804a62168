// Package stack reads a stack trace as a person does: from the root cause, newest
// call first, the program's own frames before those of its libraries, and
// without what differs between two runs of the same failure (line numbers,
// addresses, generated names).
package stack

import (
	"path"
	"strings"

	"github.com/soulcaster/soulcaster/engine/feedback"
)

// Call is one frame in a form that can be compared between runs.
type Call struct {
	Module   string // package or file without version, hash or line; may be empty
	Function string // masked; empty for an anonymous or minified function
	InApp    bool
}

// String is the call as one key: module and function.
func (c Call) String() string { return c.Module + "." + c.Function }

// Named reports whether the call says by itself where the program was.
func (c Call) Named() bool { return c.Module != "" && c.Function != "" }

// Calls returns an exception's frames, newest first. Where the reporter marked no
// frame as the program's own, the frames that do not belong to a known runtime,
// framework or test runner count as its own.
func Calls(e feedback.Exception) []Call {
	marked := false
	for _, f := range e.Frames {
		if f.InApp {
			marked = true
			break
		}
	}
	calls := make([]Call, 0, len(e.Frames))
	for i := len(e.Frames) - 1; i >= 0; i-- {
		f := e.Frames[i]
		c := Call{Module: module(f), Function: function(f.Function), InApp: f.InApp}
		if !marked {
			c.InApp = !system(f)
		}
		calls = append(calls, c)
	}
	return calls
}

// module names where a frame's code lives. Reporters of compiled languages fill
// in the module, those of scripts often the file alone, with a build's hash in it.
func module(f feedback.Frame) string {
	m := f.Module
	if m == "" {
		m = strings.ReplaceAll(f.File, `\`, "/")
		if i := strings.IndexAny(m, "?#"); i >= 0 {
			m = m[:i]
		}
		m = path.Base(m)
		if m == "." || m == "/" || strings.HasPrefix(m, "<") {
			return ""
		}
	}
	return Mask(m)
}

// function masks a function's name; one that a compiler or minifier made up says
// nothing, and comes back empty.
func function(name string) string {
	switch name {
	case "", "?", "<unknown>", "<anonymous>", "anonymous", "(anonymous)", "<lambda>", "<module>", "<listcomp>", "<genexpr>", "<dictcomp>", "??", "Native Method":
		return ""
	}
	name = strings.TrimPrefix(name, "async ")
	if i := strings.Index(name, " [as "); i > 0 {
		name = name[:i]
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "Object."), ".<anonymous>")
	if len(name) <= 2 {
		return "" // minified
	}
	return Mask(name)
}
