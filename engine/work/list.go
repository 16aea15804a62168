package work

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// State says where an item stands.
type State string

// The states of an item.
const (
	Due     State = "due"     // when its time comes
	Running State = "running" // claimed by a process, perhaps one that died since
	Died    State = "dead"    // a dead letter
)

// Status is an item as people see it.
type Status struct {
	Key      string    `json:"key"`
	State    State     `json:"state"`
	At       time.Time `json:"at,omitzero"` // when it is due, or died; zero or past: now
	Attempts int       `json:"attempts"`
	Error    string    `json:"error,omitempty"` // of the last try
}

// ErrNotFound says that a key is neither due nor a dead letter.
var ErrNotFound = errors.New("work: no such key")

// List returns what is due in a space, now or later, in order of keys: at most
// limit (and never more than 250) after a key ("" for the first).
func List(ctx context.Context, space storage.Space, after string, limit int) ([]Status, error) {
	if after != "" {
		after = duePrefix + after
	}
	es, err := space.Scan(ctx, duePrefix, after, min(limit, storage.MaxOps/2))
	if err != nil {
		return nil, fmt.Errorf("list work: %w", err)
	}
	if len(es) == 0 {
		return nil, nil
	}
	keys := make([]string, len(es))
	for i, e := range es {
		keys[i] = runPrefix + e.Key[len(duePrefix):]
	}
	runs, err := space.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("list work: %w", err)
	}
	list := make([]Status, len(es))
	for i := range es {
		if list[i], err = dueStatus(es[i], runs[i]); err != nil {
			return nil, fmt.Errorf("list work: %w", err)
		}
	}
	return list, nil
}

// ListDead returns the dead letters of a space in order of keys, as List does.
func ListDead(ctx context.Context, space storage.Space, after string, limit int) ([]Status, error) {
	if after != "" {
		after = deadPrefix + after
	}
	es, err := space.Scan(ctx, deadPrefix, after, min(limit, storage.MaxOps/2))
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	list := make([]Status, len(es))
	for i, e := range es {
		if list[i], err = deadStatus(e); err != nil {
			return nil, fmt.Errorf("list dead letters: %w", err)
		}
	}
	return list, nil
}

// Get returns the status of one key; ErrNotFound if there is no such work.
func Get(ctx context.Context, space storage.Space, key string) (Status, error) {
	es, err := space.Get(ctx, duePrefix+key, runPrefix+key, deadPrefix+key)
	if err != nil {
		return Status{}, fmt.Errorf("get work %s: %w", key, err)
	}
	switch {
	case es[0].Exists():
		return dueStatus(es[0], es[1])
	case es[2].Exists():
		return deadStatus(es[2])
	}
	return Status{}, fmt.Errorf("%w: %s", ErrNotFound, key)
}

// Also adds to the batch of a change what is to be noted with it.
type Also = func(b *storage.Batch) error

// Retry makes a dead letter, or what waits for its time, due at once, with its
// tries forgotten. What is being worked on is done once more. ErrNotFound if
// there is no such work. Call [Queue.Wake] afterwards.
func Retry(ctx context.Context, space storage.Space, key string, also ...Also) error {
	return change(ctx, "retry", space, key, also, func(b *storage.Batch, runEntry storage.Entry) error {
		var r run
		if err := storage.GetJSON(runEntry, &r); err != nil {
			return err
		}
		Add(b, key)
		if r.Claim == nil {
			b.Delete(runEntry.Key)
		}
		b.Delete(deadPrefix + key)
		return nil
	})
}

// Drop forgets a key, due or dead. A handler that is at it is cancelled when it
// next renews its lease. ErrNotFound if there is no such work.
func Drop(ctx context.Context, space storage.Space, key string, also ...Also) error {
	return change(ctx, "drop", space, key, also, func(b *storage.Batch, runEntry storage.Entry) error {
		b.Delete(duePrefix + key)
		b.Delete(runEntry.Key)
		b.Delete(deadPrefix + key)
		return nil
	})
}

// change applies the batch that fill makes to work that exists.
func change(ctx context.Context, verb string, space storage.Space, key string, also []Also, fill func(*storage.Batch, storage.Entry) error) error {
	err := storage.ErrConflict
	for range conflicts {
		if !errors.Is(err, storage.ErrConflict) {
			break
		}
		var es []storage.Entry
		if es, err = space.Get(ctx, duePrefix+key, runPrefix+key, deadPrefix+key); err != nil {
			break
		}
		if !es[0].Exists() && !es[2].Exists() {
			return fmt.Errorf("%w: %s", ErrNotFound, key)
		}
		var b storage.Batch
		for _, e := range es {
			b.RequireEntry(e)
		}
		err = fill(&b, es[1])
		for _, add := range also {
			if err == nil {
				err = add(&b)
			}
		}
		if err == nil {
			err = space.Apply(ctx, &b)
		}
	}
	if err != nil {
		return fmt.Errorf("%s work %s: %w", verb, key, err)
	}
	return nil
}

func dueStatus(dueEntry, runEntry storage.Entry) (Status, error) {
	var d due
	var r run
	if err := errors.Join(storage.GetJSON(dueEntry, &d), storage.GetJSON(runEntry, &r)); err != nil {
		return Status{}, err
	}
	s := Status{Key: dueEntry.Key[len(duePrefix):], State: Due, At: d.At, Attempts: r.Attempts, Error: r.Error}
	if r.NotBefore.After(s.At) {
		s.At = r.NotBefore
	}
	if r.Claim != nil {
		s.State = Running
	}
	return s, nil
}

func deadStatus(e storage.Entry) (Status, error) {
	var l deadLetter
	if err := storage.GetJSON(e, &l); err != nil {
		return Status{}, err
	}
	return Status{Key: e.Key[len(deadPrefix):], State: Died, At: l.Died, Attempts: l.Attempts, Error: l.Error}, nil
}
