package redis_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
	store "github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

func TestVolatileServerIsRefused(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings []string
		says     []string
	}{
		{"durable", nil, nil},
		{"limit without eviction", []string{"--maxmemory", "100mb", "--maxmemory-policy", "noeviction"}, nil},
		{"eviction without limit", []string{"--maxmemory", "0", "--maxmemory-policy", "allkeys-lru"}, nil},
		{"no append-only file", []string{"--appendonly", "no"}, []string{"appendonly yes"}},
		{"eviction", []string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, []string{"allkeys-lru", "noeviction"}},
		{"both", []string{"--appendonly", "no", "--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl"},
			[]string{"appendonly yes", "volatile-ttl"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := storagetest.Redis(t, c.settings...)
			db, err := store.Open(t.Context(), server.URL, store.Options{})
			var refused *store.VolatileError
			if errors.As(err, &refused) != (c.says != nil) || err == nil != (c.says == nil) {
				t.Fatalf("Open: %v", err)
			}
			for _, text := range c.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("Open: %v, want it to say %q", err, text)
				}
			}
			if err == nil {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
			db, err = store.Open(t.Context(), server.URL, store.Options{AllowVolatile: true})
			if err != nil {
				t.Fatalf("Open, when that is allowed: %v", err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	server := storagetest.Redis(t)
	client := raw(t, server.Addr)
	open(t, server.URL)
	if got, err := client.Get(t.Context(), "soulcaster:format").Int(); err != nil || got != storage.Format {
		t.Errorf("recorded format %d, %v, want %d", got, err, storage.Format)
	}
	for _, found := range []string{"0", "2", "two"} {
		if err := client.Set(t.Context(), "soulcaster:format", found, 0).Err(); err != nil {
			t.Fatal(err)
		}
		_, err := store.Open(t.Context(), server.URL, store.Options{})
		var format *storage.FormatError
		if err == nil || errors.As(err, &format) != (found != "two") {
			t.Errorf("Open of a store with format %s: %v", found, err)
		}
	}
}

func TestReplicaIsUnavailable(t *testing.T) {
	server := storagetest.Redis(t)
	db := open(t, server.URL)
	s := create(t, db, "s")
	client := raw(t, server.Addr)
	do := func(args ...any) {
		t.Helper()
		if err := client.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	set := func() error { return s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Set("k", nil) })) }
	do("REPLICAOF", "127.0.0.1", "1")
	if err := set(); !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "READONLY") {
		t.Errorf("Apply to a replica: %v", err)
	}
	do("CONFIG", "SET", "replica-serve-stale-data", "no")
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "MASTERDOWN") {
		t.Errorf("Get from a replica without its master: %v", err)
	}
	do("REPLICAOF", "NO", "ONE")
	if err := set(); err != nil {
		t.Errorf("Apply after the failover: %v", err)
	}
}

// TestFullMemory fills the server up to its limit: a batch is refused whole.
func TestFullMemory(t *testing.T) {
	server := storagetest.Redis(t)
	db := open(t, server.URL)
	s := create(t, db, "s")
	client := raw(t, server.Addr)
	limit := func(bytes string) {
		t.Helper()
		if err := client.ConfigSet(t.Context(), "maxmemory", bytes).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Set("old", nil) })); err != nil {
		t.Fatal(err)
	}
	limit("1")
	err := s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Delete("old"); b.Set("new", nil) }))
	if !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("Apply: %v", err)
	}
	if !get(t, s, "old").Exists() || get(t, s, "new").Exists() {
		t.Error("a batch that was refused happened in part")
	}
	limit("0")
	if err := s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Delete("old"); b.Set("new", nil) })); err != nil {
		t.Errorf("Apply with room again: %v", err)
	}
}

// TestRegistryIsRepaired leaves behind what a crash between two steps would.
func TestRegistryIsRepaired(t *testing.T) {
	server := storagetest.Redis(t)
	db := open(t, server.URL)
	client := raw(t, server.Addr)
	names := func() []string {
		t.Helper()
		got, err := client.ZRange(t.Context(), "soulcaster:registry:{registry}:names", 0, -1).Result()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	list := func() []string {
		t.Helper()
		got, err := db.List(t.Context(), "", "", 10)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}

	for _, name := range []string{"dead", "living"} {
		create(t, db, name)
	}
	// Dropped, but not yet taken off the list.
	if err := client.Del(t.Context(), "soulcaster:{dead}:meta").Err(); err != nil {
		t.Fatal(err)
	}
	if got := list(); !slices.Equal(got, []string{"living"}) {
		t.Errorf("List = %q", got)
	}
	if got := names(); !slices.Equal(got, []string{"living"}) {
		t.Errorf("the registry still holds %q", got)
	}

	// Made, but not yet listed.
	for _, key := range []string{"names", "nonces"} {
		if err := client.Del(t.Context(), "soulcaster:registry:{registry}:"+key).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.HDel(t.Context(), "soulcaster:{living}:meta", "listed").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Open(t.Context(), "living"); err != nil {
		t.Fatal(err)
	}
	if got := list(); !slices.Equal(got, []string{"living"}) {
		t.Errorf("List = %q after the space was opened", got)
	}
}

// TestNothingIsLeft drops a space and looks for remains, past the store.
func TestNothingIsLeft(t *testing.T) {
	server := storagetest.Redis(t)
	db := open(t, server.URL)
	s := create(t, db, "gone")
	if err := s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Set("k", []byte("v")) })); err != nil {
		t.Fatal(err)
	}
	if err := db.Drop(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	_ = s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Set("k", []byte("v")) }))
	left, err := raw(t, server.Addr).Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range left {
		if key != "soulcaster:format" && !strings.Contains(key, ":done:") {
			t.Errorf("%s is left", key)
		}
	}
}
