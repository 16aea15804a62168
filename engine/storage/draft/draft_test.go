package draft_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/draft"
	"github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

// stores are both, each empty.
func stores(t *testing.T) map[string]storage.DB {
	t.Helper()
	file, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "draft.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	server, err := redis.Open(t.Context(), storagetest.Redis(t).URL, redis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return map[string]storage.DB{"bolt": file, "redis": server}
}

func base(t *testing.T, db storage.DB, name string) storage.Space {
	t.Helper()
	s, err := db.Create(t.Context(), "p/1/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t *testing.T, s storage.Space, build func(b *storage.Batch)) error {
	t.Helper()
	var b storage.Batch
	build(&b)
	return s.Apply(t.Context(), &b)
}

// told is all that a space shows below a prefix, by pages of so many.
func told(t *testing.T, scan func(after string, limit int) ([]storage.Entry, error), limit int) (all []string) {
	t.Helper()
	after := ""
	for {
		entries, err := scan(after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			all = append(all, e.Key+"="+string(e.Value))
			after = e.Key
		}
		if len(entries) < limit {
			return all
		}
	}
}

// A draft is compared with a map that the same is done to, while what is beneath
// stays as it was.
func TestModel(t *testing.T) {
	for store, db := range stores(t) {
		t.Run(store, func(t *testing.T) { modelled(t, db) })
	}
}

func modelled(t *testing.T, db storage.DB) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		beneath := base(t, db, fmt.Sprint(seed))
		model := map[string]string{}
		key := func() string { return fmt.Sprintf("%c/%d", "abz"[r.IntN(3)], r.IntN(12)) }
		if err := write(t, beneath, func(b *storage.Batch) {
			for range 15 {
				k, v := key(), fmt.Sprint(r.IntN(100))
				model[k] = v
				b.Set(k, []byte(v))
			}
			b.Set(draft.Root+"other/a/1", []byte("vhidden"))
		}); err != nil {
			t.Fatal(err)
		}
		before, err := beneath.Scan(t.Context(), "", "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		d := draft.On(beneath, "one")
		for range 60 {
			var b storage.Batch
			next := maps.Clone(model)
			wrong := false
			for range r.IntN(4) {
				k := key()
				entries, err := d.Get(t.Context(), k)
				if err != nil {
					t.Fatal(err)
				}
				if value, ok := model[k]; ok != entries[0].Exists() || value != string(entries[0].Value) || entries[0].Key != k {
					t.Fatalf("seed %d: %s is %+v, want %q", seed, k, entries[0], value)
				}
				if r.IntN(6) == 0 {
					entries[0].Version++
					wrong = true
				}
				b.RequireEntry(entries[0])
			}
			for range 1 + r.IntN(4) {
				if k := key(); r.IntN(3) == 0 {
					b.Delete(k)
					delete(next, k)
				} else {
					v := fmt.Sprint(r.IntN(100))
					b.Set(k, []byte(v))
					next[k] = v
				}
			}
			switch err := d.Apply(t.Context(), &b); {
			case wrong && !errors.Is(err, storage.ErrConflict):
				t.Fatalf("seed %d: a wrong version: %v", seed, err)
			case !wrong && err != nil:
				t.Fatalf("seed %d: %v", seed, err)
			case !wrong:
				model = next
			}
			for _, prefix := range []string{"", "a/", "b/1"} {
				var want []string
				for _, k := range slices.Sorted(maps.Keys(model)) {
					if strings.HasPrefix(k, prefix) {
						want = append(want, k+"="+model[k])
					}
				}
				for _, limit := range []int{1, 3, 100} {
					got := told(t, func(after string, limit int) ([]storage.Entry, error) {
						return d.Scan(t.Context(), prefix, after, limit)
					}, limit)
					if !slices.Equal(got, want) {
						t.Fatalf("seed %d, %q by %d:\ngot  %v\nwant %v", seed, prefix, limit, got, want)
					}
				}
			}
		}
		if whole, err := d.Whole(t.Context()); err != nil || !whole {
			t.Errorf("whole is %v, %v", whole, err)
		}
		for range 3 {
			if gone, err := d.Discard(t.Context()); err != nil {
				t.Fatal(err)
			} else if gone {
				break
			}
		}
		after, err := beneath.Scan(t.Context(), "", "", 1000)
		if err != nil || fmt.Sprint(after) != fmt.Sprint(before) {
			t.Fatalf("seed %d: beneath, something changed", seed)
		}
	}
}

// A batch of the largest size fits, and one that is cut short is noticed.
func TestLargestBatch(t *testing.T) {
	for store, db := range stores(t) {
		t.Run(store, func(t *testing.T) { largest(t, db) })
	}
}

func largest(t *testing.T, db storage.DB) {
	beneath := base(t, db, "largest")
	writes := 0
	fail := errors.New("crash")
	limit := 100
	d := draft.On(failing{beneath, func() error {
		if writes++; writes > limit {
			return fail
		}
		return nil
	}}, strings.Repeat("n", 30))
	big := func(b *storage.Batch) {
		for n := range storage.MaxOps {
			b.Set(fmt.Sprintf("k/%03d", n), make([]byte, storage.MaxBytes/storage.MaxOps-5))
		}
	}
	if err := write(t, d, big); err != nil {
		t.Fatal(err)
	}
	if all, err := d.Written(t.Context(), "k/", "", 1000); err != nil || len(all) != storage.MaxOps {
		t.Errorf("%d written, %v", len(all), err)
	}
	if whole, err := d.Whole(t.Context()); err != nil || !whole {
		t.Errorf("whole is %v, %v", whole, err)
	}
	limit = writes + 1
	if err := write(t, d, big); !errors.Is(err, fail) {
		t.Fatalf("got %v", err)
	}
	if whole, err := d.Whole(t.Context()); err != nil || whole {
		t.Errorf("cut short, whole is %v, %v", whole, err)
	}
	limit = 1000
	for n := 0; ; n++ {
		gone, err := d.Discard(t.Context())
		if err != nil || n > 5 {
			t.Fatalf("discarding, %d times: %v", n, err)
		}
		if gone {
			break
		}
		if whole, err := d.Whole(t.Context()); err != nil || whole {
			t.Errorf("half discarded, whole is %v, %v", whole, err)
		}
	}
	if left, err := beneath.Scan(t.Context(), "", "", 10); err != nil || len(left) > 0 {
		t.Errorf("left are %d, %v", len(left), err)
	}
}

// failing is a space whose writes fail when said so.
type failing struct {
	storage.Space
	fail func() error
}

func (f failing) Apply(ctx context.Context, b *storage.Batch) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Space.Apply(ctx, b)
}
