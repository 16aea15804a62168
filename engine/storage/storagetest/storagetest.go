// Package storagetest is what every store must pass, and what plays the bad days
// of a store: [Run] is the conformance suite, [Crash] checks what survives a
// kill, [Redis] starts a real server that can be stopped and killed, and [Proxy]
// loses replies.
package storagetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// patience ends a test that hangs; nothing is expected to take that long.
const patience = time.Minute

// Run checks that a store keeps the contract of package storage. Open returns an
// empty store and closes it when the test that it was given is over.
func Run(t *testing.T, open func(t *testing.T) storage.DB) {
	for _, c := range []struct {
		name string
		run  func(ctx context.Context, t *testing.T, db storage.DB)
	}{
		{"SetGetDelete", setGetDelete},
		{"Preconditions", preconditions},
		{"OpsInOrder", opsInOrder},
		{"AllOrNothing", allOrNothing},
		{"VersionsNeverReused", versionsNeverReused},
		{"EmptyBatch", emptyBatch},
		{"Limits", limits},
		{"LargestBatch", largestBatch},
		{"Values", values},
		{"ValuesAreCopies", valuesAreCopies},
		{"Scan", scan},
		{"ScanOddKeys", scanOddKeys},
		{"ScanMany", scanMany},
		{"SpacesAreApart", spacesAreApart},
		{"OddSpaceNames", oddSpaceNames},
		{"Generations", generations},
		{"List", list},
		{"ListMany", listMany},
		{"CancelledContext", cancelledContext},
		{"SnapshotReads", snapshotReads},
		{"CompareAndSet", compareAndSet},
		{"DropRace", dropRace},
		{"CreateRace", createRace},
		{"Bell", rings},
		{"Model", model},
		{"Close", closing},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c.run(ctx, t, open(t))
		})
	}
}

func create(ctx context.Context, t testing.TB, db storage.DB, name string) storage.Space {
	t.Helper()
	s, err := db.Create(ctx, name)
	if err != nil {
		t.Fatalf("Create(%q): %v", name, err)
	}
	return s
}

// apply makes a batch with build, and applies it.
func apply(ctx context.Context, s storage.Space, build func(b *storage.Batch)) error {
	var b storage.Batch
	build(&b)
	return s.Apply(ctx, &b)
}

// set makes each pair of key and value so, in one batch.
func set(ctx context.Context, t testing.TB, s storage.Space, pairs ...string) {
	t.Helper()
	err := apply(ctx, s, func(b *storage.Batch) {
		for pair := range slices.Chunk(pairs, 2) {
			b.Set(pair[0], []byte(pair[1]))
		}
	})
	if err != nil {
		t.Fatalf("set %.80q: %v", pairs, err)
	}
}

func get(ctx context.Context, t testing.TB, s storage.Space, key string) storage.Entry {
	t.Helper()
	entries, err := s.Get(ctx, key)
	if err != nil {
		t.Fatalf("Get(%q): %v", key, err)
	}
	if len(entries) != 1 || entries[0].Key != key {
		t.Fatalf("Get(%q) = %+v, want one entry with that key", key, entries)
	}
	return entries[0]
}

func scanned(ctx context.Context, t testing.TB, s storage.Space, prefix, after string, limit int) []storage.Entry {
	t.Helper()
	entries, err := s.Scan(ctx, prefix, after, limit)
	if err != nil {
		t.Fatalf("Scan(%q, %q, %d): %v", prefix, after, limit, err)
	}
	return entries
}

func keys(entries []storage.Entry) []string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Key
	}
	return names
}

func wantValue(ctx context.Context, t testing.TB, s storage.Space, key, value string) storage.Entry {
	t.Helper()
	e := get(ctx, t, s, key)
	if !e.Exists() || string(e.Value) != value {
		t.Fatalf("%q = %q (version %d), want %q", key, e.Value, e.Version, value)
	}
	return e
}

func wantAbsent(ctx context.Context, t testing.TB, s storage.Space, key string) {
	t.Helper()
	if e := get(ctx, t, s, key); e.Exists() || e.Value != nil {
		t.Fatalf("%q = %q (version %d), want it absent", key, e.Value, e.Version)
	}
}

func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}
