package issue

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

// Of too many clusters the oldest are left out, and stay out when they change; of too
// many projects the one that was looked at least lately.
func TestCatalogueIsBounded(t *testing.T) {
	t.Parallel()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	fill := func(space storage.Space, from, to int) {
		t.Helper()
		for ; from < to; from += 100 {
			var b storage.Batch
			for i := from; i < min(to, from+100); i++ {
				SetLine(&b, Line{Cluster: fmt.Sprintf("%06d", i), State: Held, Reports: 1})
			}
			if err := space.Apply(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := NewCatalogues()
	c.most, c.mostAll = 1000, 1500
	check := func(space storage.Space, want, first int, cut bool) {
		t.Helper()
		all, err := c.Look(t.Context(), space)
		if err != nil {
			t.Fatal(err)
		}
		if len(all.lines) != want || all.Cut != cut || want > 0 && all.lines[0].Cluster != fmt.Sprintf("%06d", first) {
			t.Errorf("%d lines, cut %v, want %d from %d on, cut %v", len(all.lines), all.Cut, want, first, cut)
		}
	}
	big, err := db.Create(t.Context(), "p/1/big")
	if err != nil {
		t.Fatal(err)
	}
	fill(big, 0, 950)
	check(big, 950, 0, false)
	fill(big, 950, 1250)
	check(big, 950, 300, true)
	fill(big, 0, 10)
	check(big, 950, 300, true)
	fill(big, 1250, 1350)
	check(big, 950, 400, true)
	for i := range maxCatalogues + 10 {
		space, err := db.Create(t.Context(), fmt.Sprint("p/2/", i))
		if err != nil {
			t.Fatal(err)
		}
		check(space, 0, 0, false)
	}
	if len(c.volumes) > maxCatalogues || c.volumes["p/1/big"] != nil {
		t.Errorf("%d projects are kept, and the oldest is among them: %v", len(c.volumes), c.volumes["p/1/big"] != nil)
	}
	check(big, 950, 400, true)
	other, err := db.Create(t.Context(), "p/1/other")
	if err != nil {
		t.Fatal(err)
	}
	fill(other, 0, 700)
	check(other, 700, 0, false)
	if c.volumes["p/1/big"] != nil || c.volumes["p/1/other"] == nil {
		t.Errorf("more lines are kept than may be")
	}
}
