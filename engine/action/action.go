package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const actionPrefix = "action/"

// MaxBytes is the largest request, and the largest result, that is recorded: room
// for the longest body of an issue, every character of it escaped. Stored as JSON
// text it still fits into a batch.
const MaxBytes = 128 << 10

// maxText bounds every other text of a record, in bytes; what is longer is cut.
const maxText = 1000

// ErrInvalid says that an action, or the result of its effect, cannot be
// recorded: no key, not JSON, too large. No try can succeed.
var ErrInvalid = errors.New("action: invalid")

// Action is an effect that somebody wants, and how it is to be remembered.
type Action struct {
	Key       string          `json:"key"`     // its meaning: "issue.create/<cluster>"
	Kind      string          `json:"kind"`    // "issue.create"
	Subject   string          `json:"subject"` // what the audit lists it under: a cluster, a run
	By        string          `json:"by"`      // who or what asked
	Why       string          `json:"why"`
	RequestID string          `json:"request_id,omitempty"`
	Request   json.RawMessage `json:"request,omitempty"` // the exact bytes to be sent
}

// By is how the log names somebody: themselves and, where a program asked in their name,
// what it brought, such as a key.
func By(name, through string) string {
	if through == "" {
		return name
	}
	return name + ", by " + through
}

// State says how far an action is.
type State string

// The states of an action.
const (
	Intended  State = "intended"  // about to be done; after a crash: perhaps done
	Done      State = "done"      // with its result
	Previewed State = "previewed" // would be done if the project were live
	Undecided State = "unknown"   // its request may have landed
	Failed    State = "failed"    // definitely not done
)

// PutOff is what the audit says of an action that failed because it is not its time: GitHub
// asks to wait, or the app keeps to the pace that GitHub allows.
const PutOff = "put off"

// Record is what is known of an action.
type Record struct {
	Action
	State    State           `json:"state"`
	Result   json.RawMessage `json:"result,omitempty"` // what the effect returned
	Error    string          `json:"error,omitempty"`
	Intended time.Time       `json:"intended,omitzero"` // when the last try began
	Ended    time.Time       `json:"ended,omitzero"`    // when State became what it is, unless intended
	Attempt  int             `json:"attempt,omitempty"` // how often it was begun
	Undone   bool            `json:"undone,omitempty"`  // somebody took it back since
	Noticed  time.Time       `json:"noticed,omitzero"`  // when an intent from the future was found
}

// Effect is how an action is done.
type Effect struct {
	// Do does it once and returns what is to be remembered, which is encoded as
	// JSON. It says what its failure means: [Unknown] if the request may have
	// landed (the end of a context counts as that), [*work.Later] if it was not
	// done and can be later, any other error if it was definitely not done. Its
	// context ends when Options.Timeout has passed since the intent.
	Do func(ctx context.Context) (result any, err error)
	// Find looks for an effect of the action that happened outside at or after
	// since (the zero time: ever), and returns what Do would have returned.
	// Needed by Once alone, unless the effect is idempotent.
	Find func(ctx context.Context, since time.Time) (result any, found bool, err error)
	// Idempotent says that to do it twice is the same as once: Once then does again
	// what was begun and has no recorded end, at once.
	Idempotent bool
}

// Unknown marks the error of a write whose request may have landed. It returns
// nil for nil.
func Unknown(err error) error {
	if err == nil {
		return nil
	}
	return &unknownError{err}
}

// IsUnknown reports whether err says that a request may have landed, which is
// also what the end of a context says unless a [*work.Later] knows better.
func IsUnknown(err error) bool {
	var u *unknownError
	var later *work.Later
	switch {
	case errors.As(err, &u):
		return true
	case errors.As(err, &later): // says that it was not done
		return false
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

type unknownError struct{ err error }

func (u *unknownError) Error() string { return u.err.Error() + " (its request may have landed)" }
func (u *unknownError) Unwrap() error { return u.err }

// Options of a log; what is zero gets the value named.
type Options struct {
	Now     func() time.Time // time.Now
	Timeout time.Duration    // of one Do: 10 s
	// Settle is how long after its intent an effect may still happen: the
	// time-out and a minute in which a late request may land, 70 s.
	Settle time.Duration
	// Hook is called at the fault points "effect.before:KIND" and
	// "effect.after:KIND", around Do. An error is returned as it is and nothing
	// more is recorded, as if the process had died there.
	Hook func(ctx context.Context, point string) error
}

// Log does actions and remembers them. It is safe for concurrent use and holds
// nothing but its options: the log itself is in the spaces.
type Log struct {
	o Options

	mu   sync.Mutex
	last int64 // the time of the last audit entry, in nanoseconds
}

// New makes a log.
func New(o Options) *Log {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Settle <= 0 {
		o.Settle = o.Timeout + time.Minute
	}
	o.Timeout = min(o.Timeout, o.Settle)
	if o.Hook == nil {
		o.Hook = func(context.Context, string) error { return nil }
	}
	return &Log{o: o}
}

// Get returns the record of an action, and whether there is one.
func (l *Log) Get(ctx context.Context, space storage.Space, key string) (Record, bool, error) {
	rec, e, err := read(ctx, space, key)
	return rec, e.Exists(), err
}

// stored is a record as it is kept: the request as text, because a JSON encoder
// does not keep the bytes of JSON within JSON.
type stored struct {
	Record
	Request string `json:"request,omitempty"`
}

func read(ctx context.Context, space storage.Space, key string) (Record, storage.Entry, error) {
	es, err := space.Get(ctx, actionPrefix+key)
	if err != nil {
		return Record{}, storage.Entry{}, fmt.Errorf("get action %s: %w", key, err)
	}
	var s stored
	if err := storage.GetJSON(es[0], &s); err != nil {
		return Record{}, storage.Entry{}, fmt.Errorf("get action %s: %w", key, err)
	}
	if s.Request != "" {
		s.Record.Request = json.RawMessage(s.Request)
	}
	return s.Record, es[0], nil
}

// write replaces the entry that was read by rec, and adds what happened to the
// audit; storage.ErrConflict if it is not as it was read.
func (l *Log) write(ctx context.Context, space storage.Space, e storage.Entry, rec Record, what string) error {
	var b storage.Batch
	b.Require(actionPrefix+rec.Key, e.Version)
	b.SetJSON(actionPrefix+rec.Key, stored{Record: rec, Request: string(rec.Request)})
	l.audit(&b, rec, what)
	if err := space.Apply(ctx, &b); err != nil {
		return fmt.Errorf("record action %s %s: %w", rec.Key, what, err)
	}
	return nil
}

// check says what of an action cannot be recorded, and cuts its texts.
func check(a *Action) error {
	switch {
	case a.Key == "" || a.Kind == "":
		return fmt.Errorf("%w: %q of kind %q: want a key and a kind", ErrInvalid, a.Key, a.Kind)
	case len(a.Request) > MaxBytes:
		return fmt.Errorf("%w: %s: a request of %d bytes, the most is %d", ErrInvalid, a.Key, len(a.Request), MaxBytes)
	case len(a.Request) > 0 && (!json.Valid(a.Request) || !utf8.Valid(a.Request)):
		return fmt.Errorf("%w: %s: the request is not JSON", ErrInvalid, a.Key)
	}
	for _, s := range []*string{&a.By, &a.Why, &a.RequestID} {
		*s = clip(*s)
	}
	return nil
}

func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, "")
}

// encode makes the result of an effect JSON.
func encode(result any) (json.RawMessage, error) {
	if result == nil {
		return nil, nil
	}
	data, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("a result of %d bytes, the most is %d", len(data), MaxBytes)
	}
	return data, nil
}
