package work

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

var (
	errLost    = errors.New("the lease was lost")
	errTooLong = errors.New("the deadline of one call passed")
)

// held is a key that this process has claimed.
type held struct {
	space      storage.Space
	key        string
	generation uint64 // the version of the due entry when it was claimed
	attempt    int
	log        zerolog.Logger
}

// logSpace is the log for what happens in a space, with the names that people
// know it by: the number of the installation and, in the space of a project, the
// project's id, which begins with the repository's name.
func (q *Queue) logSpace(space string) zerolog.Logger {
	log := q.o.Log.With()
	if n := project.Installation(space); n != 0 {
		log = log.Int64("installation", n)
		if id, ok := strings.CutPrefix(space, project.Space(n, "")); ok {
			log = log.Str("project", id)
		}
	}
	return log.Logger()
}

// logWork is the log for a key of work in a space. The subject of some kinds is a
// cluster.
func (q *Queue) logWork(space, key string) zerolog.Logger {
	log := q.logSpace(space).With().Str("work", key)
	if kind, subject := split(key); kind == "issue" || kind == "look" {
		log = log.Str("cluster", subject)
	}
	return log.Logger()
}

// split cuts a key into kind and subject.
func split(key string) (kind, subject string) {
	kind, subject, _ = strings.Cut(key, "/")
	return kind, subject
}

// work claims a candidate, has it handled within one context and records what
// came of it within another. The error is one of the store.
func (q *Queue) work(handling, recording context.Context, space storage.Space, c candidate) error {
	h, err := q.claim(handling, space, c)
	if h == nil || err != nil {
		return err
	}
	if err := q.record(recording, h, q.handle(handling, h)); err != nil {
		return fmt.Errorf("record work %s in %s: %w", h.key, space.Name(), err)
	}
	return nil
}

// outcome is what came of a try.
type outcome struct {
	again    time.Time // with verdict done: when to look again; zero: never
	verdict  verdict
	err      error
	until    time.Time // with verdict later: when; zero: after a backoff
	released bool      // with verdict later: it was our own doing, so at once
}

type verdict int

const (
	done verdict = iota
	later
	failed
	dead
	lost // nothing to record: another process has it
)

// handle calls the handler, keeping the lease meanwhile.
func (q *Queue) handle(ctx context.Context, h *held) outcome {
	kind, subject := split(h.key)
	hctx, cancel := context.WithCancelCause(ctx)
	hctx, stop := context.WithTimeoutCause(hctx, q.o.Deadline, errTooLong)

	renewed := make(chan struct{})
	ended, end := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(renewed)
		q.keepLease(ended, h, cancel)
	}()
	again, err := call(h.log.WithContext(hctx), q.handlers[kind], Item{
		Space: h.space, Key: h.key, Kind: kind, Subject: subject, Attempt: h.attempt, Log: h.log,
	})
	cause := context.Cause(hctx)
	end()
	<-renewed
	stop()
	cancel(nil)
	return judgeEnd(again, err, cause)
}

// call calls a handler and makes a panic an error.
func call(ctx context.Context, handle Handler, it Item) (again time.Time, err error) {
	defer func() {
		if p := recover(); p != nil {
			it.Log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("handler panicked")
			again, err = time.Time{}, fmt.Errorf("panic: %v", p)
		}
	}()
	return handle(ctx, it)
}

// judgeEnd says what the return of a handler means; cause is why its context
// ended, if it did.
func judgeEnd(again time.Time, err, cause error) outcome {
	var put *Later
	switch {
	case err == nil:
		return outcome{verdict: done, again: again}
	case errors.Is(cause, errLost):
		return outcome{verdict: lost, err: err}
	case errors.Is(cause, errDrained):
		return outcome{verdict: later, err: cause, released: true}
	case isDead(err):
		return outcome{verdict: dead, err: err}
	case errors.As(err, &put):
		return outcome{verdict: later, err: err, until: put.Until}
	case errors.Is(cause, errTooLong):
		return outcome{verdict: failed, err: fmt.Errorf("%w: %w", errTooLong, err)}
	case errors.Is(err, storage.ErrUnavailable):
		return outcome{verdict: later, err: err}
	}
	return outcome{verdict: failed, err: err}
}
