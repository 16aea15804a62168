package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// snapshotReads looks at two keys that always change together.
func snapshotReads(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	set(ctx, t, s, "a", "0", "b", "0")
	var written sync.WaitGroup
	written.Go(func() {
		for i := range 200 {
			err := apply(ctx, s, func(b *storage.Batch) {
				b.Set("a", fmt.Append(nil, i))
				b.Set("b", fmt.Append(nil, i))
			})
			if err != nil {
				t.Errorf("Apply: %v", err)
				return
			}
		}
	})
	stop := make(chan struct{})
	var read sync.WaitGroup
	for range 4 {
		read.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := s.Get(ctx, "a", "b")
				if err != nil || string(got[0].Value) != string(got[1].Value) || got[0].Version != got[1].Version {
					t.Errorf("Get = %+v, %v: two moments", got, err)
					return
				}
				got, err = s.Scan(ctx, "", "", 2)
				if err != nil || len(got) != 2 || string(got[0].Value) != string(got[1].Value) {
					t.Errorf("Scan = %+v, %v: two moments", got, err)
					return
				}
			}
		})
	}
	written.Wait()
	close(stop)
	read.Wait()
}

// compareAndSet has many clients count in one key: every count must be there.
func compareAndSet(ctx context.Context, t *testing.T, db storage.DB) {
	const clients, each = 16, 15
	s := create(ctx, t, db, "s")
	var conflicts atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for done := 0; done < each; {
				entries, err := s.Get(ctx, "count")
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				n, _ := strconv.Atoi(string(entries[0].Value))
				err = apply(ctx, s, func(b *storage.Batch) {
					b.RequireEntry(entries[0])
					b.Set("count", strconv.AppendInt(nil, int64(n)+1, 10))
				})
				switch {
				case err == nil:
					done++
				case errors.Is(err, storage.ErrConflict):
					conflicts.Add(1)
				default:
					t.Errorf("Apply: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	wantValue(ctx, t, s, "count", strconv.Itoa(clients*each))
	if conflicts.Load() == 0 {
		t.Errorf("%d clients never met: the test shows nothing", clients)
	}
}

// dropRace drops a space under its writers, again and again. Whatever a writer
// was told was kept must be gone after the drop, and nothing may come back.
func dropRace(ctx context.Context, t *testing.T, db storage.DB) {
	for round := range 8 {
		s := create(ctx, t, db, "s")
		var wg sync.WaitGroup
		begun := make(chan struct{}, 8*100)
		for w := range 8 {
			wg.Go(func() {
				for i := range 100 {
					err := apply(ctx, s, func(b *storage.Batch) { b.Set(fmt.Sprintf("%d/%d", w, i), []byte("x")) })
					begun <- struct{}{}
					if errors.Is(err, storage.ErrNoSpace) {
						return
					}
					if err != nil {
						t.Errorf("Apply: %v", err)
						return
					}
				}
			})
		}
		for range 10 + round {
			<-begun
		}
		if err := db.Drop(ctx, "s"); err != nil {
			t.Fatalf("Drop: %v", err)
		}
		again := create(ctx, t, db, "s")
		wg.Wait()
		if got := scanned(ctx, t, again, "", "", 10); len(got) != 0 {
			t.Fatalf("round %d: came back after the drop: %q", round, keys(got))
		}
		wantDead(ctx, t, s)
		if err := db.Drop(ctx, "s"); err != nil {
			t.Fatalf("Drop: %v", err)
		}
	}
}

// createRace makes and drops one name from many goroutines. In the end a living
// space must be listed and a dropped one not.
func createRace(ctx context.Context, t *testing.T, db storage.DB) {
	for round := range 20 {
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				if i%3 == 2 {
					if err := db.Drop(ctx, "s"); err != nil {
						t.Errorf("Drop: %v", err)
					}
					return
				}
				if _, err := db.Create(ctx, "s"); err != nil {
					t.Errorf("Create: %v", err)
				}
				if _, err := db.List(ctx, "", "", 10); err != nil {
					t.Errorf("List: %v", err)
				}
			})
		}
		wg.Wait()
		_, err := db.Open(ctx, "s")
		listed, listErr := db.List(ctx, "", "", 10)
		if listErr != nil {
			t.Fatalf("List: %v", listErr)
		}
		if alive := err == nil; alive != slices.Equal(listed, []string{"s"}) {
			t.Fatalf("round %d: Open says %v and List %q", round, err, listed)
		}
		if err := db.Drop(ctx, "s"); err != nil {
			t.Fatalf("Drop: %v", err)
		}
	}
}
