package feedback

import (
	"bytes"
	"encoding/json"
	"slices"
)

// chain is the exceptions of an event, root cause first: an object with the
// values, the values alone, or one exception.
type chain []exception

type exception struct {
	Type       text  `json:"type"`
	Value      text  `json:"value"`
	Module     text  `json:"module"`
	Stacktrace stack `json:"stacktrace"`
}

func (c *chain) UnmarshalJSON(raw []byte) error {
	*c = nil
	if raw[0] == '{' {
		var o struct {
			Values list[exception] `json:"values"`
		}
		_ = json.Unmarshal(raw, &o)
		if *c = chain(o.Values); len(*c) == 0 {
			var single exception
			_ = json.Unmarshal(raw, &single)
			if single.Type != "" || single.Value != "" {
				*c = chain{single}
			}
		}
		return nil
	}
	return (*list[exception])(c).UnmarshalJSON(raw)
}

// stack is the frames of a stack trace, oldest call first.
type stack []frame

type frame struct {
	Module      text   `json:"module"`
	Function    text   `json:"function"`
	RawFunction text   `json:"raw_function"`
	Filename    text   `json:"filename"`
	AbsPath     text   `json:"abs_path"`
	Package     text   `json:"package"`
	Line        number `json:"lineno"` // the API's lineNo too: case does not matter
	InApp       yes    `json:"in_app"`

	// The same as the API spells them.
	APIFunction text `json:"rawFunction"`
	APIPath     text `json:"absPath"`
	APIInApp    yes  `json:"inApp"`
}

func (s *stack) UnmarshalJSON(raw []byte) error {
	*s = nil
	if raw[0] == '{' {
		var o struct {
			Frames list[frame] `json:"frames"`
		}
		_ = json.Unmarshal(raw, &o)
		*s = stack(o.Frames)
		return nil
	}
	return (*list[frame])(s).UnmarshalJSON(raw)
}

// yes is a boolean; anything but true is false.
type yes bool

func (y *yes) UnmarshalJSON(raw []byte) error {
	*y = yes(bytes.Equal(raw, []byte("true")))
	return nil
}

// thread is the stack of the thread that crashed, else of the current one:
// native platforms report it beside an exception that has none.
type thread stack

func (t *thread) UnmarshalJSON(raw []byte) error {
	*t = nil
	type one struct {
		Crashed    yes   `json:"crashed"`
		Current    yes   `json:"current"`
		Stacktrace stack `json:"stacktrace"`
	}
	var all list[one]
	if raw[0] == '{' {
		var o struct {
			Values list[one] `json:"values"`
		}
		_ = json.Unmarshal(raw, &o)
		all = o.Values
	} else {
		_ = all.UnmarshalJSON(raw)
	}
	for _, is := range []func(one) bool{func(o one) bool { return bool(o.Crashed) }, func(o one) bool { return bool(o.Current) }} {
		if i := slices.IndexFunc(all, is); i >= 0 && len(all[i].Stacktrace) > 0 {
			*t = thread(all[i].Stacktrace)
			return nil
		}
	}
	return nil
}

// stacks returns the exceptions of an event within the limits. A stack that
// belongs to none of them goes to the outermost.
func (e *sentryEvent) stacks() []Exception {
	values := e.values()
	if len(values) > MaxExceptions {
		half := MaxExceptions / 2
		values = append(slices.Clone(values[:half]), values[len(values)-half:]...)
	}
	var out []Exception
	for _, v := range values {
		out = append(out, Exception{
			Type:   line(v.Type.String(), MaxName),
			Value:  cutRunes(body(v.Value.String()), MaxValue),
			Module: line(v.Module.String(), MaxName),
			Frames: v.Stacktrace.frames(),
		})
	}
	if hasFrames(out) {
		return out
	}
	loose := e.Stacktrace
	if len(loose) == 0 {
		loose = stack(e.Threads)
	}
	frames := loose.frames()
	switch {
	case len(frames) == 0:
	case len(out) == 0: // a message that was sent with the stack of its call
		out = []Exception{{Type: line(first(e.Metadata.Type, "Message"), MaxName), Frames: frames}}
	default:
		out[len(out)-1].Frames = frames
	}
	return out
}

func (e *sentryEvent) values() chain {
	all := e.Exception
	if len(all) == 0 {
		all = e.OldChain
	}
	return slices.DeleteFunc(slices.Clone(all), func(v exception) bool {
		return v.Type == "" && v.Value == "" && len(v.Stacktrace) == 0
	})
}

// outermost is the exception that ended it all, as a title.
func (e *sentryEvent) outermost() string {
	all := e.values()
	if len(all) == 0 {
		return ""
	}
	last := all[len(all)-1]
	if last.Type == "" || last.Value == "" {
		return first(last.Type, last.Value)
	}
	return last.Type.String() + ": " + headline(last.Value.String())
}

// frames returns the newest frames that say anything.
func (s stack) frames() []Frame {
	var out []Frame
	for _, f := range s[max(0, len(s)-MaxFrames):] {
		one := Frame{
			Module:   line(first(f.Module, f.Package), MaxName),
			Function: line(first(f.Function, f.RawFunction, f.APIFunction), MaxName),
			File:     line(first(f.Filename, f.AbsPath, f.APIPath), MaxName),
			Line:     int(f.Line),
			InApp:    bool(f.InApp || f.APIInApp),
		}
		if one != (Frame{InApp: one.InApp}) {
			out = append(out, one)
		}
	}
	return out
}
