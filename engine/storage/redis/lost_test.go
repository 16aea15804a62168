package redis_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
	store "github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

// viaProxy opens a store through a proxy, its scripts known to the server.
func viaProxy(t *testing.T) (*store.DB, *storagetest.Proxy, *storagetest.RedisServer) {
	t.Helper()
	server := storagetest.Redis(t)
	proxy := storagetest.NewProxy(t, server.Addr)
	return open(t, "redis://"+proxy.Addr), proxy, server
}

// TestLostReplies loses the reply to each call, once and more often, after the
// server did what it was asked.
func TestLostReplies(t *testing.T) {
	t.Parallel()
	db, proxy, _ := viaProxy(t)
	for _, times := range []int{1, 2, 3} {
		lose := func() { proxy.DropReplies(times, "evalsha") }
		lost := func(what string) {
			t.Helper()
			if got := proxy.Lost(); got != times {
				t.Errorf("%s: %d replies were lost, want %d", what, got, times)
			}
			proxy.DropReplies(0, "")
		}

		lose()
		s := create(t, db, "s")
		lost("Create")

		lose()
		if err := s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Require("k", 0); b.Set("k", []byte("v")) })); err != nil {
			t.Errorf("a batch that was applied, its reply lost %d times: %v", times, err)
		}
		lost("Apply")
		first := get(t, s, "k")
		if string(first.Value) != "v" {
			t.Errorf("k = %q", first.Value)
		}

		lose()
		err := s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Require("k", 0); b.Set("k", []byte("w")) }))
		if !errors.Is(err, storage.ErrConflict) {
			t.Errorf("a conflict, its reply lost %d times: %v", times, err)
		}
		lost("Apply in conflict")

		if err := s.Apply(t.Context(), batch(func(b *storage.Batch) { b.RequireEntry(first); b.Set("k", []byte("x")) })); err != nil {
			t.Fatalf("Apply: %v", err)
		}
		if e := get(t, s, "k"); e.Version != first.Version+1 {
			t.Errorf("version went from %d to %d: something was applied twice", first.Version, e.Version)
		}

		lose()
		if e := get(t, s, "k"); string(e.Value) != "x" {
			t.Errorf("Get, its reply lost: %q", e.Value)
		}
		lost("Get")
		lose()
		if e, err := s.Scan(t.Context(), "", "", 10); err != nil || len(e) != 1 {
			t.Errorf("Scan, its reply lost: %v, %v", e, err)
		}
		lost("Scan")
		lose()
		if names, err := db.List(t.Context(), "", "", 10); err != nil || len(names) != 1 {
			t.Errorf("List, its reply lost: %v, %v", names, err)
		}
		lost("List")
		lose()
		if err := db.Drop(t.Context(), "s"); err != nil {
			t.Errorf("Drop, its reply lost: %v", err)
		}
		lost("Drop")
		if _, err := db.Open(t.Context(), "s"); !errors.Is(err, storage.ErrNoSpace) {
			t.Errorf("Open of a dropped space: %v", err)
		}
	}
}

// TestRepliesLostForGood ends in the answer that nothing is known.
func TestRepliesLostForGood(t *testing.T) {
	t.Parallel()
	db, proxy, _ := viaProxy(t)
	s := create(t, db, "s")
	proxy.DropReplies(1000, "evalsha")
	if err := s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Set("k", nil) })); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("Apply: %v, want ErrUnavailable", err)
	}
	if n := proxy.Lost(); n < 2 || n > 5 {
		t.Errorf("asked %d times, want a few", n)
	}

	// Nor does it keep asking after its caller has gone.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := s.Apply(ctx, batch(func(b *storage.Batch) { b.Set("k", nil) }))
	if !errors.Is(err, storage.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Apply: %v, want both ErrUnavailable and the context's error", err)
	}

	proxy.DropReplies(0, "")
	if err := s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Set("k", nil) })); err != nil {
		t.Errorf("Apply when replies come again: %v", err)
	}
}

// TestOutcomesAreForgotten checks that what is remembered of batches goes away.
func TestOutcomesAreForgotten(t *testing.T) {
	server := storagetest.Redis(t)
	s := create(t, open(t, server.URL), "s")
	if err := s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Set("k", nil) })); err != nil {
		t.Fatal(err)
	}
	client := raw(t, server.Addr)
	outcomes, err := client.Keys(t.Context(), "soulcaster:{s}:done:*").Result()
	if err != nil || len(outcomes) != 1 {
		t.Fatalf("outcomes = %q, %v, want one", outcomes, err)
	}
	if ttl, err := client.TTL(t.Context(), outcomes[0]).Result(); err != nil || ttl <= time.Minute || ttl > 2*time.Minute {
		t.Errorf("an outcome is kept for %v, %v, want two minutes", ttl, err)
	}
}
