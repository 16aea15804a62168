package github

import (
	"bytes"
	"io"
	"net/http"
)

// Bounds on what is read of an answer. A page of a hundred issues whose bodies
// are as long as GitHub allows is some 26 MB.
const (
	maxAnswer  = 32 << 20
	maxRefusal = 64 << 10
)

// movedHeader carries the Location of a redirect that must not be followed. A
// redirect without a Location is handed to the caller as it is.
const movedHeader = "Soulcaster-Moved-To"

// wire is the transport below authentication. All traffic passes it, the
// requests for tokens too; it makes answers safe for what sits above it.
type wire struct {
	next  http.RoundTripper
	agent string // names us on requests for tokens, which carry no name
}

func (w wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("User-Agent") == "" {
		req = req.Clone(req.Context())
		req.Header.Set("User-Agent", w.agent)
	}
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 300 {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
		return resp, nil
	}
	// ghinstallation leaves the body of a refused token request open, so all
	// refusals are read here, up to a bound, and closed.
	held, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	resp.Body.Close()
	if err != nil {
		held = nil // the status says enough
	}
	resp.Body = io.NopCloser(bytes.NewReader(held))

	if to := resp.Header.Get("Location"); to != "" && !mayFollow(req, to) {
		resp.Header.Del("Location")
		resp.Header.Set(movedHeader, to)
	}
	// X-RateLimit-Reset is about the hourly limit, and says when to come back
	// only if that is used up. go-github reads it after any secondary limit and
	// would stay silent for up to an hour.
	if resp.Header.Get("X-RateLimit-Remaining") != "0" {
		resp.Header.Del("X-RateLimit-Reset")
	}
	return resp, nil
}

// mayFollow reports whether a redirect may be followed: only by a read, because
// net/http repeats a POST that is answered 301 as a GET, and only on the same
// host, because authentication is added anew to every request that is sent.
func mayFollow(req *http.Request, to string) bool {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return false
	}
	u, err := req.URL.Parse(to)
	return err == nil && u.Scheme == req.URL.Scheme && u.Host == req.URL.Host
}
