package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/feedback"
)

// embedTime is what the embedder may take for one batch.
const embedTime = 60 * time.Second

// embed gives a vector to each arrival that has a text, or says why it gets none.
// known are vectors that are had already.
func (a *Assigner) embed(ctx context.Context, all []*arrival, known map[[sha256.Size]byte][]float32) error {
	own, cancel := context.WithTimeout(ctx, embedTime)
	defer cancel()
	err := a.embedEach(own, all, known)
	if err != nil && own.Err() != nil && ctx.Err() == nil {
		return &embed.UnavailableError{Err: fmt.Errorf("no vectors within %s: %w", embedTime, err)}
	}
	return err
}

func (a *Assigner) embedEach(ctx context.Context, all []*arrival, known map[[sha256.Size]byte][]float32) (err error) {
	var todo []*arrival
	for _, w := range all {
		if w.bad != nil || w.feedback == nil || w.feedback.Removed {
			continue
		}
		if w.print, err = printOf(embed.Of(w.feedback)); err != nil {
			return err
		}
		if w.vector = known[w.print]; w.vector == nil {
			todo = append(todo, w)
		}
	}
	for len(todo) > 0 {
		some := todo[:min(len(todo), a.embedder.Batch())]
		docs := make([]embed.Document, len(some))
		for i, w := range some {
			docs[i] = embed.Of(w.feedback)
		}
		vectors, err := a.embedder.Embed(ctx, docs)
		var refused *embed.RefusedError
		switch {
		case errors.As(err, &refused) && len(refused.At) > 0:
			for _, i := range refused.At {
				some[i].bad = fmt.Errorf("embed feedback %s: %w", some[i].id, refused.Err)
			}
			// The others once more, without these.
			todo = slices.DeleteFunc(todo, func(w *arrival) bool { return w.bad != nil })
			continue
		case err != nil:
			return fmt.Errorf("embed %d reports: %w", len(some), err)
		case len(vectors) != len(some):
			return &embed.UnavailableError{Err: fmt.Errorf("got %d vectors for %d reports", len(vectors), len(some))}
		}
		for i, w := range some {
			if v := vectors[i]; usable(v, a.embedder.Dim()) {
				w.vector = v
			} else {
				w.bad = fmt.Errorf("embed feedback %s: its vector has no direction, or not %d dimensions", w.id, a.embedder.Dim())
			}
		}
		todo = todo[len(some):]
	}
	return nil
}

// usable reports whether a vector can be compared: one that is not would spoil the
// sum of its cluster.
func usable(v []float32, dim int) bool {
	n := square(v)
	return len(v) == dim && n > 0 && !math.IsNaN(n) && !math.IsInf(n, 0)
}

func itemOf(f *feedback.Feedback, vector []float32) Item {
	doc := embed.Of(f)
	return Item{Kind: doc.Kind(), Vector: vector, Fingerprints: Fingerprints(doc)}
}
