package work

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

const hintPrefix = "hint/"

// hintPage is how many hints are read, and how many written, at a time.
const hintPage = 400

// hint is the value of a hint entry.
type hint struct {
	At time.Time `json:"at,omitzero"`
}

// hintable reports whether there can be a hint about a space.
func hintable(space string) bool { return storage.CheckKey(hintPrefix+space) == nil }

// readHint returns the hint about a space.
func (q *Queue) readHint(ctx context.Context, space string) (storage.Entry, error) {
	app, err := q.appSpace(ctx)
	if err != nil {
		return storage.Entry{}, err
	}
	es, err := app.Get(ctx, hintPrefix+space)
	if err != nil {
		return storage.Entry{}, q.appError("read hint", err)
	}
	return es[0], nil
}

// writeHint replaces the hint that was read by one for the time, or by none. If
// it changed meanwhile, whoever changed it knows better.
func (q *Queue) writeHint(ctx context.Context, read storage.Entry, at *time.Time) error {
	app, err := q.appSpace(ctx)
	if err != nil {
		return err
	}
	var b storage.Batch
	b.RequireEntry(read)
	if at == nil {
		b.Delete(read.Key)
	} else {
		b.SetJSON(read.Key, hint{At: *at})
	}
	if err := app.Apply(ctx, &b); err != nil && !errors.Is(err, storage.ErrConflict) {
		return q.appError("write hint", err)
	}
	return nil
}

// scanHints returns the hints after a key, at most hintPage.
func (q *Queue) scanHints(ctx context.Context, after string) ([]storage.Entry, error) {
	app, err := q.appSpace(ctx)
	if err != nil {
		return nil, err
	}
	es, err := app.Scan(ctx, hintPrefix, after, hintPage)
	if err != nil {
		return nil, q.appError("read hints", err)
	}
	return es, nil
}

// appSpace opens the space of the hints, making it if there is none.
func (q *Queue) appSpace(ctx context.Context) (storage.Space, error) {
	q.mu.Lock()
	app := q.app
	q.mu.Unlock()
	if app != nil {
		return app, nil
	}
	app, err := q.db.Create(ctx, project.AppSpace)
	if err != nil {
		return nil, fmt.Errorf("open the app's space: %w", err)
	}
	q.mu.Lock()
	q.app = app
	q.mu.Unlock()
	return app, nil
}

// appError tells an app's space that was dropped, which is made again, from the
// end of the tenant that the caller works for.
func (q *Queue) appError(what string, err error) error {
	if errors.Is(err, storage.ErrNoSpace) {
		q.mu.Lock()
		q.app = nil
		q.mu.Unlock()
		return fmt.Errorf("%s: the app's space is gone: %w", what, storage.ErrUnavailable)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Unhint removes from the app's space what it says of a space that is gone and of those
// whose names begin with below, and reports whether there was anything.
func Unhint(ctx context.Context, app storage.Space, gone, below string) (there bool, err error) {
	es, err := app.Get(ctx, hintPrefix+gone)
	for err == nil {
		var b storage.Batch
		for _, e := range es {
			if e.Exists() {
				there = true
				b.Delete(e.Key)
			}
		}
		if err = app.Apply(ctx, &b); err == nil {
			es, err = app.Scan(ctx, hintPrefix+below, "", hintPage)
		}
		if err == nil && len(es) == 0 {
			return there, nil
		}
	}
	return there, fmt.Errorf("remove hints: %w", err)
}

// Announce tells the processes that work on a store that something became due in a space,
// from one that does not work itself. What is not heard is found by their sweep.
func Announce(ctx context.Context, app storage.Space, bell storage.Bell, space string) error {
	if !hintable(space) {
		return nil
	}
	var b storage.Batch
	b.SetJSON(hintPrefix+space, hint{})
	if err := app.Apply(ctx, &b); err != nil {
		return fmt.Errorf("write hint: %w", err)
	}
	return bell.Ring(ctx, space)
}
