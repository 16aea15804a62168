package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/soulcaster/soulcaster/engine/work"
)

// Errors of requests that no other try can mend by itself.
var (
	// ErrPrivate says that a host is not at a public address.
	ErrPrivate = errors.New("it is at an address inside a private network, which this server's operator does not allow")
	// ErrPlain says that a URL is not https.
	ErrPlain = errors.New("it is not https")
	// ErrTooLarge says that an answer is larger than is read of one.
	ErrTooLarge = errors.New("its answer is too large")
	// ErrRedirect says that the server sends elsewhere. Nothing is followed: a
	// token is meant for one server.
	ErrRedirect = errors.New("it answers with a redirect, which is not followed")
)

// StatusError is an answer that refuses: 400 to 499, but for 408 and 429.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("it answers %d (%s)", e.Status, http.StatusText(e.Status))
}

// Refused reports whether an error is an answer with one of the statuses.
func Refused(err error, statuses ...int) bool {
	var s *StatusError
	if !errors.As(err, &s) {
		return false
	}
	for _, status := range statuses {
		if s.Status == status {
			return true
		}
	}
	return false
}

// Options of a client; what is zero gets the value named.
type Options struct {
	Private   []string      // hosts that may be anywhere and speak plain http, by the operator's word
	UserAgent string        // soulcaster
	Timeout   time.Duration // of a request with its answer: 20 s
	MaxBody   int64         // bytes of an answer, unpacked: 8 MB
	Now       func() time.Time
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	o    Options
	http *http.Client
}

// New returns a client.
func New(o Options) *Client {
	if o.UserAgent == "" {
		o.UserAgent = "soulcaster"
	}
	if o.Timeout <= 0 {
		o.Timeout = 20 * time.Second
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 8 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Client{o: o}
	c.http = &http.Client{
		Transport: &http.Transport{
			// No proxy: what is behind one would be asked for by name, and the
			// addresses looked at would be the proxy's.
			DialContext:            c.dial,
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  o.Timeout,
			MaxResponseHeaderBytes: 64 << 10,
			MaxConnsPerHost:        4,
			MaxIdleConns:           32,
			IdleConnTimeout:        30 * time.Second,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Answer is what a server answered.
type Answer struct {
	Header http.Header
	Body   []byte
}

// Do sends a request and returns a 2xx answer. A server that is away or asks to
// wait is a [*work.Later]; one that refuses is a [*StatusError]; the errors above
// say what else can be wrong.
func (c *Client) Do(ctx context.Context, r *http.Request) (*Answer, error) {
	if err := c.fits(r.URL); err != nil {
		return nil, err
	}
	own, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	r = r.WithContext(own)
	r.Header.Set("User-Agent", c.o.UserAgent)
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, c.trouble(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.o.MaxBody+1))
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return nil, &work.Later{Until: c.o.Now().Add(wait(resp.Header)), Err: errors.New("it asks to go more slowly")}
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusRequestTimeout:
		return nil, &work.Later{Until: c.until(resp.Header), Err: fmt.Errorf("it answers %d", resp.StatusCode)}
	case resp.StatusCode >= 400:
		return nil, &StatusError{Status: resp.StatusCode}
	case resp.StatusCode >= 300:
		return nil, ErrRedirect
	case err != nil:
		return nil, c.trouble(ctx, err)
	case int64(len(body)) > c.o.MaxBody:
		return nil, ErrTooLarge
	}
	return &Answer{Header: resp.Header, Body: body}, nil
}

// fits reports what is wrong with a URL, if anything.
func (c *Client) fits(u *url.URL) error {
	switch {
	case u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return ErrPlain
	case u.Scheme != "https" && !c.trusts(u.Hostname()):
		return ErrPlain
	}
	return nil
}

// trouble is an error of the network without what it says of the request.
func (c *Client) trouble(ctx context.Context, err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err // the rest is the URL
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrPrivate):
		return ErrPrivate
	case errors.Is(err, context.DeadlineExceeded):
		return &work.Later{Err: errors.New("it does not answer in time")}
	}
	return &work.Later{Err: &connectionError{err}}
}

// connectionError is an error of the network, for the log. For others it says no
// more than that there was one: how a connection failed is no business of who
// named the server.
type connectionError struct{ err error }

func (*connectionError) Error() string   { return "it cannot be reached" }
func (e *connectionError) Unwrap() error { return e.err }

// Bounds of how long a server can make us wait.
const (
	shortestWait = time.Second
	defaultWait  = time.Minute
	longestWait  = 6 * time.Hour
)

// until is when a server that is away asks to come again, zero if it does not say.
func (c *Client) until(h http.Header) time.Time {
	if h.Get("Retry-After") == "" {
		return time.Time{}
	}
	return c.o.Now().Add(wait(h))
}

// wait is how long a server asks to wait: by Retry-After in either form, or by
// Sentry's and Reddit's headers, which say when a new count begins. Moments are
// compared with the server's own clock.
func wait(h http.Header) time.Duration {
	for _, name := range []string{"Retry-After", "X-Ratelimit-Reset"} {
		if seconds, err := strconv.ParseFloat(h.Get(name), 64); err == nil && seconds >= 0 {
			return bounded(seconds)
		}
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return defaultWait
	}
	if at, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		return bounded(at.Sub(now).Seconds())
	}
	if epoch, err := strconv.ParseInt(h.Get("X-Sentry-Rate-Limit-Reset"), 10, 64); err == nil {
		return bounded(time.Unix(epoch, 0).Sub(now).Seconds())
	}
	return defaultWait
}

func bounded(seconds float64) time.Duration {
	if !(seconds < longestWait.Seconds()) {
		return longestWait
	}
	return max(time.Duration(seconds*float64(time.Second)), shortestWait)
}

// Spent returns when to come again if the headers of an answer say that it was the
// last one for now, zero otherwise.
func (c *Client) Spent(h http.Header) time.Time {
	for _, name := range []string{"X-Ratelimit-Remaining", "X-Sentry-Rate-Limit-Remaining"} {
		if left, err := strconv.ParseFloat(h.Get(name), 64); err == nil && left < 1 {
			return c.o.Now().Add(wait(h))
		}
	}
	return time.Time{}
}
