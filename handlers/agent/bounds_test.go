package agent

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestNoRunTakesAllPlaces(t *testing.T) {
	p := newPlaces()
	take := func(run string, length int64) func() {
		r := &http.Request{ContentLength: length}
		r.SetPathValue("run", run)
		done, err := p.take(r)
		if err != nil {
			return nil
		}
		return done
	}
	var held []func()
	for run := range largePlaces / runPlaces {
		for range runPlaces {
			done := take(fmt.Sprint(run), -1)
			if done == nil {
				t.Fatalf("run %d does not get its places", run)
			}
			held = append(held, done)
		}
		if take(fmt.Sprint(run), smallBytes+1) != nil {
			t.Errorf("run %d gets more", run)
		}
	}
	if take("another", -1) != nil {
		t.Error("there is room for another")
	}
	if take("another", smallBytes) == nil {
		t.Error("a small request needs a place")
	}
	for _, done := range held {
		done()
	}
	if len(p.of) != 0 || p.all != 0 {
		t.Errorf("%d places are not given back: %v", p.all, p.of)
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
