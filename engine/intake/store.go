package intake

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Keys in a project's space:
//
//	fb/<feedback>             feedback.Feedback
//	todo/<arrival>-<feedback> it waits to be assigned, in order of arrival; empty, or
//	                          why that was put off, see package cluster
//	arrived                   time: when something arrived last
//
// and in an installation's space, for what no route names:
//
//	held/<feedback>           Held
const (
	feedbackPrefix = "fb/"
	todoPrefix     = "todo/"
	heldPrefix     = "held/"
	arrivedKey     = "arrived"
)

// Todo is feedback that waits to be assigned.
type Todo struct {
	Entry    storage.Entry // delete it, unchanged, with the assignment
	Feedback string
	Arrived  time.Time
}

// Load returns the feedback with these ids, nil where there is none, and the
// entries that it was read from.
func Load(ctx context.Context, space storage.Space, ids ...string) ([]*feedback.Feedback, []storage.Entry, error) {
	all := make([]*feedback.Feedback, 0, len(ids))
	read := make([]storage.Entry, 0, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), 100)
		keys := make([]string, n)
		for i, id := range ids[:n] {
			keys[i] = feedbackPrefix + id
		}
		ids = ids[n:]
		entries, err := space.Get(ctx, keys...)
		if err != nil {
			return nil, nil, fmt.Errorf("load feedback: %w", err)
		}
		for _, e := range entries {
			var f *feedback.Feedback
			if e.Exists() {
				f = new(feedback.Feedback)
				if err := storage.GetJSON(e, f); err != nil {
					return nil, nil, err
				}
			}
			all, read = append(all, f), append(read, e)
		}
	}
	return all, read, nil
}

// Known reports which of the feedback with these ids is stored in a project.
func Known(ctx context.Context, space storage.Space, ids ...string) (map[string]bool, error) {
	return existing(ctx, space, feedbackPrefix, ids)
}

// Holds reports which of the feedback with these ids an installation holds.
func Holds(ctx context.Context, home storage.Space, ids ...string) (map[string]bool, error) {
	return existing(ctx, home, heldPrefix, ids)
}

func existing(ctx context.Context, space storage.Space, prefix string, ids []string) (map[string]bool, error) {
	there := make(map[string]bool)
	for some := range slices.Chunk(ids, 100) {
		keys := make([]string, len(some))
		for i, id := range some {
			keys[i] = prefix + id
		}
		entries, err := space.Get(ctx, keys...)
		if err != nil {
			return nil, fmt.Errorf("see what feedback is known: %w", err)
		}
		for i, e := range entries {
			if e.Exists() {
				there[some[i]] = true
			}
		}
	}
	return there, nil
}

// Waiting returns what waits to be assigned, the longest waiting first.
func Waiting(ctx context.Context, space storage.Space, limit int) ([]Todo, error) {
	entries, err := space.Scan(ctx, todoPrefix, "", limit)
	if err != nil {
		return nil, fmt.Errorf("list waiting feedback: %w", err)
	}
	todo := make([]Todo, len(entries))
	for i, e := range entries {
		arrival, id, _ := strings.Cut(e.Key[len(todoPrefix):], "-")
		nanos, err := strconv.ParseInt(arrival, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("list waiting feedback: key %q: %w", e.Key, err)
		}
		todo[i] = Todo{Entry: e, Feedback: id, Arrived: time.Unix(0, nanos).UTC()}
	}
	return todo, nil
}

// arrivalDigits is the width of the arrival time in a key: nanoseconds in
// hexadecimal, so that keys sort by time.
const arrivalDigits = 16

// wait adds to the batch that the feedback waits to be assigned.
func wait(b *storage.Batch, at time.Time, id string) {
	b.Set(fmt.Sprintf("%s%0*x-%s", todoPrefix, arrivalDigits, at.UnixNano(), id), nil)
}

// EachHeld calls do for the feedback of an installation that is held, at most
// limit times.
func EachHeld(ctx context.Context, home storage.Space, limit int, do func(Held)) error {
	entries, err := home.Scan(ctx, heldPrefix, "", limit)
	if err != nil {
		return fmt.Errorf("list held feedback: %w", err)
	}
	for _, e := range entries {
		var h Held
		if err := storage.GetJSON(e, &h); err != nil {
			return err
		}
		do(h)
	}
	return nil
}

// Newest returns when something arrived in a project last, zero if nothing did.
func Newest(ctx context.Context, space storage.Space) (time.Time, error) {
	entries, err := space.Get(ctx, arrivedKey)
	if err != nil {
		return time.Time{}, fmt.Errorf("read newest arrival: %w", err)
	}
	var at time.Time
	return at, storage.GetJSON(entries[0], &at)
}
