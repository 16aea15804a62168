package github

import (
	"errors"
	"net/http"
	"testing"
)

func TestWebhook(t *testing.T) {
	const route = "GET /app/hook/config"
	f := newFake(t, map[string]http.HandlerFunc{})
	a, _ := f.app(Pace{})
	for _, tt := range []struct {
		said map[string]any
		want Webhook
	}{
		{map[string]any{"url": "https://soul.test/hook", "content_type": "json", "insecure_ssl": "0", "secret": "********"}, Webhook{URL: "https://soul.test/hook", ContentType: "json"}},
		{map[string]any{"url": "https://soul.test/hook", "content_type": "form", "insecure_ssl": "1"}, Webhook{"https://soul.test/hook", "form", true}},
		{map[string]any{"url": "https://soul.test/hook", "content_type": "json", "insecure_ssl": 1}, Webhook{"https://soul.test/hook", "json", true}},
		{map[string]any{"content_type": "json"}, Webhook{ContentType: "json"}},
	} {
		f.routes[route] = says(200, tt.said)
		if got, err := a.Webhook(t.Context()); err != nil || got != tt.want {
			t.Errorf("%v: %+v, %v", tt.said, got, err)
		}
	}
	f.routes[route] = says(404, nil)
	if _, err := a.Webhook(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("a server that does not tell: %v", err)
	}
}
