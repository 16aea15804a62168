package apikey_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/soulcaster/soulcaster/engine/apikey"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

// However many are made at once, there are no more keys than there may be.
func TestKeysAtOnce(t *testing.T) {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "soul.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	home, err := db.Create(t.Context(), "i/101")
	if err != nil {
		t.Fatal(err)
	}
	begin := func(name string) (*storage.Batch, error) {
		var b storage.Batch
		_, _, err := apikey.Make(t.Context(), &b, home, 101, apikey.Key{Name: name})
		return &b, err
	}
	for i := range apikey.MaxKeys - 1 {
		b, err := begin(fmt.Sprint(i))
		if err == nil {
			err = home.Apply(t.Context(), b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var both []*storage.Batch
	for _, name := range []string{"one", "another"} {
		b, err := begin(name)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, b)
	}
	if err := home.Apply(t.Context(), both[0]); err != nil {
		t.Fatal(err)
	}
	if err := home.Apply(t.Context(), both[1]); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("the other one: %v, want %v", err, storage.ErrConflict)
	}
	if _, err := begin("one more"); !errors.Is(err, apikey.ErrFull) {
		t.Errorf("one more: %v, want %v", err, apikey.ErrFull)
	}
	all, err := apikey.List(t.Context(), home)
	if err != nil || len(all) != apikey.MaxKeys {
		t.Errorf("%d keys, %v", len(all), err)
	}
}
