package issue

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// SetLine adds to the batch where a cluster stands. Whoever keeps a catalogue learns
// of it by the mark that goes with it.
func SetLine(b *storage.Batch, l Line) {
	b.SetJSON(linePrefix+l.Cluster, l)
	mark(b, l.Cluster)
}

func deleteLine(b *storage.Batch, cluster string) {
	b.Delete(linePrefix + cluster)
	mark(b, cluster)
}

// mark adds to the batch that a line of its block is not as it was. Nothing is
// required of the mark as it was, so that two lines of a block never wait for each
// other. It is a word of chance and not a count: a space that was erased and made
// again has no word that it had before.
func mark(b *storage.Batch, cluster string) {
	b.Set(markPrefix+blockOf(cluster), []byte(rand.Text()[:16]))
}

// blockOf is the block that the line of a cluster is in: ids are numbers of at least
// six digits, and a block is a hundred of them that stand together. One mark a block
// makes ten thousand lines a hundred marks, and one changed line a hundred to be read.
func blockOf(cluster string) string { return cluster[:max(0, len(cluster)-2)] }

// scanLines calls do for the lines whose cluster's id begins with prefix, in the order
// of their ids, as they are stored.
func scanLines(ctx context.Context, space storage.Space, prefix string, do func(cluster string, e storage.Entry) error) error {
	const page = 500
	after := ""
	for {
		entries, err := space.Scan(ctx, linePrefix+prefix, after, page)
		if err != nil {
			return fmt.Errorf("list standings: %w", err)
		}
		for _, e := range entries {
			after = e.Key
			if err := do(e.Key[len(linePrefix):], e); err != nil {
				return err
			}
		}
		if len(entries) < page {
			return nil
		}
	}
}
