package github

import "time"

// Token reads one repository until it expires.
type Token struct {
	Value   string // never to be logged or stored
	Expires time.Time
}

// String says that it is one, and nothing of it.
func (Token) String() string { return "[token]" }

// GoString is String.
func (t Token) GoString() string { return t.String() }
