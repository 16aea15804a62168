package github

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRegister(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]any{
		"id": 7, "slug": "soul", "name": "Soul", "html_url": "https://github.test/apps/soul", "owner": map[string]any{"login": "acme"},
		"pem":            string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		"webhook_secret": "hook-secret", "client_id": "Iv1.1", "client_secret": "client-secret",
	}
	without := func(name string) map[string]any {
		m := make(map[string]any)
		for k, v := range good {
			if k != name {
				m[k] = v
			}
		}
		return m
	}
	answer, status := any(good), http.StatusCreated
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.URL.EscapedPath() != "/api/v3/app-manifests/code%2F1/conversions" || r.Header.Get("Authorization") != "" || r.Header.Get("User-Agent") == "" {
			t.Errorf("GitHub was asked %s %s %v", r.Method, r.URL.EscapedPath(), r.Header)
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer server.Close()
	cfg := Config{API: server.URL + "/api/v3", UserAgent: "soulcaster/test"}
	a, err := Register(t.Context(), cfg, "code/1")
	if err != nil || a.ID != 7 || a.Slug != "soul" || a.Owner != "acme" || a.WebhookSecret != "hook-secret" || a.ClientSecret != "client-secret" || a.PrivateKey != good["pem"] || a.Registered.IsZero() {
		t.Errorf("%v: %v", a, err)
	}
	for _, name := range []string{"id", "slug", "pem", "webhook_secret", "client_id", "client_secret"} {
		answer = without(name)
		if _, err := Register(t.Context(), cfg, "code/1"); err == nil {
			t.Errorf("without %s it is taken", name)
		}
	}
	for code, want := range map[int]error{404: ErrNoCode, 422: ErrNoCode, 500: nil} {
		answer, status = map[string]any{"message": "hook-secret"}, code
		_, err := Register(t.Context(), cfg, "code/1")
		if err == nil || want != nil && !errors.Is(err, want) || strings.Contains(err.Error(), "code/1") || strings.Contains(err.Error(), "code%2F1") {
			t.Errorf("%d: %v", code, err)
		}
	}
	server.Close()
	if _, err := Register(t.Context(), cfg, "code/1"); err == nil || strings.Contains(err.Error(), "code") && strings.Contains(err.Error(), "%2F") {
		t.Errorf("GitHub away: %v", err)
	}
}
