package offline

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/embed"
)

// Result is where one report went.
type Result struct {
	ID         string   `json:"id"`
	Cluster    string   `json:"cluster"`    // means nothing beyond equality
	Similarity *float64 `json:"similarity"` // mean, to the members that were there before; nil for the first
	Reason     string   `json:"reason"`
}

// Run clusters docs as if they arrived one after the other, and returns one
// result for each, in order. progress, which may be nil, is called after every
// batch. The only errors are the embedder's and the context's.
func Run(ctx context.Context, docs []Doc, e embed.Embedder, s cluster.Strictness, progress func(done, total int)) ([]Result, error) {
	x := cluster.NewIndex(e.Dim(), cluster.ThresholdsFor(e.Name(), s))
	results := make([]Result, 0, len(docs))
	for len(results) < len(docs) {
		batch := docs[len(results):]
		batch = batch[:min(len(batch), max(1, e.Batch()))]
		texts := make([]embed.Document, len(batch))
		for i, d := range batch {
			texts[i] = d.Document
		}
		vectors, err := e.Embed(ctx, texts)
		if err != nil {
			return nil, fmt.Errorf("embed reports from %d on: %w", len(results)+1, err)
		}
		for i, d := range batch {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			item := cluster.Item{Kind: d.Kind(), Vector: vectors[i], Fingerprints: cluster.Fingerprints(d.Document)}
			decision := x.Assign(item, nil)
			if decision.Cluster == "" {
				decision.Cluster = strconv.Itoa(x.Len() + 1)
			}
			if err := x.Add(decision.Cluster, item); err != nil {
				return nil, err
			}
			if s := decision.Similarity; s != nil {
				*s = math.Round(*s*1000) / 1000 // more digits would promise what no vector keeps
			}
			results = append(results, Result{ID: d.ID, Cluster: decision.Cluster, Similarity: decision.Similarity, Reason: decision.Reason})
		}
		if progress != nil {
			progress(len(results), len(docs))
		}
	}
	return results, nil
}
