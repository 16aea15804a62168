package ingest

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// How many requests are read and stored at once. Together they bound the memory
// that bodies can take: to 32 MB for small ones, to 80 MB for others, and what is
// read out of them to a few times as much.
const (
	smallBytes  = 128 << 10
	smallPlaces = 256
	largePlaces = 8
	// strangerPlaces are for signed webhooks of 1 MB at most that are large, or do
	// not say how large they are, until their signature is checked.
	strangerPlaces = 64

	// placeWait is how long a request waits for a place before it is told to
	// come again: less than the second after which Sentry gives up.
	placeWait = 700 * time.Millisecond
)

// places bound how many requests are at work. No source gets more than half of
// them, so that one tenant's flood leaves the door open for the others.
type places struct {
	all  chan struct{}
	each int

	mu sync.Mutex
	of map[string]*share // by source; of those that have requests at work or waiting
}

// share is the places of one source.
type share struct {
	taken chan struct{}
	users int
}

func newPlaces(n int) *places {
	return &places{all: make(chan struct{}, n), each: n / 2, of: make(map[string]*share)}
}

// take waits for a place for a source's request, which done gives back.
func (p *places) take(ctx context.Context, source string) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, placeWait)
	defer cancel()
	own := p.join(source)
	select {
	case own.taken <- struct{}{}:
	case <-ctx.Done():
		p.leave(source, own)
		return nil, &refusal{status: http.StatusTooManyRequests, message: "this source sends too many requests at once: nothing of this one was kept, send it again"}
	}
	select {
	case p.all <- struct{}{}:
	case <-ctx.Done():
		<-own.taken
		p.leave(source, own)
		return nil, &refusal{status: http.StatusTooManyRequests, message: "too many requests at once: nothing of this one was kept, send it again"}
	}
	return func() { <-p.all; <-own.taken; p.leave(source, own) }, nil
}

func (p *places) join(source string) *share {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.of[source]
	if own == nil {
		own = &share{taken: make(chan struct{}, p.each)}
		p.of[source] = own
	}
	own.users++
	return own
}

func (p *places) leave(source string, own *share) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(p.of, source)
	}
}

// placesFor returns the places that a request of its size is served in. The size
// of a compressed body, and of one of unknown length, is not known before the end.
func (h *Handler) placesFor(r *http.Request) *places {
	if r.ContentLength >= 0 && r.ContentLength <= smallBytes && r.Header.Get("Content-Encoding") == "" {
		return h.small
	}
	return h.large
}
