package web

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/signin"
	"github.com/soulcaster/soulcaster/handlers"
)

// SignIn is how people sign in with GitHub. All of it is required.
type SignIn struct {
	Login    *github.Login
	Sessions *signin.Sessions
	Access   *Access
	Keys     *secret.Keyring
	WebURL   string // where GitHub's pages are
	Secure   bool   // people come over https
}

// LoginReturn is where GitHub sends the browser back to.
const LoginReturn = "/login/callback"

const (
	sessionCookie = "soulcaster"
	loginCookie   = "soulcaster_login"
	// loginLife is how long a sign-in may take.
	loginLife = 10 * time.Minute
	// signInWithin bounds what is asked of GitHub at a sign-in.
	signInWithin = 30 * time.Second
)

// signingIn is a sign-in on its way to GitHub and back. It is in the browser's cookie,
// sealed.
type signingIn struct {
	State    string    `json:"state"`
	Verifier string    `json:"verifier"`
	To       string    `json:"to"`
	At       time.Time `json:"at"`
}

// cookie makes a cookie. Its name says to browsers that this host alone may set it, where
// there is TLS to hold that: with a sign-in that another host planted, somebody would be
// signed in as whoever began it.
func (s *SignIn) cookie(name, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{Name: s.name(name), Value: value, Path: "/", HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second)}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

func (s *SignIn) name(name string) string {
	if !s.Secure {
		return name
	}
	return "__Host-" + name
}

