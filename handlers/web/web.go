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
	Preview       bool
	Demo          bool
	AdminToken    string  // lets in also from elsewhere; empty: nobody
	Installations []int64 // whose projects are shown
}

// Pages serves the pages.
type Pages struct {
	cfg      Config
	projects *project.Registry
	actions  *action.Log
	now      func() time.Time
	page     *template.Template
	runPage  *template.Template
	markdown *markdown
}

// New returns the pages.
func New(cfg Config, projects *project.Registry, actions *action.Log, now func() time.Time) (*Pages, error) {
	p := &Pages{cfg: cfg, projects: projects, actions: actions, now: now, markdown: newMarkdown()}
	for name, to := range map[string]**template.Template{"page.html": &p.page, "run.html": &p.runPage} {
		page, err := template.New(name).Funcs(p.functions()).ParseFS(assets, "assets/"+name)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", name, err)
		}
		*to = page
	}
	return p, nil
}

// Register adds the routes to the mux. Whatever no other route serves is not
// found.
func (p *Pages) Register(mux *http.ServeMux) {
	handlers.Handle(mux, http.MethodGet, "/{$}", p.guard(p.overview))
	handlers.Handle(mux, http.MethodGet, "/runs/{installation}/{project}/{run}", p.guard(p.run))
	handlers.Handle(mux, http.MethodGet, "/assets/style.css", p.guard(style))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		handlers.Error(w, r, http.StatusNotFound, "there is nothing at this address")
	})
}

func style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, assets, "assets/style.css")
}

// pageWithin bounds how long the making of a page takes.
const pageWithin = 20 * time.Second

// overview serves the page.
func (p *Pages) overview(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), pageWithin)
	defer cancel()
	v, err := p.look(ctx, r.URL.Query().Get("project"), r.URL.Query().Get("after"))
	if err == nil {
		var out bytes.Buffer
		if err = p.page.Execute(&out, v); err == nil {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Write(out.Bytes())
			return
		}
	}
	if errors.Is(err, errNoProject) {
		handlers.Error(w, r, http.StatusNotFound, err.Error())
		return
	}
	zerolog.Ctx(r.Context()).Error().Err(err).Msg("the page could not be made")
	if errors.Is(err, storage.ErrUnavailable) {
		handlers.Unavailable(w, r)
		return
	}
	handlers.Error(w, r, http.StatusInternalServerError, "the page could not be made; the log has why under this request id")
}
