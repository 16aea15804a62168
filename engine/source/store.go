package source

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Keys in an installation's space:
//
//	source/<id>   record: a source that was connected on the pages. What it has to
//	              know is sealed, of its API keys there are digests
//	sources       when one was connected last: those that connect one take turns,
//	              so that there are never more than MaxSources
const (
	prefix  = "source/"
	turnKey = "sources"
)

// Config is what a store of sources works with.
type Config struct {
	Table    Table // the server's file, which answers first
	Projects *project.Registry
	Keys     *secret.Keyring
	Log      *action.Log // in whose audit every change is
	Private  []string    // hosts that may be asked without TLS, by the operator's word

	// Rerouted adds to a batch what is due once feedback may have another route, or
	// none any more.
	Rerouted func(b *storage.Batch)
	// Republished adds what is due once another text may be quoted in public.
	Republished func(b *storage.Batch)
	// Asked adds what is due once a source that is asked from here, at Reddit or by
	// Sentry's API, is to be asked otherwise, or not any more; it may be nil.
	Asked func(b *storage.Batch, kind Kind, id string)

	Wake func(spaces ...string) // is told of spaces that have work due
	Now  func() time.Time
}

// Store is the sources of the server's file and those that people connected. It is
// safe for concurrent use, and keeps nothing in memory: what is taken back is taken
// back at once, in every replica.
type Store struct{ c Config }

// NewStore returns a store.
func NewStore(c Config) *Store {
	if c.Asked == nil {
		c.Asked = func(*storage.Batch, Kind, string) {}
	}
	return &Store{c}
}

// Source returns the source with the id, with the secrets that are good now; ErrNone
// if there is none.
func (s *Store) Source(ctx context.Context, id string) (*Source, error) {
	if src, err := s.c.Table.Source(ctx, id); err == nil {
		return src, nil
	}
	_, installation, ok := Owner(id)
	if !ok {
		return nil, ErrNone
	}
	home, got, err := s.load(ctx, installation, id)
	if err != nil {
		return nil, err
	}
	if err := got.open(s.c.Keys, home.Name()); err != nil {
		return nil, fmt.Errorf("read source %s: %w", id, err)
	}
	return &got.Source, nil
}

// Fixed are the sources of an installation that the server's file names.
func (s *Store) Fixed(installation int64) []*Source { return s.c.Table.Of(installation) }

// Get returns a source that an installation connected; ErrNone if it has no such
// source.
func (s *Store) Get(ctx context.Context, installation int64, id string) (Stored, error) {
	_, got, err := s.load(ctx, installation, id)
	return got, err
}

// List returns the sources that an installation connected, in order of their ids.
func (s *Store) List(ctx context.Context, installation int64) ([]Stored, error) {
	home, err := s.home(ctx, installation)
	if err != nil {
		return nil, err
	}
	entries, err := home.Scan(ctx, prefix, "", MaxSources)
	switch {
	case errors.Is(err, storage.ErrNoSpace):
		return nil, ErrNone
	case err != nil:
		return nil, fmt.Errorf("list sources: %w", err)
	}
	list := make([]Stored, len(entries))
	for i, e := range entries {
		if list[i], err = read(e, installation, s.c.Now()); err != nil {
			return nil, fmt.Errorf("list sources: %w", err)
		}
	}
	return list, nil
}

// Repositories are those that the sources of an installation feed, each once, in order.
func (s *Store) Repositories(ctx context.Context, installation int64) ([]string, error) {
	stored, err := s.List(ctx, installation)
	if err != nil {
		return nil, err
	}
	all := s.Fixed(installation)
	for i := range stored {
		all = append(all, &stored[i].Source)
	}
	return feeds(all...), nil
}

func (s *Store) load(ctx context.Context, installation int64, id string) (storage.Space, Stored, error) {
	// An id of another form could be another key.
	if _, owner, ok := Owner(id); !ok || owner != installation {
		return nil, Stored{}, ErrNone
	}
	home, err := s.home(ctx, installation)
	if err != nil {
		return nil, Stored{}, err
	}
	entries, err := home.Get(ctx, prefix+id)
	switch {
	case errors.Is(err, storage.ErrNoSpace):
		return nil, Stored{}, ErrNone
	case err != nil:
		return nil, Stored{}, fmt.Errorf("read source %s: %w", id, err)
	case !entries[0].Exists():
		return nil, Stored{}, ErrNone
	}
	got, err := read(entries[0], installation, s.c.Now())
	if err != nil {
		return nil, Stored{}, fmt.Errorf("read source %s: %w", id, err)
	}
	return home, got, nil
}

// home opens the space of an installation; ErrNone if there is no such installation.
func (s *Store) home(ctx context.Context, installation int64) (storage.Space, error) {
	home, err := s.c.Projects.Space(ctx, installation)
	if errors.Is(err, storage.ErrNoSpace) {
		return nil, ErrNone
	}
	return home, err
}
