package work

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// publishHints writes the hints of the spaces that were woken and rings the
// bell, until ctx is done, and then once more. What fails is not tried again
// here: the dispatcher looks at these spaces too, and corrects their hints.
func (q *Queue) publishHints(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-q.publish:
			q.publishOnce(ctx)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	q.publishOnce(last)
}

func (q *Queue) publishOnce(ctx context.Context) {
	q.mu.Lock()
	names := slices.Collect(maps.Keys(q.unpublished))
	clear(q.unpublished)
	q.mu.Unlock()
	for page := range slices.Chunk(names, hintPage) {
		if err := q.publishPage(ctx, page); err != nil {
			q.o.Log.Warn().Err(err).Msg("other processes were not told of new work; they find it later")
		}
	}
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
	return q.bell.Ring(ctx, names...) // without it, the next poll finds the hint
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
