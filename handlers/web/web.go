package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/erasure"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

//go:embed assets
var assets embed.FS

// Config says who may see the pages, and of whom.
type Config struct {
	Preview    bool
	Demo       bool
	PublicURL  string        // where people reach the app, without a slash at the end
	AdminToken string        // lets in also from elsewhere; empty: nobody
	SignIn     *SignIn       // nil: nobody can sign in
	InstallURL func() string // where the App is installed, "" if that is not known; nil: nowhere
	// Permission asks GitHub what somebody may do in a repository; nil: no program can
	// bring a key.
	Permission func(ctx context.Context, at github.At, who github.Person) (github.Permission, error)
	Wake       func(spaces ...string)                                             // is told of spaces that have work due
	Commands   Commands                                                           // nil: nobody can give any
	Issues     *Issues                                                            // nil: GitHub is not asked how issues are
	Drafts     Drafts                                                             // nil: nobody is told what an issue would say
	Sources    *source.Store                                                      // nil: there are no pages of sources
	Imports    *backfill.Backfill                                                 // nil: nothing can be imported
	Quotas     func(ctx context.Context, installation int64) ([]quota.Use, error) // nil: nobody is told of them
	NearQuotas func(ctx context.Context, installation int64) ([]quota.Use, error) // those near their limits; nil: nobody is told on the overview
	Eraser     *erasure.Eraser                                                    // nil: nothing can be erased, or downloaded, from the pages
	// Check looks at everything that the app needs; nil: there is no page of it.
	Check func(ctx context.Context) []Finding
}

// Pages serves the pages.
type Pages struct {
	cfg      Config
	projects *project.Registry
	actions  *action.Log
	now      func() time.Time
	wake     func(spaces ...string)
	guesses  *handlers.Guesses      // of tokens
	tokens   *memory[github.Person] // whose a token is
	markdown *markdown
	streams  *streams
	wait     time.Duration // for the answer to what a page orders

	catalogues *issue.Catalogues
	drafting   chan struct{} // a word for each draft that is worked out of a big cluster
	exporting  *seats        // of downloads of all data
	stall      time.Duration // how long one may stand still

	overviewPage, problemsPage, clusterPage               *template.Template
	sourcesPage, sourcePage, newSourcePage                *template.Template
	runPage, loginPage, noticePage, installedPage         *template.Template
	settingsPage, auditPage, workPage, keysPage, runsPage *template.Template
	importsPage, importPage                               *template.Template
	dataPage, checksPage                                  *template.Template

	receiving     *seats        // of files on their way
	understanding chan struct{} // a word for each file that is understood
	checking      chan struct{} // a word for who has everything checked
	failed        atomic.Int64  // checks, when somebody looked last
}

// New returns the pages.
func New(cfg Config, projects *project.Registry, actions *action.Log, now func() time.Time) (*Pages, error) {
	p := &Pages{cfg: cfg, projects: projects, actions: actions, now: now, wake: cfg.Wake,
		guesses: handlers.NewGuesses(now), tokens: newMemory[github.Person](now), markdown: newMarkdown(), streams: newStreams(), wait: answerWithin,
		catalogues: issue.NewCatalogues(), drafting: make(chan struct{}, maxDrafts), receiving: newSeats(maxReceivedEach, maxReceived), understanding: make(chan struct{}, maxUnderstood), exporting: newSeats(maxExportsEach, maxExports), stall: exportStall, checking: make(chan struct{}, 1)}
	if p.wake == nil {
		p.wake = func(...string) {}
	}
	for name, to := range map[string]**template.Template{
		"overview.html": &p.overviewPage, "problems.html": &p.problemsPage, "cluster.html": &p.clusterPage,
		"sources.html": &p.sourcesPage, "source.html": &p.sourcePage, "source-new.html": &p.newSourcePage,
		"run.html": &p.runPage, "login.html": &p.loginPage, "notice.html": &p.noticePage, "installed.html": &p.installedPage,
		"settings.html": &p.settingsPage, "audit.html": &p.auditPage, "work.html": &p.workPage, "keys.html": &p.keysPage, "runs.html": &p.runsPage,
		"imports.html": &p.importsPage, "import.html": &p.importPage,
		"data.html": &p.dataPage, "checks.html": &p.checksPage,
	} {
		var err error
		if *to, err = p.parse(name); err != nil {
			return nil, fmt.Errorf("parse %s: %w", name, err)
		}
	}
	return p, nil
}

