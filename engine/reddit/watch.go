package reddit

import (
	"context"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// What its author deletes at Reddit has to go here too, so what was taken in is
// looked at again, a hundred posts with one request: all of it once a day.
const (
	// maxWatched is how many posts of a source are looked at again, the newest.
	maxWatched = 20_000
	round      = 24 * time.Hour
	// perTurn is how many hundreds are looked at in one turn.
	perTurn = 5
	// missingTwice is how many rounds in a row Reddit has to say nothing about a
	// post before it counts as deleted: it may be Reddit that is in trouble.
	missingTwice = 2
)

// watched is a post that is looked at again.
type watched struct {
	Missing int `json:"missing,omitempty"` // rounds in which Reddit said nothing about it
}

// Watch remembers that things were taken in for a source, so that they are looked
// at again. It returns how many are new.
func Watch(ctx context.Context, home storage.Space, source string, names ...string) (n int, err error) {
	for len(names) > 0 {
		some := names[:min(len(names), MaxThings)]
		names = names[len(some):]
		keys := make([]string, 0, len(some))
		for _, name := range some {
			if fullname.MatchString(name) {
				keys = append(keys, watchPrefix(source)+age(name))
			}
		}
		if len(keys) == 0 {
			continue
		}
		entries, err := home.Get(ctx, keys...)
		if err != nil {
			return n, fmt.Errorf("remember what was taken in: %w", err)
		}
		var b storage.Batch
		for _, e := range entries {
			if !e.Exists() {
				b.SetJSON(e.Key, watched{})
				n++
			}
		}
		if err := home.Apply(ctx, &b); err != nil {
			return n, fmt.Errorf("remember what was taken in: %w", err)
		}
	}
	return n, nil
}

// again goes on with the round of looking at what was taken in.
func (t *turn) again(ctx context.Context) error {
	if t.state.At == "" {
		if t.now.Sub(t.state.Round) < round {
			return nil
		}
		t.state.Round, t.state.Watched = t.now, 0
	}
	prefix := watchPrefix(t.src.ID)
	for range perTurn {
		entries, err := t.space.Scan(ctx, prefix, t.state.At, MaxThings)
		if err != nil {
			return fmt.Errorf("list what is looked at again: %w", err)
		}
		if err := t.lookAt(ctx, entries, prefix); err != nil {
			return err
		}
		if len(entries) < MaxThings {
			t.state.At = ""
			return t.trim(ctx, prefix)
		}
		t.state.At = entries[len(entries)-1].Key
		if err := t.save(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lookAt asks what some posts are now, and stores that.
func (t *turn) lookAt(ctx context.Context, entries []storage.Entry, prefix string) error {
	if len(entries) == 0 {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = named(e.Key[len(prefix):])
	}
	l, err := t.reddit.About(ctx, names)
	if err != nil {
		return err
	}
	readings, err := t.readings(l)
	if err != nil {
		return err
	}
	told := make(map[string]bool, len(l.Names))
	for _, n := range l.Names {
		told[n] = true
	}
	removed := make(map[string]bool)
	for _, r := range readings {
		removed[r.Feedback.External] = r.Removed
	}
	var b storage.Batch
	for i, e := range entries {
		var w watched
		if err := storage.GetJSON(e, &w); err != nil {
			return err
		}
		switch {
		case removed[names[i]]:
			b.Delete(e.Key)
			continue
		case told[names[i]]:
			if w.Missing > 0 {
				b.SetJSON(e.Key, watched{})
			}
		default:
			if w.Missing++; w.Missing >= missingTwice {
				readings = append(readings, t.p.c.Reader(t.src).RedditGone(names[i]))
				b.Delete(e.Key)
				continue
			}
			b.SetJSON(e.Key, w)
		}
		t.state.Watched++
	}
	// What is deleted goes first; that it need not be looked at any more is noted
	// after that.
	if len(readings) > 0 {
		if _, err := t.p.c.Taker.Take(ctx, t.src, keep(readings)); err != nil {
			return err
		}
	}
	if err := t.space.Apply(ctx, &b); err != nil {
		return fmt.Errorf("remember what was looked at again: %w", err)
	}
	return nil
}

// keep are the readings as changes of what is known: what is not stored any more,
// because it was erased here, does not come back.
func keep(readings []feedback.Reading) []feedback.Reading {
	for i := range readings {
		readings[i].StateOnly = true
	}
	return readings
}

// trim forgets the oldest of what is looked at again, if it is too much.
func (t *turn) trim(ctx context.Context, prefix string) error {
	for t.state.Watched > maxWatched {
		entries, err := t.space.Scan(ctx, prefix, "", min(400, t.state.Watched-maxWatched))
		if err != nil {
			return fmt.Errorf("list what is looked at again: %w", err)
		}
		var b storage.Batch
		for _, e := range entries {
			b.Delete(e.Key)
		}
		if err := t.space.Apply(ctx, &b); err != nil {
			return fmt.Errorf("forget the oldest of what is looked at again: %w", err)
		}
		t.state.Watched -= max(len(entries), 1)
	}
	return nil
}
