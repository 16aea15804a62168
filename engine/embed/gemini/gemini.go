// Package gemini asks Google's Gemini API for vectors and for short answers.
//
// It is the only package that imports google.golang.org/genai.
package gemini

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"google.golang.org/genai"
)

// The models that are used unless the settings name others. Google retires
// models; a retired one is reported as a [*SettingError].
const (
	DefaultEmbedModel   = "gemini-embedding-001"
	DefaultSummaryModel = "gemini-3.8-flash" // the current stable Flash since 2 September 2026
)

// The settings that a [*SettingError] can name.
const (
	keySetting     = "GEMINI_API_KEY"
	embedSetting   = "SOULCASTER_EMBED_MODEL"
	summarySetting = "SOULCASTER_SUMMARY_MODEL"
)

// defaultBaseURL is written out so that the SDK does not look for one in the
// environment, which is config's to read.
const defaultBaseURL = "https://generativelanguage.googleapis.com/"

// Options say how to reach Gemini. Only APIKey is required.
type Options struct {
	APIKey       string
	BaseURL      string // without the version; "" is Google's
	EmbedModel   string // "" is DefaultEmbedModel
	SummaryModel string // "" is DefaultSummaryModel

	// Used is told what each answer took; nil: nobody is.
	Used func(ctx context.Context, u Usage)

	// Timeout bounds each try; 0 is 30 seconds.
	Timeout time.Duration
	// Transport carries the requests; nil is a clone of http.DefaultTransport.
	Transport http.RoundTripper
	// Now, Wait and Jitter are the clock and the dice of the retries: Wait sleeps
	// for d or until ctx is done, Jitter is uniform in [0, 1). nil is the real ones.
	Now    func() time.Time
	Wait   func(ctx context.Context, d time.Duration) error
	Jitter func() float64
}

// Usage is what one answer took, in tokens. For vectors the API does not say: a token
// is taken for four bytes of text.
type Usage struct {
	Model         string
	Input, Output int64 // Output holds what the model thought
}

// Client embeds documents and answers questions. It is safe for concurrent use.
type Client struct {
	options Options
	api     *genai.Client
}

// New returns a client. It does not speak to Google yet.
func New(ctx context.Context, o Options) (*Client, error) {
	if o.APIKey == "" {
		return nil, &SettingError{Setting: keySetting, Err: errors.New("no key is set")}
	}
	o.BaseURL = cmp.Or(o.BaseURL, defaultBaseURL)
	o.EmbedModel = cmp.Or(o.EmbedModel, DefaultEmbedModel)
	o.SummaryModel = cmp.Or(o.SummaryModel, DefaultSummaryModel)
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	if o.Transport == nil {
		o.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	if o.Used == nil {
		o.Used = func(context.Context, Usage) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	once := int32(1) // one attempt: try counts and waits itself
	api, err := genai.NewClient(ctx, &genai.ClientConfig{
		APIKey:  o.APIKey,
		Backend: genai.BackendGeminiAPI,
		HTTPClient: &http.Client{
			Transport: &transport{next: o.Transport},
			// A redirect would take the header with the key to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		HTTPOptions: genai.HTTPOptions{
			BaseURL:      o.BaseURL,
			RetryOptions: &genai.HTTPRetryOptions{Attempts: &once},
		},
	})
	if err != nil {
		// The SDK's own error prints its configuration, the key included.
		return nil, fmt.Errorf("make Gemini client for %s: refused by the SDK", o.BaseURL)
	}
	return &Client{options: o, api: api}, nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
