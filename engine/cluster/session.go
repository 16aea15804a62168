package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// session is one batch of assignments: it changes the index in memory and
// collects what is to be written.
type session struct {
	a     *Assigner
	space storage.Space
	index *Index
	head  Head

	batch   storage.Batch
	touched map[string]*touched
}

// touched is a cluster that the session changes.
type touched struct {
	created time.Time // of a new one
	added   int
	removed int
	prints  map[string]bool // fingerprints whose counts changed
}

// Change is an entry of the change log: what other replicas read again.
type Change struct {
	Clusters []string            `json:"clusters"`
	Prints   map[string][]string `json:"prints,omitempty"` // by cluster
}

// maxLog is how many entries of the change log are kept. Who is further behind
// reads everything.
const maxLog = 500

// assign decides where each of the longest waiting feedback belongs. It reports
// whether there was any.
func (s *session) assign(ctx context.Context) (bool, error) {
	todo, err := intake.Waiting(ctx, s.space, perBatch)
	if err != nil || len(todo) == 0 {
		return false, err
	}
	var ids []string
	for _, t := range todo {
		s.batch.RequireEntry(t.Entry)
		s.batch.Delete(t.Entry.Key)
		if !slices.Contains(ids, t.Feedback) {
			ids = append(ids, t.Feedback)
		}
	}
	all, _, err := intake.Load(ctx, s.space, ids...)
	if err != nil {
		return false, err
	}
	were, _, err := Memberships(ctx, s.space, ids...)
	if err != nil {
		return false, err
	}
	filed, err := filedAmong(ctx, s.space, were)
	if err != nil {
		return false, err
	}
	vectors, err := embedAll(ctx, s.a.embedder, all)
	if err != nil {
		return false, err
	}
	for i, f := range all {
		if f == nil {
			continue
		}
		if err := s.settle(ctx, f, were[i], filed, vectors[i]); err != nil {
			return false, err
		}
	}
	return true, nil
}

// settle puts one feedback where it belongs now. A member of a filed cluster is
// not moved: only what is compared of it changes.
func (s *session) settle(ctx context.Context, f *feedback.Feedback, was *Membership, filed map[string]bool, vector []float32) error {
	if was == nil && f.Removed {
		return nil
	}
	if was == nil {
		return s.place(ctx, f, vector)
	}
	old, err := s.stored(ctx, f.ID, was)
	if err != nil {
		return err
	}
	if err := s.remove(f.ID, was, old); err != nil {
		return err
	}
	switch {
	case f.Removed:
		return nil
	case filed[was.Cluster]:
		item := itemOf(f, vector)
		m := *was
		m.Kind, m.Fingerprints = item.Kind, item.Fingerprints
		return s.add(f.ID, m, item)
	}
	return s.place(ctx, f, vector)
}

// place finds the cluster that the feedback belongs to, or opens one.
func (s *session) place(ctx context.Context, f *feedback.Feedback, vector []float32) error {
	item := itemOf(f, vector)
	d := s.index.Assign(item, nil)
	if d.Cluster == "" && d.Grey && s.a.judge != nil {
		if err := s.ask(ctx, f, &d); err != nil {
			return err
		}
	}
	m := Membership{Cluster: d.Cluster, Reason: d.Reason, Similarity: d.Similarity,
		Kind: item.Kind, Fingerprints: item.Fingerprints, Joined: s.a.now().UTC()}
	if m.Cluster == "" {
		s.head.Next++
		m.Cluster = clusterID(s.head.Next)
		s.touch(m.Cluster).created = m.Joined
	}
	return s.add(f.ID, m, item)
}

// ask lets the judge decide between the nearest cluster and a new one.
func (s *session) ask(ctx context.Context, f *feedback.Feedback, d *Decision) error {
	nearest := d.Candidates[0]
	ids, err := Members(ctx, s.space, nearest.Cluster, "", 8)
	if err != nil {
		return err
	}
	members, _, err := intake.Load(ctx, s.space, ids...)
	if err != nil {
		return err
	}
	var group []embed.Document
	for _, m := range members {
		if m != nil && !m.Removed {
			group = append(group, embed.Of(m))
		}
	}
	if len(group) == 0 {
		return nil // it was opened in this very batch
	}
	same, err := s.a.judge.Same(ctx, embed.Of(f), group)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("cluster", nearest.Cluster).
			Msg("the model did not say whether a report belongs to a cluster: it opens a new one")
		return nil
	}
	if same {
		d.Cluster, d.Similarity = nearest.Cluster, &nearest.Similarity
		d.Reason = fmt.Sprintf("the language model found it to be the same problem; %s alike on average", percent(nearest.Similarity))
	}
	return nil
}

// add makes the feedback a member.
func (s *session) add(id string, m Membership, item Item) error {
	if err := s.index.Add(m.Cluster, item); err != nil {
		return err
	}
	t := s.touch(m.Cluster)
	t.added++
	for _, f := range item.Fingerprints {
		t.prints[f] = true
	}
	s.batch.SetJSON(ofPrefix+id, m)
	s.batch.Set(memberPrefix+m.Cluster+"/"+id, nil)
	s.batch.Set(vecKey(s.head.Embedder, id), EncodeVector(item.Vector))
	return nil
}

// remove takes a member out of its cluster, and out of what is compared.
func (s *session) remove(id string, was *Membership, item Item) error {
	if err := s.index.Remove(was.Cluster, item); err != nil {
		return err
	}
	t := s.touch(was.Cluster)
	t.removed++
	for _, f := range item.Fingerprints {
		t.prints[f] = true
	}
	s.batch.Delete(ofPrefix + id)
	s.batch.Delete(memberPrefix + was.Cluster + "/" + id)
	s.batch.Delete(vecKey(s.head.Embedder, id))
	return nil
}

