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

// login is the App as people sign in with it. Where nobody said what the app's address
// is, GitHub sends the browser to the first one that the App's page names.
func login(cfg *config.Config, now func() time.Time) *github.Login {
	redirect := ""
	if cfg.PublicURL != "" {
		redirect = cfg.PublicURL + web.LoginReturn
	}
	return github.NewLogin(github.LoginConfig{
		API: cfg.GitHub.APIURL, Web: cmp.Or(cfg.GitHub.WebURL, "https://github.com"), UserAgent: "soulcaster/" + buildVersion,
		ClientID: cfg.GitHub.OAuthClientID, ClientSecret: cfg.GitHub.OAuthClientSecret.Reveal(), Redirect: redirect, Now: now,
	})
}

// signIn is how people sign in.
func signIn(cfg *config.Config, app storage.Space, keys *secret.Keyring, now func() time.Time) *web.SignIn {
	with := login(cfg, now)
	return &web.SignIn{
		Login: with, Sessions: signin.New(app, keys, now), Access: web.NewAccess(with.Reach, app, now), Keys: keys,
		WebURL: cfg.GitHub.WebURL, Secure: strings.HasPrefix(cfg.PublicURL, "https://"),
	}
}
