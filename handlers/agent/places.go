package agent

import (
	"net/http"
	"sync"
	"time"
)

// Large bodies are held by a bounded number of requests at once, which bounds the
// memory that they take to 320 MB at worst. No run gets more than a few, so that
// one that misbehaves leaves room for the others. What Kilo asks is small.
const (
	smallBytes  = 1 << 20
	largePlaces = 16
	runPlaces   = 4
)

// places are taken by requests with large bodies.
type places struct {
	mu  sync.Mutex
	all int
	of  map[string]int // by run
}

func newPlaces() *places { return &places{of: map[string]int{}} }

// take takes a place for a request of a run, if its body needs one; done gives it
// back, once.
func (p *places) take(r *http.Request) (done func(), err error) {
	if r.ContentLength >= 0 && r.ContentLength <= smallBytes {
		return func() {}, nil
	}
	run := r.PathValue("run")
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all >= largePlaces || p.of[run] >= runPlaces {
		return nil, &refusal{status: http.StatusServiceUnavailable, code: "busy", after: 5 * time.Second,
			message: "too many large requests at once: ask again"}
	}
	p.all++
	p.of[run]++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all--
		if p.of[run]--; p.of[run] == 0 {
			delete(p.of, run)
		}
	}), nil
}
