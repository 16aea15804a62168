package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestSetup(t *testing.T) {
	h, token := NewSetup()
	ask := func(method, path string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		out := httptest.NewRecorder()
		h.ServeHTTP(out, r)
		return out
	}
	open := "/setup?token=" + token
	for _, c := range []struct {
		name, method, path string
		status             int
	}{
		{"without the token", "GET", "/setup", 403},
		{"with a wrong one", "GET", "/setup?token=x", 403},
		{"with an empty one", "GET", "/setup?token=", 403},
		{"by a program that looks where the link leads", "HEAD", open, 403},
		{"the rest", "GET", "/", 503}, {"the rest", "POST", "/ingest/feedback/x", 503}, {"the rest", "GET", "/readyz", 503},
		{"the style", "GET", "/setup/style.css", 503}, {"a POST", "POST", "/setup", 503},
		{"health", "GET", "/healthz", 200},
	} {
		if out := ask(c.method, c.path); out.Code != c.status || c.status >= 400 && c.method != "HEAD" && !strings.Contains(out.Body.String(), `"error":`) {
			t.Errorf("%s, %s %s: %d %s", c.name, c.method, c.path, out.Code, out.Body)
		}
	}

	out := ask("GET", open)
	cookies := out.Result().Cookies()
	if out.Code != http.StatusSeeOther || out.Header().Get("Location") != "/setup" || len(cookies) != 1 || !cookies[0].HttpOnly {
		t.Fatalf("the token: %d %v", out.Code, out.Header())
	}
	if out := ask("GET", open); out.Code != 403 {
		t.Errorf("the token again: %d", out.Code)
	}
	page := ask("GET", "/setup", cookies[0])
	if page.Code != 200 || !strings.Contains(page.Body.String(), "GITHUB_APP_INTEGRATION_ID") || page.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("with the cookie: %d %v", page.Code, page.Header())
	}
	if out := ask("GET", "/setup/style.css", cookies[0]); out.Code != 200 {
		t.Errorf("its style: %d", out.Code)
	}
	cookies[0].Value += "x"
	if out := ask("GET", "/setup", cookies[0]); out.Code != 403 {
		t.Errorf("with another cookie: %d", out.Code)
	}
}
