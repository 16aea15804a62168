package handlers

import (
	"fmt"
	"testing"
	"time"
)

func TestStrikesAreForgotten(t *testing.T) {
	now := time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)
	s := NewStrikes(func() time.Time { return now })
	for range MayFail {
		if s.Add("a") != 0 {
			t.Fatal("too soon")
		}
	}
	now = now.Add(10 * time.Second)
	if wait := s.Add("a"); wait != 50*time.Second {
		t.Errorf("it has to wait %v", wait)
	}
	if s.Add("b") != 0 {
		t.Error("another address has to wait too")
	}
	if wait := s.Wait("a"); wait != 50*time.Second || s.Wait("b") != 0 || s.Wait("c") != 0 {
		t.Errorf("they have to wait %v, %v, %v", wait, s.Wait("b"), s.Wait("c"))
	}
	now = now.Add(50 * time.Second)
	if s.Wait("a") != 0 {
		t.Error("it has to wait longer than it was told")
	}
	if s.Add("a") != 0 {
		t.Error("it has to wait longer than it was told")
	}
	for i := range 3 * maxAddresses {
		s.Add(fmt.Sprint(i))
	}
	if len(s.of) > maxAddresses {
		t.Errorf("%d addresses are remembered", len(s.of))
	}
}
