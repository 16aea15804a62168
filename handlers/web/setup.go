package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/registration"
	"github.com/soulcaster/soulcaster/handlers"
)

// SetupConfig is what the set-up page needs. Register is required.
type SetupConfig struct {
	PublicURL string // where GitHub reaches the app; "" if nobody said
	GitHubURL string // where GitHub's pages are, without a slash at the end
	File      string // path of a file that credentials may be kept in; "" if there is none
	// Register exchanges the code that GitHub sent the browser back with, and keeps
	// what it is for.
	Register func(ctx context.Context, code string, inFile bool) (registration.App, error)
	// Check looks at everything that the app needs, once it has an App.
	Check func(ctx context.Context) []Finding
	Now   func() time.Time // nil: time.Now
}

// Setup is what an app without GitHub credentials serves: the registration of an App,
// for the one browser that brings the token from its log, and 503 for everything else.
// Once there is an App, it goes on to tell that browser how things are.
type Setup struct {
	cfg   SetupConfig
	mux   *handlers.Router
	pages *template.Template
	token string // opens the page, once
	done  chan struct{}

	mu      sync.Mutex
	used    bool
	session string             // of who used the token
	begun   map[string]attempt // by state
	app     *registration.App  // once it is registered
}

// attempt is a manifest on its way to GitHub and back.
type attempt struct {
	at     time.Time
	inFile bool
}

const (
	setupCookie = "soulcaster_setup"
	// attemptLife is how long a state is good for, as the code that comes with it.
	attemptLife = time.Hour
	maxAttempts = 20
	// registerWithin bounds the exchange of a code.
	registerWithin = 45 * time.Second
)

// setupReturn is where GitHub sends the browser back to.
const setupReturn = "/setup/registered"

// NewSetup returns the set-up page.
func NewSetup(cfg SetupConfig) *Setup {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Setup{cfg: cfg, mux: handlers.NewRouter(), token: rand.Text(), session: rand.Text(), done: make(chan struct{}), begun: make(map[string]attempt),
		pages: template.Must(template.ParseFS(assets, "assets/setup.html", "assets/findings.html"))}
	s.mux.Handle(http.MethodGet, "/setup", http.HandlerFunc(s.open))
	s.mux.Handle(http.MethodPost, "/setup/manifest", s.guarded(s.send))
	s.mux.Handle(http.MethodGet, setupReturn, s.guarded(s.registered))
	s.mux.Handle(http.MethodGet, "/setup/checks", s.guarded(s.checks))
	s.mux.Handle(http.MethodGet, "/setup/setup.js", s.guarded(asset("setup.js")))
	for _, name := range []string{"style.css", "icon.svg"} { // who is turned away sees them too
		s.mux.Handle(http.MethodGet, "/setup/"+name, asset(name))
	}
	s.mux.Handle(http.MethodGet, "/healthz", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.JSON(w, http.StatusOK, map[string]string{"status": "ok"})
	}))
	s.mux.All("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.known() != nil { // the app takes this over in a moment
			w.Header().Set("Refresh", "1")
			handlers.RetryAfter(w, time.Second)
			s.refuse(w, r, http.StatusServiceUnavailable, "the GitHub App is registered, and the server is starting with it: ask again in a moment")
			return
		}
		s.refuse(w, r, http.StatusServiceUnavailable, "no GitHub App is set up yet: whoever runs this finds the address of the set-up page in its log")
	}))
	return s
}

// ServeHTTP answers.
func (s *Setup) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Path is where the page opens, once.
func (s *Setup) Path() string { return "/setup?token=" + s.token }

// Done is closed when an App was registered and its browser was told.
func (s *Setup) Done() <-chan struct{} { return s.done }

// open serves the form, and lets in who brings the token.
func (s *Setup) open(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	// A HEAD is a program that looks where a link leads: the token is not for it.
	if r.Method == http.MethodGet && s.redeem(r.URL.Query().Get("token")) {
		http.SetCookie(w, &http.Cookie{
			Name: setupCookie, Value: s.session, Path: "/setup", HttpOnly: true, SameSite: http.SameSiteLaxMode, // Strict would not survive the way back from GitHub
			Secure: r.TLS != nil || strings.HasPrefix(s.cfg.PublicURL, "https://") || r.Header.Get("X-Forwarded-Proto") == "https",
		})
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
		return
	}
	s.guarded(func(w http.ResponseWriter, r *http.Request) {
		if app := s.known(); app != nil {
			s.told(w, r, *app)
			return
		}
		s.form(w, r, http.StatusOK, formView{SetupConfig: s.cfg, Choices: registration.Choices{Name: "Soulcaster", Fix: true}})
	})(w, r)
}

// formView is what the form shows: the choices are those that were made before.
type formView struct {
	SetupConfig
	registration.Choices
	InFile  bool
	Problem string
}

func (s *Setup) form(w http.ResponseWriter, r *http.Request, status int, v formView) {
	w.Header().Set("Content-Security-Policy", csp("form-action 'self'"))
	s.page(w, r, status, "form", v)
}

// guarded lets through the browser that used the token, and no form of another site.
func (s *Setup) guarded(next http.HandlerFunc) http.HandlerFunc {
	crossing := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		cookie, err := r.Cookie(setupCookie)
		if err != nil || subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(s.session)) != 1 {
			s.refuse(w, r, http.StatusForbidden, "the set-up page opens with the token from the app's log, once; restart the app for a new one")
			return
		}
		if err := crossing.Check(r); err != nil {
			s.refuse(w, r, http.StatusForbidden, "this form was sent from another site")
			return
		}
		next(w, r)
	}
}

