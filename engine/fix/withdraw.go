package fix

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const withdrawnPrefix = "run-withdrawn/"

// Withdraw makes it due that the runs of some clusters forget what people wrote, because
// some of it was erased: those under way end, their evidence, the agent's log and its
// words go, and their comments are written anew without them. It returns how many runs
// there are.
func Withdraw(ctx context.Context, space storage.Space, clusters func(id string) bool) (n int, err error) {
	for before := ""; ; {
		list, mark, err := run.List(ctx, space, before, 100)
		if err != nil || mark == "" {
			return n, err
		}
		before = mark
		var b storage.Batch
		for _, r := range list {
			if clusters(r.Cluster) {
				n++
				b.Set(withdrawnPrefix+r.ID, []byte("{}"))
				work.Add(&b, run.Work(r.ID))
			}
		}
		if err := space.Apply(ctx, &b); err != nil {
			return n, fmt.Errorf("withdraw evidence: %w", err)
		}
	}
}

// withdrawn returns the mark that the evidence of the run is to be forgotten.
func (s *sitting) withdrawn(ctx context.Context) (storage.Entry, error) {
	entries, err := s.space.Get(ctx, withdrawnPrefix+s.run.ID)
	if err != nil {
		return storage.Entry{}, fmt.Errorf("read run %s: %w", s.run.ID, err)
	}
	return entries[0], nil
}

// withdraw forgets what the run has of what people wrote, if that is to be. Whatever
// fails, all of it is done again.
func (s *sitting) withdraw(ctx context.Context) error {
	r := s.run
	mark, err := s.withdrawn(ctx)
	if err != nil || !mark.Exists() {
		return err
	}
	for _, prefix := range []string{"run-log/", "run-result/"} {
		if err := drop(ctx, s.space, prefix+r.ID+"/"); err != nil {
			return err
		}
	}
	none := []brief.Evidence{}
	if r.EvidenceHash, err = run.HashEvidence(none); err != nil {
		return err
	}
	for i := range r.Rounds {
		r.Rounds[i].Said = ""
	}
	if _, err := s.save(ctx, func(b *storage.Batch) { run.SetEvidence(b, r.ID, none) }); err != nil {
		return err
	}
	fresh, err := s.sit(ctx, s.space, r.ID)
	if err != nil {
		return err
	}
	if err := fresh.retell(ctx); err != nil {
		return err
	}
	for _, key := range []string{statusKey(r.ID), "run.status-edit/" + r.ID} {
		if err := s.Log.Forget(ctx, s.space, key); err != nil {
			return err
		}
	}
	var b storage.Batch
	b.RequireEntry(mark)
	b.Delete(mark.Key)
	if err := s.space.Apply(ctx, &b); err != nil {
		return err
	}
	*s = *fresh
	return nil
}

// retell writes the status comment anew, however old it is.
func (s *sitting) retell(ctx context.Context) error {
	if s.run.Status == 0 || !s.live() {
		return nil
	}
	v, err := s.view(ctx)
	if err != nil {
		return err
	}
	err = s.edit(ctx, tell.Status(v))
	if isGone(err) {
		return nil
	}
	if err != nil && !isLater(err) && !errors.Is(err, storage.ErrConflict) {
		zerolog.Ctx(ctx).Warn().Err(err).Str("run", s.run.ID).Msg("a status comment could not be edited")
	}
	return err
}
