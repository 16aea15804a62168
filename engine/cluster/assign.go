package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// perBatch is how many reports one batch assigns, at most.
const perBatch = 32

// What a project gets at a turn, so that others get theirs, and so that a turn
// ends well before the deadline of its context.
const (
	batches  = 8
	turnTime = 30 * time.Second // begin no other batch after that
	// askTime is what the judge may take. A question that was begun is waited for
	// a little longer.
	askTime = 20 * time.Second
)

// Judge answers a question about whether a report belongs to a group, where the
// vectors alone do not say. An error counts as no, and so does silence for ten
// seconds.
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
	room       Room // nil: there is always room
}

// Room says how many more clusters the installation of a project may have, and if it
// is none why, for people.
type Room func(ctx context.Context, space storage.Space) (more int, why string, err error)

// NewAssigner returns an assigner. strictness says how sure it must be in a
// project; judge may be nil; wake is told of spaces that have work due.
func NewAssigner(embedder embed.Embedder, judge Judge,
	strictness func(ctx context.Context, space storage.Space) (Strictness, error),
	wake func(spaces ...string), now func() time.Time) *Assigner {
	return &Assigner{embedder: embedder, judge: judge, strictness: strictness, wake: wake, now: now}
}

// Bound has feedback that would open one cluster too many wait, with all else grouped
// as ever. Call it before the first Handle.
func (a *Assigner) Bound(room Room) { a.room = room }

// Handle does the work of one project: it assigns what waits. What could not be
// read, or was refused by the embedder, is tried again at the time returned.
func (a *Assigner) Handle(ctx context.Context, it work.Item) (time.Time, error) {
	t := &turn{began: a.now(), asking: askTime}
	defer func() {
		if t.waits {
			zerolog.Ctx(ctx).Warn().Msg("feedback waits to be grouped until a quota of the installation lets it")
		}
	}()
	for n := 0; n < batches && !t.over(a.now()); n++ {
		s, err := a.batch(ctx, it.Space, t)
		var away *embed.UnavailableError
		var spent *embed.SpentError
		switch {
		case errors.As(err, &spent):
			return time.Time{}, &work.Later{Until: spent.Until, Err: err}
		case errors.As(err, &away):
			return time.Time{}, &work.Later{Until: away.Until, Err: err}
		case errors.Is(err, storage.ErrConflict):
			continue // somebody else changed the clusters: read again
		case err != nil:
			return time.Time{}, err
		case !s.more:
			return s.again, nil
		}
	}
	return a.now(), nil
}

// turn is what is left of a project's turn.
type turn struct {
	began  time.Time
	asking time.Duration // what the judge may still take
	silent int           // questions in a row that it did not answer
	waits  bool          // feedback was found that waits for a quota
}

// over reports whether no other batch should be begun.
func (t *turn) over(now time.Time) bool { return t.asked() || now.Sub(t.began) >= turnTime }

// asked reports whether the judge had its time. What comes after that is left for
// the next turn, which may be the next moment: it is better asked about than not.
func (t *turn) asked() bool { return t.asking <= 0 && !t.mute() }

// mute reports whether the judge seems to be away: asking on would hold
// everything up and change nothing.
func (t *turn) mute() bool { return t.silent >= 2 }

// batch does the next piece of what is due in a project: it makes sums anew,
// moves to another embedder, or assigns the feedback that has waited longest. The
// session returned says whether there may be more.
func (a *Assigner) batch(ctx context.Context, space storage.Space, t *turn) (*session, error) {
	entries, err := space.Get(ctx, headKey)
	if err != nil {
		return nil, fmt.Errorf("read head: %w", err)
	}
	head := Head{Epoch: rand.Text(), Embedder: a.embedder.Name()}
	if err := storage.GetJSON(entries[0], &head); err != nil {
		return nil, err
	}
	strictness, err := a.strictness(ctx, space)
	if err != nil {
		return nil, err
	}
	if head.Embedder != a.embedder.Name() {
		return &session{more: true}, a.reembed(ctx, space, entries[0], head)
	}

	book := a.shelf.take(space.Name())
	defer a.shelf.put(book)
	if err := book.refresh(ctx, space, head, a.embedder.Dim()); err != nil {
		return nil, err
	}
	book.index.thresholds = ThresholdsFor(a.embedder.Name(), strictness)
	s := &session{a: a, space: space, index: book.index, memo: &book.memo, turn: t, head: head, touched: make(map[string]*touched)}
	s.batch.RequireEntry(entries[0])

	marked := s.repair(book.broken)
	s.more = marked > 0
	if !s.more {
		s.more, err = s.recount(ctx)
	}
	if err == nil && !s.more {
		s.more, err = s.assign(ctx)
	}
	if err == nil && len(s.batch.Ops) > 1 {
		err = s.commit(ctx)
	}
	if err != nil {
		book.index = nil // it may hold what was not written
		return nil, err
	}
	book.head, book.broken = s.head, book.broken[marked:]
	if s.assigned {
		book.memo.settle(s.left)
	}
	if len(s.touched) > 0 {
		a.wake(space.Name())
	}
	return s, nil
}
