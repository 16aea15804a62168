//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
)

// missing kills the app, has people do what nobody hears of, and starts it again a few
// minutes later.
func (w *fixworld) missing(do func()) {
	w.t.Helper()
	w.kill()
	do()
	w.hub.Settle()
	w.hub.Age(5 * time.Minute)
	w.start()
}

// TestFixCatchesUp: what people said while the app was away, it has GitHub say again:
// the command, the review, the merge. Nobody else has a hand in it.
func TestFixCatchesUp(t *testing.T) {
	t.Parallel()
	w := stages(t, stage{})
	number := w.greeting()
	w.missing(func() { w.hub.As(maintainer).Comment(shop, number, "/soulcaster fix") })
	pull := w.proposal(1)
	w.until(number, "proposed")
	w.missing(func() { w.hub.As(colleague).Review(shop, pull.Number, hub.ChangesRequested, "Say it louder") })
	w.commits(pull, 2)
	w.until(number, "proposed", "Round 2 of")
	w.holds(pull.Head, "greet.js", "console.log('Hello!')\n")
	w.missing(func() {
		w.hub.As(maintainer).Ready(shop, pull.Number)
		w.hub.As(maintainer).Merge(shop, pull.Number, "merge")
	})
	w.until(number, "merged")
	w.stopped()
	w.once(number, 1, 2, 1, 2)

	within(t, slow, "all is heard", func() error {
		if ids := w.unheard(); len(ids) > 0 {
			return fmt.Errorf("not %v", ids)
		}
		return nil
	})
	var lost int
	tries := make(map[string]int)
	for _, d := range w.hub.Deliveries("") {
		if tries[d.ID]++; d.Status == 0 {
			lost++
			if !strings.Contains(w.written(), `"delivery":"`+d.ID+`"`) {
				t.Errorf("the log does not tell of the lost %s %s", d.Event, d.Action)
			}
		}
	}
	if asked := len(w.hub.Calls("POST", "^/app/hook/deliveries/")); lost < 3 || asked != lost {
		t.Errorf("%d deliveries were lost, and %d asked for again", lost, asked)
	}
	for id, n := range tries {
		if n > 2 {
			t.Errorf("%s was delivered %d times", id, n)
		}
	}
	w.once(number, 1, 2, 1, 2)
}

// unheard are the ids of what the app has not taken.
func (w *fixworld) unheard() (ids []string) {
	taken := make(map[string]bool)
	for _, d := range w.hub.Deliveries("") {
		taken[d.ID] = taken[d.ID] || d.Status/100 == 2
	}
	for id, ok := range taken {
		if !ok {
			ids = append(ids, id)
		}
	}
	return ids
}
