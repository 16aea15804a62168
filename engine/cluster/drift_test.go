package cluster_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/feedback"
)

// To count a cluster anew is to read all of its members, so a big one is counted
// only after many changes, and a small one whenever a member goes.
func TestBigClustersAreSeldomRecounted(t *testing.T) {
	e := newLexical(t)
	for _, tt := range []struct {
		size, changes int
		counted       bool // when a member goes
	}{
		{2000, 0, true},
		{3000, 0, false},
		{3000, 1497, false},
		{3000, 1498, true}, // with this one, half of those that are left
		{1_000_000, 9998, false},
		{1_000_000, 9999, true},
	} {
		s := newShelf(t)
		for i := range 3 {
			s.put(feedback.Feedback{ID: fmt.Sprint(i), Title: topics[0]})
		}
		s.run(s.assigner(e))
		id := s.of("0")
		key := "sum/" + e.Name() + "/" + id + "/prose"
		// Many more members, as far as the sum knows.
		sum, err := s.space.Get(t.Context(), key, "cluster/"+id)
		if err != nil {
			t.Fatal(err)
		}
		v, err := cluster.DecodeVector(sum[0].Value[4:])
		if err != nil {
			t.Fatal(err)
		}
		for i := range v {
			v[i] *= float32(tt.size) / 3
		}
		s.write(key, append(binary.LittleEndian.AppendUint32(nil, uint32(tt.size)), cluster.EncodeVector(v)...))
		var c cluster.Cluster
		if err := json.Unmarshal(sum[1].Value, &c); err != nil {
			t.Fatal(err)
		}
		c.Size, c.Changes = tt.size, tt.changes
		data, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		s.write("cluster/"+id, data)

		s.put(feedback.Feedback{ID: "2", Removed: true})
		s.run(s.assigner(e))
		want, left := tt.size-1, tt.changes+1
		if tt.counted {
			want, left = 2, 0
		}
		if c, _, err := cluster.Get(t.Context(), s.space, id); err != nil || c.Size != want || c.Changes != left {
			t.Errorf("%d members, %d changes, then one goes: %d members, %d changes (%v), want %d, %d",
				tt.size, tt.changes, c.Size, c.Changes, err, want, left)
		}
	}
}
