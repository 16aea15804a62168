package cluster

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// memo keeps what was asked of others for a batch that was not written yet, so
// that it need not be asked again: another replica was faster, the store was away,
// the turn ended.
type memo struct {
	answers map[[sha256.Size]byte]bool      // of the judge
	vectors map[[sha256.Size]byte][]float32 // of the embedder
}

// printOf tells texts and questions apart.
func printOf(v any) ([sha256.Size]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("encode text: %w", err)
	}
	return sha256.Sum256(data), nil
}

// settle forgets all but what is needed for the feedback that is left.
func (m *memo) settle(left []*arrival) {
	*m = memo{vectors: vectorsOf(left)}
}

func vectorsOf(all []*arrival) map[[sha256.Size]byte][]float32 {
	vectors := make(map[[sha256.Size]byte][]float32, len(all))
	for _, w := range all {
		if w.vector != nil {
			vectors[w.print] = w.vector
		}
	}
	return vectors
}
