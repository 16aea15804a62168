package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/handlers"
)

const (
	// lookEvery is how often a stream looks at what it tells of, beatEvery how long it is
	// silent at most.
	lookEvery = time.Second
	beatEvery = 15 * time.Second
	// askEvery is how often it asks whether whoever listens still may.
	askEvery = 5 * time.Second
	// streamLife is how long it goes on; browsers then ask for it again.
	streamLife = 15 * time.Minute
	// sendWithin is how long the other side may take to read an event.
	sendWithin = 10 * time.Second
	// maxStreams bounds how many go on at once, maxStreamsOf those of one person.
	maxStreams   = 300
	maxStreamsOf = 12
	// maxMissed is how often in a row a look may fail, the store being away.
	maxMissed = 60
)

// streams are those that go on.
type streams struct {
	pace time.Duration // between two looks
	ask  time.Duration // between two questions whether whoever listens may

	seats *seats // by person; the operator is 0

	mu    sync.Mutex
	ended bool
	end   chan struct{} // closed when none is to go on
}

func newStreams() *streams {
	return &streams{pace: lookEvery, ask: askEvery, seats: newSeats(maxStreamsOf, maxStreams), end: make(chan struct{})}
}

// begin takes a place for a stream; ok is false if there is none.
func (s *streams) begin(person int64) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, false
	}
	return s.seats.take(person)
}

// End ends the streams that go on, and lets no other begin: the app is about to stop.
func (p *Pages) End() {
	s := p.streams
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended = true
		close(s.end)
	}
}

// watch is what a stream tells of: it is sent as JSON whenever that changed, and over says
// that it will not any more.
type watch func(ctx context.Context) (now any, over bool, err error)

// events serves server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)
// about a place: what look sees, at once and whenever it changed. "over" is the last event
// of what will not change any more. The stream ends when whoever listens has signed out,
// or may not do there any more as much as a permission says.
func (p *Pages) events(w http.ResponseWriter, r *http.Request, at *place, need github.Permission, look watch) {
	p.follow(w, r, at.who, func(ctx context.Context) (bool, error) { return p.still(ctx, r, at, need) }, look)
}

// follow is events about whatever may says, again and again, that who listens may see.
func (p *Pages) follow(w http.ResponseWriter, r *http.Request, who *viewer, may func(context.Context) (bool, error), look watch) {
	leave, ok := p.streams.begin(who.who.ID)
	if !ok {
		handlers.RetryAfter(w, beatEvery)
		handlers.Error(w, r, http.StatusTooManyRequests, "too many streams are open: close some, or look again without one")
		return
	}
	defer leave()
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	defer cancel()
	now, over, err := look(ctx)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx would hold it back
	out := sender{w: w, conn: http.NewResponseController(w)}
	w.WriteHeader(http.StatusOK)
	out.see(now, over)

	tick := time.NewTicker(p.streams.pace)
	defer tick.Stop()
	asked, missed := time.Now(), 0
	for !over && out.err == nil {
		select {
		case <-ctx.Done():
			return
		case <-p.streams.end:
			return
		case <-tick.C:
		}
		if time.Since(asked) >= p.streams.ask {
			still, err := may(ctx)
			switch {
			case err != nil:
				zerolog.Ctx(ctx).Warn().Err(err).Msg("a stream ends: it is not known whether whoever listens still may")
				return
			case !still:
				return
			}
			asked = time.Now()
		}
		if now, over, err = look(ctx); err != nil {
			if missed++; absent(err) || missed >= maxMissed {
				return
			}
			over = false
			continue
		}
		missed = 0
		out.see(now, over)
	}
}

// still reports whether whoever began a request may still do as much at a place.
func (p *Pages) still(ctx context.Context, r *http.Request, at *place, need github.Permission) (bool, error) {
	who, err := p.who(r.WithContext(ctx))
	if errors.Is(err, errSignIn) || errors.Is(err, errWorthless) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var now *place
	if at.space != nil {
		now, err = p.atProject(ctx, who, r.PathValue("installation"), r.PathValue("project"))
	} else {
		now, err = p.at(ctx, who, r.PathValue("installation"))
	}
	if absent(err) {
		return false, nil
	}
	if err != nil || !now.may(need) {
		return false, err
	}
	if at.narrow != nil {
		return at.narrow(ctx, now)
	}
	return true, nil
}

// sender writes events.
type sender struct {
	w    http.ResponseWriter
	conn *http.ResponseController
	last string
	at   time.Time
	err  error
}

// see sends what is seen if that is news, or else, now and then, a sign of life.
func (s *sender) see(now any, over bool) {
	data, err := json.Marshal(now)
	if err != nil {
		s.err = err
		return
	}
	switch {
	case over:
		s.send("event: over\ndata: " + string(data) + "\n\n")
	case string(data) != s.last:
		s.last = string(data)
		s.send("data: " + s.last + "\n\n")
	case time.Since(s.at) >= beatEvery:
		s.send(": still here\n\n")
	}
}

func (s *sender) send(text string) {
	s.at = time.Now()
	_ = s.conn.SetWriteDeadline(s.at.Add(sendWithin)) // what cannot be timed is written all the same
	if _, s.err = s.w.Write([]byte(text)); s.err == nil {
		s.err = s.conn.Flush()
	}
}
