package traffic

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

const (
	// every is how often what was counted is written.
	every = 2 * time.Second
	// flushWithin bounds one writing of it.
	flushWithin = 10 * time.Second
	// endWithin bounds the last one.
	endWithin = time.Second
	// maxSubjects bounds how many sources and projects are counted between two
	// writings. What is beyond is not counted, and that is logged.
	maxSubjects = 10_000
	// atOnce is how many spaces are written to at once, and perBatch how many
	// records in one batch.
	atOnce   = 8
	perBatch = 25
	tries    = 10
)

// Event is something that happened at a source.
type Event struct {
	Counts
	Reason    string // why something was rejected; of several reasons, the first
	Status    int    // that the request was answered with
	RequestID string
}

// subject is what is counted: a key in a space.
type subject struct{ space, key string }

// DB opens spaces.
type DB interface {
	Open(ctx context.Context, name string) (storage.Space, error)
}

// Traffic counts. It is safe for concurrent use.
type Traffic struct {
	db  DB
	now func() time.Time

	mu      sync.Mutex
	pending map[subject]*Record
	lost    int // events that were not counted
}

// New returns a Traffic that writes to the store's spaces. [Traffic.Run] does.
func New(db DB, now func() time.Time) *Traffic {
	return &Traffic{db: db, now: now, pending: make(map[subject]*Record)}
}

// Source counts something that happened at a source that is there.
func (t *Traffic) Source(installation int64, id string, e Event) {
	e.Reason, e.RequestID = clip(e.Reason, maxReason), clip(e.RequestID, maxRequestID)
	t.count(subject{project.InstallationSpace(installation), sourcePrefix + id}, e)
}

func clip(s string, most int) string {
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}

// Project counts what came to the project of a space.
func (t *Traffic) Project(space string, c Counts) {
	t.count(subject{space, projectKey}, Event{Counts: c})
}

func (t *Traffic) count(of subject, e Event) {
	if e.Counts == (Counts{}) {
		return
	}
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.pending[of]
	if r == nil {
		if len(t.pending) >= maxSubjects {
			t.lost++
			return
		}
		r = new(Record)
		t.pending[of] = r
	}
	r.add(now, e)
}

// Run writes what was counted every few seconds until ctx ends, and then once more.
func (t *Traffic) Run(ctx context.Context) {
	log := zerolog.Ctx(ctx)
	tick := time.NewTicker(every)
	defer tick.Stop()
	away := false // said already
	for {
		within, last := flushWithin, false
		select {
		case <-tick.C:
		case <-ctx.Done():
			within, last = endWithin, true
		}
		writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
		err := t.Flush(writing)
		cancel()
		switch {
		case last && err != nil:
			log.Warn().Err(err).Msg("the last figures of what arrived could not be written and are lost; the feedback itself is stored")
		case err != nil && !away:
			log.Warn().Err(err).Msg("the figures of what arrived cannot be written now; they are kept in memory")
		}
		if away = err != nil; last {
			return
		}
	}
}

// Flush writes what was counted. What could not be written is kept for the next time.
func (t *Traffic) Flush(ctx context.Context) error {
	t.mu.Lock()
	pending, lost := t.pending, t.lost
	t.pending, t.lost = make(map[subject]*Record), 0
	t.mu.Unlock()
	if lost > 0 {
		zerolog.Ctx(ctx).Warn().Int("events", lost).Msg("more sources and projects were busy than are counted at once")
	}
	spaces := make(map[string]map[string]*Record)
	for of, r := range pending {
		if spaces[of.space] == nil {
			spaces[of.space] = make(map[string]*Record)
		}
		spaces[of.space][of.key] = r
	}
	var wg sync.WaitGroup
	places := make(chan struct{}, atOnce)
	failed := make(chan error, len(spaces))
	for name, records := range spaces {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			if err := t.write(ctx, name, records); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed // the first; a store that is away says the same to all
}

// write merges records into a space, by key.
func (t *Traffic) write(ctx context.Context, name string, records map[string]*Record) error {
	space, err := t.db.Open(ctx, name)
	for err == nil && len(records) > 0 {
		some := make([]string, 0, perBatch)
		for key := range records {
			if some = append(some, key); len(some) == perBatch {
				break
			}
		}
		if err = merge(ctx, space, some, records); err == nil {
			for _, key := range some {
				delete(records, key)
			}
		}
	}
	if err == nil || errors.Is(err, storage.ErrNoSpace) {
		return nil // the tenant is gone, and what it was with it
	}
	t.back(name, records)
	return fmt.Errorf("write traffic: %w", err)
}

func merge(ctx context.Context, space storage.Space, keys []string, records map[string]*Record) (err error) {
	for range tries {
		var entries []storage.Entry
		if entries, err = space.Get(ctx, keys...); err != nil {
			return err
		}
		var b storage.Batch
		for _, e := range entries {
			var r Record
			if err := storage.GetJSON(e, &r); err != nil {
				return err
			}
			r.merge(*records[e.Key])
			b.RequireEntry(e)
			b.SetJSON(e.Key, r)
		}
		if err = space.Apply(ctx, &b); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return err
}

// back keeps what could not be written.
func (t *Traffic) back(space string, records map[string]*Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, r := range records {
		of := subject{space, key}
		switch now := t.pending[of]; {
		case now != nil:
			now.merge(*r)
		case len(t.pending) < maxSubjects:
			t.pending[of] = r
		default:
			t.lost++
		}
	}
}
