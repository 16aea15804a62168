package storagetest_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

// BenchmarkApply measures small batches (two sets of 200 bytes and a
// precondition) on every store. Each is synced to disk before it is answered,
// but for "redis-everysec". One operation is one batch.
func BenchmarkApply(b *testing.B) {
	for _, store := range []struct {
		name string
		open func(b *testing.B) storage.DB
	}{
		{"bolt", func(b *testing.B) storage.DB {
			db, err := bolt.Open(b.Context(), filepath.Join(b.TempDir(), "store.db"))
			return opened(b, db, err)
		}},
		{"redis-always", func(b *testing.B) storage.DB {
			db, err := redis.Open(b.Context(), storagetest.Redis(b).URL, redis.Options{})
			return opened(b, db, err)
		}},
		{"redis-everysec", func(b *testing.B) storage.DB {
			db, err := redis.Open(b.Context(), storagetest.Redis(b, "--appendfsync", "everysec").URL, redis.Options{})
			return opened(b, db, err)
		}},
	} {
		for _, clients := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/clients=%d", store.name, clients), func(b *testing.B) {
				s, err := store.open(b).Create(b.Context(), "bench")
				if err != nil {
					b.Fatal(err)
				}
				b.ResetTimer()
				var next atomic.Int64
				var wg sync.WaitGroup
				for range clients {
					wg.Go(func() {
						for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
							if err := applySmall(b, s, i); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "batches/s")
			})
		}
	}
}

func opened(b *testing.B, db storage.DB, err error) storage.DB {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return db
}

func applySmall(b *testing.B, s storage.Space, i int64) error {
	var batch storage.Batch
	key := fmt.Sprintf("item/%09d", i)
	batch.Require(key, 0)
	batch.Set(key, make([]byte, 200))
	batch.Set(fmt.Sprintf("due/%09d", i%1000), make([]byte, 200))
	return s.Apply(b.Context(), &batch)
}
