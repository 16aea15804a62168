package agent

import (
	"fmt"
	"net/http"
	"testing"
	"time"
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

func TestStrikesAreForgotten(t *testing.T) {
	now := time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)
	s := newStrikes(func() time.Time { return now })
	for range mayFail {
		if s.add("a") != 0 {
			t.Fatal("too soon")
		}
	}
	now = now.Add(10 * time.Second)
	if wait := s.add("a"); wait != 50*time.Second {
		t.Errorf("it has to wait %v", wait)
	}
	if s.add("b") != 0 {
		t.Error("another address has to wait too")
	}
	now = now.Add(50 * time.Second)
	if s.add("a") != 0 {
		t.Error("it has to wait longer than it was told")
	}
	for i := range 3 * maxAddresses {
		s.add(fmt.Sprint(i))
	}
	if len(s.of) > maxAddresses {
		t.Errorf("%d addresses are remembered", len(s.of))
	}
}
