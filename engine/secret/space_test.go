package secret_test

import (
	"path/filepath"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

// newSpace is the app's space of a new store.
func newSpace(t *testing.T) storage.Space {
	t.Helper()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "soulcaster.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	space, err := db.Create(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	return space
}
