package storage_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

func openBolt(t *testing.T) storage.DB {
	t.Helper()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestWatchedIsAStore(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.DB {
		return storage.Watched(openBolt(t), func(context.Context, string) error { return nil })
	})
}

func TestWatchedPoints(t *testing.T) {
	inner := openBolt(t)
	var points []string
	failAt := ""
	broken := errors.New("broken")
	db := storage.Watched(inner, func(_ context.Context, point string) error {
		points = append(points, point)
		if point == failAt {
			return broken
		}
		return nil
	})
	s, err := db.Create(t.Context(), "p/1/web")
	if err != nil {
		t.Fatal(err)
	}
	if s, err = db.Open(t.Context(), "p/1/web"); err != nil {
		t.Fatal(err)
	}
	set := func(key string) error {
		var b storage.Batch
		b.Require(key, 0)
		b.Set(key, nil)
		return s.Apply(t.Context(), &b)
	}
	there := func(key string) bool {
		t.Helper()
		e, err := s.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return e[0].Exists()
	}
	alive := func() bool {
		_, err := inner.Open(t.Context(), "p/1/web")
		return err == nil
	}
	passed := func(want ...string) {
		t.Helper()
		if !slices.Equal(points, want) {
			t.Errorf("points %q, want %q", points, want)
		}
		points = nil
	}
	passed()

	if err := set("a"); err != nil || !there("a") {
		t.Errorf("Apply: %v", err)
	}
	passed("commit.before:p/1/web", "commit.after:p/1/web")

	if err := set("a"); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("Apply in conflict: %v", err)
	}
	passed("commit.before:p/1/web")

	failAt = "commit.before:p/1/web"
	if err := set("b"); !errors.Is(err, broken) || there("b") {
		t.Errorf("Apply that fails before: %v, there %v", err, there("b"))
	}
	passed("commit.before:p/1/web")

	failAt = "commit.after:p/1/web"
	if err := set("b"); !errors.Is(err, broken) || !there("b") {
		t.Errorf("Apply whose reply is lost: %v, there %v", err, there("b"))
	}
	passed("commit.before:p/1/web", "commit.after:p/1/web")

	failAt = "drop.before:p/1/web"
	if err := db.Drop(t.Context(), "p/1/web"); !errors.Is(err, broken) || !alive() {
		t.Errorf("Drop that fails before: %v, alive %v", err, alive())
	}
	passed("drop.before:p/1/web")

	failAt = "drop.after:p/1/web"
	if err := db.Drop(t.Context(), "p/1/web"); !errors.Is(err, broken) || alive() {
		t.Errorf("Drop whose reply is lost: %v, alive %v", err, alive())
	}
	passed("drop.before:p/1/web", "drop.after:p/1/web")
}
