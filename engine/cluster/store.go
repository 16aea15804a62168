package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Keys in a project's space:
//
//	head                        Head; its version fences every assignment
//	cluster/<cluster>           Cluster
//	of/<feedback>               Membership: the cluster that the feedback is in
//	member/<cluster>/<feedback> empty: the same, the other way round
//	vec/<embedder>/<feedback>   unit vector; none of a member that the embedder refused
//	sum/<embedder>/<cluster>/<kind>
//	                            sum of the unit vectors of the members of a kind
//	fp/<fingerprint>/<cluster>  how many members of the cluster have it
//	log/<number>                Change: what one assignment changed
//	recount/<cluster>           empty: its sums are to be made anew from its members
//	filed/<cluster>             empty: the cluster has an issue, members stay put
const (
	headKey       = "head"
	clusterPrefix = "cluster/"
	ofPrefix      = "of/"
	memberPrefix  = "member/"
	sumPrefix     = "sum/"
	fpPrefix      = "fp/"
	logPrefix     = "log/"
	recountPrefix = "recount/"
	filedPrefix   = "filed/"
)

// Head is the state of a project's clustering. Whoever changes clusters
// requires it unchanged and writes it anew, so that two workers never open two
// clusters for one problem.
type Head struct {
	Epoch    string `json:"epoch"`    // random: tells this space's history from that of an erased one
	Next     int    `json:"next"`     // number of the next cluster
	Log      int    `json:"log"`      // number of the newest entry of the change log
	Embedder string `json:"embedder"` // name of the embedder whose vectors are compared
	Clusters int    `json:"clusters"` // how many there are
}

// Cluster is the feedback that describes one underlying problem.
type Cluster struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Size    int       `json:"size"`              // members
	Traces  int       `json:"traces"`            // members with a stack
	Bare    int       `json:"bare,omitempty"`    // members without a vector: known by their fingerprints alone
	Changes int       `json:"changes,omitempty"` // members added and taken out since the sums were last made anew
	// Cohesion is the mean pairwise similarity of the members, 1 for a single one.
	Cohesion float64 `json:"cohesion"`
}

// Membership says which cluster feedback is in, and why.
type Membership struct {
	Cluster      string     `json:"cluster"`
	Reason       string     `json:"reason"`               // one plain sentence
	Similarity   *float64   `json:"similarity,omitempty"` // mean, to the members then; nil for the first
	Kind         embed.Kind `json:"kind"`                 // of the text when it was embedded
	Fingerprints []string   `json:"fingerprints,omitempty"`
	Joined       time.Time  `json:"joined"`
}

// Count returns how many clusters a project has.
func Count(ctx context.Context, space storage.Space) (int, error) {
	entries, err := space.Get(ctx, headKey)
	if err != nil {
		return 0, fmt.Errorf("count clusters: %w", err)
	}
	var head Head
	return head.Clusters, storage.GetJSON(entries[0], &head)
}

// Get returns a cluster; ok is false if there is none with that id.
func Get(ctx context.Context, space storage.Space, id string) (c Cluster, ok bool, err error) {
	entries, err := space.Get(ctx, clusterPrefix+id)
	if err != nil {
		return Cluster{}, false, fmt.Errorf("read cluster %s: %w", id, err)
	}
	return c, entries[0].Exists(), storage.GetJSON(entries[0], &c)
}

