package backfill

import (
	"context"

	"github.com/soulcaster/soulcaster/engine/source"
)

type found struct{ Sources }

func (f found) Source(ctx context.Context, id string) (*source.Source, bool) {
	s, err := f.Sources.Source(ctx, id)
	return s, err == nil
}
