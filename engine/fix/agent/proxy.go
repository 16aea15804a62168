package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// modelPath is the only thing that the proxy answers to.
	modelPath = "/v1/chat/completions"

	maxAsk   = 32 << 20  // bytes of one request to the model
	maxReply = 128 << 20 // bytes of one answer
	maxAsks  = 8         // at once
	// askTime bounds one request from beginning to end. Kilo gives up earlier.
	askTime = 20 * time.Minute
	// patience is for how long a request waits for an app that is being started
	// again.
	patience = 4 * time.Minute
)

// proxy is the model as the coder sees it: a port on loopback that takes no key,
// since it is the supervisor who has it. It serves from [startProxy] to Close and
// knows one path.
//
// Everything on this machine can reach the port. In the container that is the coder
// alone; on a developer's machine another user could spend the run's budget.
type proxy struct {
	app    *app
	host   string // 127.0.0.1:PORT
	server *http.Server
	served chan struct{}
	heard  func() // something came from the model
	spent  func() // the budget is gone
	places chan struct{}

	bad     atomic.Int64 // answers of the model
	journal *journal
}

func startProxy(ctx context.Context, a *app, j *journal, heard, spent func()) (*proxy, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the model's requests: %w", err)
	}
	p := &proxy{app: a, host: l.Addr().String(), served: make(chan struct{}), heard: heard, spent: sync.OnceFunc(spent),
		places: make(chan struct{}, maxAsks), journal: j}
	p.server = &http.Server{
		Handler:           p,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       askTime,
		WriteTimeout:      askTime,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          nil,
	}
	go func() {
		defer close(p.served)
		_ = p.server.Serve(l) // always an error: it was closed
	}()
	return p, nil
}

// URL is what Kilo is told.
func (p *proxy) URL() string { return "http://" + p.host + "/v1" }

// Close ends the port and all that goes through it.
func (p *proxy) Close() {
	_ = p.server.Close()
	<-p.served
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Host != p.host:
		http.Error(w, "this is not the host that you look for", http.StatusMisdirectedRequest)
		return
	case r.URL.Path != modelPath || r.URL.RawQuery != "":
		http.Error(w, "there is nothing but "+modelPath, http.StatusNotFound)
		return
	case r.Method != http.MethodPost:
		http.Error(w, "want POST", http.StatusMethodNotAllowed)
		return
	}
	select {
	case p.places <- struct{}{}:
		defer func() { <-p.places }()
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many requests at once", http.StatusTooManyRequests)
		return
	}
	// Held until it is answered, so that it can be sent to the app that comes back.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAsk))
	if err != nil {
		http.Error(w, "the request is too long or ended early", http.StatusRequestEntityTooLarge)
		return
	}
	p.heard()
	ctx, cancel := context.WithTimeout(r.Context(), askTime)
	defer cancel()
	res, err := p.ask(ctx, r, body)
	if err != nil {
		p.bad.Add(1)
		p.journal.printf("model: %v", err)
		http.Error(w, "the model cannot be reached", http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	p.answer(w, res)
}

// ask sends the request on. An app that is away or draining is asked again for a
// while.
func (p *proxy) ask(ctx context.Context, r *http.Request, body []byte) (*http.Response, error) {
	until := time.Now().Add(patience)
	for wait := p.app.back; ; wait = min(2*wait, 10*p.app.back) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.app.path("v1/chat/completions"), bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("make request: %w", err)
		}
		for _, name := range []string{"Content-Type", "Accept"} {
			if v := r.Header.Get(name); v != "" {
				req.Header.Set(name, v)
			}
		}
		req.Header.Set("Authorization", "Bearer "+p.app.token)
		res, err := p.app.client.Do(req)
		var dial *net.OpError
		switch {
		case err == nil && !away(res):
			return res, nil
		case err == nil && time.Now().After(until):
			return res, nil
		case err == nil:
			res.Body.Close()
		case !errors.As(err, &dial) || dial.Op != "dial" || time.Now().After(until):
			// It may have reached the model, and have cost something: Kilo decides.
			return nil, fmt.Errorf("ask the app: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("ask the app: %w", context.Cause(ctx))
		case <-time.After(wait):
		}
		p.heard() // Kilo is not silent while its model is away
	}
}

// away reports whether an answer says that the app is not there: it drains, or what
// stands in front of it does not reach it. The app's own answers have a request id.
func away(res *http.Response) bool {
	return res.StatusCode == http.StatusServiceUnavailable ||
		res.StatusCode == http.StatusBadGateway && res.Header.Get("X-Request-Id") == ""
}

// answer passes the model's answer on as it comes, every piece at once.
func (p *proxy) answer(w http.ResponseWriter, res *http.Response) {
	switch {
	case res.StatusCode == http.StatusPaymentRequired:
		defer p.spent()
	case res.StatusCode/100 == 2:
	default:
		p.bad.Add(1)
		p.journal.printf("model: the answer was %d", res.StatusCode)
	}
	for _, name := range []string{"Content-Type", "Retry-After", "Cache-Control", "X-Request-Id"} {
		if v := res.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(res.StatusCode)
	flush := http.NewResponseController(w)
	buf := make([]byte, 32<<10)
	for in := io.LimitReader(res.Body, maxReply); ; {
		n, err := in.Read(buf)
		if n > 0 {
			p.heard()
			if _, err := w.Write(buf[:n]); err != nil {
				return // Kilo does not want the rest
			}
			_ = flush.Flush()
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				p.bad.Add(1)
				panic(http.ErrAbortHandler) // an answer that was cut must look cut
			}
			return
		}
	}
}
