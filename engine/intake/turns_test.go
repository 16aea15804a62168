package intake

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// Callers with overlapping ids, in any order, work one after another and none
// waits for ever.
func TestTurns(t *testing.T) {
	var turns turns
	var wg sync.WaitGroup
	counts := make(map[string]*int)
	for _, id := range []string{"a", "b", "c"} {
		counts[id] = new(int)
	}
	for _, ids := range [][]string{{"a", "b"}, {"b", "a"}, {"c", "b"}, {"a", "c"}, {"c"}} {
		wg.Go(func() {
			for range 200 {
				done, err := turns.take(t.Context(), ids)
				if err != nil {
					t.Error(err)
					return
				}
				for _, id := range ids {
					*counts[id]++ // the race detector sees who is not alone
				}
				done()
			}
		})
	}
	wg.Wait()
	if *counts["a"] != 600 || *counts["b"] != 600 || *counts["c"] != 600 {
		t.Errorf("a %d, b %d, c %d", *counts["a"], *counts["b"], *counts["c"])
	}
	if len(turns.ids) != 0 {
		t.Errorf("%d ids are kept", len(turns.ids))
	}
}

func TestTurnsGiveUp(t *testing.T) {
	var turns turns
	done, err := turns.take(t.Context(), []string{"b"})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.take(ended, []string{"a", "b"}); !errors.Is(err, context.Canceled) {
		t.Fatalf("took what somebody else has: %v", err)
	}
	done()
	done, err = turns.take(t.Context(), []string{"a", "b"})
	if err != nil {
		t.Fatal("what was taken before giving up was not given back:", err)
	}
	done()
	if len(turns.ids) != 0 {
		t.Errorf("%d ids are kept", len(turns.ids))
	}
}
