package lexical

import (
	_ "embed" // for the weights
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

//go:embed weights.bin
var frozen []byte

// weights say how rare terms are: ln((N+1)/(df+1)) for df of N documents, in
// steps of 1/16, a byte each. Words and concepts are known by the low 32 bits of
// their hash, character n-grams share buckets.
//
// As bytes: "SCW1", the number of terms n (uint32), n term hashes ascending
// (uint32), n bytes of idf, gramBuckets bytes of idf; little-endian.
type weights struct {
	terms []uint32
	idf   []byte
	grams []byte
}

const (
	magic       = "SCW1"
	gramBuckets = 1 << 16
	maxTerms    = 60_000
	idfStep     = 1.0 / 16
)

// term returns the idf of a word or concept; ok is false if the corpus has it
// not, or too seldom.
func (w weights) term(h uint64) (idf float64, ok bool) {
	i, ok := slices.BinarySearch(w.terms, uint32(h))
	if !ok {
		return 0, false
	}
	return float64(w.idf[i]) * idfStep, true
}

// gram returns the idf of a character n-gram.
func (w weights) gram(h uint64) float64 { return float64(w.grams[h%gramBuckets]) * idfStep }

func readWeights(b []byte) (weights, error) {
	if len(b) < len(magic)+4 || string(b[:len(magic)]) != magic {
		return weights{}, errors.New("not a file of weights")
	}
	n := int(binary.LittleEndian.Uint32(b[len(magic):]))
	b = b[len(magic)+4:]
	if n > maxTerms || len(b) != 5*n+gramBuckets {
		return weights{}, errors.New("wrong length")
	}
	w := weights{terms: make([]uint32, n), idf: b[4*n : 5*n], grams: b[5*n:]}
	for i := range w.terms {
		w.terms[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	if !slices.IsSorted(w.terms) {
		return weights{}, errors.New("terms out of order")
	}
	return w, nil
}

func (w weights) bytes() []byte {
	b := append([]byte(nil), magic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(w.terms)))
	for _, h := range w.terms {
		b = binary.LittleEndian.AppendUint32(b, h)
	}
	return append(append(b, w.idf...), w.grams...)
}

// idfByte is the idf of a term that is in df of n documents.
func idfByte(df, n int) byte {
	return byte(math.Round(min(math.MaxUint8, math.Log(float64(n+1)/float64(df+1))/idfStep)))
}
