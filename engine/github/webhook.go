package github

import (
	"context"
	"encoding/json"
)

// Webhook is how GitHub delivers to the App.
type Webhook struct {
	URL         string // "" if it does not
	ContentType string // "json" or "form"
	Insecure    bool   // it does not look at the server's certificate
}

// Webhook asks how GitHub delivers to the App. ErrNotFound from a server that does not
// tell.
// https://docs.github.com/en/rest/apps/webhooks#get-a-webhook-configuration-for-an-app
func (a *App) Webhook(ctx context.Context) (Webhook, error) {
	var got struct {
		URL         string          `json:"url"`
		ContentType string          `json:"content_type"`
		Insecure    json.RawMessage `json:"insecure_ssl"` // "1", or 1
	}
	if err := a.ask(ctx, At{}, "ask where GitHub delivers to", get(ctx, "app/hook/config", &got)); err != nil {
		return Webhook{}, err
	}
	insecure := string(got.Insecure)
	return Webhook{URL: got.URL, ContentType: got.ContentType, Insecure: insecure == `"1"` || insecure == "1"}, nil
}
