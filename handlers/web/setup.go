package web

import (
	"crypto/rand"
	"crypto/subtle"
	"html/template"
	"net/http"
	"sync"

	"github.com/soulcaster/soulcaster/handlers"
)

// setup is what an app without GitHub credentials serves: how to get them, for
// the one who brings the token from its log, and 503 for everything else.
type setup struct {
	mu      sync.Mutex
	token   string // until it was used
	session string // of who used it
	page    *template.Template
}

const setupCookie = "soulcaster_setup"

// NewSetup returns the handler and the token that opens it, once.
func NewSetup() (h http.Handler, token string) {
	s := &setup{token: rand.Text(), session: rand.Text(), page: template.Must(template.ParseFS(assets, "assets/setup.html"))}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /setup", s.serve)
	mux.HandleFunc("GET /setup/style.css", func(w http.ResponseWriter, r *http.Request) {
		if s.known(r) {
			style(w, r)
			return
		}
		notSetUp(w, r)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		handlers.JSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("/", notSetUp)
	return mux, s.token
}

func notSetUp(w http.ResponseWriter, r *http.Request) {
	handlers.Error(w, r, http.StatusServiceUnavailable, "no GitHub App is set up yet: whoever runs this finds the address of the set-up page in its log")
}

func (s *setup) serve(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	// A HEAD is a program that looks where a link leads: the token is not for it.
	if r.Method == http.MethodGet && s.redeem(r.URL.Query().Get("token")) {
		http.SetCookie(w, &http.Cookie{
			Name: setupCookie, Value: s.session, Path: "/setup", HttpOnly: true, SameSite: http.SameSiteLaxMode, // Strict would not survive a link from a log viewer
			Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
		})
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
		return
	}
	if !s.known(r) {
		handlers.Error(w, r, http.StatusForbidden, "the set-up page opens with the token from the app's log, once; restart the app for a new one")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	s.page.Execute(w, nil)
}

// known reports whether it is the browser that used the token.
func (s *setup) known(r *http.Request) bool {
	cookie, err := r.Cookie(setupCookie)
	return err == nil && subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(s.session)) == 1
}

// redeem reports whether the token is the one that opens the page, and uses it
// up.
func (s *setup) redeem(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == "" || subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) != 1 {
		return false
	}
	s.token = ""
	return true
}
