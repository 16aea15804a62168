package cluster

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Keys in a project's space while it moves to another embedder:
//
//	move                        Move: how far it is
//	stale/<embedder>            empty: vectors and sums of it are to be deleted
const (
	moveKey     = "move"
	stalePrefix = "stale/"
)

// Move is how far a project is on its way to another embedder: every member gets
// a new vector first, then every cluster is marked for new sums, then the head
// names the new embedder. Memberships stay as they are.
type Move struct {
	To     string `json:"to"`
	Marked bool   `json:"marked"` // vectors are done, clusters are being marked
	After  string `json:"after"`  // the last feedback, or cluster, dealt with
}

// Sums of 32-bit numbers drift: every vector that is added or subtracted rounds
// each of their numbers by up to 2⁻²⁴ of itself. Of n unit vectors, none of those
// is greater than n, so k changes make a mean similarity wrong by at most k·2⁻²⁴
// times how much bigger the sum once was than it is now. To make a sum anew is to
// read all members, so big clusters wait for it until their changes are half of
// their members: they are never more than half again as big before, and 10,000
// changes are wrong by less than a thousandth. (Similarities are compared in
// hundredths.) Small clusters could shrink to a remnant of what they were, and are
// counted anew with every removal.
const (
	bigFrom  = 2000   // members
	driftMin = 1000   // changes after which sums are made anew: at the earliest,
	driftMax = 10_000 // and at the latest
)

// drifted reports whether the sums of a cluster are to be made anew.
func drifted(c Cluster, removed bool) bool {
	if c.Size <= bigFrom {
		return removed || c.Changes >= driftMin
	}
	return c.Changes >= min(max(driftMin, c.Size/2), driftMax)
}

// repair marks clusters for new sums, and returns how many.
func (s *session) repair(broken []string) int {
	broken = broken[:min(len(broken), 400)]
	for _, id := range broken {
		s.batch.Set(recountPrefix+id, nil)
	}
	return len(broken)
}

// recount makes the sums of one cluster anew from its members, or deletes some of
// what an embedder left that is not used any more. It reports whether there was
// anything of the kind to do.
func (s *session) recount(ctx context.Context) (bool, error) {
	entries, err := s.space.Scan(ctx, recountPrefix, "", 1)
	if err != nil {
		return false, fmt.Errorf("list clusters to recount: %w", err)
	}
	if len(entries) == 0 {
		return s.sweep(ctx)
	}
	s.batch.RequireEntry(entries[0])
	s.batch.Delete(entries[0].Key)
	id := entries[0].Key[len(recountPrefix):]
	parts := make(map[embed.Kind]Part)
	t := s.touch(id)
	t.recounted = true
	after := ""
	for {
		ids, err := Members(ctx, s.space, id, after, perBatch*4)
		if err != nil {
			return false, err
		}
		if len(ids) == 0 {
			break
		}
		after = ids[len(ids)-1]
		bare, err := s.sum(ctx, ids, parts)
		if err != nil {
			return false, err
		}
		t.bare += bare
	}
	for _, kind := range []embed.Kind{embed.Trace, embed.Prose} {
		if err := s.index.Put(id, kind, orEmpty(parts[kind], s.index.dim)); err != nil {
			return false, err
		}
	}
	return true, nil
}

// sum adds the vectors of members to the parts, and returns how many have none
// that can be read.
func (s *session) sum(ctx context.Context, ids []string, parts map[embed.Kind]Part) (bare int, err error) {
	were, bad, err := memberships(ctx, s.space, ids)
	if err != nil {
		return 0, err
	}
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = vecKey(s.head.Embedder, id)
	}
	entries, err := s.space.Get(ctx, keys...)
	if err != nil {
		return 0, fmt.Errorf("read vectors: %w", err)
	}
	for i, e := range entries {
		if were[i] == nil && bad[i] == nil {
			continue
		}
		v, err := DecodeVector(e.Value)
		if bad[i] != nil || err != nil || !usable(v, s.index.dim) {
			bare++
			continue
		}
		kind := were[i].Kind
		p := orEmpty(parts[kind], len(v))
		p.N++
		Sum(p.Sum, v, 1)
		parts[kind] = p
	}
	return bare, nil
}

