package cluster

import (
	"context"
	"errors"
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
	memo  *memo
	turn  *turn
	head  Head

	batch   storage.Batch
	touched map[string]*touched

	more     bool       // there may be more to do
	again    time.Time  // when to try what was postponed; zero: never
	assigned bool       // feedback was assigned, but for
	left     []*arrival // what did not fit in

	room *room // for new clusters, once it was asked for
}

// room is how many clusters may be opened.
type room struct {
	more int
	why  string
}

// touched is a cluster that the session changes.
type touched struct {
	created time.Time // of a new one
	added   int
	removed int
	lost    int             // members taken out whose vector was not there to be subtracted
	prints  map[string]bool // fingerprints whose counts changed

	recounted bool // its sums were made anew,
	bare      int  // and these many members have no vector
}

// Change is an entry of the change log: what other replicas read again.
type Change struct {
	Clusters []string            `json:"clusters"`
	Prints   map[string][]string `json:"prints,omitempty"` // by cluster
}

// maxLog is how many entries of the change log are kept. Who is further behind
// reads everything.
const maxLog = 500

// assign decides where each of the longest waiting feedback belongs, as far as
// time and the size of a batch allow. It reports whether there was any.
func (s *session) assign(ctx context.Context) (bool, error) {
	all, err := s.arrivals(ctx)
	if err != nil || len(all) == 0 {
		return false, err
	}
	s.memo.vectors = vectorsOf(all)
	filed, err := filedAmong(ctx, s.space, all)
	if err != nil {
		return false, err
	}
	s.assigned = true
	for i, w := range all {
		if s.turn.asked() || s.full() {
			s.left = all[i:]
			break
		}
		for _, t := range w.todo {
			s.batch.RequireEntry(t.Entry)
			s.batch.Delete(t.Entry.Key)
		}
		if w.bad == nil {
			var none *noRoom
			if err := s.settle(ctx, w, filed); errors.As(err, &none) {
				w.bad = none
			} else if err != nil {
				return false, err
			}
		}
		if w.bad != nil {
			s.postpone(ctx, w)
		}
	}
	return true, nil
}

// full reports whether the batch might not hold what one feedback more changes:
// two clusters with two sums each, its own entries, and those that say that it
// waits.
func (s *session) full() bool {
	sums := 2 * (4*s.index.dim + 1000)
	ops, size := len(s.batch.Ops), s.batch.Bytes()
	for _, t := range s.touched {
		ops, size = ops+5+len(t.prints), size+sums
	}
	return ops+30+2*perBatch > storage.MaxOps || size+3*sums > storage.MaxBytes
}

// settle puts one feedback where it belongs now. A member of a filed cluster is
// not moved: only what is compared of it changes.
func (s *session) settle(ctx context.Context, w *arrival, filed map[string]bool) error {
	f, was := w.feedback, w.was
	switch {
	case f == nil, was == nil && f.Removed:
		return nil
	case was == nil:
		return s.place(ctx, f, w.vector, true)
	}
	old, err := s.stored(ctx, f.ID, was)
	if err != nil {
		return err
	}
	s.remove(ctx, f.ID, was, old)
	switch {
	case f.Removed:
		return nil
	case filed[was.Cluster]:
		item := itemOf(f, w.vector)
		m := *was
		m.Kind, m.Fingerprints = item.Kind, item.Fingerprints
		return s.add(f.ID, m, item)
	}
	return s.place(ctx, f, w.vector, false)
}

// place finds the cluster that the feedback belongs to, or opens one. If that is
// bounded and there is no room, the error is a *noRoom, and nothing was changed.
func (s *session) place(ctx context.Context, f *feedback.Feedback, vector []float32, bounded bool) error {
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
		if bounded {
			if err := s.enter(ctx); err != nil {
				return err
			}
		}
		s.head.Next++
		s.head.Clusters++
		m.Cluster = clusterID(s.head.Next)
		s.touch(m.Cluster).created = m.Joined
	}
	return s.add(f.ID, m, item)
}

