package github

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestSkew(t *testing.T) {
	date := "Mon, 02 Mar 2026 09:00:00 GMT"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v3/meta" || r.Header.Get("Authorization") != "" {
			t.Errorf("GitHub was asked %s %v", r.URL.Path, r.Header)
		}
		w.Header().Set("Date", date)
		w.WriteHeader(http.StatusUnauthorized) // as an Enterprise Server in private mode
	}))
	defer server.Close()
	asked := 0
	cfg := Config{API: server.URL + "/api/v3", Now: func() time.Time { // two seconds pass between question and answer
		asked++
		return time.Date(2026, 3, 2, 9, 1, 2*asked, 0, time.UTC)
	}}
	skew, err := Skew(t.Context(), cfg)
	if want := 62*time.Second + 500*time.Millisecond; err != nil || skew != want {
		t.Errorf("%v ahead (%v), want %v", skew, err, want)
	}
	date = "noon"
	if _, err := Skew(t.Context(), cfg); err == nil {
		t.Error("a time that is none is read")
	}
	server.Close()
	if _, err := Skew(t.Context(), cfg); err == nil {
		t.Error("GitHub away: the time is known")
	}
}
