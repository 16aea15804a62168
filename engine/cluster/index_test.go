package cluster

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/embed"
)

// flat thresholds ask for the same similarity always.
func flat(join, grey float64) Thresholds {
	b := Bounds{Share: join, Most: 1, Grey: grey / join}
	return Thresholds{Trace: b, Prose: b, Cross: Bounds{Share: .95, Most: 1, Grey: .9}}
}

// at is a unit vector in the plane of two axes whose cosine with the first is c.
func at(c float64) []float32 {
	v := []float32{float32(c), 0, 0, 0}
	rest := 1 - c*c
	if rest > 0 {
		v[1] = float32(math.Sqrt(rest))
	}
	return v
}

func prose(v []float32, prints ...string) Item {
	return Item{Kind: embed.Prose, Vector: v, Fingerprints: prints}
}

func filled(t *testing.T, x *Index, members map[string][]Item) {
	t.Helper()
	for _, id := range []string{"a", "b", "c"} {
		for _, item := range members[id] {
			if err := x.Add(id, item); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAssign(t *testing.T) {
	other := []float32{0, 0, 1, 0}
	tests := []struct {
		name    string
		members map[string][]Item
		item    Item
		apart   string
		cluster string
		grey    bool
		reason  string
	}{
		{name: "an empty index", item: prose(at(1)), reason: "first report"},
		{name: "near enough", members: map[string][]Item{"a": {prose(at(1))}, "b": {prose(other)}},
			item: prose(at(.9)), cluster: "a", reason: "90 % alike on average to its 1 report (needs"},
		{name: "grey", members: map[string][]Item{"a": {prose(at(1))}},
			item: prose(at(.5)), grey: true, reason: "a new problem"},
		{name: "far away", members: map[string][]Item{"a": {prose(at(1))}},
			item: prose(at(.2)), reason: "20 % alike"},
		{name: "like one member but not like the others", members: map[string][]Item{"a": {prose(at(1)), prose(other), prose(other)}},
			item: prose(at(1)), reason: "33 % alike"},
		{name: "a known fingerprint, whatever it means", members: map[string][]Item{"a": {prose(at(1))}, "b": {prose(other, "p")}},
			item: prose(at(1), "p"), cluster: "b", reason: "the same text"},
		{name: "the fingerprint of most", members: map[string][]Item{"a": {prose(other, "p")}, "b": {prose(other, "p"), prose(other, "p")}},
			item: prose(at(1), "p"), cluster: "b", reason: "the same text"},
		{name: "a same stack", members: map[string][]Item{"a": {{Kind: embed.Trace, Vector: other, Fingerprints: []string{"s"}}}},
			item: Item{Kind: embed.Trace, Vector: at(1), Fingerprints: []string{"s"}}, cluster: "a", reason: "the same stack"},
		{name: "kept apart, with the fingerprint", members: map[string][]Item{"a": {prose(at(1), "p")}},
			item: prose(at(1), "p"), apart: "a", reason: "first report"},
		{name: "kept apart, the next nearest", members: map[string][]Item{"a": {prose(at(1))}, "b": {prose(at(.9))}},
			item: prose(at(1)), apart: "a", cluster: "b", reason: "90 %"},
		{name: "a trace and a text need more", members: map[string][]Item{"a": {prose(at(1))}},
			item: Item{Kind: embed.Trace, Vector: at(.9)}, grey: true, reason: "needs 95 %"},
		{name: "a trace and a text that say the same", members: map[string][]Item{"a": {prose(at(1))}},
			item: Item{Kind: embed.Trace, Vector: at(.99)}, cluster: "a", reason: "99 %"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := NewIndex(4, flat(.6, .4))
			filled(t, x, tt.members)
			d := x.Assign(tt.item, func(id string) bool { return id == tt.apart })
			if d.Cluster != tt.cluster || d.Grey != tt.grey || !strings.Contains(d.Reason, tt.reason) {
				t.Errorf("got cluster %q, grey %t, because %q", d.Cluster, d.Grey, d.Reason)
			}
			if (d.Similarity != nil) != (d.Cluster != "") {
				t.Errorf("similarity %v for cluster %q", d.Similarity, d.Cluster)
			}
		})
	}
}

// What is like everything in a project must be more alike than that to join.
func TestAssignAboveChance(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	const dim = 64
	x := NewIndex(dim, flat(.5, .3))
	template := unit(rng, dim, 1)
	mixed := func() []float32 {
		v := unit(rng, dim, 1)
		Sum(v, template, 1.5)
		Normalise(v)
		return v
	}
	for i := range 20 {
		if err := x.Add(fmt.Sprint(i), prose(mixed())); err != nil {
			t.Fatal(err)
		}
	}
	v := mixed()
	d := x.Assign(prose(v), nil)
	if d.Cluster != "" {
		t.Errorf("a report that shares only the form of all others joined: %s", d.Reason)
	}
	if c := d.Candidates[0]; c.Similarity < .5 || c.Needs < .7 {
		t.Errorf("the set-up is off: nearest %.2f, needs %.2f", c.Similarity, c.Needs)
	}
	if err := x.Add("same", prose(v)); err != nil {
		t.Fatal(err)
	}
	if d := x.Assign(prose(v), nil); d.Cluster != "same" {
		t.Errorf("the very same report did not join: %s", d.Reason)
	}
}

// More clusters make a chance likeness likelier, and the index asks for more.
func TestNeedsGrowWithClusters(t *testing.T) {
	b := ThresholdsFor("lexical-1/2048", Balanced).Prose
	last := 0.0
	for _, n := range []int{1, 2, 10, 100, 1000} {
		join, grey := b.needs(0, n)
		if join < last || grey >= join {
			t.Errorf("%d clusters: needs %.2f, after %.2f for fewer; asks from %.2f", n, join, last, grey)
		}
		last = join
	}
	if last > b.Most {
		t.Errorf("needs %.2f, more than the most", last)
	}
	if join, _ := b.needs(.9, 1000); join < .9 || join >= 1 {
		t.Errorf("with chance at 0.9, needs %.2f", join)
	}
}

func TestStricterNeedsMore(t *testing.T) {
	for _, embedder := range []string{"lexical-1/2048", "gemini-embedding-001/768", "unknown"} {
		for _, pick := range []func(Thresholds) Bounds{
			func(t Thresholds) Bounds { return t.Trace },
			func(t Thresholds) Bounds { return t.Prose },
			func(t Thresholds) Bounds { return t.Cross },
		} {
			var joins []float64
			for _, s := range []Strictness{Eager, Balanced, Careful} {
				join, _ := pick(ThresholdsFor(embedder, s)).needs(0, 10)
				joins = append(joins, join)
			}
			if !(joins[0] < joins[1] && joins[1] < joins[2] && joins[2] < 1) {
				t.Errorf("%s: eager, balanced, careful need %v", embedder, joins)
			}
		}
	}
}

func TestCandidates(t *testing.T) {
	x := NewIndex(4, flat(.6, .4))
	for i := range 20 {
		if err := x.Add(fmt.Sprintf("c%02d", i), prose(at(float64(i)/20))); err != nil {
			t.Fatal(err)
		}
	}
	d := x.Assign(prose(at(1)), nil)
	if len(d.Candidates) != 5 {
		t.Fatalf("%d candidates, want 5", len(d.Candidates))
	}
	for i, c := range d.Candidates {
		if want := fmt.Sprintf("c%02d", 19-i); c.Cluster != want {
			t.Errorf("candidate %d is %s, want %s", i, c.Cluster, want)
		}
	}
}

// An index that was changed answers like one that never held what was taken out.
func TestRemoveAndPut(t *testing.T) {
	x := NewIndex(4, flat(.6, .4))
	a, b := prose(at(1), "p"), prose([]float32{0, 0, 1, 0}, "q")
	filled(t, x, map[string][]Item{"a": {a, b}, "b": {b}, "c": {a}})
	if err := x.Remove("a", b); err != nil {
		t.Fatal(err)
	}
	if p := x.Parts("a")[embed.Prose]; p.N != 1 || !near(Dot(p.Sum, a.Vector), 1) {
		t.Errorf("after the removal, a has %d members, sum %v", p.N, p.Sum)
	}
	if err := x.Remove("b", b); err != nil {
		t.Fatal(err)
	}
	if x.Len() != 2 || len(x.Parts("b")) != 0 {
		t.Errorf("%d clusters after the last member of b went", x.Len())
	}
	if d := x.Assign(b, nil); d.Cluster != "" {
		t.Errorf("a fingerprint whose cluster went leads to %q", d.Cluster)
	}
	x.Drop("a")
	if d := x.Assign(a, nil); d.Cluster != "c" || d.Reason != "the same text as a report in it" {
		t.Errorf("after a was dropped, its twin goes to %q (%s)", d.Cluster, d.Reason)
	}
	if err := x.Put("c", embed.Prose, Part{N: 2, Sum: []float32{0, 0, 2, 0}}); err != nil {
		t.Fatal(err)
	}
	if d := x.Assign(prose(b.Vector), nil); d.Cluster != "c" || !near(*d.Similarity, 1) {
		t.Errorf("after the sum was put, got %q", d.Cluster)
	}
	if err := x.Put("c", embed.Prose, Part{Sum: make([]float32, 4)}); err != nil || x.Len() != 0 {
		t.Errorf("putting no members left %d clusters (%v)", x.Len(), err)
	}
}

func TestWrongDimensions(t *testing.T) {
	x := NewIndex(4, flat(.6, .4))
	short := prose([]float32{1})
	if x.Add("a", short) == nil || x.Put("a", embed.Prose, Part{N: 1, Sum: []float32{1}}) == nil {
		t.Error("a vector of another length was taken")
	}
	if err := x.Add("a", prose(at(1))); err != nil {
		t.Fatal(err)
	}
	if x.Remove("a", short) == nil || x.Remove("b", prose(at(1))) == nil {
		t.Error("what is not there was removed")
	}
	if d := x.Assign(short, nil); d.Cluster != "" || len(d.Candidates) != 0 {
		t.Errorf("a vector of another length was compared: %+v", d)
	}
}

// A query's two forms give the same product.
func TestQuery(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	sum := unit(rng, 257, 1)
	for _, share := range []float64{.01, .1, .24, .5, 1} {
		v := unit(rng, 257, share)
		if got, want := newQuery(v).dot(sum), cosine(v, sum); !near(got, want) {
			t.Errorf("share %v: %v, want %v", share, got, want)
		}
	}
}

// BenchmarkAssign shows how long a report's way through 10,000 clusters takes,
// and that against nothing but the scalar products.
func BenchmarkAssign(b *testing.B) {
	rng := rand.New(rand.NewPCG(6, 6))
	const clusters = 10_000
	for _, form := range []struct {
		name  string
		dim   int
		share float64
	}{{"lexical", 2048, .06}, {"dense", 768, 1}} {
		x := NewIndex(form.dim, ThresholdsFor("lexical-1/2048", Balanced))
		for i := range clusters {
			if err := x.Add(fmt.Sprint(i), prose(unit(rng, form.dim, form.share))); err != nil {
				b.Fatal(err)
			}
		}
		item := prose(unit(rng, form.dim, form.share))
		b.Run(form.name+"/assign", func(b *testing.B) {
			for b.Loop() {
				x.Assign(item, nil)
			}
		})
		b.Run(form.name+"/scan", func(b *testing.B) {
			sum := 0.0
			for b.Loop() {
				for i := range x.parts {
					sum += Dot(x.parts[i].sum, item.Vector)
				}
			}
			if sum != sum {
				b.Error("not a number")
			}
		})
	}
}
