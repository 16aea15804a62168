package storagetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
)

func setGetDelete(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "p/1/web")
	if s.Name() != "p/1/web" {
		t.Errorf("Name() = %q", s.Name())
	}
	wantAbsent(ctx, t, s, "a")
	set(ctx, t, s, "a", "1", "b", "2")
	a, b := wantValue(ctx, t, s, "a", "1"), wantValue(ctx, t, s, "b", "2")
	if a.Version != b.Version {
		t.Errorf("one batch gave versions %d and %d, want one version", a.Version, b.Version)
	}
	set(ctx, t, s, "a", "3")
	if after := wantValue(ctx, t, s, "a", "3"); after.Version <= a.Version {
		t.Errorf("version went from %d to %d, want it to grow", a.Version, after.Version)
	}
	if after := wantValue(ctx, t, s, "b", "2"); after.Version != b.Version {
		t.Errorf("version of an untouched key went from %d to %d", b.Version, after.Version)
	}

	entries, err := s.Get(ctx, "b", "none", "a", "b")
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	if got := fmt.Sprintf("%s", pairs(entries)); got != "[b=2 none= a=3 b=2]" {
		t.Errorf("Get in the order asked = %s", got)
	}
	if entries, err := s.Get(ctx); err != nil || len(entries) != 0 {
		t.Errorf("Get of no keys = %v, %v", entries, err)
	}

	if err := apply(ctx, s, func(b *storage.Batch) { b.Delete("a"); b.Delete("none") }); err != nil {
		t.Fatalf("delete: %v", err)
	}
	wantAbsent(ctx, t, s, "a")
	wantValue(ctx, t, s, "b", "2")
}

func pairs(entries []storage.Entry) []string {
	texts := make([]string, len(entries))
	for i, e := range entries {
		texts[i] = e.Key + "=" + string(e.Value)
	}
	return texts
}

func preconditions(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	set(ctx, t, s, "there", "1", "other", "1")
	there := get(ctx, t, s, "there")
	for _, c := range []struct {
		name    string
		require func(b *storage.Batch)
		holds   bool
	}{
		{"absent is absent", func(b *storage.Batch) { b.Require("none", 0) }, true},
		{"absent, read as an entry", func(b *storage.Batch) { b.RequireEntry(storage.Entry{Key: "none"}) }, true},
		{"version is the version", func(b *storage.Batch) { b.RequireEntry(there) }, true},
		{"absent but there", func(b *storage.Batch) { b.Require("there", 0) }, false},
		{"version of a key that is absent", func(b *storage.Batch) { b.Require("none", there.Version) }, false},
		{"older version", func(b *storage.Batch) { b.Require("there", there.Version-1) }, false},
		{"newer version", func(b *storage.Batch) { b.Require("there", there.Version+1) }, false},
		{"one of two fails", func(b *storage.Batch) { b.RequireEntry(there); b.Require("other", 0) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := apply(ctx, s, func(b *storage.Batch) {
				c.require(b)
				b.Set("result "+c.name, []byte("x"))
			})
			if c.holds {
				if err != nil {
					t.Fatalf("Apply: %v", err)
				}
				wantValue(ctx, t, s, "result "+c.name, "x")
				return
			}
			wantError(t, "Apply", err, storage.ErrConflict)
			wantAbsent(ctx, t, s, "result "+c.name)
		})
	}
}

func opsInOrder(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	set(ctx, t, s, "gone", "1")
	err := apply(ctx, s, func(b *storage.Batch) {
		b.Set("twice", []byte("first"))
		b.Set("twice", []byte("second"))
		b.Set("deleted", []byte("x"))
		b.Delete("deleted")
		b.Delete("remade")
		b.Set("remade", []byte("y"))
		b.Delete("gone")
		// Preconditions look at the state before the batch, wherever they stand.
		b.Require("twice", 0)
		b.Require("remade", 0)
	})
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	wantValue(ctx, t, s, "twice", "second")
	wantValue(ctx, t, s, "remade", "y")
	wantAbsent(ctx, t, s, "deleted")
	wantAbsent(ctx, t, s, "gone")
	if got := keys(scanned(ctx, t, s, "", "", 10)); strings.Join(got, " ") != "remade twice" {
		t.Errorf("keys = %q", got)
	}
}

func allOrNothing(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	set(ctx, t, s, "kept", "1", "changed", "1")
	err := apply(ctx, s, func(b *storage.Batch) {
		b.Delete("kept")
		b.Set("changed", []byte("2"))
		b.Set("new", []byte("2"))
		b.Require("kept", 0) // last, so that a store which checks as it goes is caught
	})
	wantError(t, "Apply", err, storage.ErrConflict)
	wantValue(ctx, t, s, "kept", "1")
	wantValue(ctx, t, s, "changed", "1")
	wantAbsent(ctx, t, s, "new")
	if got := keys(scanned(ctx, t, s, "", "", 10)); strings.Join(got, " ") != "changed kept" {
		t.Errorf("keys = %q", got)
	}
}

func versionsNeverReused(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	set(ctx, t, s, "k", "same")
	first := get(ctx, t, s, "k")
	last := first.Version
	for range 3 {
		if err := apply(ctx, s, func(b *storage.Batch) { b.Delete("k") }); err != nil {
			t.Fatalf("delete: %v", err)
		}
		set(ctx, t, s, "k", "same")
		again := get(ctx, t, s, "k")
		if again.Version <= last {
			t.Fatalf("a key made again has version %d after %d", again.Version, last)
		}
		last = again.Version
	}
	wantError(t, "require the first version of a key made again",
		apply(ctx, s, func(b *storage.Batch) { b.RequireEntry(first) }), storage.ErrConflict)

	// Nor is the version of the space's only key forgotten with the key.
	if err := apply(ctx, s, func(b *storage.Batch) { b.Delete("k") }); err != nil {
		t.Fatalf("delete: %v", err)
	}
	set(ctx, t, s, "another", "x")
	if e := get(ctx, t, s, "another"); e.Version <= last {
		t.Errorf("version %d after %d in an emptied space", e.Version, last)
	}
}

func emptyBatch(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	if err := s.Apply(ctx, &storage.Batch{}); err != nil {
		t.Errorf("empty batch in a living space: %v", err)
	}
	if err := db.Drop(ctx, "s"); err != nil {
		t.Fatalf("Drop: %v", err)
	}
	wantError(t, "empty batch in a dropped space", s.Apply(ctx, &storage.Batch{}), storage.ErrNoSpace)
}
