package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

// A store that belongs to an App is not opened with another one, which would erase it, and
// not for a preview.
func TestClaim(t *testing.T) {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "soul.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	app, err := db.Create(t.Context(), project.AppSpace)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id   int64
		want string
	}{{0, ""}, {0, ""}, {4711, ""}, {4711, ""}, {4712, "belongs to the GitHub App 4711"}, {4711, ""}, {0, "was used live"}} {
		err := claim(t.Context(), app, c.id)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("App %d: %v, want %q", c.id, err, c.want)
		}
	}
	// One that did not note whose it is belongs to whoever comes next.
	var b storage.Batch
	b.Set(liveKey, nil)
	if err := app.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if err := claim(t.Context(), app, 0); err == nil {
		t.Error("a preview opens it")
	}
	if err := claim(t.Context(), app, 4711); err != nil {
		t.Error(err)
	}
	if err := claim(t.Context(), app, 4712); err == nil {
		t.Error("another App opens it then")
	}
}