// redeem reports whether the token is the one that opens the page, and uses it
// up.
func (s *Setup) redeem(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used || subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) != 1 {
		return false
	}
	s.used = true
	return true
}

// known is the App, once it is registered.
func (s *Setup) known() *registration.App {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.app
}

// send makes the manifest and has the browser take it to GitHub.
func (s *Setup) send(w http.ResponseWriter, r *http.Request) {
	if s.known() != nil {
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		handlers.Error(w, r, http.StatusBadRequest, "the form cannot be read")
		return
	}
	v := formView{SetupConfig: s.cfg, InFile: r.PostForm.Get("keep") == "file", Choices: registration.Choices{
		Name: strings.TrimSpace(r.PostForm.Get("name")), Organization: strings.TrimSpace(r.PostForm.Get("organization")),
		Fix: r.PostForm.Get("fix") != "", Public: r.PostForm.Get("public") != "",
	}}
	if r.PostForm.Get("owner") != "organization" {
		v.Organization = ""
	} else if v.Organization == "" {
		v.Problem = "name the organisation that is to own the App"
	}
	if err := v.Choices.Check(); err != nil {
		v.Problem = err.Error()
	}
	if v.Problem != "" || s.cfg.PublicURL == "" {
		s.form(w, r, http.StatusUnprocessableEntity, v)
		return
	}
	manifest, err := registration.Manifest(v.Choices, s.cfg.PublicURL, registration.Paths{Registered: setupReturn, SignedIn: LoginReturn, Installed: InstalledReturn})
	if err != nil {
		s.broken(w, r, err)
		return
	}
	to := s.cfg.GitHubURL + "/settings/apps/new"
	if v.Organization != "" {
		to = s.cfg.GitHubURL + "/organizations/" + url.PathEscape(v.Organization) + "/settings/apps/new"
	}
	to += "?state=" + s.begin(v.InFile)
	// The button of this page may lead to GitHub, and nowhere else.
	w.Header().Set("Content-Security-Policy", csp("script-src 'self'; form-action "+origin(s.cfg.GitHubURL)))
	s.page(w, r, http.StatusOK, "send", struct{ To, Manifest string }{to, string(manifest)})
}

// origin is the scheme and the host of an address.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "'none'"
	}
	return u.Scheme + "://" + u.Host
}

// begin makes a state. The oldest gives way where there are too many.
func (s *Setup) begin(inFile bool) (state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.begun) >= maxAttempts {
		oldest := ""
		for state, a := range s.begun {
			if oldest == "" || a.at.Before(s.begun[oldest].at) {
				oldest = state
			}
		}
		delete(s.begun, oldest)
	}
	state = rand.Text()
	s.begun[state] = attempt{s.cfg.Now(), inFile}
	return state
}

// take uses a state up; false if it is none, or too old.
func (s *Setup) take(state string) (attempt, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.begun[state]
	delete(s.begun, state)
	return a, ok && s.cfg.Now().Sub(a.at) < attemptLife
}

// registered takes what GitHub sends the browser back with.
func (s *Setup) registered(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	a, ok := s.take(query.Get("state"))
	code := query.Get("code")
	if !ok || code == "" || len(code) > 200 || s.known() != nil {
		s.page(w, r, http.StatusForbidden, "stale", nil)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), registerWithin)
	defer cancel() // who hangs up has registered an App all the same
	app, err := s.cfg.Register(ctx, code, a.inFile)
	switch {
	case err == nil:
	case app.ID != 0: // it is there, and its credentials are lost
		zerolog.Ctx(ctx).Error().Err(err).Int64("app", app.ID).Msg("an App was registered and its credentials could not be kept")
		s.page(w, r, http.StatusInternalServerError, "lost", struct {
			registration.App
			Why string
		}{app, err.Error()})
		return
	default:
		zerolog.Ctx(ctx).Error().Err(err).Msg("an App could not be registered")
		s.page(w, r, http.StatusBadGateway, "failed", err.Error())
		return
	}
	s.mu.Lock()
	first := s.app == nil
	s.app = &app
	s.mu.Unlock()
	http.Redirect(w, r, "/setup", http.StatusSeeOther) // and no code in the address
	if first {
		close(s.done)
	}
}

// told serves what is next, once there is an App.
func (s *Setup) told(w http.ResponseWriter, r *http.Request, app registration.App) {
	s.page(w, r, http.StatusOK, "registered", struct {
		registration.App
		Install string
	}{app, s.cfg.GitHubURL + "/apps/" + url.PathEscape(app.Slug) + "/installations/new"})
}

// checks serves how things are.
func (s *Setup) checks(w http.ResponseWriter, r *http.Request) {
	if s.known() == nil {
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), checkWithin)
	defer cancel()
	s.page(w, r, http.StatusOK, "checks", s.cfg.Check(ctx))
}

func (s *Setup) page(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var out bytes.Buffer
	if err := s.pages.ExecuteTemplate(&out, name, data); err != nil {
		s.broken(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(out.Bytes())
}

// refuse says no: to a person on a page, to a program in JSON. Who comes back from GitHub
// too late has an App there that nobody can use.
func (s *Setup) refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	if !wantsPage(r) {
		handlers.Error(w, r, status, text)
		return
	}
	protect(w.Header())
	s.page(w, r, status, "closed", struct {
		Text     string
		Returned bool
	}{text, r.URL.Path == setupReturn})
}

func (s *Setup) broken(w http.ResponseWriter, r *http.Request, err error) {
	zerolog.Ctx(r.Context()).Error().Err(err).Msg("the set-up page could not be made")
	handlers.Error(w, r, http.StatusInternalServerError, "the page could not be made; the log has why under this request id")
}
