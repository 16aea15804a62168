package storagetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// rings checks the bell of a store that has one: everybody who listens hears
// every space.
func rings(ctx context.Context, t *testing.T, db storage.DB) {
	bell, ok := db.(storage.Bell)
	if !ok {
		t.Skip("this store has no bell")
	}
	listening, stop := context.WithCancel(ctx)
	heard, ended := make(chan string, 100), make(chan error, 2)
	for listener := range 2 {
		go func() {
			ended <- bell.Listen(listening, func(space string) {
				select {
				case heard <- fmt.Sprintf("%d heard %s", listener, space):
				case <-listening.Done():
				}
			})
		}()
	}
	// What rings before somebody listens is lost to them, so ring until all have heard.
	missing := map[string]bool{"0 heard a": true, "0 heard b b": true, "1 heard a": true, "1 heard b b": true}
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for len(missing) > 0 {
		if err := bell.Ring(ctx, "a", "b b"); err != nil {
			t.Fatalf("Ring: %v", err)
		}
		select {
		case what := <-heard:
			delete(missing, what)
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("never happened: %v", slices.Collect(maps.Keys(missing)))
		}
	}
	stop()
	for range 2 {
		if err := <-ended; err != nil {
			t.Errorf("Listen, its context done: %v", err)
		}
	}
	if err := bell.Ring(ctx, "nobody listens"); err != nil {
		t.Errorf("Ring: %v", err)
	}
}
