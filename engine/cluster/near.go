package cluster

import (
	"context"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Near says how near members of a cluster are to its others now: the mean similarity
// of each to them, in the order of the ids, of which there are at most 400. It is nil
// for who is alone, and for what has no vector. The mean over all members is the
// cluster's cohesion; a [Membership] has what it was when the member joined.
func Near(ctx context.Context, space storage.Space, cluster string, feedback ...string) ([]*float64, error) {
	near := make([]*float64, len(feedback))
	entries, err := space.Get(ctx, headKey)
	if err != nil {
		return nil, fmt.Errorf("read similarities in cluster %s: %w", cluster, err)
	}
	var head Head
	if err := storage.GetJSON(entries[0], &head); err != nil {
		return nil, err
	}
	keys := []string{sumKey(head.Embedder, cluster, embed.Trace), sumKey(head.Embedder, cluster, embed.Prose)}
	for _, id := range feedback {
		keys = append(keys, vecKey(head.Embedder, id))
	}
	if entries, err = space.Get(ctx, keys...); err != nil {
		return nil, fmt.Errorf("read similarities in cluster %s: %w", cluster, err)
	}
	var all Part
	for _, e := range entries[:2] {
		if !e.Exists() {
			continue
		}
		p, err := decodePart(e.Value)
		switch {
		case err != nil:
			return near, nil // it is made anew from the members, see Index.Put
		case all.Sum == nil:
			all = p
		case len(all.Sum) == len(p.Sum):
			Sum(all.Sum, p.Sum, 1)
			all.N += p.N
		}
	}
	if all.N < 2 {
		return near, nil
	}
	for i, e := range entries[2:] {
		v, err := DecodeVector(e.Value)
		if err != nil || !usable(v, len(all.Sum)) {
			continue
		}
		s := clamp((Dot(all.Sum, v) - 1) / float64(all.N-1))
		near[i] = &s
	}
	return near, nil
}
