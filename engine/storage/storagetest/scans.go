package storagetest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
)

func scan(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	if got := scanned(ctx, t, s, "", "", 10); len(got) != 0 {
		t.Errorf("an empty space holds %q", keys(got))
	}
	set(ctx, t, s, "b/2", "v2", "a", "va", "b/1", "v1", "b/10", "v10", "c", "vc", "b", "vb", "b0", "vb0")
	for _, c := range []struct {
		prefix, after string
		limit         int
		want          string
	}{
		{"", "", 100, "a b b/1 b/10 b/2 b0 c"},
		{"", "", math.MaxInt32, "a b b/1 b/10 b/2 b0 c"},
		{"", "", 2, "a b"},
		{"", "b", 2, "b/1 b/10"},
		{"", "c", 100, ""},
		{"b/", "", 100, "b/1 b/10 b/2"},
		{"b", "", 100, "b b/1 b/10 b/2 b0"},
		{"b/", "b/1", 1, "b/10"},
		{"b/", "b/1", 100, "b/10 b/2"},
		{"b/", "b/11", 100, "b/2"}, // not a key itself
		{"b/", "a", 100, "b/1 b/10 b/2"},
		{"b/", "b", 100, "b/1 b/10 b/2"},
		{"b/", "b/2", 100, ""},
		{"b/", "c", 100, ""},
		{"d", "", 100, ""},
		{"", "", 0, ""},
		{"", "", -1, ""},
	} {
		got := keys(scanned(ctx, t, s, c.prefix, c.after, c.limit))
		if strings.Join(got, " ") != c.want {
			t.Errorf("Scan(%q, %q, %d) = %q, want %s", c.prefix, c.after, c.limit, got, c.want)
		}
	}
	for _, e := range scanned(ctx, t, s, "b/", "", 10) {
		if want := get(ctx, t, s, e.Key); string(e.Value) != "v"+e.Key[2:] || e.Version != want.Version {
			t.Errorf("Scan gives %q = %q, version %d; Get says version %d", e.Key, e.Value, e.Version, want.Version)
		}
	}
}

// oddNames are names that a store could take for something else: patterns, hash
// tags, ranges, numbers, paths; and the edges of byte order.
var oddNames = []string{
	" ", "  x", "!", "%", "%00", "%7B", "(", "(a", "*", "+", "-", "-inf", ".", "..", "../x", "/", "0", "00", "1e400",
	"?", "A", "[", "[a", "[a-z]", "\\", "\\x00", "a", "a b", "a\nb", "a\r\nb", "a\tb", "b:1", "nil", "{", "{a", "{a}", "{a}b",
	"{}", "{}a", "}", "}{", "~", "\x01", "\x7f", "\u0080", "é", "e\u0301", "ÿ", "日本語", "日本", "😀", "\U0010ffff",
	"\U0010ffff\U0010ffff",
}

func scanOddKeys(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	err := apply(ctx, s, func(b *storage.Batch) {
		for _, key := range oddNames {
			b.Set(key, []byte(key))
		}
	})
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	sorted := slices.Sorted(slices.Values(oddNames))
	for _, key := range oddNames {
		wantValue(ctx, t, s, key, key)
		var under, next []string
		for _, other := range sorted {
			if strings.HasPrefix(other, key) {
				under = append(under, other)
			}
			if other > key {
				next = append(next, other)
			}
		}
		if got := keys(scanned(ctx, t, s, key, "", 100)); !slices.Equal(got, under) {
			t.Errorf("with prefix %q: %q, want %q", key, got, under)
		}
		if got := keys(scanned(ctx, t, s, "", key, 100)); !slices.Equal(got, next) {
			t.Errorf("after %q: %q, want %q", key, got, next)
		}
	}
	// A prefix may end in the middle of a character.
	if got := keys(scanned(ctx, t, s, "\xe6\x97", "", 100)); !slices.Equal(got, []string{"日本", "日本語"}) {
		t.Errorf("with half a character as prefix: %q", got)
	}
	if got := keys(scanned(ctx, t, s, "\xff", "", 100)); len(got) != 0 {
		t.Errorf("with the last byte as prefix: %q", got)
	}
}

// scanMany reads more than a store may fetch in one piece. (Redis's Lua unpacks
// at most 8,000 values.)
func scanMany(ctx context.Context, t *testing.T, db storage.DB) {
	const n = 18 * storage.MaxOps
	s := create(ctx, t, db, "s")
	for from := 0; from < n; from += storage.MaxOps {
		err := apply(ctx, s, func(b *storage.Batch) {
			for i := from; i < from+storage.MaxOps; i++ {
				b.Set(fmt.Sprintf("k/%05d", i), fmt.Append(nil, i))
			}
		})
		if err != nil {
			t.Fatalf("Apply: %v", err)
		}
	}
	all := scanned(ctx, t, s, "k/", "", n+1)
	if len(all) != n {
		t.Fatalf("Scan gives %d entries, want %d", len(all), n)
	}
	for i, e := range all {
		if e.Key != fmt.Sprintf("k/%05d", i) || string(e.Value) != fmt.Sprint(i) {
			t.Fatalf("entry %d is %q = %q", i, e.Key, e.Value)
		}
	}
	var paged []storage.Entry
	for after := ""; ; after = paged[len(paged)-1].Key {
		page := scanned(ctx, t, s, "k/", after, 70)
		paged = append(paged, page...)
		if len(page) < 70 {
			break
		}
	}
	if !slices.Equal(keys(paged), keys(all)) {
		t.Errorf("%d entries page by page, %d at once", len(paged), len(all))
	}
}