// Register adds the routes to the router. Whatever no other route serves is not found.
func (p *Pages) Register(r *handlers.Router) {
	own := http.NewCrossOriginProtection()
	own.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		p.refuse(w, r, http.StatusForbidden, "Another site's page sent this: nothing was done.")
	}))
	in := ways{r, own}
	in.page("/{$}", p.guard(p.overview))
	in.page("/runs/{installation}/{project}/{run}", p.inProject(github.Read, p.run))
	const project, installation = "/projects/{installation}/{project}", "/installations/{installation}"
	const cluster = project + "/clusters/{cluster}"
	in.page(project, p.inProject(needs.see, p.problems))
	in.page(cluster, p.inProject(needs.see, p.cluster))
	in.page(api+"/projects", p.guard(p.tellOverview))
	in.stream(api+"/projects/events", p.guard(p.overviewEvents))
	in.page(api+"/installations", p.guard(p.tellInstallations))
	in.page(api+project, p.inProject(needs.see, p.tellProject))
	in.page(api+project+"/clusters", p.inProject(needs.see, p.tellProblems))
	in.page(api+cluster, p.inProject(needs.see, p.tellCluster))
	in.page(api+cluster+"/draft", p.inProject(needs.see, p.tellDraft))
	in.page(api+cluster+"/reports", p.inProject(needs.see, p.tellReports))
	// What was done in all of an installation names repositories that not everybody may
	// see who may see one of them.
	whole := func(do func(http.ResponseWriter, *http.Request, *place)) http.Handler {
		return p.inInstallation(needs.configure, p.governing(do))
	}
	sees := func(do func(http.ResponseWriter, *http.Request, *place)) http.Handler {
		return p.inProject(needs.see, do)
	}
	for base, at := range map[string]func(func(http.ResponseWriter, *http.Request, *place)) http.Handler{project: sees, installation: whole} {
		in.page(base+"/audit", at(p.audit))
		in.page(base+"/work", at(p.work))
		in.page(api+base+"/audit", at(p.tellAudit))
		in.page(api+base+"/work", at(p.tellWork))
	}
	in.form(project+"/work/retry", p.inProject(needs.command, p.retry))
	in.form(api+project+"/work/retry", p.inProject(needs.command, p.retryTold))
	in.form(installation+"/work/retry", whole(p.retry))
	in.form(api+installation+"/work/retry", whole(p.retryTold))
	if p.cfg.Sources != nil {
		if p.cfg.Imports != nil {
			p.registerLacking(in, installation)
		}
		p.registerSources(in, installation)
	}
	if p.cfg.Quotas != nil {
		in.page(api+installation+"/quotas", whole(p.tellQuotas))
	}
	if p.cfg.Eraser != nil {
		in.page(installation+"/data", p.inInstallation(needs.configure, p.data))
		in.form(installation+"/erase", whole(p.erase))
		in.page(api+installation+"/erase", whole(p.erasures))
		in.form(api+installation+"/erase", whole(p.eraseTold))
		in.upload(installation+"/export", exportWithin, maxForm, whole(p.export))
		in.upload(api+installation+"/export", exportWithin, maxForm, whole(p.exportTold))
	}
	in.page(installation+"/keys", p.inInstallation(needs.configure, p.keys))
	in.form(installation+"/keys/make", p.inInstallation(needs.configure, p.makeKey))
	in.form(installation+"/keys/revoke", p.inInstallation(needs.configure, p.revokeKey))
	in.page(api+installation+"/keys", p.inInstallation(needs.configure, p.tellKeys))
	in.form(api+installation+"/keys", p.inInstallation(needs.configure, p.makeKeyTold))
	in.form(api+installation+"/keys/revoke", p.inInstallation(needs.configure, p.revokeKeyTold))
	in.page(project+"/runs", p.inProject(needs.see, p.allRuns))
	in.page(api+project+"/runs", p.inProject(needs.see, p.tellRuns))
	in.page(api+project+"/runs/{run}", p.inProject(needs.see, p.tellRun))
	in.stream(api+project+"/runs/{run}/events", p.inProject(needs.see, p.runEvents))
	in.form(project+"/clusters/{cluster}/commands", p.inProject(needs.command, p.command))
	in.page(api+project+"/clusters/{cluster}/commands", p.inProject(needs.see, p.tellCommands))
	in.form(api+project+"/clusters/{cluster}/commands", p.inProject(needs.command, p.commandTold))
	in.stream(api+project+"/events", p.inProject(needs.see, p.problemEvents))
	in.stream(api+project+"/clusters/{cluster}/events", p.inProject(needs.see, p.clusterEvents))
	in.page(project+"/settings", p.inProject(needs.see, p.settings))
	in.form(project+"/settings/mode", p.inProject(needs.configure, p.choose))
	in.page(api+project+"/settings", p.inProject(needs.see, p.tellSettings))
	in.form(api+project+"/settings", p.inProject(needs.configure, p.chooseSettings))
	if p.cfg.Imports != nil {
		p.registerImports(in, project)
	}
	for _, name := range []string{"style.css", "icon.svg", "live.js"} {
		in.page("/assets/"+name, asset(name))
	}
	in.page("/assets/idiomorph.js", asset("vendor/idiomorph.js"))
	in.page(api+"/openapi.yaml", description())
	if p.cfg.Check != nil {
		p.registerChecks(in)
	}
	if p.cfg.SignIn != nil {
		in.page("/login", http.HandlerFunc(p.login))
		in.form("/login/github", http.HandlerFunc(p.leave))
		in.page(LoginReturn, http.HandlerFunc(p.arrive))
		in.page(InstalledReturn, http.HandlerFunc(p.installed))
		in.form("/logout", http.HandlerFunc(p.logout))
	}
	r.All("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		p.nothing(w, r)
	}))
}

