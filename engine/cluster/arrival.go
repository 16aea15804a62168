package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// arrival is one feedback that waits to be assigned, and all that is known of it.
type arrival struct {
	id       string
	todo     []intake.Todo
	feedback *feedback.Feedback // nil if it is gone
	was      *Membership        // nil if it is in no cluster
	print    [sha256.Size]byte  // of its text
	vector   []float32          // nil if it has no text any more
	bad      error              // why it cannot be dealt with now; nothing else of it counts then
}

// Postponed is the value of a todo of feedback that cannot be dealt with itself,
// while others can: what is stored of it cannot be read, the embedder refuses its
// text, or a quota is used up. It stays due, alone and behind all others, and is never
// put into a cluster without a vector.
type Postponed struct {
	Until  time.Time `json:"until"`
	Why    string    `json:"why"`
	Vector *vector   `json:"vector,omitempty"` // of its text, if it waits for something else
}

// vector is one that was paid for, and what it is of.
type vector struct {
	Embedder string `json:"embedder"`
	Print    []byte `json:"print"`
	Of       []byte `json:"of"` // see EncodeVector
}

// noRoom says that feedback would open a cluster, and there may be no more of them.
type noRoom struct{ why string }

func (n *noRoom) Error() string { return n.why }

// quota reports whether feedback waits only for a quota.
func quota(err error) bool {
	var spent *embed.SpentError
	var none *noRoom
	return errors.As(err, &spent) || errors.As(err, &none)
}

// postponedFor is how long such feedback is left alone.
const postponedFor = 6 * time.Hour

// arrivals returns the feedback that has waited longest, ready to be assigned.
func (s *session) arrivals(ctx context.Context) ([]*arrival, error) {
	todo, err := intake.Waiting(ctx, s.space, perBatch)
	if err != nil {
		return nil, err
	}
	var all []*arrival
	var ids []string
	for _, t := range todo {
		if until := postponedTo(t, s.a.now()); !until.IsZero() {
			if s.again.IsZero() || until.Before(s.again) {
				s.again = until
			}
			continue
		}
		i := slices.Index(ids, t.Feedback)
		if i < 0 {
			i = len(ids)
			ids, all = append(ids, t.Feedback), append(all, &arrival{id: t.Feedback})
		}
		all[i].todo = append(all[i].todo, t)
	}
	if len(all) == 0 {
		return nil, nil
	}
	texts, unread, err := load(ctx, s.space, ids)
	if err != nil {
		return nil, err
	}
	were, lost, err := memberships(ctx, s.space, ids)
	if err != nil {
		return nil, err
	}
	for i, w := range all {
		w.feedback, w.was, w.bad = texts[i], were[i], errors.Join(unread[i], lost[i])
	}
	err = s.a.embed(ctx, all, s.known(all))
	var spent *embed.SpentError
	if errors.As(err, &spent) { // what needs no vector goes on
		for _, w := range all {
			if w.bad == nil && w.vector == nil && w.feedback != nil && !w.feedback.Removed {
				w.bad = spent
			}
		}
		err = nil
	}
	return all, err
}

// known are the vectors that are had already: from a batch that was not written, or
// from when feedback was postponed.
func (s *session) known(all []*arrival) map[[sha256.Size]byte][]float32 {
	known := maps.Clone(s.memo.vectors)
	for _, w := range all {
		for _, t := range w.todo {
			var p Postponed
			if len(t.Entry.Value) == 0 || json.Unmarshal(t.Entry.Value, &p) != nil || p.Vector == nil ||
				p.Vector.Embedder != s.a.embedder.Name() || len(p.Vector.Print) != sha256.Size {
				continue
			}
			if v, err := DecodeVector(p.Vector.Of); err == nil && usable(v, s.a.embedder.Dim()) {
				if known == nil {
					known = make(map[[sha256.Size]byte][]float32)
				}
				known[[sha256.Size]byte(p.Vector.Print)] = v
			}
		}
	}
	return known
}

// postponedTo is until when a todo waits, zero if it is due. What waits longer
// than anything is postponed was written by a clock that was wrong.
func postponedTo(t intake.Todo, now time.Time) time.Time {
	var p Postponed
	if len(t.Entry.Value) == 0 || json.Unmarshal(t.Entry.Value, &p) != nil ||
		!p.Until.After(now) || p.Until.After(now.Add(2*postponedFor)) {
		return time.Time{}
	}
	return p.Until
}

// postpone leaves the feedback where it is and due, behind all others.
func (s *session) postpone(ctx context.Context, w *arrival) {
	if quota(w.bad) {
		s.turn.waits = true // which is told once
	} else {
		zerolog.Ctx(ctx).Warn().Err(w.bad).Str("feedback", w.id).
			Msg("feedback cannot be grouped; it is tried again, and holds up no other")
	}
	until := s.a.now().UTC().Add(postponedFor)
	if s.again.IsZero() || until.Before(s.again) {
		s.again = until
	}
	first := w.todo[0]
	arrived := fmt.Sprintf("%016x", first.Arrived.UnixNano())
	key := strings.Replace(first.Entry.Key, arrived, fmt.Sprintf("%016x", until.UnixNano()), 1)
	why := w.bad.Error()
	if len(why) > 300 {
		why = strings.ToValidUTF8(why[:300], "")
	}
	p := Postponed{Until: until, Why: why}
	if w.vector != nil {
		p.Vector = &vector{s.a.embedder.Name(), w.print[:], EncodeVector(w.vector)}
	}
	s.batch.SetJSON(key, p)
}

// load loads feedback, one by one if some of it cannot be read: bad says why, by
// position. err is one of the store.
func load(ctx context.Context, space storage.Space, ids []string) (all []*feedback.Feedback, bad []error, err error) {
	return readable(ctx, ids, func(ids ...string) ([]*feedback.Feedback, error) {
		all, _, err := intake.Load(ctx, space, ids...)
		return all, err
	})
}

// memberships is as load for where feedback is.
func memberships(ctx context.Context, space storage.Space, ids []string) (all []*Membership, bad []error, err error) {
	return readable(ctx, ids, func(ids ...string) ([]*Membership, error) {
		all, _, err := Memberships(ctx, space, ids...)
		return all, err
	})
}

func readable[T any](ctx context.Context, ids []string, read func(ids ...string) ([]*T, error)) (all []*T, bad []error, err error) {
	bad = make([]error, len(ids))
	if all, err = read(ids...); err == nil || ofStore(ctx, err) {
		return all, bad, err
	}
	all = make([]*T, len(ids))
	for i, id := range ids {
		one, err := read(id)
		switch {
		case err == nil:
			all[i] = one[0]
		case ofStore(ctx, err):
			return nil, nil, err
		default:
			bad[i] = err
		}
	}
	return all, bad, nil
}

// ofStore reports whether an error is one of reading at all, and not of what was
// read.
func ofStore(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrNoSpace) || errors.Is(err, storage.ErrInvalid)
}
