package action

import (
	"context"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// Converge does an action whenever it is called: the caller has compared the
// wanted state with the present one and found that they differ. The record under
// its key is that of the last time; the audit has them all. What an earlier call
// began and did not end needs no looking for, because the caller compares again.
//
// In preview (not live) it records what would be sent, unless what was begun has no
// recorded end: that record stays, for the effect may be there. Errors are those of
// [Log.Once]. One caller at a time may converge under a key; a second one gets a
// [*work.Later].
func (l *Log) Converge(ctx context.Context, space storage.Space, a Action, live bool, e Effect) (Record, error) {
	if err := check(&a); err != nil {
		return Record{}, err
	}
	if e.Do == nil {
		return Record{}, fmt.Errorf("%w: %s: an effect needs Do", ErrInvalid, a.Key)
	}
	rec, entry, err := read(ctx, space, a.Key)
	if err != nil {
		return Record{}, err
	}
	rec.Undone = false // what is done again is no longer taken back
	switch {
	case !live && (rec.State == Intended || rec.State == Undecided):
		return rec, nil
	case !live:
		return l.preview(ctx, space, entry, rec, a)
	}
	return l.do(ctx, space, entry, rec, a, e)
}