// brought is the value of a cookie, "" if there is none.
func (s *SignIn) brought(r *http.Request, name string) string {
	c, err := r.Cookie(s.name(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// local is a path of ours that a browser may be sent to, "/" if to is none.
func local(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || len(to) > 2000 ||
		!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return to
}

// login serves the page with the button.
func (p *Pages) login(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	w.Header().Set("Content-Security-Policy", csp("form-action 'self' "+origin(p.cfg.SignIn.WebURL)))
	p.write(w, r, http.StatusOK, p.loginPage, struct {
		To     string
		Checks bool // there is a page of them
	}{local(r.URL.Query().Get("to")), p.cfg.Check != nil})
}

// leave sends the browser to GitHub.
func (p *Pages) leave(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	s := p.cfg.SignIn
	on := signingIn{State: rand.Text(), Verifier: github.NewVerifier(), To: local(r.PostFormValue("to")), At: p.now()}
	data, err := json.Marshal(on)
	if err == nil {
		data, err = s.Keys.Seal("web", loginCookie, data)
	}
	if err != nil {
		p.broken(w, r, err)
		return
	}
	http.SetCookie(w, s.cookie(loginCookie, base64.RawURLEncoding.EncodeToString(data), loginLife))
	http.Redirect(w, r, s.Login.URL(on.State, on.Verifier), http.StatusSeeOther)
}

// arrive takes what GitHub sends the browser back with.
func (p *Pages) arrive(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	s, query := p.cfg.SignIn, r.URL.Query()
	on, ok := p.underway(r)
	http.SetCookie(w, s.cookie(loginCookie, "", 0))
	code := query.Get("code")
	if !ok || code == "" || len(code) > 200 || subtle.ConstantTimeCompare([]byte(on.State), []byte(query.Get("state"))) != 1 {
		p.signInFirst(w, r, http.StatusForbidden, "This is no answer to a sign-in that was begun in this browser within the last minutes. Nobody was signed in.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), signInWithin)
	defer cancel()
	id, until, err := p.enter(ctx, code, on.Verifier)
	switch {
	case errors.Is(err, github.ErrNotSignedIn):
		p.signInFirst(w, r, http.StatusForbidden, "GitHub does not take that sign-in any more. Nobody was signed in.")
		return
	case err != nil:
		zerolog.Ctx(ctx).Error().Err(err).Msg("somebody could not be signed in")
		p.signInFirst(w, r, http.StatusBadGateway, "You could not be signed in: GitHub or the store is away. Try again in a moment.")
		return
	}
	if old := s.brought(r, sessionCookie); old != "" {
		if err := s.Sessions.End(ctx, old); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Msg("an old session could not be ended; it ends by itself")
		}
	}
	http.SetCookie(w, s.cookie(sessionCookie, id, until.Sub(p.now())))
	http.Redirect(w, r, on.To, http.StatusSeeOther)
}

// underway is the sign-in that the browser has begun.
func (p *Pages) underway(r *http.Request) (on signingIn, ok bool) {
	s := p.cfg.SignIn
	sealed, err := base64.RawURLEncoding.DecodeString(s.brought(r, loginCookie))
	if err != nil || len(sealed) == 0 {
		return on, false
	}
	data, err := s.Keys.Open("web", loginCookie, sealed)
	if err != nil || json.Unmarshal(data, &on) != nil {
		return on, false
	}
	return on, p.now().Sub(on.At) < loginLife
}

// enter begins a session for whoever a code is from.
func (p *Pages) enter(ctx context.Context, code, verifier string) (id string, until time.Time, err error) {
	s := p.cfg.SignIn
	token, err := s.Login.Exchange(ctx, code, verifier)
	if err != nil {
		return "", until, err
	}
	who, err := s.Login.Who(ctx, token)
	if err != nil {
		return "", until, err
	}
	if id, until, err = s.Sessions.Begin(ctx, who, token); err != nil {
		return "", until, err
	}
	s.Access.forget(who.ID) // what was known is from before
	zerolog.Ctx(ctx).Info().Str("login", who.Login).Int64("person", who.ID).Msg("signed in")
	return id, until, nil
}

// logout ends the session, and makes its token void.
func (p *Pages) logout(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	s := p.cfg.SignIn
	id := s.brought(r, sessionCookie)
	session, err := s.Sessions.Find(r.Context(), id)
	if err == nil || errors.Is(err, signin.ErrNone) { // or its id was turned, by whoever else has it
		err = s.Sessions.End(r.Context(), id)
	}
	if err != nil {
		zerolog.Ctx(r.Context()).Error().Err(err).Msg("a session could not be ended")
		handlers.Unavailable(w, r)
		return
	}
	if session.Token.Value != "" {
		ctx, cancel := context.WithTimeout(r.Context(), signInWithin)
		defer cancel()
		if err := s.Login.Revoke(ctx, session.Token); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Msg("the token of who signed out is good until it ends by itself")
		}
	}
	http.SetCookie(w, s.cookie(sessionCookie, "", 0))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// signedIn is whoever is signed in, with what they may see; errSignIn if nobody is.
func (p *Pages) signedIn(r *http.Request) (*viewer, error) {
	s := p.cfg.SignIn
	if s == nil {
		return nil, errSignIn
	}
	id := s.brought(r, sessionCookie)
	found, err := s.Sessions.Find(r.Context(), id)
	if errors.Is(err, signin.ErrNone) {
		return nil, errSignIn
	}
	if err != nil {
		return nil, err
	}
	reach, err := s.Access.of(r.Context(), found.Token, found.Who)
	if errors.Is(err, github.ErrNotSignedIn) { // they took it back, at GitHub
		if err := s.Sessions.End(r.Context(), id); err != nil {
			return nil, err
		}
		return nil, errSignIn
	}
	if err != nil {
		return nil, err
	}
	return &viewer{who: found.Who, reach: reach, session: found}, nil
}

// turn gives a browser another id of its session, unless another request did.
func (p *Pages) turn(w http.ResponseWriter, r *http.Request, found signin.Session) error {
	s := p.cfg.SignIn
	next, err := s.Sessions.Turn(r.Context(), s.brought(r, sessionCookie))
	switch {
	case err == nil:
		http.SetCookie(w, s.cookie(sessionCookie, next, found.Until.Sub(p.now())))
	case !errors.Is(err, signin.ErrNone):
		return err
	}
	return nil
}

// notice serves a page that says something, and leads back to the overview.
func (p *Pages) notice(w http.ResponseWriter, r *http.Request, status int, text string) {
	p.write(w, r, status, p.noticePage, noticeView{text, link{"To the overview", "/"}})
}

// signInFirst serves a page that says why nobody is signed in, and leads to the button.
func (p *Pages) signInFirst(w http.ResponseWriter, r *http.Request, status int, text string) {
	p.write(w, r, status, p.noticePage, noticeView{text, link{"Sign in", "/login"}})
}

// noticeView is what such a page says, and where it leads.
type noticeView struct {
	Text string
	Next link
}
