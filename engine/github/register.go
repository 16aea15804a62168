package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/go-github/v66/github"

	"github.com/soulcaster/soulcaster/engine/registration"
)

// ErrNoCode says that GitHub does not know the code of a manifest: it is an hour old,
// was used, or is none.
var ErrNoCode = errors.New("github: no such code")

// Register exchanges the code that GitHub sent a browser back with, for the App that
// was made of a manifest. A code is good for one hour and for one exchange, so that
// what is returned must not be lost. ErrNoCode if it is not good.
// https://docs.github.com/en/rest/apps/apps#create-a-github-app-from-a-manifest
func Register(ctx context.Context, cfg Config, code string) (registration.App, error) {
	cfg = cfg.filled()
	base, err := url.Parse(cfg.API + "/")
	if err != nil {
		return registration.App{}, errors.New("exchange the manifest's code: the API's address cannot be read")
	}
	client := github.NewClient(&http.Client{Timeout: cfg.Timeout, Transport: wire{next: cfg.Transport, agent: cfg.UserAgent}})
	client.BaseURL = base
	got, resp, err := client.Apps.CompleteAppManifest(ctx, url.PathEscape(code))
	switch {
	case resp != nil && (resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusUnprocessableEntity):
		return registration.App{}, fmt.Errorf("exchange the manifest's code: %w", ErrNoCode)
	case resp != nil && err != nil:
		return registration.App{}, fmt.Errorf("exchange the manifest's code: GitHub answers %d", resp.StatusCode) // the error quotes the code
	case err != nil:
		return registration.App{}, errors.New("exchange the manifest's code: GitHub cannot be reached")
	}
	a := registration.App{
		ID: got.GetID(), Slug: got.GetSlug(), Name: got.GetName(), Owner: got.GetOwner().GetLogin(), URL: got.GetHTMLURL(),
		PrivateKey: got.GetPEM(), WebhookSecret: got.GetWebhookSecret(), ClientID: got.GetClientID(), ClientSecret: got.GetClientSecret(),
		Registered: cfg.Now().UTC(),
	}
	if a.ID <= 0 || a.Slug == "" || a.WebhookSecret == "" || a.ClientID == "" || a.ClientSecret == "" {
		return registration.App{}, errors.New("exchange the manifest's code: the answer lacks some of the App's credentials")
	}
	if _, err := parseKey([]byte(a.PrivateKey)); err != nil {
		return registration.App{}, fmt.Errorf("exchange the manifest's code: %w", err)
	}
	return a, nil
}
