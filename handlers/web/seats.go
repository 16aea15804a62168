package web

import "sync"

// seats bound how much of something goes on at once: of one installation, or person, and of
// all, so that nobody takes the places of all others. They are safe for concurrent use.
type seats struct {
	each, all int

	mu    sync.Mutex
	taken int
	of    map[int64]int
}

func newSeats(each, all int) *seats { return &seats{each: each, all: all, of: make(map[int64]int)} }

// take returns what gives the seat back again; false if there is none.
func (s *seats) take(of int64) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= s.all || s.of[of] >= s.each {
		return nil, false
	}
	s.taken++
	s.of[of]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.taken--
		if s.of[of]--; s.of[of] == 0 {
			delete(s.of, of)
		}
	}, true
}
