package model

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Config is what a gateway needs. URL, Models and Price are required.
type Config struct {
	URL    string   // of the provider's API, up to the part before /chat/completions
	Key    string   // sent as a bearer token; "" sends none
	Models []string // that may be asked
	// Price is what a model costs at a moment; false if that is not known. Then a
	// budget in money does not hold.
	Price  func(model string, at time.Time) (Price, bool)
	Budget run.Budget // of one run
	// Output is with how many tokens an answer is reckoned while it is under way, if
	// the request has no max_tokens; 0 is 8192. It limits no answer.
	Output int64

	AtOnce   int           // requests of one run under way; 0 is 4
	Deadline time.Duration // of one request; 0 is 10 minutes
	Idle     time.Duration // without a byte from the provider; 0 is 2 minutes
	// Transport carries the requests; nil is one that connects within ten seconds.
	Transport http.RoundTripper
	Now       func() time.Time // nil is time.Now
}

// Gateway passes requests on to the provider. It is safe for concurrent use.
type Gateway struct {
	c   Config
	url string

	mu   sync.Mutex
	runs map[string]*account // of runs with requests under way
}

// New returns a gateway. It speaks to nobody yet.
func New(c Config) (*Gateway, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("model gateway: the provider's address must be an http or https URL without credentials or query")
	}
	if len(c.Models) == 0 {
		return nil, errors.New("model gateway: no model")
	}
	c.Output = cmp.Or(c.Output, 8192)
	c.AtOnce = cmp.Or(c.AtOnce, 4)
	c.Deadline = cmp.Or(c.Deadline, 10*time.Minute)
	c.Idle = cmp.Or(c.Idle, 2*time.Minute)
	if c.Transport == nil {
		c.Transport = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 16,
			IdleConnTimeout:     90 * time.Second,
			DisableCompression:  true, // what streams must not wait for a block to fill
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Gateway{c: c, url: strings.TrimSuffix(c.URL, "/") + "/chat/completions", runs: map[string]*account{}}, nil
}

// Refusal is an answer of the gateway's own, for whoever asked.
type Refusal struct {
	Status  int    // of HTTP
	Code    string // a name for it
	Message string
	After   time.Duration // when to ask again; 0: do not
	Err     error         // for the log; nil if the message says it all
}

func (r *Refusal) Error() string {
	if r.Err != nil {
		return r.Message + ": " + r.Err.Error()
	}
	return r.Message
}
func (r *Refusal) Unwrap() error { return r.Err }

// Answer is what the provider answered. Body streams as it comes; Close settles what
// the request cost and must be called.
type Answer struct {
	Status int
	Header http.Header // those that may pass
	Stream bool        // the body is a stream of events
	Body   io.ReadCloser
}

// Ask sends a request of a run to the provider and returns its answer, whatever its
// status is. The error is a [*Refusal], or the store's. The run's space must be that
// of someone who may ask: the gateway does not know who asks.
func (g *Gateway) Ask(ctx context.Context, space storage.Space, id string, body []byte) (*Answer, error) {
	if len(body) > MaxRequest {
		return nil, &Refusal{Status: http.StatusRequestEntityTooLarge, Code: "too_large",
			Message: fmt.Sprintf("a request has at most %d bytes", MaxRequest)}
	}
	if err := g.left(ctx, space, id); err != nil {
		return nil, err
	}
	req, err := readRequest(body, g.c.Models)
	if err != nil {
		return nil, &Refusal{Status: http.StatusBadRequest, Code: "invalid_request", Message: err.Error()}
	}
	charge, err := g.reserve(ctx, space, id, req)
	if err != nil {
		return nil, err
	}
	answer, err := g.send(ctx, req, charge)
	if err != nil {
		return nil, errors.Join(err, charge.settle())
	}
	return answer, nil
}

// left refuses whose budget is used up, before more is done for them.
func (g *Gateway) left(ctx context.Context, space storage.Space, id string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	u, _, err := run.UsageOf(ctx, space, id)
	if err != nil {
		return err
	}
	if u.Spent != "" {
		return spentRefusal(u.Spent)
	}
	return nil
}

var (
	errIdle     = errors.New("the provider was silent for too long")
	errDeadline = errors.New("the request took too long")
)

