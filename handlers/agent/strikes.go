package agent

import (
	"sync"
	"time"
)

const (
	// mayFail is how many wrong secrets an address may bring within a window.
	mayFail = 20
	window  = time.Minute
	// maxAddresses bounds what is remembered. Beyond it all is forgotten.
	maxAddresses = 10_000
)

// strikes counts wrong secrets by address.
type strikes struct {
	now func() time.Time

	mu    sync.Mutex
	began time.Time
	of    map[string]int
}

func newStrikes(now func() time.Time) *strikes {
	return &strikes{now: now, of: map[string]int{}}
}

// add counts one, and returns how long the address has to wait; 0 if it has not.
func (s *strikes) add(address string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if past := now.Sub(s.began); past >= window || past < 0 || len(s.of) >= maxAddresses {
		s.began = now
		clear(s.of)
	}
	s.of[address]++
	if s.of[address] <= mayFail {
		return 0
	}
	return s.began.Add(window).Sub(now)
}