func orEmpty(p Part, dim int) Part {
	if p.Sum == nil {
		p.Sum = make([]float32, dim)
	}
	return p
}

// sweep deletes some of the vectors and sums of an embedder that was replaced.
func (s *session) sweep(ctx context.Context) (bool, error) {
	stale, err := s.space.Scan(ctx, stalePrefix, "", 1)
	if err != nil || len(stale) == 0 {
		return false, err
	}
	name := stale[0].Key[len(stalePrefix):]
	const most = 400
	for _, prefix := range []string{vecKey(name, ""), sumPrefix + name + "/"} {
		entries, err := s.space.Scan(ctx, prefix, "", most)
		if err != nil {
			return false, fmt.Errorf("list what %s left: %w", name, err)
		}
		for _, e := range entries {
			s.batch.Delete(e.Key)
		}
		if len(entries) > 0 {
			return true, nil
		}
	}
	s.batch.Delete(stale[0].Key)
	return true, nil
}

// reembed does the next step of moving a project to the embedder in use now.
func (a *Assigner) reembed(ctx context.Context, space storage.Space, was storage.Entry, head Head) error {
	entries, err := space.Get(ctx, moveKey)
	if err != nil {
		return fmt.Errorf("read move: %w", err)
	}
	var move Move
	if err := storage.GetJSON(entries[0], &move); err != nil {
		return err
	}
	if move.To != a.embedder.Name() {
		zerolog.Ctx(ctx).Info().Str("from", head.Embedder).Str("to", a.embedder.Name()).
			Msg("the embedder changed: every report is embedded again, clusters stay as they are")
		move = Move{To: a.embedder.Name()}
	}
	var b storage.Batch
	b.RequireEntry(was)
	b.RequireEntry(entries[0])
	if move.Marked {
		err = markStep(ctx, space, &b, &move, &head)
	} else {
		err = a.vectorStep(ctx, space, &b, &move)
	}
	if err != nil {
		return err
	}
	if head.Embedder == move.To {
		b.Delete(moveKey)
	} else {
		b.SetJSON(moveKey, move)
	}
	b.SetJSON(headKey, head)
	if err := space.Apply(ctx, &b); err != nil {
		return fmt.Errorf("move to embedder %s: %w", move.To, err)
	}
	return nil
}

// vectorStep embeds the next members anew. Those that were removed, cannot be read
// or are refused get no vector.
func (a *Assigner) vectorStep(ctx context.Context, space storage.Space, b *storage.Batch, move *Move) error {
	after := ""
	if move.After != "" {
		after = ofPrefix + move.After
	}
	entries, err := space.Scan(ctx, ofPrefix, after, perBatch)
	if err != nil {
		return fmt.Errorf("list members: %w", err)
	}
	if len(entries) == 0 {
		move.Marked, move.After = true, ""
		return nil
	}
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Key[len(ofPrefix):]
	}
	texts, bad, err := load(ctx, space, ids)
	if err != nil {
		return err
	}
	all := make([]*arrival, len(ids))
	for i, id := range ids {
		all[i] = &arrival{id: id, feedback: texts[i], bad: bad[i]}
	}
	if err := a.embed(ctx, all, nil); err != nil {
		return err
	}
	for _, w := range all {
		if w.vector != nil {
			b.Set(vecKey(move.To, w.id), EncodeVector(w.vector))
			continue
		}
		// It stays in its cluster, and is in no sum.
		b.Delete(vecKey(move.To, w.id))
		if w.bad != nil {
			zerolog.Ctx(ctx).Warn().Err(w.bad).Str("feedback", w.id).
				Msg("feedback has no vector of the new embedder; it stays where it is and is known by its fingerprint alone")
		}
	}
	move.After = ids[len(ids)-1]
	return nil
}

// markStep marks the next clusters for new sums, and ends the move after the last.
func markStep(ctx context.Context, space storage.Space, b *storage.Batch, move *Move, head *Head) error {
	clusters, err := List(ctx, space, move.After, 400)
	if err != nil {
		return err
	}
	for _, c := range clusters {
		b.Set(recountPrefix+c.ID, nil)
		move.After = c.ID
	}
	if len(clusters) == 0 {
		b.Set(stalePrefix+head.Embedder, nil)
		b.Delete(stalePrefix + move.To)
		head.Embedder = move.To
	}
	return nil
}
