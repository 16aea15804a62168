package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

//go:embed assets
var assets embed.FS

// Config says who may see the pages, and of whom.
type Config struct {
	Preview    bool
	Demo       bool
	AdminToken string  // lets in also from elsewhere; empty: nobody
	SignIn     *SignIn // nil: nobody can sign in
}

// Pages serves the pages.
type Pages struct {
	cfg      Config
	projects *project.Registry
	actions  *action.Log
	now      func() time.Time
	markdown *markdown

	page, runPage, loginPage, noticePage, installedPage *template.Template
}

// New returns the pages.
func New(cfg Config, projects *project.Registry, actions *action.Log, now func() time.Time) (*Pages, error) {
	p := &Pages{cfg: cfg, projects: projects, actions: actions, now: now, markdown: newMarkdown()}
	for name, to := range map[string]**template.Template{"page.html": &p.page, "run.html": &p.runPage, "login.html": &p.loginPage, "notice.html": &p.noticePage, "installed.html": &p.installedPage} {
		page, err := template.New(name).Funcs(p.functions()).ParseFS(assets, "assets/"+name, "assets/frame.html")
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", name, err)
		}
		*to = page
	}
	return p, nil
}

// Register adds the routes to the mux. Whatever no other route serves is not
// found.
func (p *Pages) Register(mux *handlers.Router) {
	mux.Handle(http.MethodGet, "/{$}", p.guard(p.overview))
	mux.Handle(http.MethodGet, "/runs/{installation}/{project}/{run}", p.guard(p.run))
	mux.Handle(http.MethodGet, "/assets/style.css", asset("style.css"))
	mux.Handle(http.MethodGet, "/assets/icon.svg", asset("icon.svg"))
	if p.cfg.SignIn != nil {
		own := http.NewCrossOriginProtection()
		mux.Handle(http.MethodGet, "/login", http.HandlerFunc(p.login))
		mux.Handle(http.MethodPost, "/login/github", own.Handler(http.HandlerFunc(p.leave)))
		mux.Handle(http.MethodGet, LoginReturn, http.HandlerFunc(p.arrive))
		mux.Handle(http.MethodGet, InstalledReturn, http.HandlerFunc(p.installed))
		mux.Handle(http.MethodPost, "/logout", own.Handler(http.HandlerFunc(p.logout)))
	}
	mux.All("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Error(w, r, http.StatusNotFound, "there is nothing at this address")
	}))
}

// asset serves a file that everybody may have.
func asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		w.Header().Set("Cache-Control", "public, max-age=300")
		http.ServeFileFS(w, r, assets, "assets/"+name)
	}
}

// pageWithin bounds how long the making of a page takes.
const pageWithin = 20 * time.Second

// overview serves the page.
func (p *Pages) overview(w http.ResponseWriter, r *http.Request, who *viewer) {
	ctx, cancel := context.WithTimeout(r.Context(), pageWithin)
	defer cancel()
	v, err := p.look(ctx, who, r.URL.Query().Get("project"), r.URL.Query().Get("after"))
	switch {
	case err == nil:
		p.write(w, r, http.StatusOK, p.page, v)
	case errors.Is(err, errNoProject):
		handlers.Error(w, r, http.StatusNotFound, err.Error())
	default:
		p.broken(w, r, err)
	}
}

// write makes a page.
func (p *Pages) write(w http.ResponseWriter, r *http.Request, status int, page *template.Template, data any) {
	var out bytes.Buffer
	if err := page.Execute(&out, data); err != nil {
		p.broken(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(out.Bytes())
}

// broken says that a page could not be made, and why in the log.
func (p *Pages) broken(w http.ResponseWriter, r *http.Request, err error) {
	zerolog.Ctx(r.Context()).Error().Err(err).Msg("the page could not be made")
	if errors.Is(err, storage.ErrUnavailable) {
		handlers.Unavailable(w, r)
		return
	}
	handlers.Error(w, r, http.StatusInternalServerError, "the page could not be made; the log has why under this request id")
}
