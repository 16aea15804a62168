package cluster

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// unit returns a random unit vector of which about a share of the values is not
// zero.
func unit(rng *rand.Rand, dim int, share float64) []float32 {
	v := make([]float32, dim)
	for !Normalise(v) {
		for i := range v {
			if rng.Float64() < share {
				v[i] = float32(rng.NormFloat64())
			}
		}
	}
	return v
}

func cosine(a, b []float32) float64 {
	var s float64
	for i := range a {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-5 }

func TestDot(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, dim := range []int{0, 1, 7, 8, 9, 768, 2048} {
		a, b := make([]float32, dim), make([]float32, dim)
		for i := range a {
			a[i], b[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
		}
		if got, want := Dot(a, b), cosine(a, b); math.Abs(got-want) > 1e-3 {
			t.Errorf("Dot of %d dimensions = %v, want %v", dim, got, want)
		}
	}
}

func TestNormalise(t *testing.T) {
	v := []float32{3, 0, -4}
	if !Normalise(v) || !near(float64(v[0]), .6) || !near(float64(v[2]), -.8) {
		t.Errorf("Normalise(3, 0, -4) = %v", v)
	}
	nan := float32(math.NaN())
	inf := float32(math.Inf(1))
	for _, v := range [][]float32{{}, {0, 0}, {nan, 1}, {inf, 1}} {
		was := slices.Clone(v)
		if Normalise(v) {
			t.Errorf("Normalise(%v) reports that it has a direction", was)
		}
		if len(v) > 1 && math.Float32bits(v[1]) != math.Float32bits(was[1]) {
			t.Errorf("Normalise(%v) changed it to %v", was, v)
		}
	}
}

// The sum tells the mean of all pairs, and the mean to a newcomer, without
// looking at a member again.
func TestSumTellsMeans(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	const n, dim = 40, 64
	var members [][]float32
	sum := make([]float32, dim)
	for range n {
		v := unit(rng, dim, .5)
		members = append(members, v)
		Sum(sum, v, 1)
	}
	pairs, mean := 0.0, 0.0
	newcomer := unit(rng, dim, 1)
	for i, a := range members {
		mean += cosine(a, newcomer) / n
		for _, b := range members[:i] {
			pairs += cosine(a, b) / (n * (n - 1) / 2)
		}
	}
	if got := Cohesion(sum, n); !near(got, pairs) {
		t.Errorf("Cohesion = %v, the mean of all pairs is %v", got, pairs)
	}
	if got := MeanSimilarity(sum, n, newcomer); !near(got, mean) {
		t.Errorf("MeanSimilarity = %v, the mean is %v", got, mean)
	}
	for _, v := range members[1:] {
		Sum(sum, v, -1)
	}
	if got := Dot(sum, members[0]); !near(got, 1) {
		t.Errorf("after all others were taken away, the sum is not the first member: similarity %v", got)
	}
}

func TestMeansOfFew(t *testing.T) {
	v := []float32{1, 0}
	if got := Cohesion(v, 1); got != 1 {
		t.Errorf("Cohesion of one vector = %v, want 1", got)
	}
	if got := MeanSimilarity([]float32{0, 0}, 0, v); got != 0 {
		t.Errorf("MeanSimilarity to nobody = %v, want 0", got)
	}
	nan := float32(math.NaN())
	if got := MeanSimilarity([]float32{nan, 0}, 1, v); got != 0 {
		t.Errorf("MeanSimilarity to a broken sum = %v, want 0", got)
	}
}

func TestVectorEncoding(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	sparse, dense := unit(rng, 2048, .05), unit(rng, 768, 1)
	for name, v := range map[string][]float32{"sparse": sparse, "dense": dense, "zero": make([]float32, 16), "empty": {}} {
		got, err := DecodeVector(EncodeVector(v))
		if err != nil || !slices.Equal(got, v) {
			t.Errorf("%s vector comes back as another one (%v)", name, err)
		}
	}
	if n := len(EncodeVector(sparse)); n > 2048*4/10 {
		t.Errorf("a vector of which a twentieth is not zero takes %d bytes", n)
	}
	if n := len(EncodeVector(dense)); n > 768*4+3 {
		t.Errorf("a dense vector of 768 dimensions takes %d bytes", n)
	}
}

func TestDecodeVectorRefuses(t *testing.T) {
	nan := EncodeVector([]float32{float32(math.NaN())})
	tests := map[string][]byte{
		"nothing":             {},
		"unknown form":        {'x', 1, 0, 0, 0, 0, 0},
		"dense, too short":    {'d', 2, 0, 0, 0, 0, 0},
		"too many dimensions": {'s', 0xff, 0xff},
		"position outside":    {'s', 1, 0, 1, 0, 0, 0, 128, 63},
		"position twice":      {'s', 2, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 0, 128, 63},
		"not a number":        nan,
	}
	for name, b := range tests {
		if v, err := DecodeVector(b); err == nil {
			t.Errorf("%s: decoded as %v", name, v)
		}
	}
}

func FuzzDecodeVector(f *testing.F) {
	f.Add(EncodeVector([]float32{0, 0, 0, 0, 1}))
	f.Add(EncodeVector([]float32{.6, .8}))
	f.Add([]byte{'s', 2, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeVector(b)
		if err != nil {
			return
		}
		again, err := DecodeVector(EncodeVector(v))
		if err != nil || !slices.Equal(again, v) {
			t.Errorf("%x: decoded, encoded and decoded is not the same (%v)", b, err)
		}
		if len(b) > 0 && b[0] == 'd' && !bytes.Equal(b[3:], EncodeVector(v)[3:]) && EncodeVector(v)[0] == 'd' {
			t.Errorf("%x: a dense vector is encoded differently", b)
		}
	})
}