// ways adds routes, each with what such a route has before it.
type ways struct {
	router *handlers.Router
	own    *http.CrossOriginProtection
}

const (
	// pageWithin bounds how long the making of a page takes.
	pageWithin = 20 * time.Second
	// maxForm bounds what a form sends.
	maxForm = 64 << 10
)

// page adds a page, or what the API tells.
func (in ways) page(path string, h http.Handler) {
	in.router.Handle(http.MethodGet, path, within(pageWithin, h))
}

// form adds what a form of our own pages sends to, or a program. Another site's page
// cannot have a browser send it.
func (in ways) form(path string, h http.Handler) { in.upload(path, pageWithin, maxForm, h) }

// upload is form for bodies that are larger, or take longer.
func (in ways) upload(path string, most time.Duration, bytes int64, h http.Handler) {
	in.router.Handle(http.MethodPost, path, in.own.Handler(within(most, http.MaxBytesHandler(h, bytes))))
}

// stream adds a page that goes on for as long as somebody listens.
func (in ways) stream(path string, h http.Handler) {
	in.router.Handle(http.MethodGet, path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead { // has nothing to listen for
			protect(w.Header())
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.ServeHTTP(w, r)
	}))
}

// within bounds how long a request is worked on.
func within(most time.Duration, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), most)
		defer cancel()
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}

// asset serves a file that everybody may have.
func asset(name string) http.HandlerFunc {
	content, _ := assets.ReadFile("assets/" + name) // what is not there is not found below
	// After five minutes a browser asks whether it has it still. Asking for each page would
	// have pages wait for their style.
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(content))
	return func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Header().Set("ETag", tag)
		http.ServeFileFS(w, r, assets, "assets/"+name)
	}
}

// description serves the API's, to everybody: it holds nothing of anybody's.
func description() http.HandlerFunc {
	serve := asset("openapi.yaml")
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		serve(w, r)
	}
}

// write makes a page.
func (p *Pages) write(w http.ResponseWriter, r *http.Request, status int, page *template.Template, data any) {
	var out bytes.Buffer
	name := "layout"
	if page.Lookup(name) == nil || page.Lookup("main") == nil {
		name = page.Name() // a page by itself
	}
	if err := page.ExecuteTemplate(&out, name, data); err != nil {
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
