package cluster

// query is a vector that many sums are compared with. A text's lexical vector is
// mostly zeros, which need not be multiplied.
type query struct {
	dense  []float32
	at     []int32 // positions that are not zero; nil if most are not
	values []float32
}

func newQuery(v []float32) query {
	q := query{dense: v}
	for i, x := range v {
		if x != 0 {
			q.at = append(q.at, int32(i))
			q.values = append(q.values, x)
		}
	}
	if 4*len(q.at) > len(v) {
		q.at = nil
	}
	return q
}

// dot is the scalar product with a sum.
func (q query) dot(sum []float32) float64 {
	if q.at == nil {
		return Dot(sum, q.dense)
	}
	var s0, s1 float32
	i := 0
	for ; i+2 <= len(q.at); i += 2 {
		s0 += q.values[i] * sum[q.at[i]]
		s1 += q.values[i+1] * sum[q.at[i+1]]
	}
	if i < len(q.at) {
		s0 += q.values[i] * sum[q.at[i]]
	}
	return float64(s0 + s1)
}
