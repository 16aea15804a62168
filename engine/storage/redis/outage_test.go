package redis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

// TestOutage stops the server under the store and starts it again.
func TestOutage(t *testing.T) {
	t.Parallel()
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
		n := 0
		err := storagetest.Flood(t.Context(), create(t, db, "flood"), strings.Repeat("x", round+1), func(name string) {
			acknowledged = append(acknowledged, name)
			if n++; n == 150 {
				go server.Kill()
			}
		})
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Fatalf("writing while the server is killed: %v", err)
		}
		server.Kill() // waits until it is dead
		server.Start()
		rewrite(t, server)
		s, err := open(t, server.URL).Open(t.Context(), "flood")
		if err != nil {
			t.Fatal(err)
		}
		storagetest.CheckFlood(t, s, acknowledged)
	}
}

// TestTornBatch has the server killed while it writes a batch to its file, and again
// after the next one.
func TestTornBatch(t *testing.T) {
	server := storagetest.Redis(t)
	names := []string{"a", "b", "m", "z"}
	for _, value := range []string{"torn", "whole"} {
		s := create(t, open(t, server.URL), "s")
		err := s.Apply(t.Context(), batch(func(b *storage.Batch) {
			for _, name := range names {
				b.Set(name+"/"+value, []byte(value))
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		server.Kill()
		if value == "torn" {
			server.Tear(150) // the end of the transaction, the outcome, and half of the last key
		}
		server.Start()
		rewrite(t, server)
	}
	s := create(t, open(t, server.URL), "s")
	left, err := s.Scan(t.Context(), "", "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != len(names) {
		t.Errorf("%d keys are left, want the %d of the whole batch", len(left), len(names))
	}
	for _, e := range left {
		if string(e.Value) != "whole" {
			t.Errorf("%s is %q", e.Key, e.Value)
		}
	}
}

// rewrite has a server that was killed write its file anew, as docs/operating.md says. A
// Redis that finds half a command at the end of its file cuts off that, and leaves the
// transaction that it was in open: what is written next is read, at the start after, as
// a part of it, and half a batch comes back with that. Valkey cuts off the whole since
// https://github.com/valkey-io/valkey/pull/4342.
func rewrite(t *testing.T, server *storagetest.RedisServer) {
	t.Helper()
	client := raw(t, server.Addr)
	if err := client.BgRewriteAOF(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for {
		info, err := client.Info(t.Context(), "persistence").Result()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0") {
			if !strings.Contains(info, "aof_last_bgrewrite_status:ok") {
				t.Fatalf("the file was not written anew: %s", info)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestBellComesBack rings after the server was away.
func TestBellComesBack(t *testing.T) {
	t.Parallel()
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
