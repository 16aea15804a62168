package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

// Whatever is wrong with the services around it, the check that is named for it fails, and
// it alone where the rest can still be asked; and every check that fails says what to do.
func TestDoctorFails(t *testing.T) {
	s := newStreet(t)
	s.hears.Store(true)
	s.heal()
	s.hub.Settle()
	all := map[string]string{"issues": "write", "metadata": "read"}
	events := []string{"issues", "issue_comment", "repository"}
	breaks := func(path string, status int) func(*config.Config) {
		return func(*config.Config) { s.hub.Break(hub.Fault{Path: path, Status: status}) }
	}
	for name, tt := range map[string]struct {
		wrong func(cfg *config.Config)
		what  string // the check that fails; "": none
		bad   string
	}{
		"nothing": {func(*config.Config) {}, "", ""},

		"a Redis without append-only file": {redisWith(t, "--appendonly", "no"), "store", `set "appendonly yes"`},
		"a Redis that evicts":              {redisWith(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), "store", "noeviction"},
		"a Redis that is away":             {func(c *config.Config) { c.Store = config.Store{URL: "redis://127.0.0.1:1"} }, "store", "refused"},

		"a retired model":          {geminiThat(t, http.StatusNotFound), "embedder", "unknown or retired"},
		"a key that is none":       {geminiThat(t, http.StatusUnauthorized), "embedder", "401"},
		"a clock that is behind":   {s.at(t, 5*time.Minute), "clock", "behind GitHub's"},
		"a clock that is ahead":    {s.at(t, -5*time.Minute), "clock", "ahead of GitHub's"},
		"too few permissions":      {func(*config.Config) { s.hub.Ask(map[string]string{"metadata": "read"}, events) }, "permissions of the App", "missing: issues: write"},
		"an event that is not":     {func(*config.Config) { s.hub.Ask(all, []string{"issues", "repository"}) }, "events of the App", "not subscribed to: issue_comment"},
		"not accepted":             {s.stingy, "installation 202", "missing: issues: write"},
		"suspended":                {func(*config.Config) { s.hub.Suspend(202, true) }, "installation 202", "suspended"},
		"no such installation":     {func(c *config.Config) { c.Installations[1].ID = 9 }, "installation 9", ""},
		"no such repository":       {func(c *config.Config) { c.Installations[1].Sources[0].Repository = "other/none" }, "repository other/none", ""},
		"another App":              {breaks("^/app$", http.StatusUnauthorized), "GitHub App", ""},
		"no GitHub":                {breaks("^/app$", http.StatusTeapot), "GitHub App", ""},
		"a webhook not told of":    {breaks("^/app/hook/config", http.StatusTeapot), "webhook", ""},
		"deliveries not told of":   {breaks("^/app/hook/deliveries", http.StatusTeapot), "deliveries", ""},
		"installations not told":   {breaks("^/app/installations$", http.StatusTeapot), "installations", ""},
		"no App":                   {func(c *config.Config) { c.GitHub.State = config.GitHubNone }, "GitHub App", "none is set up"},
		"half an App":              {half, "GitHub App", "is missing"},
		"a private key that is no": {func(c *config.Config) { c.GitHub.PrivateKey = "none" }, "GitHub App", ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := s.copied()
			tt.wrong(cfg)
			defer s.heal()
			var failed []string
			for _, f := range checkAll(t.Context(), cfg, nil, cfg.Store.Path == "") {
				if f.err == nil {
					continue
				}
				failed = append(failed, f.what)
				f.found(t, f.what, f.err.Error()) // so that it is said what to do
				if f.what == tt.what && tt.bad != "" {
					f.found(t, f.what, tt.bad)
				}
			}
			if tt.what != "" && !slices.Contains(failed, tt.what) || len(failed) > 1 || tt.what == "" && len(failed) > 0 {
				t.Errorf("%q fail, want %q", failed, tt.what)
			}
		})
	}
	t.Run("settings", func(t *testing.T) {
		f := checkAll(t.Context(), s.copied(), errors.New("SOULCASTER_ADDR: is none"), false)[0]
		f.found(t, "settings", "SOULCASTER_ADDR")
	})
}

// copied are the street's settings, to be changed.
func (s *street) copied() *config.Config {
	cfg := *s.cfg
	cfg.Installations = slices.Clone(cfg.Installations)
	for i := range cfg.Installations {
		cfg.Installations[i].Sources = slices.Clone(cfg.Installations[i].Sources)
	}
	return &cfg
}

// heal takes back whatever was done to the street's GitHub.
func (s *street) heal() {
	s.hub.Mend()
	s.hub.Ask(map[string]string{"issues": "write", "contents": "write", "pull_requests": "write", "checks": "read", "metadata": "read"}, []string{"issues", "issue_comment", "repository"})
	s.hub.Accept(202)
	s.hub.Suspend(202, false)
}

// half has the settings name an App and not all of it.
func half(cfg *config.Config) {
	part, err := config.Load([]string{"GITHUB_APP_INTEGRATION_ID=4711"})
	if err == nil {
		cfg.GitHub = part.GitHub
	}
}

// stingy has an installation grant less than the App asks for.
func (s *street) stingy(*config.Config) {
	s.hub.Ask(map[string]string{"metadata": "read"}, []string{"issues", "issue_comment", "repository"})
	s.hub.Accept(202)
	s.hub.Ask(map[string]string{"issues": "write", "metadata": "read"}, []string{"issues", "issue_comment", "repository"})
}

// at has the settings name a GitHub whose clock is that far ahead.
func (s *street) at(t *testing.T, ahead time.Duration) func(*config.Config) {
	to, err := url.Parse(s.hub.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		r.Header.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		return nil
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return func(cfg *config.Config) { cfg.GitHub.APIURL = server.URL }
}

func redisWith(t *testing.T, settings ...string) func(*config.Config) {
	address := storagetest.Redis(t, settings...).Addr
	return func(cfg *config.Config) { cfg.Store = config.Store{URL: config.Secret("redis://" + address)} }
}

// geminiThat has the settings name a Gemini that refuses.
func geminiThat(t *testing.T, status int) func(*config.Config) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error": {"code": %d, "message": "no"}}`, status)
	}))
	t.Cleanup(server.Close)
	return func(cfg *config.Config) {
		cfg.Gemini = config.Gemini{APIKey: "AIza-key-for-trying", BaseURL: server.URL, EmbedModel: "gemini-embedding-001", SummaryModel: "gemini-3.8-flash"}
	}
}
