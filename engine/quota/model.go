package quota

import (
	"context"
	"errors"
	"time"

	"github.com/soulcaster/soulcaster/engine/embed"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/work"
)

type payerKey struct{}

// Charged has what a handler's work costs counted for the installation of its space.
func Charged(h work.Handler) work.Handler {
	return func(ctx context.Context, it work.Item) (again time.Time, err error) {
		return h(context.WithValue(ctx, payerKey{}, project.Installation(it.Space.Name())), it)
	}
}

// payer is the installation that the context's work is for, 0 if it is for none.
func payer(ctx context.Context) int64 {
	id, _ := ctx.Value(payerKey{}).(int64)
	return id
}

// Spent counts what something cost, in millionths of a US dollar, for whoever the
// context's work is for.
func (m *Meter) Spent(ctx context.Context, micros int64) {
	m.add(payer(ctx), func(c *counts) { c.micros += micros })
}

// afford is an [*embed.SpentError] if whoever the context's work is for has used up
// the month's money.
func (m *Meter) afford(ctx context.Context) error {
	id := payer(ctx)
	if id == 0 {
		return nil
	}
	uses, _, err := m.now(ctx, id)
	if err != nil {
		return err
	}
	for _, u := range uses {
		if u.Name == Money && u.level() == 100 {
			return &embed.SpentError{Until: u.Resets, Err: errors.New(u.Message)}
		}
	}
	return nil
}

// Embedder returns e for whoever can afford it.
func (m *Meter) Embedder(e embed.Embedder) embed.Embedder { return &embedder{e, m} }

type embedder struct {
	embed.Embedder
	meter *Meter
}

func (e *embedder) Embed(ctx context.Context, docs []embed.Document) ([][]float32, error) {
	if err := e.meter.afford(ctx); err != nil {
		return nil, err
	}
	return e.Embedder.Embed(ctx, docs)
}

// Asker asks a language model.
type Asker interface {
	Ask(ctx context.Context, system, user string, max int) (string, error)
}

// Asker returns a for whoever can afford it.
func (m *Meter) Asker(a Asker) Asker { return &asker{a, m} }

type asker struct {
	Asker
	meter *Meter
}

func (a *asker) Ask(ctx context.Context, system, user string, max int) (string, error) {
	if err := a.meter.afford(ctx); err != nil {
		return "", err
	}
	return a.Asker.Ask(ctx, system, user, max)
}