// stored is the member as the index knows it.
func (s *session) stored(ctx context.Context, id string, was *Membership) (Item, error) {
	entries, err := s.space.Get(ctx, vecKey(s.head.Embedder, id))
	if err != nil {
		return Item{}, fmt.Errorf("read vector of %s: %w", id, err)
	}
	vector, err := DecodeVector(entries[0].Value)
	if err != nil {
		return Item{}, fmt.Errorf("read vector of %s: %w", id, err)
	}
	return Item{Kind: was.Kind, Vector: vector, Fingerprints: was.Fingerprints}, nil
}

func (s *session) touch(cluster string) *touched {
	t, ok := s.touched[cluster]
	if !ok {
		t = &touched{prints: make(map[string]bool)}
		s.touched[cluster] = t
	}
	return t
}

// commit writes all that was collected, the clusters as they are now, the change
// log and the new head, and that the issues of the clusters are out of date.
func (s *session) commit(ctx context.Context) error {
	if len(s.touched) > 0 {
		change := Change{Clusters: slices.Sorted(maps.Keys(s.touched)), Prints: make(map[string][]string)}
		for _, id := range change.Clusters {
			t := s.touched[id]
			if err := s.writeCluster(ctx, id, t); err != nil {
				return err
			}
			if len(t.prints) > 0 {
				change.Prints[id] = slices.Sorted(maps.Keys(t.prints))
			}
			work.Add(&s.batch, intake.IssueWork(id))
		}
		s.head.Log++
		s.batch.SetJSON(logKey(s.head.Log), change)
		if s.head.Log > maxLog {
			s.batch.Delete(logKey(s.head.Log - maxLog))
		}
	}
	s.batch.SetJSON(headKey, s.head)
	if err := s.space.Apply(ctx, &s.batch); err != nil {
		return fmt.Errorf("assign feedback: %w", err)
	}
	return nil
}

// driftAfter is how many additions a sum takes before it is made anew: sums of
// 32-bit numbers drift.
const driftAfter = 1000

// writeCluster writes a cluster as the index has it now.
func (s *session) writeCluster(ctx context.Context, id string, t *touched) error {
	for f := range t.prints {
		if n := s.index.prints[f][id]; n > 0 {
			s.batch.SetJSON(fpKey(f, id), n)
		} else {
			s.batch.Delete(fpKey(f, id))
		}
	}
	c, _, err := Get(ctx, s.space, id)
	if err != nil {
		return err
	}
	parts := s.index.Parts(id)
	for _, kind := range []embed.Kind{embed.Trace, embed.Prose} {
		if p, ok := parts[kind]; ok {
			s.batch.Set(sumKey(s.head.Embedder, id, kind), encodePart(p))
		} else {
			s.batch.Delete(sumKey(s.head.Embedder, id, kind))
		}
	}
	if len(parts) == 0 {
		// Its last member went. If it has an issue, its worker still sees to that.
		s.batch.Delete(clusterPrefix + id)
		s.batch.Delete(recountPrefix + id)
		return nil
	}
	c.ID = id
	if !t.created.IsZero() {
		c.Created = t.created
	}
	c.Size, c.Traces = parts[embed.Trace].N+parts[embed.Prose].N, parts[embed.Trace].N
	c.Cohesion = cohesionOf(parts)
	if c.Changes += t.added; c.Changes >= driftAfter || t.removed > 0 {
		c.Changes = 0
		s.batch.Set(recountPrefix+id, nil)
	}
	s.batch.SetJSON(clusterPrefix+id, c)
	return nil
}

// cohesionOf is the cohesion of a cluster over all kinds of members.
func cohesionOf(parts map[embed.Kind]Part) float64 {
	var sum []float32
	n := 0
	for _, p := range parts {
		if sum == nil {
			sum = slices.Clone(p.Sum)
		} else {
			Sum(sum, p.Sum, 1)
		}
		n += p.N
	}
	return Cohesion(sum, n)
}

// filedAmong reports which of the clusters have an issue.
func filedAmong(ctx context.Context, space storage.Space, were []*Membership) (map[string]bool, error) {
	filed := make(map[string]bool)
	var keys []string
	for _, m := range were {
		if m != nil {
			keys = append(keys, filedPrefix+m.Cluster)
		}
	}
	if len(keys) == 0 {
		return filed, nil
	}
	entries, err := space.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("read which clusters are filed: %w", err)
	}
	for _, e := range entries {
		if e.Exists() {
			filed[e.Key[len(filedPrefix):]] = true
		}
	}
	return filed, nil
}

// embedAll returns a vector for each feedback that has a text, nil for others.
func embedAll(ctx context.Context, embedder embed.Embedder, all []*feedback.Feedback) ([][]float32, error) {
	vectors := make([][]float32, len(all))
	var docs []embed.Document
	var at []int
	for i, f := range all {
		if f != nil && !f.Removed {
			docs, at = append(docs, embed.Of(f)), append(at, i)
		}
	}
	for len(docs) > 0 {
		n := min(len(docs), embedder.Batch())
		out, err := embedder.Embed(ctx, docs[:n])
		if err != nil {
			return nil, fmt.Errorf("embed %d reports: %w", n, err)
		}
		for i, v := range out {
			vectors[at[i]] = v
		}
		docs, at = docs[n:], at[n:]
	}
	return vectors, nil
}

func itemOf(f *feedback.Feedback, vector []float32) Item {
	doc := embed.Of(f)
	return Item{Kind: doc.Kind(), Vector: vector, Fingerprints: Fingerprints(doc)}
}
