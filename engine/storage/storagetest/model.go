package storagetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// modelSeed is fixed, so that a failure can be seen again; the failure names it.
const (
	modelSeed    = 20260117
	modelBatches = 3000
)

// model applies random batches to the store and to a map, and compares.
func model(ctx context.Context, t *testing.T, db storage.DB) {
	m := &modelled{t: t, db: db, rand: rand.New(rand.NewPCG(modelSeed, 0))}
	m.renew(ctx)
	for m.step = range modelBatches {
		m.batch(ctx)
		switch n := m.rand.IntN(1000); {
		case n < 3:
			m.renew(ctx)
		case n < 100:
			m.compare(ctx)
		}
	}
	m.compare(ctx)
	if m.applied < modelBatches/10 || m.conflicts < modelBatches/10 {
		t.Errorf("%d batches applied, %d in conflict: the test shows too little", m.applied, m.conflicts)
	}
}

type modelled struct {
	t    *testing.T
	db   storage.DB
	rand *rand.Rand
	step int

	space, old         storage.Space
	state              map[string]storage.Entry
	last               uint64 // the highest version so far
	applied, conflicts int
}

func (m *modelled) fatalf(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("seed %d, step %d: %s", modelSeed, m.step, fmt.Sprintf(format, args...))
}

// renew drops the space and makes it again, keeping the old handle.
func (m *modelled) renew(ctx context.Context) {
	if err := m.db.Drop(ctx, "model"); err != nil {
		m.fatalf("Drop: %v", err)
	}
	m.old, m.space = m.space, create(ctx, m.t, m.db, "model")
	m.state, m.last = map[string]storage.Entry{}, 0
}

func (m *modelled) key() string {
	return []string{"a", "a/", "b"}[m.rand.IntN(3)] + strings.Repeat("x", m.rand.IntN(5))
}

func (m *modelled) batch(ctx context.Context) {
	var b storage.Batch
	conflict := false
	next := maps.Clone(m.state)
	fresh := map[string]bool{} // keys that this batch sets and leaves there
	for range m.rand.IntN(6) {
		key := m.key()
		switch m.rand.IntN(5) {
		case 0, 1:
			value := fmt.Append(nil, m.rand.Uint64())[:m.rand.IntN(5)]
			b.Set(key, value)
			next[key], fresh[key] = storage.Entry{Key: key, Value: value}, true
		case 2:
			b.Delete(key)
			delete(next, key)
			delete(fresh, key)
		case 3:
			b.RequireEntry(storage.Entry{Key: key, Version: m.state[key].Version})
		case 4:
			wrong := uint64(m.rand.IntN(int(m.last) + 2))
			b.Require(key, wrong)
			conflict = conflict || wrong != m.state[key].Version
		}
	}

	if m.old != nil && m.rand.IntN(20) == 0 {
		if err := m.old.Apply(ctx, &b); !errors.Is(err, storage.ErrNoSpace) {
			m.fatalf("batch by an old handle: %v", err)
		}
	}
	err := m.space.Apply(ctx, &b)
	if conflict {
		if !errors.Is(err, storage.ErrConflict) {
			m.fatalf("batch %+v: %v, want a conflict", b.Ops, err)
		}
		m.conflicts++
		return
	}
	if err != nil {
		m.fatalf("batch %+v: %v", b.Ops, err)
	}
	m.applied++
	m.state = next
	m.learn(ctx, slices.Sorted(maps.Keys(fresh)))
}

// learn reads the version that the batch gave to what it set: one for all, and
// higher than every one before.
func (m *modelled) learn(ctx context.Context, fresh []string) {
	entries, err := m.space.Get(ctx, fresh...)
	if err != nil {
		m.fatalf("Get: %v", err)
	}
	for _, e := range entries {
		if e.Version <= m.last || e.Version != entries[0].Version {
			m.fatalf("%q has version %d after %d, with %d in the same batch", e.Key, e.Version, m.last, entries[0].Version)
		}
		want := m.state[e.Key]
		want.Version = e.Version
		m.state[e.Key] = want
	}
	if len(entries) > 0 {
		m.last = entries[0].Version
	}
}

// compare reads the same part of both in every way there is.
func (m *modelled) compare(ctx context.Context) {
	prefix, after, limit := "", "", 100
	if m.rand.IntN(3) > 0 {
		prefix = m.key()[:m.rand.IntN(2)]
		after = []string{"", m.key()}[m.rand.IntN(2)]
		limit = m.rand.IntN(10)
	}
	var want []storage.Entry
	for _, key := range slices.Sorted(maps.Keys(m.state)) {
		if strings.HasPrefix(key, prefix) && key > after && len(want) < limit {
			want = append(want, m.state[key])
		}
	}
	got := scanned(ctx, m.t, m.space, prefix, after, limit)
	if !slices.EqualFunc(got, want, equal) {
		m.fatalf("Scan(%q, %q, %d) = %+v, want %+v", prefix, after, limit, got, want)
	}
	asked := []string{m.key(), m.key(), m.key()}
	want = want[:0]
	for _, key := range asked {
		e := m.state[key]
		e.Key = key
		want = append(want, e)
	}
	got, err := m.space.Get(ctx, asked...)
	if err != nil || !slices.EqualFunc(got, want, equal) {
		m.fatalf("Get(%q) = %+v, %v, want %+v", asked, got, err, want)
	}
}

func equal(a, b storage.Entry) bool {
	return a.Key == b.Key && a.Version == b.Version && string(a.Value) == string(b.Value)
}
