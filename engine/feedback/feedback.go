// Package feedback knows what a report is: it turns what Sentry, Reddit and any
// API send into one form, takes personal data and secrets out of it, and folds
// what is said again into what was said before.
//
// Nothing in here does I/O. Foreign text in a Feedback is redacted, but still
// foreign: whoever shows it neutralises it.
package feedback

import "time"

// Kind says what sort of source feedback came from.
type Kind string

// The kinds of feedback.
const (
	Sentry Kind = "sentry" // an error group
	Reddit Kind = "reddit" // a post or a comment
	Report Kind = "report" // an element sent to the plain API
)

// Limits of what is kept of one feedback; the rest is cut.
const (
	MaxTitle      = 300      // runes
	MaxBody       = 16 << 10 // bytes
	MaxExceptions = 8        // of a chain: the root cause and the outermost are kept
	MaxFrames     = 50       // an exception: the newest are kept
	MaxValue      = 1000     // runes of an exception's message
	MaxLabels     = 20
	MaxLabel      = 100  // runes of a label, a release or an environment
	MaxName       = 250  // runes of a type, a module, a function, a file, a culprit
	MaxURL        = 2000 // bytes; a longer one is dropped, for a cut link leads nowhere
	MaxReleases   = 20
	MaxEvents     = 256    // event ids remembered, the newest
	MaxPeople     = 100    // people of an error group told apart
	MaxElements   = 10_000 // elements of one request; more of them are refused
)

// Feedback is one normalised report: an error group, a post, a complaint. What
// is said again raises its counts and is never a second one.
type Feedback struct {
	ID       string `json:"id"`     // stable for a source and an external id
	Source   string `json:"source"` // the source's id
	Kind     Kind   `json:"kind"`
	External string `json:"external"` // Sentry's group id, Reddit's fullname, the sender's external_id

	Title  string   `json:"title"`
	Body   string   `json:"body,omitempty"`
	URL    string   `json:"url,omitempty"`    // where a person can read it: http or https, no credentials
	Author string   `json:"author,omitempty"` // a keyed hash; empty if nobody is named
	Public bool     `json:"public,omitempty"` // its text may be quoted on a public repository
	Labels []string `json:"labels,omitempty"`

	Exceptions []Exception `json:"exceptions,omitempty"` // Sentry's order: root cause first
	Culprit    string      `json:"culprit,omitempty"`
	Level      string      `json:"level,omitempty"`
	Platform   string      `json:"platform,omitempty"`
	Project    string      `json:"project,omitempty"` // Sentry's project slug

	Releases     []string `json:"releases,omitempty"` // oldest first
	Environments []string `json:"environments,omitempty"`

	Count  int       `json:"count"`           // how often it was seen: events of a group, 1 for a post
	Users  int       `json:"users,omitempty"` // people whom Sentry counts, or whom its events named
	First  time.Time `json:"first"`           // when it happened first and last
	Last   time.Time `json:"last"`
	Stored time.Time `json:"stored"` // when it arrived here

	State   State    `json:"state,omitzero"`    // what the source says of it
	Removed bool     `json:"removed,omitempty"` // deleted at its source: the text is gone
	Events  []string `json:"events,omitempty"`  // ids of the newest events that were counted

	Edited    time.Time `json:"edited,omitzero"`     // when its author last changed the text
	Delivered int       `json:"delivered,omitempty"` // events that came here one by one
	CountedTo time.Time `json:"counted_to,omitzero"` // Count holds every event until then: Sentry said so
	People    []string  `json:"people,omitempty"`    // authors of a group's events, as keyed hashes
}

// State is what the source says of a group now. States are levels, not events:
// the newest by the source's clock holds.
type State struct {
	Value string    `json:"value"` // unresolved, resolved, archived
	At    time.Time `json:"at"`
}

// Exception is one link of a chain of errors.
type Exception struct {
	Type   string  `json:"type"`
	Value  string  `json:"value,omitempty"`
	Module string  `json:"module,omitempty"`
	Frames []Frame `json:"frames,omitempty"` // oldest call first
}

// Frame is one call of a stack.
type Frame struct {
	Module   string `json:"module,omitempty"`
	Function string `json:"function,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	InApp    bool   `json:"in_app,omitempty"`
}

// Thin reports whether more about it can still be learnt: an error group that
// arrived without a stack.
func (f *Feedback) Thin() bool { return f.Kind == Sentry && !hasFrames(f.Exceptions) }

func hasFrames(chain []Exception) bool {
	for _, e := range chain {
		if len(e.Frames) > 0 {
			return true
		}
	}
	return false
}
