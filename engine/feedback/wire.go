package feedback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// decode reads a JSON value from a sender whose fields come and go: a field of
// an unexpected type is left out, and only a body that is no JSON is an error.
func decode(body []byte, v any) error {
	body = trimBOM(body)
	err := json.Unmarshal(body, v)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return syntaxError(body, syntax)
	case len(bytes.TrimSpace(body)) == 0:
		return &BodyError{Message: "the body is empty"}
	}
	return nil // what else is wrong is the type of a field, and decoding went on
}

// object is decode for a body that must be an object.
func object(body []byte, v any) error {
	if err := decode(body, v); err != nil {
		return err
	}
	if kind := jsonKind(trimBOM(body)); kind != "an object" {
		return &BodyError{Message: "want a JSON object, got " + kind}
	}
	return nil
}

func trimBOM(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\ufeff")) }

func syntaxError(body []byte, err *json.SyntaxError) error {
	at := min(max(int(err.Offset), 0), len(body))
	before := body[:at]
	line := 1 + bytes.Count(before, []byte{'\n'})
	column := at - (bytes.LastIndexByte(before, '\n') + 1)
	message := "not JSON: " + err.Error()
	if len(bytes.TrimSpace(body)) == 0 {
		return &BodyError{Message: "the body is empty"}
	}
	return &BodyError{Where: fmt.Sprintf("line %d, column %d", line, column), Message: message}
}

// jsonKind names the type of a JSON value for a message.
func jsonKind(raw []byte) string {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// text is a string, or a number as it was written; anything else is empty.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	*t = ""
	switch c := raw[0]; {
	case c == '"':
		var s string
		if json.Unmarshal(raw, &s) == nil {
			*t = text(s)
		}
	case c == '-' || c >= '0' && c <= '9':
		*t = text(raw)
	}
	return nil
}

func (t text) String() string { return strings.TrimSpace(string(t)) }

// first returns the first text that is not empty.
func first(candidates ...text) string {
	for _, t := range candidates {
		if s := t.String(); s != "" {
			return s
		}
	}
	return ""
}

// number is a count that may be written as a string. It is never negative.
type number int

func (n *number) UnmarshalJSON(raw []byte) error {
	var t text
	_ = t.UnmarshalJSON(raw)
	f, err := strconv.ParseFloat(t.String(), 64)
	if err != nil || !(f > 0) {
		*n = 0
		return nil
	}
	*n = number(min(f, math.MaxInt32))
	return nil
}

// moment is RFC 3339, with or without a zone (then UTC), or seconds since 1970
// as a number or its text; anything else, and any year before 2000, is zero:
// it is a clock that was never set.
type moment struct{ time.Time }

func (m *moment) UnmarshalJSON(raw []byte) error {
	var t text
	_ = t.UnmarshalJSON(raw)
	m.Time = parseMoment(t.String())
	return nil
}

func parseMoment(s string) time.Time {
	var at time.Time
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		at = unixSeconds(seconds)
	} else if at, err = time.Parse(time.RFC3339Nano, s); err != nil {
		at, _ = time.Parse("2006-01-02T15:04:05.999999999", s)
	}
	if at.Year() < 2000 || at.Year() > 9999 {
		return time.Time{}
	}
	return at.UTC()
}

// unixSeconds is zero for what no calendar holds.
func unixSeconds(seconds float64) time.Time {
	if !(math.Abs(seconds) < 1e12) {
		return time.Time{}
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(math.Round(part*1e6))*1000).UTC()
}

// list is an array; anything else is no elements.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(raw []byte) error {
	*l = nil
	if raw[0] == '[' {
		_ = json.Unmarshal(raw, (*[]T)(l)) // elements of another type stay zero
	}
	return nil
}

// version is a release: its name, or an object that holds it.
type version string

func (v *version) UnmarshalJSON(raw []byte) error {
	if raw[0] == '{' {
		var o struct {
			Version text `json:"version"`
		}
		_ = json.Unmarshal(raw, &o)
		*v = version(o.Version.String())
		return nil
	}
	var t text
	_ = t.UnmarshalJSON(raw)
	*v = version(t.String())
	return nil
}
