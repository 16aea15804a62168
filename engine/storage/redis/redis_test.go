package redis_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/soulcaster/soulcaster/engine/storage"
	store "github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

func TestConformance(t *testing.T) {
	server := storagetest.Redis(t)
	storagetest.Run(t, func(t *testing.T) storage.DB {
		flush(t, server)
		return open(t, server.URL)
	})
}

func open(t testing.TB, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

// raw is a connection past the store, to look at what it does and to disturb it.
func raw(t testing.TB, addr string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { c.Close() })
	return c
}

func flush(t testing.TB, server *storagetest.RedisServer) {
	t.Helper()
	if err := raw(t, server.Addr).FlushAll(t.Context()).Err(); err != nil {
		t.Fatalf("empty the server: %v", err)
	}
}

func create(t *testing.T, db storage.DB, name string) storage.Space {
	t.Helper()
	s, err := db.Create(t.Context(), name)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	return s
}

func batch(build func(b *storage.Batch)) *storage.Batch {
	b := &storage.Batch{}
	build(b)
	return b
}

func get(t *testing.T, s storage.Space, key string) storage.Entry {
	t.Helper()
	e, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return e[0]
}
