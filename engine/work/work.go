package work

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/storage"
)

const (
	duePrefix  = "work/due/"
	runPrefix  = "work/run/"
	deadPrefix = "work/dead/"
)

// MaxKey is the length of the longest key of work, in bytes.
const MaxKey = storage.MaxKeyBytes - len(deadPrefix)

// Add makes key due at once when the batch is applied; call [Queue.Wake] after
// that. A key that is due already stays due once; a key that is being worked on
// is done again afterwards. What waits after a failure or for a rate limit goes
// on waiting. A key that is empty or longer than MaxKey makes the batch invalid.
func Add(b *storage.Batch, key string) {
	if key == "" || len(key) > MaxKey {
		b.SetJSON(duePrefix+key, badKey(len(key)))
		return
	}
	b.SetJSON(duePrefix+key, due{})
}

// badKey is a value that cannot be encoded: it makes [storage.Batch.Check] say
// what is wrong with a key.
type badKey int

func (k badKey) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("a work key of %d bytes, want 1 to %d", int(k), MaxKey)
}

// Item is one due key, as a handler gets it.
type Item struct {
	Space   storage.Space
	Key     string
	Kind    string         // the part of the key before the first slash
	Subject string         // the part after it, empty if there is none
	Attempt int            // 1 for the first try since it was last done
	Log     zerolog.Logger // names all of these; it is in the handler's context too
}

// Handler brings in line what an item is about. Its context holds the item's log
// (zerolog.Ctx) and ends with the deadline of the queue's options, when the lease
// is lost, and at the end of a drain. What it returns decides how it goes on:
//
//   - nil and the zero time: done, unless the key was added again meanwhile;
//   - nil and a time: look again then, or at once if the key was added
//     meanwhile. Times more than a week away come after a week;
//   - [*Later]: not now, and that is no failure. [storage.ErrUnavailable] is
//     taken for one;
//   - [Dead]: it can never succeed and becomes a dead letter, unless the key was
//     added again meanwhile;
//   - any other error, and a panic: a failure. It is tried again after a backoff
//     and becomes a dead letter after [Options.MaxAttempts].
type Handler func(ctx context.Context, it Item) (again time.Time, err error)

// Later is an error that says that something cannot be done now: a rate limit,
// an outage of a service. It is no failure, and never ends in a dead letter.
type Later struct {
	Until time.Time // when to try again; zero or past: after a backoff
	Err   error     // why
}

func (l *Later) Error() string {
	why := "not now"
	if l.Err != nil {
		why = l.Err.Error()
	}
	if l.Until.IsZero() {
		return why + " (later)"
	}
	return why + " (not before " + l.Until.UTC().Format(time.RFC3339) + ")"
}

func (l *Later) Unwrap() error { return l.Err }

// Dead marks err as one that no try can overcome. It returns nil for nil.
func Dead(err error) error {
	if err == nil {
		return nil
	}
	return &deadError{err}
}

type deadError struct{ err error }

func (d *deadError) Error() string { return d.err.Error() }
func (d *deadError) Unwrap() error { return d.err }

func isDead(err error) bool {
	var d *deadError
	return errors.As(err, &d)
}

// due is the value of a due entry.
type due struct {
	At time.Time `json:"at,omitzero"`
}

// run is the value of a run entry.
type run struct {
	Attempts  int       `json:"attempts,omitempty"` // claims since it was last done, those that ended in Later not counted
	Laters    int       `json:"laters,omitempty"`   // how often it was put off in a row
	NotBefore time.Time `json:"not_before,omitzero"`
	Error     string    `json:"error,omitempty"` // of the last try
	Claim     *claim    `json:"claim,omitempty"` // who is at it, if anyone
}

// claim says who works on a key.
type claim struct {
	Owner string        `json:"owner"` // a queue, different for each start of a process
	Lease time.Duration `json:"lease"` // how long it holds without being renewed, in nanoseconds
}

// deadLetter is the value of a dead entry.
type deadLetter struct {
	Died     time.Time `json:"died"`
	Attempts int       `json:"attempts"`
	Error    string    `json:"error"`
}

// maxError bounds the text of an error that is stored, in bytes.
const maxError = 1000

func errorText(err error) string {
	if err == nil {
		return ""
	}
	s := err.Error()
	if len(s) > maxError {
		s = s[:maxError]
	}
	return strings.ToValidUTF8(s, "")
}
