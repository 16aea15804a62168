package ingest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/handlers"
)

// knock posts a report from an address, with a key.
func (h *house) knock(front http.Handler, from, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.RemoteAddr = from
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	out := httptest.NewRecorder()
	front.ServeHTTP(out, r)
	return out
}

// Who guesses is not answered any more after a while, not even when a guess is right;
// and keeps out nobody else.
func TestGuessing(t *testing.T) {
	const report, hook = `{"title": "x"}`, `{"action": "created", "data": {"issue": {"id": "1", "title": "T"}}}`
	for name, c := range map[string]struct {
		path  func(guess string) string
		body  string
		proof func(guess string) []string
		right string
		also  string // another source of the same kind, with the same secret
	}{
		"API key": {func(string) string { return "/ingest/feedback/acme-api" }, report,
			func(guess string) []string { return []string{"X-API-Key", guess} }, key, "/ingest/feedback/nobody-api"},
		"signature": {func(string) string { return "/ingest/sentry/acme-sentry" }, hook,
			func(guess string) []string {
				return []string{"Sentry-Hook-Resource", "issue", "Sentry-Hook-Signature", sign(guess, hook)}
			}, secret, "/ingest/sentry/acme-routes"},
		"path": {func(guess string) string { return "/ingest/sentry/acme-legacy/" + guess }, `{"id": "2", "message": "m", "project_slug": "x", "event": {}}`,
			func(string) []string { return nil }, secret, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, openBolt(t))
			front := h.front
			try := func(from, guess string) *httptest.ResponseRecorder {
				return h.knock(front, from, c.path(guess), c.body, c.proof(guess)...)
			}
			const stranger, friend, both = "198.51.100.7:1000", "203.0.113.9:1000", "192.0.2.1:1000"
			if out := try(both, c.right); out.Code != 202 {
				t.Fatalf("the right one: %d %s", out.Code, out.Body)
			}
			guess := func(from string) (codes []int) {
				for i := range handlers.MayGuess + 3 {
					codes = append(codes, try(from, fmt.Sprint("guess-", i)).Code)
				}
				return codes
			}
			want := append(slicesOf(401, handlers.MayGuess), 429, 429, 429)
			if got := guess(stranger); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("a stranger's guesses: %v", got)
			}
			out := try(stranger, c.right)
			if wait := out.Header().Get("Retry-After"); out.Code != 429 || wait == "" || wait == "0" {
				t.Errorf("a right guess, at last: %d, Retry-After %q", out.Code, wait)
			}
			if out := try(friend, c.right); out.Code != 202 {
				t.Errorf("from elsewhere: %d %s", out.Code, out.Body)
			}
			if c.also != "" {
				if out := h.knock(front, stranger, c.also, c.body, c.proof(c.right)...); out.Code == 429 {
					t.Errorf("another source: %d", out.Code)
				}
			}
			// Behind one proxy with a stranger, who was let in lately still is.
			if got := guess(both); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("guesses behind a proxy: %v", got)
			}
			if out := try(both, c.right); out.Code != 202 {
				t.Errorf("behind the same proxy: %d %s", out.Code, out.Body)
			}
			if out := try(both, "another guess"[:7]); out.Code != 429 {
				t.Errorf("a wrong one there: %d", out.Code)
			}
			h.pass(handlers.GuessWindow)
			if out := try(stranger, c.right); out.Code != 202 {
				t.Errorf("a minute later: %d %s", out.Code, out.Body)
			}
			// What was right is forgotten after a while.
			h.pass(handlers.RightFor)
			guess(both)
			if out := try(both, c.right); out.Code != 429 {
				t.Errorf("right long ago: %d", out.Code)
			}
		})
	}
}

func slicesOf(v, n int) (list []int) {
	for range n {
		list = append(list, v)
	}
	return list
}

// To bring no secret, or none that could be one, is no guess.
func TestNothingIsNoGuess(t *testing.T) {
	h := newHouse(t, openBolt(t))
	for range handlers.MayGuess + 5 {
		if got := h.send("/ingest/feedback/acme-api", strings.NewReader(`{"title": "x"}`)); got.Status != 401 {
			t.Fatalf("no key: %d", got.Status)
		}
		if got := h.send("/ingest/sentry/acme-sentry", strings.NewReader(`{}`), "Sentry-Hook-Signature", "zz"); got.Status != 401 {
			t.Fatalf("no signature: %d", got.Status)
		}
	}
	if got := h.report(`{"title": "x"}`); got.Status != 202 {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}