// enter takes room for one more cluster; a *noRoom if there is none.
func (s *session) enter(ctx context.Context) error {
	if s.a.room == nil {
		return nil
	}
	if s.room == nil {
		more, why, err := s.a.room(ctx, s.space)
		if err != nil {
			return err
		}
		s.room = &room{more, why}
	}
	if s.room.more <= 0 {
		return &noRoom{s.room.why}
	}
	s.room.more--
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

// remove takes a member out of its cluster, and out of what is compared. One whose
// vector is not there cannot be subtracted: if its cluster's sum holds it after
// all, that is made anew.
func (s *session) remove(ctx context.Context, id string, was *Membership, item Item) {
	t := s.touch(was.Cluster)
	err := errors.New("it has no vector")
	if item.Vector != nil {
		err = s.index.Remove(was.Cluster, item)
	}
	if err == nil {
		t.removed++
	} else {
		t.lost++
		s.index.removeFingerprints(was.Cluster, item.Fingerprints)
		zerolog.Ctx(ctx).Warn().Err(err).Str("feedback", id).Str("cluster", was.Cluster).
			Msg("a report leaves a cluster that did not compare it; the cluster is counted anew")
	}
	for _, f := range item.Fingerprints {
		t.prints[f] = true
	}
	s.batch.Delete(ofPrefix + id)
	s.batch.Delete(memberPrefix + was.Cluster + "/" + id)
	s.batch.Delete(vecKey(s.head.Embedder, id))
}

// stored is the member as the index knows it: without a vector if none that can be
// read is stored. Feedback that was removed or refused while the project moved to
// another embedder has none.
func (s *session) stored(ctx context.Context, id string, was *Membership) (Item, error) {
	entries, err := s.space.Get(ctx, vecKey(s.head.Embedder, id))
	if err != nil {
		return Item{}, fmt.Errorf("read vector of %s: %w", id, err)
	}
	vector, err := DecodeVector(entries[0].Value)
	if err != nil || !usable(vector, s.index.dim) {
		vector = nil
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

// writeCluster writes a cluster as the index has it now.
func (s *session) writeCluster(ctx context.Context, id string, t *touched) error {
	for f := range t.prints {
		if n := s.index.prints[f][id]; n > 0 {
			s.batch.SetJSON(fpKey(f, id), n)
		} else {
			s.batch.Delete(fpKey(f, id))
		}
	}
	c, ok, err := Get(ctx, s.space, id)
	if err != nil {
		return err
	}
	parts := s.index.Parts(id)
	for _, kind := range []embed.Kind{embed.Trace, embed.Prose} {
		if p, ok := parts[kind]; ok {
			s.batch.Set(sumKey(s.head.Embedder, id, kind), EncodePart(p))
		} else {
			s.batch.Delete(sumKey(s.head.Embedder, id, kind))
		}
	}
	if c.Bare = max(0, c.Bare-t.lost); t.recounted {
		c.Bare, c.Changes = t.bare, 0
	}
	if len(parts) == 0 && c.Bare == 0 && t.lost == 0 {
		// Its last member went. If it has an issue, its worker still sees to that.
		s.batch.Delete(clusterPrefix + id)
		s.batch.Delete(recountPrefix + id)
		if ok || !t.created.IsZero() {
			s.head.Clusters = max(0, s.head.Clusters-1)
		}
		return nil
	}
	c.ID = id
	if !t.created.IsZero() {
		c.Created = t.created
	}
	c.Size, c.Traces = parts[embed.Trace].N+parts[embed.Prose].N+c.Bare, parts[embed.Trace].N
	c.Cohesion = cohesionOf(parts)
	if c.Changes += t.added + t.removed; t.lost > 0 || drifted(c, t.removed > 0) {
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

// filedAmong reports which of the clusters that feedback is in have an issue.
func filedAmong(ctx context.Context, space storage.Space, all []*arrival) (map[string]bool, error) {
	filed := make(map[string]bool)
	var keys []string
	for _, w := range all {
		if w.was != nil {
			keys = append(keys, filedPrefix+w.was.Cluster)
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
