package config

import "fmt"

// Secret is a value that must not be seen. It prints as [secret], whatever the
// verb or the encoding; Reveal gives the value itself.
type Secret string

// Reveal returns the value, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String says whether there is a value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// Format is String for every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText is String for JSON and logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
