package agent

import (
	"fmt"
	"net/http"
	"testing"
)

func TestNoRunTakesAllPlaces(t *testing.T) {
	for name, tt := range map[string]struct {
		length     int64
		all, ofRun int
	}{
		"large":             {smallBytes + 1, largePlaces, runLargePlaces},
		"of unknown length": {-1, largePlaces, runLargePlaces},
		"small":             {smallBytes, allPlaces, runPlaces},
		"empty":             {0, allPlaces, runPlaces},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlaces()
			take := func(run string, length int64) func() {
				r := &http.Request{ContentLength: length}
				r.SetPathValue("run", run)
				done, err := p.take(r, 20<<20)
				if err != nil {
					return nil
				}
				return done
			}
			var held []func()
			for run := range tt.all / tt.ofRun {
				for range tt.ofRun {
					done := take(fmt.Sprint(run), tt.length)
					if done == nil {
						t.Fatalf("run %d does not get its places", run)
					}
					held = append(held, done)
				}
				if take(fmt.Sprint(run), tt.length) != nil {
					t.Errorf("run %d gets more", run)
				}
			}
			if take("another", tt.length) != nil {
				t.Error("there is room for another")
			}
			if small := take("another", 0); (small != nil) != (tt.all == largePlaces) {
				t.Errorf("a small request beside them gets a place: %v", small != nil)
			} else if small != nil {
				held = append(held, small)
			}
			for _, done := range held {
				done()
				done()
			}
			if len(p.all.of)+len(p.large.of)+p.all.all+p.large.all != 0 {
				t.Errorf("places are not given back: %+v %+v", p.all, p.large)
			}
		})
	}
}
