package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/registration"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
	"github.com/soulcaster/soulcaster/handlers/web"
)

// places is where the credentials of an App are kept that was registered here. A file
// is offered beside a bolt file alone: several replicas would not all read it.
func places(ctx context.Context, cfg *config.Config, db storage.DB) (registration.Places, error) {
	app, err := db.Create(ctx, project.AppSpace)
	if err != nil {
		return registration.Places{}, fmt.Errorf("open the app's space: %w", err)
	}
	keys, err := keyring(ctx, cfg, app)
	if err != nil {
		return registration.Places{}, err
	}
	p := registration.Places{Space: app, Keys: keys}
	if cfg.Store.Path != "" {
		p.File = cfg.Store.Path + ".github.json"
	}
	return p, nil
}

// withApp returns the settings with the credentials of a registered App among them. One
// that is set stands in for the one that was kept: that is how they are rotated.
func withApp(e *environment, a registration.App) (*config.Config, error) {
	env := slices.Clone(e.env)
	for name, value := range map[string]string{
		"GITHUB_APP_INTEGRATION_ID": strconv.FormatInt(a.ID, 10), "GITHUB_APP_PRIVATE_KEY": a.PrivateKey, "GITHUB_APP_WEBHOOK_SECRET": a.WebhookSecret,
		"GITHUB_OAUTH_CLIENT_ID": a.ClientID, "GITHUB_OAUTH_CLIENT_SECRET": a.ClientSecret,
	} {
		isSet := func(entry string) bool {
			own, said, _ := strings.Cut(entry, "=")
			return own == name && strings.TrimSpace(said) != ""
		}
		if !slices.ContainsFunc(e.env, isSet) {
			env = append(env, name+"="+value)
		}
	}
	return config.Load(env)
}

// register returns the settings with the credentials of the App that was registered
// here before, or else, where none is set, serves the set-up page until one is. The page is returned too,
// if there was one: it has more to tell.
func register(ctx context.Context, e *environment, cfg *config.Config, g *ground, log zerolog.Logger) (*config.Config, http.Handler, error) {
	kept, err := places(ctx, cfg, g.db)
	if err != nil {
		return nil, nil, err
	}
	var page *web.Setup
	a, known, err := kept.Load(ctx)
	if err == nil && !known {
		if cfg.GitHub.State == config.GitHubPart {
			return nil, nil, &usageError{cfg.GitHub.Err()}
		}
		a, page, err = serveSetup(ctx, e, cfg, kept, g, log)
	}
	if err != nil || ctx.Err() != nil {
		return cfg, nil, err
	}
	with, err := withApp(e, a)
	if err = errors.Join(err, with.GitHub.Err()); err != nil {
		return nil, nil, &usageError{err}
	}
	if page == nil {
		return with, nil, nil
	}
	log.Info().Str("app", a.Slug).Msg("the App is registered; the app goes on with it")
	return with, page, nil
}

// serveSetup serves the page on which an App is registered, for who brings the token
// from the log, and 503 for everything else, until there is one.
func serveSetup(ctx context.Context, e *environment, cfg *config.Config, kept registration.Places, g *ground, log zerolog.Logger) (a registration.App, page *web.Setup, err error) {
	page = web.NewSetup(web.SetupConfig{
		PublicURL: cfg.PublicURL, GitHubURL: cfg.GitHub.WebURL, File: kept.File,
		Register: func(ctx context.Context, code string, inFile bool) (registration.App, error) {
			made, err := github.Register(ctx, github.Config{API: cfg.GitHub.APIURL, UserAgent: "soulcaster/" + buildVersion}, code)
			if err == nil {
				err = keep(ctx, kept, made, inFile)
			}
			if err == nil {
				a = made
			}
			return made, err
		},
		Check: func(ctx context.Context) []web.Finding {
			with, err := withApp(e, a)
			return told(checkAll(ctx, with, err, cfg.Store.Path == ""))
		},
	})
	g.port = openPort(g.front, handlers.Behind(cfg.TrustedProxies, handlers.Observe(log, func(string, int, time.Duration) {}, page)), log)
	log.Warn().Str("open", visible(cfg.PublicURL, g.front.Addr())+page.Path()).
		Msg("no GitHub App is set up: register one at this address, which is good for one visitor; to try the app without GitHub run it with --preview")
	select {
	case <-page.Done():
		return a, page, nil
	case <-g.port.done:
		return a, nil, g.port.err
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainRequests)
	defer cancel()
	err = g.port.server.Shutdown(closing)
	g.port.close()
	return a, nil, err
}

// keepTries is how often it is tried to keep what GitHub gives out once.
const keepTries = 5

func keep(ctx context.Context, kept registration.Places, a registration.App, inFile bool) (err error) {
	for range keepTries {
		if err = kept.Keep(ctx, a, inFile); err == nil || errors.Is(err, registration.ErrTaken) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
	return err
}

// told is what the doctor found, for a page.
func told(found []finding) []web.Finding {
	list := make([]web.Finding, len(found))
	for i, f := range found {
		list[i] = web.Finding{What: f.what, Note: f.note, Todo: f.todo}
		if f.err != nil {
			list[i].Bad = f.err.Error()
		}
	}
	return list
}
