package cluster

import (
	"fmt"
	"maps"
	"slices"

	"github.com/soulcaster/soulcaster/engine/embed"
)

// Item is one feedback as the index sees it.
type Item struct {
	Kind         embed.Kind
	Vector       []float32 // unit length, of the index's embedder
	Fingerprints []string  // see [Fingerprints]
}

// Part is those members of a cluster that are of one kind.
type Part struct {
	N   int       // members
	Sum []float32 // of their unit vectors
}

// Index holds the clusters of one project, in the vectors of one embedder.
// [Index.Assign] looks, the other methods change; it is not safe for concurrent
// use, because one worker at a time assigns for a project.
//
// Sums drift, by a rounding with every addition and more when members are taken
// out: whoever keeps the vectors adds them up anew now and then and calls
// [Index.Put].
type Index struct {
	dim        int
	thresholds Thresholds
	clusters   map[string]map[embed.Kind]int // cluster → kind → position in parts
	parts      []part
	prints     map[string]map[string]int // fingerprint → cluster → members that have it
}

// part is a Part as the scan wants it: all of them in one row.
type part struct {
	cluster string
	kind    embed.Kind
	n       int
	sum     []float32
}

// NewIndex returns an empty index for vectors of dim dimensions.
func NewIndex(dim int, t Thresholds) *Index {
	return &Index{
		dim:        dim,
		thresholds: t,
		clusters:   make(map[string]map[embed.Kind]int),
		prints:     make(map[string]map[string]int),
	}
}

// Add makes item a member of a cluster, which need not exist yet. A vector of
// another length than the index's is an error.
func (x *Index) Add(cluster string, item Item) error {
	if len(item.Vector) != x.dim {
		return fmt.Errorf("add to cluster %s: vector of %d dimensions, index of %d", cluster, len(item.Vector), x.dim)
	}
	p := x.part(cluster, item.Kind)
	p.n++
	Sum(p.sum, item.Vector, 1)
	x.AddFingerprints(cluster, item.Fingerprints)
	return nil
}

// AddFingerprints makes a cluster known by the fingerprints of one more member.
func (x *Index) AddFingerprints(cluster string, fingerprints []string) {
	for _, f := range fingerprints {
		of := x.prints[f]
		if of == nil {
			of = make(map[string]int)
			x.prints[f] = of
		}
		of[cluster]++
	}
}

// Put gives a cluster's members of one kind as a whole, as they were stored or
// counted anew, in place of what the index knew; none if p.N is 0. Fingerprints
// stay as they are.
func (x *Index) Put(cluster string, kind embed.Kind, p Part) error {
	if len(p.Sum) != x.dim {
		return fmt.Errorf("put cluster %s: sum of %d dimensions, index of %d", cluster, len(p.Sum), x.dim)
	}
	if p.N < 1 {
		x.dropPart(cluster, kind)
		return nil
	}
	q := x.part(cluster, kind)
	q.n = p.N
	copy(q.sum, p.Sum)
	return nil
}

// Remove takes a member out again, given as it was added. A cluster goes with its
// last member.
func (x *Index) Remove(cluster string, item Item) error {
	at, ok := x.clusters[cluster][item.Kind]
	if !ok {
		return fmt.Errorf("remove from cluster %s: it has no %s", cluster, item.Kind)
	}
	if len(item.Vector) != x.dim {
		return fmt.Errorf("remove from cluster %s: vector of %d dimensions, index of %d", cluster, len(item.Vector), x.dim)
	}
	x.removeFingerprints(cluster, item.Fingerprints)
	p := &x.parts[at]
	if p.n--; p.n == 0 {
		x.dropPart(cluster, item.Kind)
		return nil
	}
	Sum(p.sum, item.Vector, -1)
	return nil
}

// removeFingerprints takes a member out of those that a cluster is known by.
func (x *Index) removeFingerprints(cluster string, fingerprints []string) {
	for _, f := range fingerprints {
		if of := x.prints[f]; of[cluster] > 1 {
			of[cluster]--
		} else {
			x.forget(f, cluster)
		}
	}
}

// Drop forgets a cluster.
func (x *Index) Drop(cluster string) {
	for _, kind := range slices.Collect(maps.Keys(x.clusters[cluster])) {
		x.dropPart(cluster, kind)
	}
	for f := range x.prints {
		x.forget(f, cluster)
	}
}

// Len is how many clusters there are.
func (x *Index) Len() int { return len(x.clusters) }

// Parts returns a copy of what the index knows of a cluster, by kind: nothing if
// there is no such cluster.
func (x *Index) Parts(cluster string) map[embed.Kind]Part {
	parts := make(map[embed.Kind]Part)
	for kind, at := range x.clusters[cluster] {
		parts[kind] = Part{N: x.parts[at].n, Sum: slices.Clone(x.parts[at].sum)}
	}
	return parts
}

// part finds or makes the part of a cluster.
func (x *Index) part(cluster string, kind embed.Kind) *part {
	kinds := x.clusters[cluster]
	if kinds == nil {
		kinds = make(map[embed.Kind]int)
		x.clusters[cluster] = kinds
	}
	at, ok := kinds[kind]
	if !ok {
		at = len(x.parts)
		kinds[kind] = at
		x.parts = append(x.parts, part{cluster: cluster, kind: kind, sum: make([]float32, x.dim)})
	}
	return &x.parts[at]
}

// dropPart takes a part out; the last one moves into its place.
func (x *Index) dropPart(cluster string, kind embed.Kind) {
	at, ok := x.clusters[cluster][kind]
	if !ok {
		return
	}
	last := len(x.parts) - 1
	if at != last {
		moved := x.parts[last]
		x.parts[at] = moved
		x.clusters[moved.cluster][moved.kind] = at
	}
	x.parts[last] = part{}
	x.parts = x.parts[:last]
	delete(x.clusters[cluster], kind)
	if len(x.clusters[cluster]) == 0 {
		delete(x.clusters, cluster)
	}
}

// forget takes a cluster from those that a fingerprint names.
func (x *Index) forget(fingerprint, cluster string) {
	of := x.prints[fingerprint]
	delete(of, cluster)
	if len(of) == 0 {
		delete(x.prints, fingerprint)
	}
}
