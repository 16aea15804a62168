package storagetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
)

func spacesAreApart(ctx context.Context, t *testing.T, db storage.DB) {
	a, b := create(ctx, t, db, "p/1/web"), create(ctx, t, db, "p/1/web2")
	set(ctx, t, a, "k", "of a")
	wantAbsent(ctx, t, b, "k")
	set(ctx, t, b, "k", "of b")
	wantValue(ctx, t, a, "k", "of a")
	if err := db.Drop(ctx, "p/1/web"); err != nil {
		t.Fatalf("Drop: %v", err)
	}
	wantValue(ctx, t, b, "k", "of b")
}

func oddSpaceNames(ctx context.Context, t *testing.T, db storage.DB) {
	for _, name := range oddNames {
		set(ctx, t, create(ctx, t, db, name), "k", name)
	}
	for _, name := range oddNames {
		s, err := db.Open(ctx, name)
		if err != nil {
			t.Fatalf("Open(%q): %v", name, err)
		}
		if s.Name() != name {
			t.Errorf("Name() = %q, want %q", s.Name(), name)
		}
		wantValue(ctx, t, s, "k", name)
	}
	got, err := db.List(ctx, "", "", len(oddNames)+1)
	if err != nil || !slices.Equal(got, slices.Sorted(slices.Values(oddNames))) {
		t.Errorf("List = %q, %v", got, err)
	}
	for i, name := range oddNames {
		if err := db.Drop(ctx, name); err != nil {
			t.Fatalf("Drop(%q): %v", name, err)
		}
		if got, err := db.List(ctx, "", "", len(oddNames)); err != nil || len(got) != len(oddNames)-i-1 {
			t.Fatalf("%d spaces after %d drops (%v)", len(got), i+1, err)
		}
	}
}

func generations(ctx context.Context, t *testing.T, db storage.DB) {
	_, err := db.Open(ctx, "s")
	wantError(t, "Open of a space that was never made", err, storage.ErrNoSpace)
	if err := db.Drop(ctx, "s"); err != nil {
		t.Errorf("Drop of a space that was never made: %v", err)
	}

	old := create(ctx, t, db, "s")
	set(ctx, t, old, "k", "old")
	same := create(ctx, t, db, "s")
	wantValue(ctx, t, same, "k", "old")

	if err := db.Drop(ctx, "s"); err != nil {
		t.Fatalf("Drop: %v", err)
	}
	_, err = db.Open(ctx, "s")
	wantError(t, "Open of a dropped space", err, storage.ErrNoSpace)
	wantDead(ctx, t, old)
	wantDead(ctx, t, same)
	if err := db.Drop(ctx, "s"); err != nil {
		t.Errorf("Drop again: %v", err)
	}

	again := create(ctx, t, db, "s")
	wantDead(ctx, t, old)
	wantAbsent(ctx, t, again, "k")
	set(ctx, t, again, "k", "new")
	wantDead(ctx, t, old)
	wantValue(ctx, t, again, "k", "new")
}

func wantDead(ctx context.Context, t testing.TB, s storage.Space) {
	t.Helper()
	_, err := s.Get(ctx, "k")
	wantError(t, "Get by an old handle", err, storage.ErrNoSpace)
	_, err = s.Scan(ctx, "", "", 10)
	wantError(t, "Scan by an old handle", err, storage.ErrNoSpace)
	wantError(t, "Apply by an old handle", apply(ctx, s, func(b *storage.Batch) { b.Set("k", []byte("back")) }), storage.ErrNoSpace)
	wantError(t, "delete by an old handle", apply(ctx, s, func(b *storage.Batch) { b.Delete("k") }), storage.ErrNoSpace)
}

func list(ctx context.Context, t *testing.T, db storage.DB) {
	names := []string{"app", "i/1", "i/2", "p/1/web", "p/1/web2", "p/10/x", "p/2/x"}
	for _, name := range slices.Backward(names) {
		create(ctx, t, db, name)
	}
	create(ctx, t, db, "p/1/web") // again: still listed once
	for _, c := range []struct {
		prefix, after string
		limit         int
		want          string
	}{
		{"", "", 100, "app i/1 i/2 p/1/web p/1/web2 p/10/x p/2/x"},
		{"", "", 3, "app i/1 i/2"},
		{"", "i/2", 2, "p/1/web p/1/web2"},
		{"p/1/", "", 100, "p/1/web p/1/web2"},
		{"p/1/", "p/1/web", 100, "p/1/web2"},
		{"p/1/", "app", 1, "p/1/web"},
		{"q", "", 100, ""},
		{"", "p/2/x", 100, ""},
		{"", "", 0, ""},
	} {
		got, err := db.List(ctx, c.prefix, c.after, c.limit)
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("List(%q, %q, %d) = %q, want %s", c.prefix, c.after, c.limit, got, c.want)
		}
	}
	if err := db.Drop(ctx, "p/1/web"); err != nil {
		t.Fatalf("Drop: %v", err)
	}
	if got, err := db.List(ctx, "p/1/", "", 10); err != nil || !slices.Equal(got, []string{"p/1/web2"}) {
		t.Errorf("after a drop: %q, %v", got, err)
	}
	create(ctx, t, db, "p/1/web")
	if got, err := db.List(ctx, "p/1/", "", 10); err != nil || !slices.Equal(got, []string{"p/1/web", "p/1/web2"}) {
		t.Errorf("made again: %q, %v", got, err)
	}
}

func listMany(ctx context.Context, t *testing.T, db storage.DB) {
	var want []string
	for i := range 300 {
		name := fmt.Sprintf("p/%03d/x", i)
		create(ctx, t, db, name)
		if i%3 == 0 {
			if err := db.Drop(ctx, name); err != nil {
				t.Fatalf("Drop: %v", err)
			}
			continue
		}
		want = append(want, name)
	}
	got, err := db.List(ctx, "", "", 1000)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("List gives %d names (%v), want %d", len(got), err, len(want))
	}
	var paged []string
	for after := ""; ; after = paged[len(paged)-1] {
		page, err := db.List(ctx, "p/", after, 9)
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		paged = append(paged, page...)
		if len(page) < 9 {
			break
		}
	}
	if !slices.Equal(paged, want) {
		t.Errorf("%d names page by page, want %d", len(paged), len(want))
	}
}
