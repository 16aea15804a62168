package lexical

import (
	"maps"
	"math"
	"slices"
)

// features are the weighted terms of a document, by hash: its words, and the
// n-grams or stack frames that are its parts.
type features struct {
	words, parts map[uint64]float64
	// mixed says that words and parts are on one scale. Otherwise each block is
	// brought to length 1 first, so that a text's many character n-grams cannot
	// drown its words.
	mixed bool
}

// wordShare is how much of the similarity of two proses is that of their words;
// the rest is that of their character n-grams.
const wordShare = 0.65

// vector hashes each block into its half of the dimensions.
func (f features) vector() []float32 {
	v := make([]float64, Dim)
	words, parts := v[:Dim/2], v[Dim/2:]
	hashInto(words, f.words)
	hashInto(parts, f.parts)
	if !f.mixed && normalise(words) && normalise(parts) {
		scale(words, math.Sqrt(wordShare))
		scale(parts, math.Sqrt(1-wordShare))
	}
	if !normalise(v) {
		v[0] = 1
	}
	out := make([]float32, Dim)
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// hashInto adds terms up in v. A term's sign comes from its hash too, so that
// collisions cancel on average. Terms are added in the order of their hashes:
// floating-point sums depend on the order.
func hashInto(v []float64, terms map[uint64]float64) {
	for _, h := range slices.Sorted(maps.Keys(terms)) {
		w := terms[h]
		if h>>63 == 1 {
			w = -w
		}
		v[h%uint64(len(v))] += w
	}
}

// normalise brings v to length 1; it reports false if v is zero.
func normalise(v []float64) bool {
	var n float64
	for _, x := range v {
		n += x * x
	}
	if n == 0 {
		return false
	}
	scale(v, 1/math.Sqrt(n))
	return true
}

func scale(v []float64, by float64) {
	for i := range v {
		v[i] *= by
	}
}

// The kinds of terms: the same text is a different term as a word and as a frame.
const (
	wordTerm    = 'w'
	conceptTerm = 'c'
	exactTerm   = 'n'
	nameTerm    = 'N' // hashed as a word
	gramTerm    = 'g'
	typeTerm    = 't'
	moduleTerm  = 'm'
	callTerm    = 'f'
)

// hash is FNV-1a with murmur3's final mix: FNV alone leaves the high bits of
// short words much alike.
func hash(kind byte, s string) uint64 {
	h := uint64(14695981039346656037)
	h = (h ^ uint64(kind)) * 1099511628211
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
