package quota

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// WalkWork is the key of due work, in an installation's space, that says that its
// bytes are to be counted.
const WalkWork = "quota"

const progressKey = "quota-walk"

const (
	walkPage  = 100 // entries
	walkPages = 200 // of a turn
	walkTime  = 30 * time.Second
	walkEvery = 24 * time.Hour
	walkFull  = time.Hour // at the limit: it may be less by now
)

// progress is how far a walk is.
type progress struct {
	Space string `json:"space,omitempty"` // name; "" before the first
	After string `json:"after,omitempty"` // key there
	Bytes int64  `json:"bytes"`
	Since int64  `json:"since"` // of used, when the walk began: what the walk finds holds it
}

// Walk is the handler of that work.
func (m *Meter) Walk(ctx context.Context, it work.Item) (time.Time, error) {
	id := project.Installation(it.Space.Name())
	entries, err := it.Space.Get(ctx, progressKey, usedKey)
	if err != nil {
		return time.Time{}, fmt.Errorf("read how far the walk is: %w", err)
	}
	var p progress
	var is used
	if err := errors.Join(storage.GetJSON(entries[0], &p), storage.GetJSON(entries[1], &is)); err != nil {
		return time.Time{}, err
	}
	if !entries[0].Exists() {
		p.Since = is.Since
	}
	names, err := m.Projects.Projects(ctx, id)
	if err != nil {
		return time.Time{}, err
	}
	began, pages := m.Now(), 0
	for _, name := range append([]string{it.Space.Name()}, names...) { // which is their order
		if name < p.Space {
			continue
		}
		if name > p.Space {
			p.Space, p.After = name, ""
		}
		for {
			if pages++; pages > walkPages || m.Now().Sub(began) > walkTime {
				var b storage.Batch
				b.RequireEntry(entries[0])
				b.SetJSON(progressKey, p)
				if err := it.Space.Apply(ctx, &b); err != nil {
					return time.Time{}, fmt.Errorf("write how far the walk is: %w", err)
				}
				return m.Now(), nil
			}
			more, err := m.page(ctx, &p)
			if err != nil {
				return time.Time{}, err
			}
			if !more {
				break
			}
		}
	}
	return m.walked(ctx, it.Space, id, p)
}

// page counts the next page of a space, and reports whether there may be another.
func (m *Meter) page(ctx context.Context, p *progress) (more bool, err error) {
	space, err := m.Projects.Open(ctx, p.Space)
	var entries []storage.Entry
	if err == nil {
		entries, err = space.Scan(ctx, "", p.After, walkPage)
	}
	if errors.Is(err, storage.ErrNoSpace) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("count bytes of %s: %w", p.Space, err)
	}
	for _, e := range entries {
		p.Bytes += int64(len(e.Key) + len(e.Value))
		p.After = e.Key
	}
	return len(entries) == walkPage, nil
}

// walked writes what a walk found, and says when the next one is due.
func (m *Meter) walked(ctx context.Context, home storage.Space, id int64, p progress) (time.Time, error) {
	err := storage.ErrConflict
	for n := 0; n < 4*tries && errors.Is(err, storage.ErrConflict); n++ {
		var entries []storage.Entry
		if entries, err = home.Get(ctx, usedKey); err != nil {
			break
		}
		var is used
		if err = storage.GetJSON(entries[0], &is); err != nil {
			break
		}
		is.Stored, is.Since, is.Walked = p.Bytes, max(0, is.Since-p.Since), m.Now().UTC()
		var b storage.Batch
		b.RequireEntry(entries[0])
		b.SetJSON(usedKey, is)
		b.Delete(progressKey)
		err = home.Apply(ctx, &b)
	}
	if errors.Is(err, storage.ErrConflict) {
		return m.Now(), nil // busy: what was counted so far is counted again
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("write what a walk found: %w", err)
	}
	if limit := m.Limits(id).Bytes; limit > 0 && p.Bytes >= limit {
		return m.Now().Add(walkFull), nil
	}
	return m.Now().Add(walkEvery), nil
}
