package bolt

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// A file that was cut or overwritten is an error that says what to do, however
// bbolt comes across it.
func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	space, err := db.Create(t.Context(), "p/1/web")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		var b storage.Batch
		b.Set("key", bytes.Repeat([]byte("x"), 20_000))
		if err := space.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	for name, damage := range map[string]func([]byte) []byte{
		"header":         func(b []byte) []byte { clear(b[:2*page]); return b },
		"all but header": func(b []byte) []byte { copy(b[2*page:], bytes.Repeat([]byte{0xA5}, len(b))); return b },
		"cut":            func(b []byte) []byte { return b[:3*page] },
	} {
		broken := filepath.Join(t.TempDir(), "x.db")
		if err := os.WriteFile(broken, damage(bytes.Clone(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), broken); err == nil || !strings.Contains(err.Error(), "restore it from a copy") {
			t.Errorf("%s: %v, want an error that says what to do", name, err)
		}
	}
}
