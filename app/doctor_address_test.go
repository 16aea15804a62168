package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/github"
)

// found fails the test if a check did not come to what was expected of it, or says a
// secret; bad is "" if it is to be in order.
func (f finding) found(t *testing.T, name, bad string) {
	t.Helper()
	switch {
	case bad == "" && f.err != nil, bad != "" && (f.err == nil || !strings.Contains(f.err.Error(), bad) || f.todo == ""):
		t.Errorf("%s: %+v, want %q", name, f, bad)
	case f.err == nil:
		return
	}
	for _, secret := range []string{benchSecret, hub.ClientSecret} {
		if strings.Contains(f.err.Error()+f.todo, secret) {
			t.Errorf("%s: it tells a secret: %+v", name, f)
		}
	}
}

// The doctor goes the way of GitHub's deliveries, and takes no other server for this one.
func TestDoctorGoesTheWayOfDeliveries(t *testing.T) {
	s := newStreet(t)
	says := func(status int, back bool) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if back {
				w.Header().Set("X-Request-Id", r.Header.Get("X-Request-Id"))
			}
			w.Header().Set("Location", s.address+r.URL.Path)
			w.WriteHeader(status)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, tt := range map[string]struct{ at, secret, bad string }{
		"this server":                 {s.address, benchSecret, ""},
		"nobody said where":           {"", benchSecret, ""},
		"another App's":               {s.address, "another-secret-0123456789", "does not take what is signed"},
		"one that says yes to all":    {says(200, false), benchSecret, "answers 200, and not as this server does"},
		"one that leads there":        {says(307, true), benchSecret, "answers 307"},
		"one without its server":      {says(502, true), benchSecret, "answers 502"},
		"a path of it that is not it": {s.address + "/elsewhere", benchSecret, "answers 404"},
		"nobody":                      {closed.URL, benchSecret, "refused"},
		"in the clear":                {"http://soul.example.com", benchSecret, "is no https"},
	} {
		cfg := &config.Config{PublicURL: tt.at, GitHub: config.GitHub{WebhookSecrets: []config.Secret{config.Secret(tt.secret)}}}
		checkAddress(t.Context(), cfg).found(t, name, tt.bad)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	cfg := &config.Config{PublicURL: s.address, GitHub: config.GitHub{WebhookSecrets: []config.Secret{benchSecret}}}
	checkAddress(gone, cfg).found(t, "out of time", "canceled")
}

func TestDoctorComparesTheWebhook(t *testing.T) {
	var said map[string]string
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/app/hook/config" {
			t.Errorf("asked for %s %s", r.Method, r.URL)
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(said)
	}))
	t.Cleanup(server.Close)
	s := newStreet(t)
	host, err := github.New(github.Config{API: server.URL, AppID: 4711, PrivateKey: []byte(s.cfg.GitHub.PrivateKey.Reveal())})
	if err != nil {
		t.Fatal(err)
	}
	good := "https://soul.example.com/api/github/hook"
	for name, tt := range map[string]struct{ public, url, kind, insecure, bad string }{
		"right":             {"https://soul.example.com", good, "json", "0", ""},
		"in other letters":  {"https://Soul.Example.com", good, "json", "0", ""},
		"nobody said where": {"", good, "json", "0", ""},
		"elsewhere":         {"https://soul.example.com", "https://old.example.com/api/github/hook", "json", "0", "GitHub delivers to https://old.example.com"},
		"another path":      {"https://soul.example.com", "https://soul.example.com/hook", "json", "0", "this server is at " + good},
		"none":              {"https://soul.example.com", "", "json", "0", "no webhook"},
		"as a form":         {"https://soul.example.com", good, "form", "0", "refused here"},
		"unchecked":         {"https://soul.example.com", good, "json", "1", "certificate"},
	} {
		said = map[string]string{"url": tt.url, "content_type": tt.kind, "insecure_ssl": tt.insecure}
		checkWebhook(t.Context(), host, &config.Config{PublicURL: tt.public}).found(t, name, tt.bad)
	}
	status = http.StatusNotFound
	if f := checkWebhook(t.Context(), host, &config.Config{PublicURL: "https://soul.example.com"}); f.err != nil || !strings.Contains(f.note, "does not say") {
		t.Errorf("a server that does not tell: %+v", f)
	}
}

// What GitHub itself says of the App's credentials for signing in.
func TestDoctorSignsInAsNobody(t *testing.T) {
	s := newStreet(t)
	checkSignIn(t.Context(), s.cfg).found(t, "right", "")
	other := *s.cfg
	other.GitHub.OAuthClientSecret = "another-secret-0123456789"
	checkSignIn(t.Context(), &other).found(t, "another secret", "does not know the client id")
	other.GitHub.WebURL = s.address + "/elsewhere"
	checkSignIn(t.Context(), &other).found(t, "no GitHub", "404")
}
