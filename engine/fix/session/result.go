package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Result takes what the agent made. The first result of an attempt stands; the
// same one again is a success, also when the attempt is long over, and another one
// is ErrOver. A run that is to end takes its result all the same: whoever ends it
// decides what becomes of it.
func (x *Session) Result(ctx context.Context, result *brief.Result) error {
	if err := x.check(result); err != nil {
		return err
	}
	data, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encode result of run %s: %w", x.id, err)
	}
	if len(data) > run.MaxResult {
		return tooLarge("a result has at most %d bytes", run.MaxResult)
	}
	if !x.begin() {
		return fmt.Errorf("%w: a result of this run is being stored", ErrNotYet)
	}
	defer x.end()
	for range tries {
		r, was, err := x.load(ctx)
		if err != nil {
			return err
		}
		there, err := run.HandedOver(ctx, x.space, x.id, x.attempt)
		if err != nil {
			return gone(err)
		}
		if there {
			return x.same(ctx, data)
		}
		if r.Attempt == nil || r.Attempt.N != x.attempt || !works(r.State) {
			return fmt.Errorf("%w: the run is %s", ErrOver, r.State)
		}
		if result.Round != r.Attempt.Round {
			return invalid("round: the attempt is of round %d", r.Attempt.Round)
		}
		err = run.StoreResult(ctx, x.space, x.id, result, x.s.c.Now(), func(b *storage.Batch) {
			r.Attempt.Result = true
			run.Save(b, was, r)
			work.Add(b, run.Work(x.id))
		})
		if err == nil {
			x.s.c.Wake(x.space.Name())
			return nil
		}
		if !errors.Is(err, storage.ErrConflict) {
			return gone(err)
		}
	}
	return fmt.Errorf("%w: the run changes all the time", ErrNotYet)
}

// same is nil if the result is the one that is stored, as far as that is still
// known.
func (x *Session) same(ctx context.Context, result []byte) error {
	stored, err := run.ResultOf(ctx, x.space, x.id, x.attempt)
	if err != nil || stored == nil {
		return gone(err)
	}
	was, err := json.Marshal(stored)
	if err != nil {
		return fmt.Errorf("compare results of run %s: %w", x.id, err)
	}
	if !bytes.Equal(result, was) {
		return fmt.Errorf("%w: another result was handed over", ErrOver)
	}
	return nil
}

// begin takes the run's turn to store a result: the pieces of two would mix.
func (x *Session) begin() bool {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	key := x.space.Name() + "\x00" + x.id
	if x.s.storing[key] {
		return false
	}
	x.s.storing[key] = true
	return true
}

func (x *Session) end() {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	delete(x.s.storing, x.space.Name()+"\x00"+x.id)
}