// List returns the clusters whose ids come after `after`, in order of their
// making, at most limit.
func List(ctx context.Context, space storage.Space, after string, limit int) ([]Cluster, error) {
	if after != "" {
		after = clusterPrefix + after
	}
	entries, err := space.Scan(ctx, clusterPrefix, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	all := make([]Cluster, len(entries))
	for i, e := range entries {
		if err := storage.GetJSON(e, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Members returns the ids of the feedback in a cluster that come after `after`,
// at most limit.
func Members(ctx context.Context, space storage.Space, cluster, after string, limit int) ([]string, error) {
	prefix := memberPrefix + cluster + "/"
	if after != "" {
		after = prefix + after
	}
	entries, err := space.Scan(ctx, prefix, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list members of cluster %s: %w", cluster, err)
	}
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Key[len(prefix):]
	}
	return ids, nil
}

// Memberships returns where each feedback is, nil for what is in no cluster, and
// the entries that it was read from.
func Memberships(ctx context.Context, space storage.Space, feedback ...string) ([]*Membership, []storage.Entry, error) {
	all := make([]*Membership, 0, len(feedback))
	read := make([]storage.Entry, 0, len(feedback))
	for len(feedback) > 0 {
		n := min(len(feedback), storage.MaxOps)
		keys := make([]string, n)
		for i, id := range feedback[:n] {
			keys[i] = ofPrefix + id
		}
		feedback = feedback[n:]
		entries, err := space.Get(ctx, keys...)
		if err != nil {
			return nil, nil, fmt.Errorf("read memberships: %w", err)
		}
		for _, e := range entries {
			var m *Membership
			if e.Exists() {
				m = new(Membership)
				if err := storage.GetJSON(e, m); err != nil {
					return nil, nil, err
				}
			}
			all, read = append(all, m), append(read, e)
		}
	}
	return all, read, nil
}

// MarkFiled adds to the batch that the cluster has an issue: its members are
// not moved any more without a person's word.
func MarkFiled(b *storage.Batch, cluster string) { b.Set(filedPrefix+cluster, nil) }

// MarkUnfiled adds to the batch that it has none after all.
func MarkUnfiled(b *storage.Batch, cluster string) { b.Delete(filedPrefix + cluster) }

// Revision changes with every change of a project's clusters; 0 before the first.
func Revision(ctx context.Context, space storage.Space) (uint64, error) {
	entries, err := space.Get(ctx, headKey)
	if err != nil {
		return 0, fmt.Errorf("read head: %w", err)
	}
	return entries[0].Version, nil
}

// drafted is how many ids a draft leaves to the project beneath it.
const drafted = 1_000_000

// BeginDraft makes the clusters that a draft of a project opens have ids that those
// which the project opens meanwhile do not get, in the order in which they would
// have them. It is ErrMoving while the project moves to another embedder.
func BeginDraft(ctx context.Context, draft storage.Space, embedder string) error {
	entries, err := draft.Get(ctx, headKey)
	if err != nil {
		return fmt.Errorf("read head: %w", err)
	}
	head := Head{Epoch: rand.Text(), Embedder: embedder}
	if err := storage.GetJSON(entries[0], &head); err != nil {
		return err
	}
	if head.Embedder != embedder {
		return ErrMoving
	}
	if head.Next >= drafted {
		return nil
	}
	head.Next += drafted
	var b storage.Batch
	b.RequireEntry(entries[0])
	b.SetJSON(headKey, head)
	if err := draft.Apply(ctx, &b); err != nil {
		return fmt.Errorf("begin a draft: %w", err)
	}
	return nil
}

// Drafted reports whether a cluster was opened in a draft.
func Drafted(id string) bool { return len(id) > len(clusterID(drafted-1)) }

// ErrMoving says that a project's vectors are being made anew by another embedder.
var ErrMoving = errors.New("the project's reports are being embedded anew")

// clusterID is the id of the n-th cluster of a project: ids sort by age.
func clusterID(n int) string { return fmt.Sprintf("%06d", n) }

func vecKey(embedder, feedback string) string  { return "vec/" + embedder + "/" + feedback }
func fpKey(fingerprint, cluster string) string { return fpPrefix + fingerprint + "/" + cluster }
func logKey(n int) string                      { return fmt.Sprintf("%s%010d", logPrefix, n) }

func sumKey(embedder, cluster string, kind embed.Kind) string {
	return sumPrefix + embedder + "/" + cluster + "/" + string(kind)
}
