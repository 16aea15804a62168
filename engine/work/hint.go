package work

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// publishHints writes the hints of the spaces that were woken and rings the
// bell, until ctx is done; what is left then gets one more try.
func (q *Queue) publishHints(ctx context.Context) {
	wait := minPause
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			if err := q.publishOnce(last); err != nil {
				q.o.Log.Warn().Err(err).Msg("hints of new work were not written; a sweep finds it")
			}
			return
		case <-q.publish:
		}
		if err := q.publishOnce(ctx); err != nil {
			pause(ctx, wait)
			wait = min(2*wait, maxPause)
			signal(q.publish)
			continue
		}
		wait = minPause
	}
}

func (q *Queue) publishOnce(ctx context.Context) error {
	q.mu.Lock()
	names := slices.Collect(maps.Keys(q.unpublished))
	clear(q.unpublished)
	q.mu.Unlock()
	for len(names) > 0 {
		page := names[:min(len(names), hintPage)]
		if err := q.publishPage(ctx, page); err != nil {
			q.mu.Lock()
			for _, n := range names {
				q.unpublished[n] = struct{}{}
			}
			q.mu.Unlock()
			return err
		}
		names = names[len(page):]
	}
	return nil
}

func (q *Queue) publishPage(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	app, err := q.appSpace(ctx)
	if err != nil {
		return err
	}
	var b storage.Batch
	for _, n := range names {
		b.SetJSON(hintPrefix+n, hint{})
	}
	if err := app.Apply(ctx, &b); err != nil {
		return q.appError("write hints", err)
	}
	if q.bell == nil {
		return nil
	}
	if err := q.bell.Ring(ctx, names...); err != nil {
		// The hint is there: the next poll of the others finds it.
		q.o.Log.Debug().Err(err).Msg("bell not rung")
	}
	return nil
}

// listen has the dispatcher look wherever the bell rings.
func (q *Queue) listen(ctx context.Context) {
	for q.bell != nil && ctx.Err() == nil {
		err := q.bell.Listen(ctx, q.look)
		if ctx.Err() != nil {
			return
		}
		q.o.Log.Warn().Err(err).Msg("the bell is out of order; new work of other processes is found by polling")
		pause(ctx, q.o.Poll)
	}
}

// sweepSpaces looks for due work in all spaces, at once and then every so often,
// whatever the hints say.
func (q *Queue) sweepSpaces(ctx context.Context) {
	for ctx.Err() == nil {
		wait := q.o.Sweep
		if err := q.sweepOnce(ctx); err != nil && ctx.Err() == nil {
			q.o.Log.Warn().Err(err).Msg("sweep for due work failed; it is tried again")
			wait = min(wait, q.o.Poll)
		}
		pause(ctx, wait)
	}
}

func (q *Queue) sweepOnce(ctx context.Context) error {
	for after := ""; ; {
		names, err := q.listSpaces(ctx, after)
		if err != nil {
			return fmt.Errorf("list spaces: %w", err)
		}
		for _, name := range names {
			found, err := q.hasDue(ctx, name)
			if err != nil {
				return fmt.Errorf("sweep %s: %w", name, err)
			}
			if found {
				q.look(name)
			}
		}
		if len(names) < hintPage {
			return nil
		}
		after = names[len(names)-1]
	}
}

func (q *Queue) listSpaces(ctx context.Context, after string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return q.db.List(ctx, "", after, hintPage)
}

func (q *Queue) hasDue(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	space, err := q.db.Open(ctx, name)
	if err == nil {
		var es []storage.Entry
		if es, err = space.Scan(ctx, duePrefix, "", 1); err == nil {
			return len(es) > 0, nil
		}
	}
	if errors.Is(err, storage.ErrNoSpace) {
		return false, nil
	}
	return false, err
}
