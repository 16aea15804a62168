package quota_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

// open is a taker that takes everything, at no cost.
type open struct{ quota.Taker }

func (open) Take(_ context.Context, _ *source.Source, readings []feedback.Reading) ([]intake.Answer, error) {
	return []intake.Answer{{Status: intake.Accepted}}, nil
}

// BenchmarkDoor is what counting adds to a request.
func BenchmarkDoor(b *testing.B) {
	db, err := bolt.Open(b.Context(), filepath.Join(b.TempDir(), "x.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	projects := project.NewRegistry(db, nil, nil)
	if _, err := projects.Install(b.Context(), acme); err != nil {
		b.Fatal(err)
	}
	door := quota.New(quota.Config{
		Projects: projects, Limits: func(int64) quota.Limits {
			return quota.Limits{Reports: 1 << 40, Clusters: 10, Bytes: 1 << 60, Micros: 1}
		},
		Wake: func(...string) {}, Log: zerolog.Nop(), Now: time.Now,
	}).Door(open{})
	readings := []feedback.Reading{{Feedback: &feedback.Feedback{Title: "x"}}}
	src := &source.Source{Installation: acme}
	for b.Loop() {
		if _, err := door.Take(b.Context(), src, readings); err != nil {
			b.Fatal(err)
		}
	}
}
