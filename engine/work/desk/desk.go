// Package desk is where the operator sees and changes the work of all spaces: what is
// due, what waits, what was given up.
package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Desk works on a store, whether an app runs on it or not.
type Desk struct {
	DB   storage.DB
	Log  *action.Log
	Wake func(ctx context.Context, space string) // is told of a space that has work due
}

// ErrKey says that a text is no key of work: it begins with the name of a space.
var ErrKey = errors.New("want a key as the list shows it: app/…, i/INSTALLATION/… or p/INSTALLATION/PROJECT/…")

// Key names work among that of all spaces.
func Key(space, key string) string { return space + "/" + key }

// split finds the space and the key in it.
func split(full string) (space, key string, err error) {
	parts := 1 // of the space's name
	switch {
	case strings.HasPrefix(full, "i/"):
		parts = 2
	case strings.HasPrefix(full, "p/"):
		parts = 3
	case !strings.HasPrefix(full, project.AppSpace+"/"):
		return "", "", fmt.Errorf("%q: %w", full, ErrKey)
	}
	all := strings.SplitN(full, "/", parts+1)
	if len(all) <= parts || all[parts] == "" {
		return "", "", fmt.Errorf("%q: %w", full, ErrKey)
	}
	return strings.Join(all[:parts], "/"), all[parts], nil
}

// page is how much is read at once.
const page = 250

// List calls do for all work, space by space: what was given up, then what is due, now or
// later. Keys are those of all spaces.
func (d *Desk) List(ctx context.Context, do func(work.Status) error) error {
	for after := ""; ; {
		names, err := d.DB.List(ctx, "", after, page)
		if err != nil {
			return fmt.Errorf("list spaces: %w", err)
		}
		for _, name := range names {
			after = name
			space, err := d.DB.Open(ctx, name)
			if err == nil {
				err = list(ctx, space, do)
			}
			if err != nil && !errors.Is(err, storage.ErrNoSpace) { // it went meanwhile
				return err
			}
		}
		if len(names) < page {
			return nil
		}
	}
}

func list(ctx context.Context, space storage.Space, do func(work.Status) error) error {
	for _, read := range []func(context.Context, storage.Space, string, int) ([]work.Status, error){work.ListDead, work.List} {
		for after := ""; ; {
			some, err := read(ctx, space, after, page)
			if err != nil {
				return err
			}
			for _, s := range some {
				after = s.Key
				s.Key = Key(space.Name(), s.Key)
				if err := do(s); err != nil {
					return err
				}
			}
			if len(some) < page {
				break
			}
		}
	}
	return nil
}

// open finds the space that a key is in; work.ErrNotFound if there is none.
func (d *Desk) open(ctx context.Context, full string) (storage.Space, string, error) {
	name, key, err := split(full)
	if err != nil {
		return nil, "", err
	}
	space, err := d.DB.Open(ctx, name)
	if errors.Is(err, storage.ErrNoSpace) || errors.Is(err, storage.ErrInvalid) {
		return nil, "", fmt.Errorf("%w: %s", work.ErrNotFound, full)
	}
	return space, key, err
}

// Get returns what is known of one key; work.ErrNotFound if there is no such work.
func (d *Desk) Get(ctx context.Context, full string) (work.Status, error) {
	space, key, err := d.open(ctx, full)
	if err != nil {
		return work.Status{}, err
	}
	s, err := work.Get(ctx, space, key)
	s.Key = full
	return s, err
}

// Retry has work done at once, with its tries forgotten; work.ErrNotFound if there is
// none.
func (d *Desk) Retry(ctx context.Context, full string) error {
	return d.change(ctx, full, "work.retry", work.Retry)
}

// Drop forgets work; work.ErrNotFound if there is none.
func (d *Desk) Drop(ctx context.Context, full string) error {
	return d.change(ctx, full, "work.drop", work.Drop)
}

func (d *Desk) change(ctx context.Context, full, kind string, do func(context.Context, storage.Space, string, ...work.Also) error) error {
	space, key, err := d.open(ctx, full)
	if err != nil {
		return err
	}
	err = do(ctx, space, key, func(b *storage.Batch) error {
		return d.Log.Note(b, action.Action{Key: kind, Kind: kind, Subject: key, By: "the operator", Why: "asked for on the command line"})
	})
	if err != nil {
		return err
	}
	d.Wake(ctx, space.Name())
	return nil
}
