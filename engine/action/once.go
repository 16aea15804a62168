package action

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	// findSlack is how much before an intent its effect is looked for: the
	// outside world has a clock of its own.
	findSlack = 5 * time.Minute
	// maxAhead is how far in the future an intent may lie to be believed.
	maxAhead = 30 * time.Second
	// recordTimeout bounds the recording of an end, which goes on when the
	// caller's context is done: the effect has happened.
	recordTimeout = 10 * time.Second
)

// Once does an action at most once under its key, and returns its record.
//
// An action that is done stays done, and Once returns what came of it. In
// preview (not live) it records what would be sent, and no more; what was begun
// live and has not ended is then left as it is. What was begun and has no
// recorded end, because of a crash, a time-out or another caller who is at it,
// is a [*work.Later] until Options.Settle has passed; then e.Find decides whether
// it happened, and only if not is it done again. An idempotent effect is done again
// without that.
//
// Errors are those of Do and Find, [*work.Later] and [ErrInvalid], and those of
// the store. With every error that is not of the store the record is returned
// too.
func (l *Log) Once(ctx context.Context, space storage.Space, a Action, live bool, e Effect) (Record, error) {
	if err := check(&a); err != nil {
		return Record{}, err
	}
	if e.Do == nil || e.Find == nil && !e.Idempotent {
		return Record{}, fmt.Errorf("%w: %s: an effect that is done once needs Do, and Find unless it is idempotent", ErrInvalid, a.Key)
	}
	rec, entry, err := read(ctx, space, a.Key)
	if err != nil {
		return Record{}, err
	}
	switch {
	case rec.State == Done && rec.Error != "":
		return rec, fmt.Errorf("%w: %s", ErrInvalid, rec.Error)
	case rec.State == Done:
		return rec, nil
	case !live && (rec.State == Intended || rec.State == Undecided):
		return rec, nil
	case !live:
		return l.preview(ctx, space, entry, rec, a)
	case (rec.State == Intended || rec.State == Undecided) && !e.Idempotent:
		return l.findOut(ctx, space, entry, rec, a, e)
	}
	return l.do(ctx, space, entry, rec, a, e)
}

// preview records what would be sent, if it is not what was recorded last.
func (l *Log) preview(ctx context.Context, space storage.Space, entry storage.Entry, old Record, a Action) (Record, error) {
	if old.State == Previewed && bytes.Equal(old.Request, a.Request) {
		return old, nil
	}
	rec := Record{Action: a, State: Previewed, Ended: l.now(), Attempt: old.Attempt, Undone: old.Undone}
	err := l.write(ctx, space, entry, rec, string(Previewed))
	if err != nil {
		return old, busy(err)
	}
	return rec, nil
}

// findOut settles what was begun and has no recorded end.
func (l *Log) findOut(ctx context.Context, space storage.Space, entry storage.Entry, rec Record, a Action, e Effect) (Record, error) {
	now := l.now()
	begun, since := rec.Intended, rec.Intended.Add(-findSlack)
	if begun.After(now.Add(maxAhead)) && rec.Noticed.IsZero() {
		// A clock is, or was, wrong. Wait from now on, and look at everything.
		rec.Noticed = now
		if err := l.write(ctx, space, entry, rec, "waiting"); err != nil {
			return rec, busy(err)
		}
	}
	if !rec.Noticed.IsZero() {
		begun, since = rec.Noticed, time.Time{}
	}
	if until := begun.Add(l.o.Settle); now.Before(until) {
		return rec, &work.Later{Until: until, Err: fmt.Errorf("action %s is not settled", a.Key)}
	}
	result, found, err := e.Find(ctx, since)
	if err != nil {
		return rec, fmt.Errorf("find %s: %w", a.Key, err)
	}
	if !found {
		return l.do(ctx, space, entry, rec, a, e)
	}
	return l.end(ctx, space, entry, rec, result, nil, "found")
}

// do records the intent, does the effect and records the end.
func (l *Log) do(ctx context.Context, space storage.Space, entry storage.Entry, old Record, a Action, e Effect) (Record, error) {
	begun := l.o.Now()
	rec := Record{Action: a, State: Intended, Intended: begun.UTC().Round(0), Attempt: old.Attempt + 1, Undone: old.Undone}
	if err := l.write(ctx, space, entry, rec, string(Intended)); err != nil {
		return old, busy(err)
	}
	// The version of the intent is what the end requires, so that nobody's newer
	// one is overwritten.
	saved, entry, err := read(ctx, space, a.Key)
	if err != nil {
		return rec, err
	}
	if saved.Attempt != rec.Attempt || !saved.Intended.Equal(rec.Intended) {
		return saved, busy(storage.ErrConflict)
	}
	if err := l.o.Hook(ctx, "effect.before:"+a.Kind); err != nil {
		return rec, err
	}
	result, err := l.call(ctx, begun, e.Do)
	if err := l.o.Hook(ctx, "effect.after:"+a.Kind); err != nil {
		return rec, err
	}
	return l.end(ctx, space, entry, rec, result, err, string(Done))
}

// call does the effect within its time, which began with the intent: a process
// that was held up in between must not do it when others have found out that it
// did not.
func (l *Log) call(ctx context.Context, begun time.Time, do func(context.Context) (any, error)) (any, error) {
	left := l.o.Timeout - l.o.Now().Sub(begun)
	if left <= 0 {
		return nil, &work.Later{Err: errors.New("no time was left to do it")}
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return do(ctx)
}

// end records what came of an effect, done saying how it came to be known, and
// returns what the caller is to know.
func (l *Log) end(ctx context.Context, space storage.Space, entry storage.Entry, rec Record, result any, doErr error, done string) (Record, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	rec.Ended, rec.Error = l.now(), ""
	var later *work.Later
	answer, what := doErr, done
	switch {
	case doErr == nil:
		rec.State = Done
		if rec.Result, answer = encode(result); answer != nil {
			rec.Error = clip(answer.Error()) // it happened all the same
			answer = fmt.Errorf("%w: %w", ErrInvalid, answer)
		}
	case IsUnknown(doErr):
		rec.State, rec.Error, what = Undecided, clip(doErr.Error()), string(Undecided)
		answer = &work.Later{Until: rec.Intended.Add(l.o.Settle), Err: doErr}
	default:
		rec.State, rec.Error, what = Failed, clip(doErr.Error()), PutOff
		if !errors.As(doErr, &later) {
			what = string(Failed)
			answer = fmt.Errorf("do %s: %w", rec.Key, doErr)
		}
	}
	if err := l.write(ctx, space, entry, rec, what); err != nil {
		return rec, busy(err) // the next call finds out what became of it
	}
	return rec, answer
}

// busy makes a lost race a reason to come again: somebody else is at it.
func busy(err error) error {
	if errors.Is(err, storage.ErrConflict) {
		return &work.Later{Err: fmt.Errorf("somebody else is at it: %w", err)}
	}
	return err
}

// now is the time as it is recorded.
func (l *Log) now() time.Time { return l.o.Now().UTC().Round(0) }
