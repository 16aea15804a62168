package main

import (
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// port is an address that is served. What serves it may change under way, and nobody
// who knocks notices.
type port struct {
	address string
	server  *http.Server
	done    chan struct{} // closed when it is not served any more
	err     error         // why, once done
	handler atomic.Pointer[http.Handler]
}

// openPort serves an address from now on, until its server is told to end.
func openPort(l net.Listener, h http.Handler, log zerolog.Logger) *port {
	p := &port{address: l.Addr().String(), done: make(chan struct{})}
	p.become(h)
	p.server = newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*p.handler.Load()).ServeHTTP(w, r) }), log)
	go func() {
		defer close(p.done)
		p.err = p.server.Serve(l)
	}()
	return p
}

// close ends it, with whatever is under way.
func (p *port) close() {
	p.server.Close()
	<-p.done
}

// become has the port served by something else.
func (p *port) become(h http.Handler) { p.handler.Store(&h) }

// newServer returns a server whose patience has limits. What net/http has to say,
// of broken connections for one, goes to the log as a warning.
func newServer(h http.Handler, log zerolog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ErrorLog:          stdlog.New(warnings{log}, "", 0),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}

// warnings writes lines into the log.
type warnings struct{ log zerolog.Logger }

func (w warnings) Write(line []byte) (int, error) {
	w.log.Warn().Msg(strings.TrimSpace(string(line)))
	return len(line), nil
}
