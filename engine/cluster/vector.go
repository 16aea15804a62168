package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Dot returns the scalar product of two vectors of the same length; of unit
// vectors, their cosine.
func Dot(a, b []float32) float64 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+8 <= len(a); i += 8 {
		x, y := a[i:i+8:i+8], b[i:i+8:i+8]
		s0 += x[0]*y[0] + x[4]*y[4]
		s1 += x[1]*y[1] + x[5]*y[5]
		s2 += x[2]*y[2] + x[6]*y[6]
		s3 += x[3]*y[3] + x[7]*y[7]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return float64(s0 + s1 + s2 + s3)
}

// Normalise brings v to length 1 in place. It reports false, and leaves v as it
// was, if v has no direction: its length is zero or not a finite number.
func Normalise(v []float32) bool {
	var n float64
	for _, x := range v {
		n += float64(x) * float64(x)
	}
	if n == 0 || math.IsNaN(n) || math.IsInf(n, 0) {
		return false
	}
	by := 1 / math.Sqrt(n)
	for i, x := range v {
		v[i] = float32(float64(x) * by)
	}
	return true
}

// Sum adds v to sum, times by: 1 to add a member, -1 to take it away.
func Sum(sum, v []float32, by float32) {
	v = v[:len(sum)]
	for i := range sum {
		sum[i] += by * v[i]
	}
}

// Cohesion is the mean similarity of all pairs among n unit vectors of which sum
// is the sum: (|sum|² − n) / (n(n−1)), because |sum|² counts each pair twice and
// each vector with itself once. A single vector has cohesion 1.
func Cohesion(sum []float32, n int) float64 {
	if n < 2 {
		return 1
	}
	c := (square(sum) - float64(n)) / (float64(n) * float64(n-1))
	return clamp(c)
}

// MeanSimilarity is the mean similarity of the unit vector v to n unit vectors of
// which sum is the sum: sum·v / n. Unlike the cosine to the sum, it does not grow
// with n, so a big cluster does not swallow what is only a little like it.
func MeanSimilarity(sum []float32, n int, v []float32) float64 {
	if n < 1 {
		return 0
	}
	return clamp(Dot(sum, v) / float64(n))
}

// square is |v|² in double precision: it is taken of sums of many vectors.
func square(v []float32) float64 {
	var s float64
	for _, x := range v {
		s += float64(x) * float64(x)
	}
	return s
}

// clamp keeps rounding from showing a similarity of more than 1.
func clamp(s float64) float64 {
	if math.IsNaN(s) {
		return 0
	}
	return max(-1, min(1, s))
}

// The forms of an encoded vector.
const (
	denseForm  = 'd'
	sparseForm = 's'
)

// maxDim bounds what DecodeVector allocates.
const maxDim = 1 << 14

// EncodeVector returns v as bytes: a letter for the form, the number of
// dimensions, and float32 values, all little-endian; either every value, or,
// where that is shorter, the values that are not zero, each after its position.
func EncodeVector(v []float32) []byte {
	nonzero := 0
	for _, x := range v {
		if x != 0 {
			nonzero++
		}
	}
	if 6*nonzero >= 4*len(v) {
		b := append(make([]byte, 0, 3+4*len(v)), denseForm)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(v)))
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
		return b
	}
	b := append(make([]byte, 0, 3+6*nonzero), sparseForm)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(v)))
	for i, x := range v {
		if x != 0 {
			b = binary.LittleEndian.AppendUint16(b, uint16(i))
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
	}
	return b
}

// DecodeVector reads what EncodeVector wrote. Anything else, and a value that is
// not a finite number, is an error.
func DecodeVector(b []byte) ([]float32, error) {
	if len(b) < 3 {
		return nil, errors.New("decode vector: too short")
	}
	dim := int(binary.LittleEndian.Uint16(b[1:]))
	if dim > maxDim {
		return nil, fmt.Errorf("decode vector: %d dimensions", dim)
	}
	v, rest := make([]float32, dim), b[3:]
	switch {
	case b[0] == denseForm && len(rest) == 4*dim:
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(rest[4*i:]))
		}
	case b[0] == sparseForm && len(rest)%6 == 0:
		last := -1
		for ; len(rest) > 0; rest = rest[6:] {
			i := int(binary.LittleEndian.Uint16(rest))
			if i >= dim || i <= last {
				return nil, errors.New("decode vector: positions out of order")
			}
			v[i], last = math.Float32frombits(binary.LittleEndian.Uint32(rest[2:])), i
		}
	default:
		return nil, errors.New("decode vector: unknown form or wrong length")
	}
	for _, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return nil, errors.New("decode vector: not a finite number")
		}
	}
	return v, nil
}
