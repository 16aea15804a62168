package handlers

import (
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// MayFail is how many wrong secrets an address may bring within a window.
	MayFail = 20
	window  = time.Minute
	// maxAddresses bounds what is remembered. Beyond it all is forgotten.
	maxAddresses = 10_000
)

// Strikes counts wrong secrets by address. It is safe for concurrent use.
type Strikes struct {
	now func() time.Time

	mu    sync.Mutex
	began time.Time
	of    map[string]int
}

// NewStrikes returns strikes of nobody.
func NewStrikes(now func() time.Time) *Strikes {
	return &Strikes{now: now, of: map[string]int{}}
}

// Add counts one, and returns how long the address has to wait; 0 if it has not.
func (s *Strikes) Add(address string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if past := now.Sub(s.began); past >= window || past < 0 || len(s.of) >= maxAddresses {
		s.began = now
		clear(s.of)
	}
	s.of[address]++
	return s.wait(address, now)
}

// Wait returns how long an address has to wait before it may bring another secret; 0 if it
// has not.
func (s *Strikes) Wait(address string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if past := now.Sub(s.began); past >= window || past < 0 {
		return 0
	}
	return s.wait(address, now)
}

func (s *Strikes) wait(address string, now time.Time) time.Duration {
	if s.of[address] <= MayFail {
		return 0
	}
	return s.began.Add(window).Sub(now)
}

// Address is where a request comes from, as far as this process can see: the last proxy, if
// there is one.
func Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
