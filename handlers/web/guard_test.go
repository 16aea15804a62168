package web

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/handlers"
)

const token = "operators-token-0123456789"

// pages returns a world's pages behind what stands before every handler.
func pages(t testing.TB, w *enginetest.World, cfg Config) http.Handler {
	t.Helper()
	cfg.Drafts, cfg.Sources = w.Keeper, w.Store
	p, err := New(cfg, w.Projects, w.Actions, w.Now)
	if err != nil {
		t.Fatal(err)
	}
	mux := handlers.NewRouter()
	p.Register(mux)
	return handlers.Observe(zerolog.New(io.Discard), func(string, int, time.Duration) {}, mux)
}

func TestWhoSeesThePages(t *testing.T) {
	w := enginetest.New(t, false, nil)
	for _, c := range []struct {
		name     string
		preview  bool
		token    string
		from, at string // RemoteAddr and Host
		headers  []string
		status   int
	}{
		{"preview on loopback", true, "", "127.0.0.1:5000", "127.0.0.1:8080", nil, 200},
		{"preview on loopback, IPv6", true, "", "[::1]:5000", "[::1]:8080", nil, 200},
		{"preview as localhost", true, "", "127.0.0.1:5000", "localhost:8080", nil, 200},
		{"preview without a port", true, "", "127.0.0.1:5000", "LOCALHOST", nil, 200},
		{"preview from elsewhere", true, "", "192.0.2.7:5000", "127.0.0.1:8080", nil, 403},
		{"preview under a name that was made to point here", true, "", "127.0.0.1:5000", "evil.example:8080", nil, 403},
		{"preview under a name that begins like ours", true, "", "127.0.0.1:5000", "localhost.evil.example", nil, 403},
		{"preview through a proxy", true, "", "127.0.0.1:5000", "127.0.0.1:8080", []string{"X-Forwarded-For", "192.0.2.7"}, 403},
		{"preview through another proxy", true, "", "127.0.0.1:5000", "127.0.0.1:8080", []string{"Forwarded", "for=192.0.2.7"}, 403},
		{"preview through a proxy that names the host", true, "", "127.0.0.1:5000", "127.0.0.1:8080", []string{"X-Forwarded-Host", "x"}, 403},
		{"preview through a proxy that says so", true, "", "127.0.0.1:5000", "127.0.0.1:8080", []string{"Via", "1.1 x"}, 403},
		{"preview through nginx", true, "", "127.0.0.1:5000", "127.0.0.1:8080", []string{"X-Real-IP", "192.0.2.7"}, 403},
		{"preview from elsewhere with the token", true, token, "192.0.2.7:5000", "soulcaster.example", []string{"Authorization", "Bearer " + token}, 200},

		{"live, a stranger on loopback", false, token, "127.0.0.1:5000", "127.0.0.1:8080", nil, 401},
		{"live with the token", false, token, "192.0.2.7:5000", "soulcaster.example", []string{"Authorization", "Bearer " + token}, 200},
		{"live with the token in small letters", false, token, "192.0.2.7:5000", "soulcaster.example", []string{"Authorization", "bearer " + token}, 200},
		{"live with a wrong token", false, token, "192.0.2.7:5000", "soulcaster.example", []string{"Authorization", "Bearer " + token + "x"}, 401},
		{"live with the token as Basic", false, token, "192.0.2.7:5000", "soulcaster.example", []string{"Authorization", "Basic " + token}, 401},
		{"live, and there is no token", false, "", "127.0.0.1:5000", "127.0.0.1:8080", nil, 401},
		{"live, and an empty token for no token", false, "", "127.0.0.1:5000", "127.0.0.1:8080", []string{"Authorization", "Bearer "}, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := pages(t, w, Config{Preview: c.preview, AdminToken: c.token})
			for _, path := range []string{"/", "/runs/101/x/y"} {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
				r.RemoteAddr, r.Host = c.from, c.at
				for i := 0; i < len(c.headers); i += 2 {
					r.Header.Set(c.headers[i], c.headers[i+1])
				}
				out := httptest.NewRecorder()
				h.ServeHTTP(out, r)
				if path != "/" && c.status == 200 {
					c.status = 404 // there is no such run
				}
				if out.Code != c.status {
					t.Errorf("%s: %d %s", path, out.Code, out.Body)
				}
				if c.status != 200 && c.status != 404 && (!strings.Contains(out.Body.String(), `"request_id":"`+out.Header().Get("X-Request-ID")) || strings.Contains(out.Body.String(), "Soulcaster")) {
					t.Errorf("%s: %s", path, out.Body)
				}
				if c.status == 401 && out.Header().Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("%s: %v", path, out.Header())
				}
				csp := out.Header().Get("Content-Security-Policy")
				if !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src 'self'") != (c.status == 200 || c.status == 404) {
					t.Errorf("%s: CSP %q", path, csp)
				}
			}
		})
	}
}

func TestOtherAddresses(t *testing.T) {
	h := pages(t, enginetest.New(t, false, nil), Config{Preview: true})
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/", 405}, {"DELETE", "/assets/style.css", 405},
		{"GET", "/nothing", 404}, {"POST", "/nothing/at/all", 404}, {"GET", "/assets/", 404}, {"GET", "/assets/overview.html", 404},
		{"GET", "/projects/1/none", 404}, {"GET", "/projects/x/none", 404}, {"GET", "/?page=x", 200},
	} {
		out := get(t.Context(), h, c.method, c.path)
		if out.Code != c.status || c.status >= 400 && !strings.Contains(out.Body.String(), `"error":`) {
			t.Errorf("%s %s: %d %s", c.method, c.path, out.Code, out.Body)
		}
	}
}

// get asks as somebody at the machine.
func get(ctx context.Context, h http.Handler, method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, method, path, nil)
	r.RemoteAddr, r.Host = "127.0.0.1:5000", "127.0.0.1:8080"
	out := httptest.NewRecorder()
	h.ServeHTTP(out, r)
	return out
}
