package agent

import (
	"net/http"
	"sync"
	"time"
)

// What is asked at once is bounded before a byte of a body is read, and with it the
// memory that bodies take. A body may be there three times over while it is read and
// taken apart: that is 1.3 GB at worst for the model's longest requests (16 of 20 MB)
// with all small ones (128 of 1 MB). No run gets more than a few, so that one that
// misbehaves leaves room for the others. What Kilo asks is small.
const (
	smallBytes     = 1 << 20
	largePlaces    = 16
	runLargePlaces = 4
	allPlaces      = 128
	runPlaces      = 8
)

// places are taken by requests with bodies, large ones and all.
type places struct {
	mu    sync.Mutex
	large count
	all   count
}

// count is how many places are taken, together and by run.
type count struct {
	all int
	of  map[string]int
}

func newPlaces() *places {
	return &places{large: count{of: map[string]int{}}, all: count{of: map[string]int{}}}
}

// take takes a place for a request of a run, whose body has at most so many bytes;
// done gives it back, once.
func (p *places) take(r *http.Request, most int64) (done func(), err error) {
	if r.ContentLength >= 0 {
		most = min(most, r.ContentLength)
	}
	large := most > smallBytes
	run := r.PathValue("run")
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.all.has(run, allPlaces, runPlaces) || large && !p.large.has(run, largePlaces, runLargePlaces) {
		return nil, &refusal{status: http.StatusServiceUnavailable, code: "busy", after: 5 * time.Second,
			message: "too many requests at once: ask again"}
	}
	p.all.add(run, 1)
	if large {
		p.large.add(run, 1)
	}
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all.add(run, -1)
		if large {
			p.large.add(run, -1)
		}
	}), nil
}

func (c *count) has(run string, all, ofRun int) bool { return c.all < all && c.of[run] < ofRun }

func (c *count) add(run string, n int) {
	c.all += n
	if c.of[run] += n; c.of[run] == 0 {
		delete(c.of, run)
	}
}
