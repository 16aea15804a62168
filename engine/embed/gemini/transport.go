package gemini

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	// maxBody bounds an answer: a hundred vectors of 3,072 numbers are some 6 MB.
	maxBody = 16 << 20
	// longestAsked bounds how long a server can make us wait.
	longestAsked = 24 * time.Hour
)

// reply is what the SDK does not pass on of an answer: its status, how long the
// server asks to wait, and whether reading it failed.
type reply struct {
	status int
	wait   time.Duration
	err    error
}

// replyKey is the context key of a *reply.
type replyKey struct{}

// transport notes what came back in the request's reply, and bounds the body.
type transport struct{ next http.RoundTripper }

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	said, ok := req.Context().Value(replyKey{}).(*reply)
	if !ok {
		said = new(reply)
	}
	said.status = resp.StatusCode
	said.wait = retryAfter(resp.Header)
	resp.Body = &body{ReadCloser: resp.Body, said: said, left: maxBody}
	return resp, nil
}

// retryAfter reads the header in either form (RFC 9110, 10.2.3). A date is
// compared with the server's own, so that our clock does not matter.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), int(longestAsked/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longestAsked)
}

// body is a response body that notes its errors and ends in one past its limit.
type body struct {
	io.ReadCloser
	said *reply
	left int
}

func (b *body) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.said.err = errors.New("the answer is too large")
		return 0, b.said.err
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	if err != nil && !errors.Is(err, io.EOF) {
		b.said.err = err
	}
	return n, err
}
