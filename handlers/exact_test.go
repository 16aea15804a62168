package handlers

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// A path with a secret in it never comes back in a Location.
func TestExact(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ingest/sentry/{source}/{secret}", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) })
	h := Exact(mux)
	for path, want := range map[string]int{
		"/ingest/sentry/acme/s3cret":      http.StatusAccepted,
		"/ingest//sentry/acme/s3cret":     http.StatusNotFound,
		"/ingest/./sentry/acme/s3cret":    http.StatusNotFound,
		"/x/../ingest/sentry/acme/s3cret": http.StatusNotFound,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.URL.Path = path
		h.ServeHTTP(w, r)
		if w.Code != want || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d, Location %q; want %d", path, w.Code, w.Header().Get("Location"), want)
		}
	}
}
