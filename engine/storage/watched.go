package storage

import (
	"context"
	"fmt"
)

// Hook is told about a point that the program passes, such as
// "commit.before:p/101/web". What it returns, the program takes for the outcome.
type Hook func(ctx context.Context, point string) error

// Watched returns db with a hook around every change, so that a test can crash
// or fail the program there. The points are "commit.before", "commit.after",
// "drop.before" and "drop.after", each followed by ":" and the name of the
// space; the points after are passed only if the change happened. An error
// before means that nothing is changed. An error after is returned although all
// is changed, as when a store's reply is lost.
func Watched(db DB, hook Hook) DB { return &watchedDB{DB: db, hook: hook} }

type watchedDB struct {
	DB
	hook Hook
}

func (d *watchedDB) Create(ctx context.Context, name string) (Space, error) {
	return d.watch(d.DB.Create(ctx, name))
}

func (d *watchedDB) Open(ctx context.Context, name string) (Space, error) {
	return d.watch(d.DB.Open(ctx, name))
}

func (d *watchedDB) watch(s Space, err error) (Space, error) {
	if err != nil {
		return nil, err
	}
	return &watchedSpace{Space: s, hook: d.hook}, nil
}

func (d *watchedDB) Drop(ctx context.Context, name string) error {
	return d.hook.around(ctx, "drop", name, func() error { return d.DB.Drop(ctx, name) })
}

type watchedSpace struct {
	Space
	hook Hook
}

func (s *watchedSpace) Apply(ctx context.Context, b *Batch) error {
	return s.hook.around(ctx, "commit", s.Name(), func() error { return s.Space.Apply(ctx, b) })
}

func (h Hook) around(ctx context.Context, what, space string, change func() error) error {
	if err := h(ctx, what+".before:"+space); err != nil {
		return fmt.Errorf("before %s of %s: %w", what, space, err)
	}
	if err := change(); err != nil {
		return err
	}
	if err := h(ctx, what+".after:"+space); err != nil {
		return fmt.Errorf("after %s of %s: %w", what, space, err)
	}
	return nil
}