// send makes the request. It does not follow redirects, which would take the key to
// another host.
func (g *Gateway) send(ctx context.Context, req request, charge *charge) (*Answer, error) {
	// An answer outlives this call, and its context with it.
	ctx, cancel := context.WithCancelCause(ctx)
	ctx, stop := context.WithTimeoutCause(ctx, g.c.Deadline, errDeadline)
	end := func() { stop(); cancel(nil) }
	idle := time.AfterFunc(g.c.Idle, func() { cancel(errIdle) })
	out, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, nil)
	if err != nil {
		end()
		return nil, fmt.Errorf("ask model: %w", err)
	}
	body := &payload{data: req.body}
	body.of(out)
	out.Header.Set("Content-Type", "application/json")
	out.Header.Set("User-Agent", "soulcaster")
	if req.stream {
		out.Header.Set("Accept", "text/event-stream")
	}
	if g.c.Key != "" {
		out.Header.Set("Authorization", "Bearer "+g.c.Key)
	}
	in, err := g.c.Transport.RoundTrip(out)
	body.drop()
	idle.Stop()
	if err != nil {
		defer end()
		return nil, g.unreachable(ctx, charge, err)
	}
	if in.StatusCode < 200 || in.StatusCode > 299 {
		defer end()
		return g.refused(in, charge)
	}
	charge.meter.stream = strings.HasPrefix(in.Header.Get("Content-Type"), "text/event-stream")
	return &Answer{
		Status: in.StatusCode, Header: passing(in.Header), Stream: charge.meter.stream,
		Body: &metered{in: in.Body, ctx: ctx, end: end, idle: idle, patience: g.c.Idle, charge: charge},
	}, nil
}

// unreachable says that no answer came. Whoever hangs up, or is kept waiting, may
// have had the model work all the while; where nothing was reached nothing did.
func (g *Gateway) unreachable(ctx context.Context, charge *charge, err error) error {
	if ctx.Err() == nil {
		charge.free()
		return &Refusal{Status: http.StatusBadGateway, Code: "provider_unreachable", After: 5 * time.Second,
			Message: "the model's provider could not be reached", Err: err}
	}
	return &Refusal{Status: http.StatusGatewayTimeout, Code: "provider_timeout", After: 5 * time.Second,
		Message: "the model's provider did not answer in time", Err: context.Cause(ctx)}
}

// maxRefusal bounds what is passed on of an answer that is an error, and maxAnswer
// what is looked at of one that does not stream.
const (
	maxRefusal = 64 << 10
	maxAnswer  = 8 << 20
)

// refused passes an error of the provider on. Providers quote keys in some.
func (g *Gateway) refused(in *http.Response, charge *charge) (*Answer, error) {
	defer in.Body.Close()
	charge.free()
	body, err := io.ReadAll(io.LimitReader(in.Body, maxRefusal))
	if err != nil {
		body = nil
	}
	answer := &Answer{Status: in.StatusCode, Header: passing(in.Header)}
	switch {
	case in.StatusCode == http.StatusUnauthorized || in.StatusCode == http.StatusForbidden || in.StatusCode == http.StatusPaymentRequired:
		// Not as it is: 402 says that the run's own budget is used up.
		return nil, &Refusal{Status: http.StatusForbidden, Code: "provider_refused",
			Message: "the model's provider does not accept the app's key, or has no credit for it: the operator has to look after that",
			Err:     fmt.Errorf("the provider answered %d", in.StatusCode)}
	case in.StatusCode < 400:
		return nil, &Refusal{Status: http.StatusBadGateway, Code: "provider_odd",
			Message: "the model's provider answered with something else than an answer",
			Err:     fmt.Errorf("the provider answered %d", in.StatusCode)}
	case g.c.Key != "":
		body = bytes.ReplaceAll(body, []byte(g.c.Key), []byte("[key]"))
	}
	answer.Body = &settled{Reader: bytes.NewReader(body), charge: charge}
	return answer, nil
}

// settled is a body that is all there.
type settled struct {
	io.Reader
	charge *charge
}

func (s *settled) Close() error { return s.charge.settle() }

// passing returns the headers that may pass.
func passing(h http.Header) http.Header {
	out := http.Header{}
	for _, name := range []string{"Content-Type", "Retry-After", "Retry-After-Ms"} {
		if v := h.Get(name); v != "" {
			out.Set(name, v)
		}
	}
	return out
}

// metered is the body of an answer that is counted as it goes by.
type metered struct {
	in       io.ReadCloser
	ctx      context.Context
	end      func()
	idle     *time.Timer
	patience time.Duration
	charge   *charge
}

// Read waits for the provider alone: the time that the reader takes between two
// calls does not count as silence.
func (m *metered) Read(p []byte) (int, error) {
	m.idle.Reset(m.patience)
	n, err := m.in.Read(p)
	m.idle.Stop()
	m.charge.meter.Write(p[:n])
	switch {
	case err == io.EOF:
		m.charge.meter.end()
		m.charge.whole = true
	case err != nil && context.Cause(m.ctx) != nil:
		err = context.Cause(m.ctx)
	}
	return n, err
}

// Close ends the request and settles it.
func (m *metered) Close() error {
	m.idle.Stop()
	m.end()
	err := m.in.Close()
	return errors.Join(err, m.charge.settle())
}
