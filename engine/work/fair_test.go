package work_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/work"
)

func numbered(kind string, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s/%04d", kind, i)
	}
	return keys
}

func TestInstallationsTakeTurns(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		o := quick(t)
		o.Workers, o.PerInstallation = 1, 1
		q := work.New(db, db, o)
		var order []string
		few := make(chan bool, 100)
		q.Handle("many", func(_ context.Context, it work.Item) (time.Time, error) {
			order = append(order, it.Space.Name())
			return time.Time{}, nil
		})
		q.Handle("few", func(_ context.Context, it work.Item) (time.Time, error) {
			order = append(order, it.Space.Name())
			few <- true
			return time.Time{}, nil
		})
		// Installation 1 has two projects, which do not get it two turns.
		add(t, create(t, db, "p/1/api"), numbered("many", 1000)...)
		add(t, create(t, db, "p/1/web"), numbered("many", 1000)...)
		add(t, create(t, db, "p/2/web"), numbered("few", 10)...)
		q.Wake("p/1/api", "p/1/web", "p/2/web")
		stop := start(t, q)
		for range 10 {
			receive(t, few, "the work of the small tenant")
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		last := 0
		for i, space := range order {
			if space == "p/2/web" {
				last = i
			}
		}
		if last > 25 {
			t.Errorf("the last of 10 items came after %d others", last-9)
		}
		if a, b := count(order[:last], "p/1/api"), count(order[:last], "p/1/web"); a < 3 || b < 3 {
			t.Errorf("projects of one installation had %d and %d turns, want them to share", a, b)
		}
	})
}

func count(list []string, s string) int {
	return len(list) - len(slices.DeleteFunc(slices.Clone(list), func(o string) bool { return o == s }))
}

func TestAnInstallationHasACapInFlight(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w world) {
		db := w.connect(t)
		o := quick(t)
		o.Workers, o.PerInstallation = 6, 2
		q := work.New(db, db, o)
		var mu sync.Mutex
		now, most := map[string]int{}, map[string]int{}
		begun, end := make(chan string, 100), make(chan bool)
		q.Handle("issue", func(_ context.Context, it work.Item) (time.Time, error) {
			tenant := it.Space.Name()[:3]
			mu.Lock()
			now[tenant]++
			most[tenant] = max(most[tenant], now[tenant])
			mu.Unlock()
			begun <- tenant
			<-end
			mu.Lock()
			now[tenant]--
			mu.Unlock()
			return time.Time{}, nil
		})
		add(t, create(t, db, "p/1/api"), numbered("issue", 20)...)
		add(t, create(t, db, "p/1/web"), numbered("issue", 20)...)
		q.Wake("p/1/api", "p/1/web")
		start(t, q)
		receive(t, begun, "the first item of 1")
		receive(t, begun, "the second item of 1")
		// The first tenant's items stand still, with room left for the second's.
		add(t, create(t, db, "p/2/web"), numbered("issue", 20)...)
		q.Wake("p/2/web")
		for range 2 {
			if got := receive(t, begun, "an item of 2"); got != "p/2" {
				t.Errorf("an item of %s began, which is at its cap", got)
			}
		}
		close(end)
		atRest(t, db, "p/1/api", "p/1/web", "p/2/web")
		mu.Lock()
		defer mu.Unlock()
		if most["p/1"] != 2 || most["p/2"] != 2 {
			t.Errorf("at most %v in flight, want 2 of each", most)
		}
	})
}
