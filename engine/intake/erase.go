package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Which says whose feedback is to be erased, or which.
type Which struct {
	Authors  []string // hashes of one person
	Feedback string   // or the id of one feedback
}

// wrote reports whether feedback is to go as a whole.
func (w Which) wrote(f *feedback.Feedback) bool {
	if f.Removed {
		return false
	}
	return f.ID == w.Feedback || f.Kind != feedback.Sentry && slices.Contains(w.Authors, f.Author)
}

// Found is what of a page of feedback is meant.
type Found struct {
	Reports  []string // ids of those that are to go as a whole
	Groups   []string // of error groups in which the person is one of many
	Clusters []string // that the reports are in
	After    string   // where the next page begins; "" if this was the last
}

// Find looks for what is meant among the next page of feedback of a project or, if held,
// among what is held in an installation's space.
func (in *Intake) Find(ctx context.Context, space storage.Space, held bool, w Which, after string) (Found, error) {
	prefix := prefixOf(held)
	if after != "" {
		after = prefix + after
	}
	entries, err := space.Scan(ctx, prefix, after, perBatch)
	if err != nil {
		return Found{}, fmt.Errorf("look for feedback: %w", err)
	}
	var found Found
	for _, entry := range entries {
		f, err := kept(entry, held)
		if err != nil {
			return Found{}, err
		}
		switch {
		case w.wrote(f):
			found.Reports = append(found.Reports, f.ID)
		case f.Forget(w.Authors):
			found.Groups = append(found.Groups, f.ID)
		}
		found.After = strings.TrimPrefix(entry.Key, prefix)
	}
	if len(entries) < perBatch {
		found.After = ""
	}
	if held || len(found.Reports) == 0 {
		return found, nil
	}
	places, err := in.where.Where(ctx, space, found.Reports...)
	if err != nil {
		return Found{}, fmt.Errorf("see where feedback is: %w", err)
	}
	for _, p := range places {
		if p.Cluster != "" && !slices.Contains(found.Clusters, p.Cluster) {
			found.Clusters = append(found.Clusters, p.Cluster)
		}
	}
	return found, nil
}

func prefixOf(held bool) string {
	if held {
		return heldPrefix
	}
	return feedbackPrefix
}

// Erase takes out what was found, as if it had been deleted at its source: all that is
// made of it becomes due. Of error groups, which are nobody's, the person is taken out.
func (in *Intake) Erase(ctx context.Context, space storage.Space, held bool, w Which, found Found) error {
	if err := in.takeOut(ctx, space, held, found.Reports); err != nil {
		return err
	}
	for _, id := range found.Groups {
		if err := in.forget(ctx, space, prefixOf(held)+id, held, w.Authors); err != nil {
			return err
		}
	}
	return nil
}

// kept is the feedback of an entry.
func kept(e storage.Entry, held bool) (*feedback.Feedback, error) {
	if held {
		var h Held
		return &h.Feedback, storage.GetJSON(e, &h)
	}
	f := new(feedback.Feedback)
	return f, storage.GetJSON(e, f)
}

// takeOut removes the text of feedback.
func (in *Intake) takeOut(ctx context.Context, space storage.Space, held bool, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	readings, at := make([]feedback.Reading, len(ids)), make([]int, len(ids))
	for i, id := range ids {
		readings[i], at[i] = feedback.Reading{Feedback: &feedback.Feedback{ID: id}, Removed: true}, i
	}
	answers := make([]Answer, len(ids))
	return in.alone(ctx, readings, at, func() error {
		if held {
			return in.holdIn(ctx, space, readings, at, answers)
		}
		return in.into(ctx, space, readings, at, answers)
	})
}

// forget takes a person out of an error group.
func (in *Intake) forget(ctx context.Context, space storage.Space, key string, held bool, authors []string) error {
	err := storage.ErrConflict
	for n := 0; n < tries && errors.Is(err, storage.ErrConflict); n++ {
		var entries []storage.Entry
		if entries, err = space.Get(ctx, key); err != nil {
			break
		}
		if !entries[0].Exists() {
			return nil
		}
		var f *feedback.Feedback
		if f, err = kept(entries[0], held); err != nil {
			return err
		}
		if !f.Forget(authors) {
			return nil
		}
		var value []byte
		if held {
			value, err = encodeHeld(f)
		} else {
			value, err = Encode(f)
		}
		if err != nil {
			return err
		}
		var b storage.Batch
		b.RequireEntry(entries[0])
		b.Set(key, value)
		err = space.Apply(ctx, &b)
	}
	if err != nil {
		return fmt.Errorf("take a person out of an error group: %w", err)
	}
	return nil
}
