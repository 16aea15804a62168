package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// perBatch is how many reports one batch assigns: with the sums of as many
// clusters it stays well below the limits of a batch.
const perBatch = 32

// batches is how many batches a project gets at a turn, so that others get
// theirs.
const batches = 8

// Judge answers a question about whether a report belongs to a group, where the
// vectors alone do not say. An error counts as no.
type Judge interface {
	Same(ctx context.Context, report embed.Document, group []embed.Document) (bool, error)
}

// Assigner puts feedback into clusters, one batch after another. It is safe for
// concurrent use. That one worker at a time assigns for a project is for speed;
// that no two open a cluster for one problem is ensured by the fence on the
// project's head.
type Assigner struct {
	embedder   embed.Embedder
	judge      Judge // may be nil
	strictness func(ctx context.Context, space storage.Space) (Strictness, error)
	wake       func(spaces ...string)
	now        func() time.Time
	shelf      shelf
}

// NewAssigner returns an assigner. strictness says how sure it must be in a
// project; judge may be nil; wake is told of spaces that have work due.
func NewAssigner(embedder embed.Embedder, judge Judge,
	strictness func(ctx context.Context, space storage.Space) (Strictness, error),
	wake func(spaces ...string), now func() time.Time) *Assigner {
	return &Assigner{embedder: embedder, judge: judge, strictness: strictness, wake: wake, now: now}
}

// Handle does the work of one project: it assigns what waits.
func (a *Assigner) Handle(ctx context.Context, it work.Item) (time.Time, error) {
	for range batches {
		more, err := a.batch(ctx, it.Space)
		var away *embed.UnavailableError
		switch {
		case errors.As(err, &away):
			return time.Time{}, &work.Later{Until: away.Until, Err: err}
		case errors.Is(err, storage.ErrConflict):
			continue // somebody else changed the clusters: read again
		case err != nil:
			return time.Time{}, err
		case !more:
			return time.Time{}, nil
		}
	}
	return a.now(), nil
}

// batch does the next piece of what is due in a project: it makes sums anew,
// moves to another embedder, or assigns the feedback that has waited longest.
// It reports whether there may be more.
func (a *Assigner) batch(ctx context.Context, space storage.Space) (more bool, err error) {
	entries, err := space.Get(ctx, headKey)
	if err != nil {
		return false, fmt.Errorf("read head: %w", err)
	}
	head := Head{Epoch: rand.Text(), Embedder: a.embedder.Name()}
	if err := storage.GetJSON(entries[0], &head); err != nil {
		return false, err
	}
	strictness, err := a.strictness(ctx, space)
	if err != nil {
		return false, err
	}
	if head.Embedder != a.embedder.Name() {
		return true, a.reembed(ctx, space, entries[0], head)
	}

	book := a.shelf.take(space.Name())
	defer a.shelf.put(book)
	if err := book.refresh(ctx, space, head, a.embedder.Dim()); err != nil {
		return false, err
	}
	book.index.thresholds = ThresholdsFor(a.embedder.Name(), strictness)
	s := &session{a: a, space: space, index: book.index, head: head, touched: make(map[string]*touched)}
	s.batch.RequireEntry(entries[0])

	more, err = s.recount(ctx)
	if err == nil && !more {
		more, err = s.assign(ctx)
	}
	if err == nil && len(s.batch.Ops) > 1 {
		err = s.commit(ctx)
	}
	if err != nil {
		book.index = nil // it may hold what was not written
		return false, err
	}
	book.head = s.head
	if len(s.touched) > 0 {
		a.wake(space.Name())
	}
	return more, nil
}
