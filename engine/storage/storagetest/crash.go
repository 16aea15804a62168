package storagetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// floodKeys are the keys of one batch of a flood; they are written together.
var floodKeys = []string{"a/", "b/", "m/", "z/"}

// Flood writes batches to s from eight goroutines and calls acknowledge with the
// name of each batch that was kept, from one goroutine at a time. Names begin
// with round. It returns nil when ctx is done and the store's error when it fails;
// a store that is killed meanwhile is what it is for.
func Flood(ctx context.Context, s storage.Space, round string, acknowledge func(batch string)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%s-%d-%d", round, w, i)
				err := apply(ctx, s, func(b *storage.Batch) {
					for _, key := range floodKeys {
						b.Set(key+name, floodValue(name))
					}
				})
				if err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				acknowledge(name)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// floodValue is different for every batch, and sometimes larger than a page.
func floodValue(name string) []byte {
	return []byte(strings.Repeat(name+" ", 1+len(name)*int(name[len(name)-1]-'0')))
}

// CheckFlood checks what a flood left: every acknowledged batch is there, and no
// batch, acknowledged or not, is there in part.
func CheckFlood(t testing.TB, s storage.Space, acknowledged []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	parts := map[string]int{}
	for _, key := range floodKeys {
		for after := ""; ; {
			page := scanned(ctx, t, s, key, after, 200)
			for _, e := range page {
				name := strings.TrimPrefix(e.Key, key)
				if string(e.Value) != string(floodValue(name)) {
					t.Errorf("%q holds %.40q…, not what was written", e.Key, e.Value)
				}
				parts[name]++
			}
			if len(page) == 0 {
				break
			}
			after = page[len(page)-1].Key
		}
	}
	for name, n := range parts {
		if n != len(floodKeys) {
			t.Errorf("batch %s: %d of %d keys are there", name, n, len(floodKeys))
		}
	}
	for _, name := range acknowledged {
		if parts[name] == 0 {
			t.Errorf("batch %s was acknowledged and is gone", name)
		}
	}
}
