package redis_test

import (
	"context"
	"errors"
	"strings"
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

// TestLostReplies loses the reply to each call, once and more often, after the
// server did what it was asked.
func TestLostReplies(t *testing.T) {
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

// TestOutage stops the server under the store and starts it again.
func TestOutage(t *testing.T) {
	server := storagetest.Redis(t)
	db := open(t, server.URL)
	s := create(t, db, "s")
	if err := s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Set("k", []byte("v")) })); err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(){"stop": server.Stop, "kill": server.Kill} {
		end()
		calls := map[string]func() error{
			"Apply":  func() error { return s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Set("k2", nil) })) },
			"Get":    func() error { _, err := s.Get(t.Context(), "k"); return err },
			"Scan":   func() error { _, err := s.Scan(t.Context(), "", "", 1); return err },
			"Create": func() error { _, err := db.Create(t.Context(), "t"); return err },
			"List":   func() error { _, err := db.List(t.Context(), "", "", 1); return err },
			"Drop":   func() error { return db.Drop(t.Context(), "t") },
			"Ping":   func() error { return db.Ping(t.Context()) },
			"Ring":   func() error { return db.Ring(t.Context(), "s") },
		}
		for call, do := range calls {
			if err := do(); !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%s after a %s: %v, want ErrUnavailable", call, name, err)
			}
		}
		server.Start()
		// The pool may still hold the failure of its last dial for a moment.
		for err := error(storage.ErrUnavailable); err != nil; {
			if err = db.Ping(t.Context()); err != nil && t.Context().Err() != nil {
				t.Fatalf("Ping: %v", err)
			}
		}
		for call, do := range calls {
			if err := do(); err != nil {
				t.Errorf("%s after a %s and a start: %v", call, name, err)
			}
		}
		if e := get(t, s, "k"); string(e.Value) != "v" {
			t.Errorf("k = %q after a %s", e.Value, name)
		}
	}
}

// TestScriptsAreLoadedAgain has the server forget its scripts.
func TestScriptsAreLoadedAgain(t *testing.T) {
	server := storagetest.Redis(t)
	s := create(t, open(t, server.URL), "s")
	if err := raw(t, server.Addr).ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Set("k", nil) })); err != nil {
		t.Errorf("Apply: %v", err)
	}
}

// TestCrash kills the server under a flood, over and over on one folder.
func TestCrash(t *testing.T) {
	server := storagetest.Redis(t)
	var acknowledged []string
	for round := range 4 {
		db := open(t, server.URL)
		err := storagetest.Flood(t.Context(), create(t, db, "flood"), strings.Repeat("x", round+1), func(name string) {
			if acknowledged = append(acknowledged, name); len(acknowledged) == 150*(round+1) {
				go server.Kill()
			}
		})
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Fatalf("writing while the server is killed: %v", err)
		}
		server.Kill() // waits until it is dead
		server.Start()
		s, err := open(t, server.URL).Open(t.Context(), "flood")
		if err != nil {
			t.Fatal(err)
		}
		storagetest.CheckFlood(t, s, acknowledged)
	}
}

// TestBellComesBack rings after the server was away.
func TestBellComesBack(t *testing.T) {
	server := storagetest.Redis(t)
	db := open(t, server.URL)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	heard, ended := make(chan string, 100), make(chan error, 1)
	go func() {
		ended <- db.Listen(ctx, func(space string) {
			select {
			case heard <- space:
			default:
			}
		})
	}()
	ring := func(name string) {
		t.Helper()
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for {
			_ = db.Ring(ctx, name) // it may still be away
			select {
			case got := <-heard:
				if got == name {
					return
				}
			case <-again.C:
			case <-ctx.Done():
				t.Fatalf("%s was never heard", name)
			}
		}
	}
	ring("before")
	server.Kill()
	server.Start()
	ring("after")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("Listen on a store that is closed: %v", err)
	}
}
