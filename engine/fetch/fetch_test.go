package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/work"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func client() *Client {
	return New(Options{Private: []string{"127.0.0.1"}, Timeout: 2 * time.Second, MaxBody: 1000, Now: func() time.Time { return noon }})
}

// ask sends a GET with a token and a query that must show up in no error.
func ask(t *testing.T, c *Client, address string) (*Answer, error) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address+"?q=secret-query", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer secret-token")
	a, err := c.Do(t.Context(), r)
	if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)), "secret") {
		t.Errorf("an error tells a secret: %v", err)
	}
	return a, err
}

func TestAnswers(t *testing.T) {
	date := func(h http.Header) { h.Set("Date", "Mon, 02 Mar 2026 11:00:00 GMT") } // an hour slow
	for _, tt := range []struct {
		name  string
		serve http.HandlerFunc
		is    error
		says  string
		until time.Time // of a *work.Later
	}{
		{name: "good", serve: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }},
		{name: "refused", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, says: "403"},
		{name: "elsewhere", is: ErrRedirect, serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://evil.test/")
			w.WriteHeader(307)
		}},
		{name: "huge", is: ErrTooLarge, serve: func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				fmt.Fprint(w, strings.Repeat("x", 100))
			}
		}},
		{name: "slowly, by seconds", until: noon.Add(7 * time.Second), serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(429)
		}},
		{name: "slowly, by a date", until: noon.Add(90 * time.Second), serve: func(w http.ResponseWriter, _ *http.Request) {
			date(w.Header())
			w.Header().Set("Retry-After", "Mon, 02 Mar 2026 11:01:30 GMT")
			w.WriteHeader(429)
		}},
		{name: "slowly, as Sentry says it", until: noon.Add(30 * time.Second), serve: func(w http.ResponseWriter, _ *http.Request) {
			date(w.Header())
			w.Header().Set("X-Sentry-Rate-Limit-Reset", fmt.Sprint(noon.Add(-time.Hour).Add(30*time.Second).Unix()))
			w.WriteHeader(429)
		}},
		{name: "slowly, as Reddit says it", until: noon.Add(12 * time.Second), serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Ratelimit-Reset", "12")
			w.WriteHeader(429)
		}},
		{name: "slowly, not said", until: noon.Add(time.Minute), serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }},
		{name: "never", until: noon.Add(6 * time.Hour), serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "99999999999999999999")
			w.WriteHeader(503)
		}},
		{name: "away", says: "502", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }},
		{name: "cut off", says: "reached", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			fmt.Fprint(w, "half")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.serve)
			defer s.Close()
			a, err := ask(t, client(), s.URL)
			var later *work.Later
			switch {
			case tt.name == "good":
				if err != nil || string(a.Body) != "fine" {
					t.Errorf("got %v, %v", a, err)
				}
			case err == nil:
				t.Error("no error")
			case tt.is != nil && !errors.Is(err, tt.is), !strings.Contains(err.Error(), tt.says):
				t.Errorf("got %v", err)
			case !tt.until.IsZero() && (!errors.As(err, &later) || !later.Until.Equal(tt.until)):
				t.Errorf("got %v, want later, at %v", err, tt.until)
			}
		})
	}
}

// A server that answers a byte at a time is not waited for longer than any other.
func TestSlow(t *testing.T) {
	end := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			select {
			case <-end:
				return
			case <-time.After(20 * time.Millisecond):
				fmt.Fprint(w, "x")
				w.(http.Flusher).Flush()
			}
		}
	}))
	defer s.Close()
	defer close(end)
	c := New(Options{Private: []string{"127.0.0.1"}, Timeout: 200 * time.Millisecond})
	_, err := ask(t, c, s.URL)
	var later *work.Later
	if !errors.As(err, &later) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, _ := http.NewRequest(http.MethodGet, s.URL, nil)
	if _, err := c.Do(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller's end: %v", err)
	}
}

// What the operator does not name is asked for at public addresses only, whatever
// name it hides behind.
func TestPrivateAddresses(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1", "[::1]", "0.0.0.0", "2130706433"} {
		_, err := ask(t, New(Options{}), "https://"+host+":"+u.Port())
		var later *work.Later
		if !errors.Is(err, ErrPrivate) && !errors.As(err, &later) { // a name that nobody knows is not reached
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests came through", n)
	}
	for _, address := range []string{"http://sentry.example.com", "file:///etc/passwd", "ftp://sentry.example.com", "https://"} {
		if _, err := ask(t, New(Options{}), address); !errors.Is(err, ErrPlain) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8": true, "35.186.247.156": true, "2600:1901:0:1::": true,
		"10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "127.0.0.1": false, "169.254.169.254": false, "100.64.0.1": false,
		"0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "198.18.0.1": false, "::1": false, "::": false, "fe80::1": false,
		"fd00:ec2::254": false, "::ffff:10.0.0.1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false, "::10.0.0.1": false,
	} {
		if got := public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: public is %v", address, got)
		}
	}
}

func TestSpent(t *testing.T) {
	c := client()
	for _, tt := range []struct {
		name, left, reset, at string
		want                  time.Time
	}{
		{"X-Ratelimit-Remaining", "0.0", "X-Ratelimit-Reset", "30", noon.Add(30 * time.Second)},
		{"X-Ratelimit-Remaining", "12.0", "X-Ratelimit-Reset", "30", time.Time{}},
		{"X-Sentry-Rate-Limit-Remaining", "0", "Retry-After", "3", noon.Add(3 * time.Second)},
		{"X-Other", "0", "Retry-After", "3", time.Time{}},
	} {
		h := http.Header{}
		h.Set(tt.name, tt.left)
		h.Set(tt.reset, tt.at)
		if got := c.Spent(h); !got.Equal(tt.want) {
			t.Errorf("%s %s: %v", tt.name, tt.left, got)
		}
	}
}
