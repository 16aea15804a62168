package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// maxNote is how much of a heartbeat's note is kept, in bytes.
const maxNote = 200

// Heartbeat keeps what the container says of itself and tells it how to go on. The
// first one makes the attempt's claim void. One that says nothing new is not kept
// before half a beat has passed. An attempt that is over is told to
// stop, and nothing of it is kept.
func (x *Session) Heartbeat(ctx context.Context, h brief.Heartbeat) (brief.Order, error) {
	switch h.Phase {
	case brief.Cloning, brief.Before, brief.Working, brief.After, brief.Collecting:
	default:
		return brief.Order{}, invalid("phase: there is none of this name")
	}
	if h.Attempt != x.attempt {
		return brief.Order{}, invalid("attempt: the token is that of attempt %d", x.attempt)
	}
	if h.Steps < 0 {
		return brief.Order{}, invalid("steps: less than none")
	}
	for range tries {
		r, was, err := x.load(ctx)
		if err != nil {
			return brief.Order{}, err
		}
		if stop := x.stop(r); stop != "" {
			return brief.Order{Stop: stop}, nil
		}
		live := run.Live{At: x.s.c.Now().UTC(), Attempt: x.attempt, Phase: h.Phase, Note: note(h.Note), Steps: h.Steps}
		last, err := run.LiveOf(ctx, x.space, x.id)
		if err != nil {
			return brief.Order{}, err
		}
		if r.Attempt.Spoken && x.says(last, live) {
			return x.finish(ctx, r)
		}
		var b storage.Batch
		run.SetLive(&b, x.id, live)
		if !r.Attempt.Spoken {
			r.Attempt.Spoken = true
			run.Save(&b, was, r)
		}
		err = x.space.Apply(ctx, &b)
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err != nil {
			return brief.Order{}, fmt.Errorf("keep heartbeat of run %s: %w", x.id, gone(err))
		}
		return x.finish(ctx, r)
	}
	return brief.Order{}, fmt.Errorf("%w: the run changes all the time", ErrNotYet)
}

// says reports whether what was kept last says the same as what came now, and not
// long before it.
func (x *Session) says(last, now run.Live) bool {
	past := now.At.Sub(last.At)
	last.At = now.At
	return last == now && past >= 0 && past < x.s.c.Beat/2
}

// finish says whether the agent is to hand over what there is.
func (x *Session) finish(ctx context.Context, r *run.Run) (brief.Order, error) {
	u, _, err := run.UsageOf(ctx, x.space, x.id)
	switch {
	case err != nil:
		return brief.Order{}, err
	case u.Spent != "":
		return brief.Order{Finish: "the model's budget is used up: " + u.Spent, Ending: brief.Budget}, nil
	case !r.Attempt.Deadline.IsZero() && x.s.c.Now().After(r.Attempt.Deadline):
		return brief.Order{Finish: "the time is up", Ending: brief.Deadline}, nil
	}
	return brief.Order{}, nil
}

// note makes one short line of a foreign text.
func note(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	return cut(strings.TrimSpace(s), maxNote)
}

// cut returns at most n bytes of s, and no half of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
