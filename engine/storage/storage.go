// Package storage keeps what the app knows: named spaces of versioned keys.
//
// A [DB] gives out [Space]s by name, one per project, one per installation and
// one for the app. A space is an ordered map from key to value and version,
// changed only by batches that happen whole or not at all. Code that works for
// one tenant holds a handle on that tenant's space and nothing else.
//
// Package bolt keeps the spaces in one embedded file, package redis in a Redis;
// both pass the suite of package storagetest.
package storage

import (
	"context"
	"errors"
	"fmt"
)

// Format is the version of the layout that the stores of this build read and
// write. A store made by another one is refused with a [*FormatError].
const Format = 1

// Limits of one batch and of what it holds. A long script would block every
// tenant of a shared Redis, so they are small; what is larger is split by the
// caller into batches that each make sense.
const (
	MaxOps      = 500     // sets, deletes and preconditions together
	MaxBytes    = 1 << 20 // keys and values together
	MaxKeyBytes = 512
)

var (
	// ErrConflict says that a precondition of a batch did not hold; nothing of
	// the batch happened. Read again and decide again.
	ErrConflict = errors.New("storage: conflict")
	// ErrNoSpace says that a space was never made, or was dropped since the
	// handle on it was taken. Nothing can be written to it any more.
	ErrNoSpace = errors.New("storage: no such space")
	// ErrUnavailable says that the store could not be reached, or did not say
	// in time what became of a batch. Nothing is known to have been kept.
	ErrUnavailable = errors.New("storage: store unavailable")
	// ErrInvalid says that a key or a batch breaks the limits above.
	ErrInvalid = errors.New("storage: invalid")
)

// FormatError says that a store was written in a layout that this build does
// not know.
type FormatError struct{ Found, Want int }

func (e *FormatError) Error() string {
	if e.Found > e.Want {
		return fmt.Sprintf("storage: the store has format %d and this build knows %d: run a newer build", e.Found, e.Want)
	}
	return fmt.Sprintf("storage: the store has format %d and this build knows %d: migrate it with a build in between", e.Found, e.Want)
}

// DB is a store: a set of named spaces. Where ctx ends a call, the error is both
// ErrUnavailable and ctx's.
type DB interface {
	// Create opens the space, making it first if there is none.
	Create(ctx context.Context, name string) (Space, error)
	// Open opens a space that exists; ErrNoSpace if it does not.
	Open(ctx context.Context, name string) (Space, error)
	// List returns the names of living spaces that begin with prefix and come
	// after `after`, in order, at most limit.
	List(ctx context.Context, prefix, after string, limit int) ([]string, error)
	// Drop removes the space and all that is in it at once. Every handle on it
	// answers ErrNoSpace from then on, also when a space of the same name is
	// made again: that is a new generation. Dropping what is not there is done.
	Drop(ctx context.Context, name string) error
	// Ping says whether the store answers now.
	Ping(ctx context.Context) error
	Close() error
}

// Space is one tenant's ordered map from key to value. A handle is bound to the
// generation that it was opened in, and is safe for concurrent use.
type Space interface {
	Name() string
	// Get returns one entry per key, in the order asked; Version is 0 and Value
	// nil where there is none. At most MaxOps keys; they are one snapshot.
	Get(ctx context.Context, keys ...string) ([]Entry, error)
	// Scan returns the entries whose keys begin with prefix and come after
	// `after` ("" for the first), in key order (bytewise), at most limit. They
	// are one snapshot; fewer than limit means that there are no more. A shared
	// store is blocked meanwhile, so ask for hundreds and go on from the last key.
	Scan(ctx context.Context, prefix, after string, limit int) ([]Entry, error)
	// Apply does all of the batch or nothing of it. It returns nil only when the
	// batch is as durable as the store is configured to be. An empty batch does
	// nothing but checks that the space lives. ErrUnavailable, as when ctx ends
	// first, says that nobody knows whether the batch happened or still will.
	Apply(ctx context.Context, b *Batch) error
}

// Entry is a key with its value. Versions of a space only ever grow: every batch
// gives the keys that it sets one new version, which is never used again in this
// generation of the space, so that a key deleted and made again is seen to have
// changed.
type Entry struct {
	Key     string
	Value   []byte
	Version uint64
}

// Exists reports whether the key was there.
func (e Entry) Exists() bool { return e.Version != 0 }
