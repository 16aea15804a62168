package handlers_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/soulcaster/soulcaster/handlers"
)

// TestBehind: a sender is who a trusted proxy says, and nobody else can say it.
func TestBehind(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, tt := range map[string]struct {
		from   string
		passed []string
		want   string
	}{
		"not through a proxy":           {"192.0.2.7:4711", nil, "192.0.2.7:4711"},
		"who is none makes it up":       {"192.0.2.7:4711", []string{"198.51.100.1"}, "192.0.2.7:4711"},
		"through one":                   {"10.0.0.1:80", []string{"192.0.2.7"}, "192.0.2.7:0"},
		"the sender made more up":       {"10.0.0.1:80", []string{"198.51.100.1, 192.0.2.7"}, "192.0.2.7:0"},
		"in another line":               {"10.0.0.1:80", []string{"198.51.100.1", "192.0.2.7"}, "192.0.2.7:0"},
		"through two":                   {"10.0.0.1:80", []string{"198.51.100.1,192.0.2.7 , 10.9.9.9"}, "192.0.2.7:0"},
		"IPv6":                          {"[fd00::1]:80", []string{"2001:db8::7"}, "[2001:db8::7]:0"},
		"IPv4 in IPv6":                  {"[::ffff:10.0.0.1]:80", []string{"::ffff:192.0.2.7"}, "192.0.2.7:0"},
		"the proxy says nothing":        {"10.0.0.1:80", nil, "10.0.0.1:80"},
		"the proxy says nonsense":       {"10.0.0.1:80", []string{"192.0.2.7, unknown"}, "10.0.0.1:80"},
		"it came from the first proxy":  {"10.0.0.1:80", []string{"10.0.0.2"}, "10.0.0.2:0"},
		"an address that has no number": {"@", []string{"192.0.2.7"}, "@"},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			h := handlers.Behind(proxies, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr }))
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = tt.from
			r.Header["X-Forwarded-For"] = tt.passed
			if h.ServeHTTP(httptest.NewRecorder(), r); got != tt.want {
				t.Errorf("it came from %s, want %s", got, tt.want)
			}
		})
	}
}
