package cluster

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/intake"
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
		if err := s.sum(ctx, ids, parts); err != nil {
			return false, err
		}
	}
	for _, kind := range []embed.Kind{embed.Trace, embed.Prose} {
		if err := s.index.Put(id, kind, orEmpty(parts[kind], s.index.dim)); err != nil {
			return false, err
		}
	}
	s.touch(id)
	return true, nil
}

// sum adds the vectors of members to the parts.
func (s *session) sum(ctx context.Context, ids []string, parts map[embed.Kind]Part) error {
	memberships, _, err := Memberships(ctx, s.space, ids...)
	if err != nil {
		return err
	}
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = vecKey(s.head.Embedder, id)
	}
	entries, err := s.space.Get(ctx, keys...)
	if err != nil {
		return fmt.Errorf("read vectors: %w", err)
	}
	for i, e := range entries {
		if !e.Exists() || memberships[i] == nil {
			continue
		}
		v, err := DecodeVector(e.Value)
		if err != nil {
			return fmt.Errorf("read %s: %w", e.Key, err)
		}
		kind := memberships[i].Kind
		p := orEmpty(parts[kind], len(v))
		p.N++
		Sum(p.Sum, v, 1)
		parts[kind] = p
	}
	return nil
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

// vectorStep embeds the next members anew.
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
	all, _, err := intake.Load(ctx, space, ids...)
	if err != nil {
		return err
	}
	vectors, err := embedAll(ctx, a.embedder, all)
	if err != nil {
		return err
	}
	for i, v := range vectors {
		if v != nil {
			b.Set(vecKey(move.To, ids[i]), EncodeVector(v))
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
