package cluster

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/soulcaster/soulcaster/engine/embed"
)

// Decision is where a report belongs, and why.
type Decision struct {
	Cluster    string   // empty: a new one
	Similarity *float64 // mean similarity to the cluster's members, -1 to 1; nil for a new cluster
	Reason     string   // a plain phrase for a person
	// Grey says that the nearest cluster is too far away to join and too near to
	// be passed over in silence: ask about Candidates[0], and take silence for a
	// new cluster.
	Grey       bool
	Candidates []Candidate // the nearest clusters, at most five, the best first
}

// Candidate is a cluster that a report was compared with.
type Candidate struct {
	Cluster    string
	Kind       embed.Kind // of the members compared with
	N          int        // how many those are
	Similarity float64    // mean similarity to them
	Needs      float64    // what it would have to be

	grey float64 // what it would have to be to ask
}

// maxCandidates is how many clusters a decision names.
const maxCandidates = 5

// Assign says where item belongs: in the cluster that has its fingerprint, else
// in the one to whose members it is most alike on average, if that is enough.
// Clusters for which apart is true (nil: none) are left out, because a maintainer
// keeps the report apart from them. Assign changes nothing.
func (x *Index) Assign(item Item, apart func(cluster string) bool) Decision {
	if apart == nil {
		apart = func(string) bool { return false }
	}
	near := x.nearest(item, apart)
	if id := x.known(item, apart); id != "" {
		return x.same(item, id, near)
	}
	if len(near) == 0 {
		return Decision{Reason: "the first report of its kind"}
	}
	best := near[0]
	alike := fmt.Sprintf("%s alike on average", percent(best.Similarity))
	if best.Similarity >= best.Needs {
		return Decision{Cluster: best.Cluster, Similarity: &best.Similarity, Candidates: near,
			Reason: fmt.Sprintf("%s to its %s (needs %s)", alike, reports(best.N), percent(best.Needs))}
	}
	return Decision{Grey: best.Similarity >= best.grey, Candidates: near,
		Reason: fmt.Sprintf("a new problem: the nearest one is %s (needs %s)", alike, percent(best.Needs))}
}

// same is the decision for a report whose fingerprint a cluster has.
func (x *Index) same(item Item, id string, near []Candidate) Decision {
	d := Decision{Cluster: id, Candidates: near, Reason: "the same text as a report in it"}
	if item.Kind == embed.Trace {
		d.Reason = "the same stack as a report in it"
	}
	similarity := 1.0
	if at, ok := x.clusters[id][item.Kind]; ok && len(item.Vector) == x.dim {
		similarity = MeanSimilarity(x.parts[at].sum, x.parts[at].n, item.Vector)
	}
	d.Similarity = &similarity
	return d
}

// known finds the cluster that shares a fingerprint with item: of several, the
// one where most members have it, then the one with the least id.
func (x *Index) known(item Item, apart func(string) bool) string {
	best, most := "", 0
	for _, f := range item.Fingerprints {
		for id, n := range x.prints[f] {
			if (n > most || n == most && id < best) && !apart(id) {
				best, most = id, n
			}
		}
	}
	return best
}

// nearest compares item with all parts, one kind at a time, and returns those
// that are furthest above what they need, or least below it.
func (x *Index) nearest(item Item, apart func(string) bool) []Candidate {
	if len(item.Vector) != x.dim {
		return nil
	}
	q := newQuery(item.Vector)
	best := make(map[embed.Kind][]Candidate, 2)
	count := make(map[embed.Kind]int, 2)
	for i := range x.parts {
		p := &x.parts[i]
		if apart(p.cluster) {
			continue
		}
		count[p.kind]++
		s := clamp(q.dot(p.sum) / float64(p.n))
		list := best[p.kind]
		if len(list) > runnersUp && s < list[runnersUp].Similarity {
			continue
		}
		best[p.kind] = insert(list, Candidate{Cluster: p.cluster, Kind: p.kind, N: p.n, Similarity: s})
	}
	var all []Candidate
	for kind, list := range best {
		b := x.thresholds.between(item.Kind, kind)
		var runners []float64
		for _, c := range list[1:] {
			runners = append(runners, c.Similarity)
		}
		join, grey := b.needs(b.chance(runners), count[kind])
		for _, c := range list {
			c.Needs, c.grey = join, grey
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Similarity-b.Needs, a.Similarity-a.Needs), cmp.Compare(a.Cluster, b.Cluster))
	})
	return all[:min(len(all), maxCandidates)]
}

// insert puts c into a list, most similar first, of at most one and its
// runners-up. Equals stand in the order of their ids, so that what the index
// answers does not depend on the order in which it was filled.
func insert(list []Candidate, c Candidate) []Candidate {
	at, _ := slices.BinarySearchFunc(list, c, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Similarity, a.Similarity), cmp.Compare(a.Cluster, b.Cluster))
	})
	list = slices.Insert(list, at, c)
	return list[:min(len(list), runnersUp+1)]
}

func percent(s float64) string { return fmt.Sprintf("%.0f %%", 100*max(0, s)) }

func reports(n int) string {
	if n == 1 {
		return "1 report"
	}
	return fmt.Sprintf("%d reports", n)
}
