package main

import (
	"cmp"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/signin"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers/web"
)

// signIn is how people sign in with the App. Where nobody said what the app's address
// is, GitHub sends the browser to the first one that the App's page names.
func signIn(cfg *config.Config, app storage.Space, keys *secret.Keyring, now func() time.Time) *web.SignIn {
	redirect := ""
	if cfg.PublicURL != "" {
		redirect = cfg.PublicURL + web.LoginReturn
	}
	login := github.NewLogin(github.LoginConfig{
		API: cfg.GitHub.APIURL, Web: cmp.Or(cfg.GitHub.WebURL, "https://github.com"), UserAgent: "soulcaster/" + buildVersion,
		ClientID: cfg.GitHub.OAuthClientID, ClientSecret: cfg.GitHub.OAuthClientSecret.Reveal(), Redirect: redirect, Now: now,
	})
	return &web.SignIn{
		Login: login, Sessions: signin.New(app, keys, now), Access: web.NewAccess(login.Reach, now), Keys: keys,
		WebURL: cfg.GitHub.WebURL, Secure: strings.HasPrefix(cfg.PublicURL, "https://"),
	}
}
