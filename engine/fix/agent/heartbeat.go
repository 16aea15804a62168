package agent

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

// progress is what heartbeats tell. It is safe for concurrent use.
type progress struct {
	mu    sync.Mutex
	phase brief.Phase
	note  string
	steps int
}

func (p *progress) at(phase brief.Phase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase, p.note = phase, ""
}

func (p *progress) uses(tool string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note = tool
}

func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps++
}

func (p *progress) now(attempt int) brief.Heartbeat {
	p.mu.Lock()
	defer p.mu.Unlock()
	return brief.Heartbeat{Attempt: attempt, Phase: p.phase, Note: p.note, Steps: p.steps}
}

// pulse sends heartbeats until its context ends, and tells what the app orders.
type pulse struct {
	app      *app
	attempt  int
	every    time.Duration
	progress *progress
	times    times
	journal  *journal

	// first is closed when the app answered the first heartbeat: from then on the
	// claim is worth nothing.
	first  chan struct{}
	finish func(brief.Order) // hand over what there is
	stop   func(why string)  // end at once
}

// run is to be started once, in its own goroutine.
func (p *pulse) run(ctx context.Context) {
	var answered bool
	heard := time.Now() // when the app last knew us, or was first asked
	known := heard      // when it last did not deny it
	wait := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = p.every
		var order brief.Order
		err := p.app.send(ctx, http.MethodPost, p.app.path("heartbeat"), p.progress.now(p.attempt), &order)
		now := time.Now()
		switch {
		case err == nil:
			heard, known = now, now
			if !answered {
				answered = true
				close(p.first)
			}
			switch {
			case order.Stop != "":
				p.stop(order.Stop)
				return
			case order.Finish != "":
				p.finish(order) // once and again: the first counts
			}
		case ctx.Err() != nil:
			return
		case unknown(err):
			heard = now
			if now.Sub(known) > p.times.unknown {
				p.stop(fmt.Sprintf("the app does not know this attempt any more: %v", err))
				return
			}
		default:
			known = now
			p.journal.printf("heartbeat: %v", err)
			if now.Sub(heard) > p.times.away {
				p.stop("the app has not answered for too long")
				return
			}
			wait = min(p.every, 10*p.app.back) // do not miss it when it is back
		}
	}
}
