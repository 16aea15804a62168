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
		http.ServeFileFS(w, r, assets, "assets/style.css")
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		handlers.JSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		handlers.Error(w, r, http.StatusServiceUnavailable, "no GitHub App is set up yet: whoever runs this finds the address of the set-up page in its log")
	})
	return mux, s.token
}

func (s *setup) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if s.redeem(r.URL.Query().Get("token")) {
		http.SetCookie(w, &http.Cookie{Name: setupCookie, Value: s.session, Path: "/setup", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
		return
	}
	cookie, err := r.Cookie(setupCookie)
	if err != nil || subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(s.session)) != 1 {
		handlers.Error(w, r, http.StatusForbidden, "the set-up page opens with the token from the app's log, once; restart the app for a new one")
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	s.page.Execute(w, nil)
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
