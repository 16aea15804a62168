package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// guard lets through who may see the pages, and says who that is. What they may see of
// a page is for the page to find out.
func (p *Pages) guard(next func(w http.ResponseWriter, r *http.Request, who *viewer)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		protect(h)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		who, err := p.enters(w, r)
		var wait *tooMany
		switch {
		case err == nil:
			open(h)
			next(w, r, who)
		case errors.Is(err, errElsewhere):
			handlers.Error(w, r, http.StatusForbidden, err.Error())
		case errors.Is(err, errWorthless):
			h.Set("WWW-Authenticate", "Bearer")
			handlers.Error(w, r, http.StatusUnauthorized, err.Error())
		case errors.As(err, &wait):
			handlers.RetryAfter(w, wait.after)
			handlers.Error(w, r, http.StatusTooManyRequests, "too many wrong tokens came from this address: wait a little")
		case errors.Is(err, storage.ErrUnavailable):
			p.broken(w, r, err)
		case !errors.Is(err, errSignIn):
			zerolog.Ctx(r.Context()).Warn().Err(err).Msg("it is not known what somebody may see")
			p.refuse(w, r, http.StatusServiceUnavailable, "GitHub does not say just now what you may see. Try again in a moment.")
		case p.cfg.SignIn != nil && wantsPage(r) && r.Method == http.MethodGet:
			http.Redirect(w, r, "/login?"+url.Values{"to": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
		default:
			h.Set("WWW-Authenticate", "Bearer")
			if p.cfg.SignIn != nil && wantsPage(r) { // a form, sent after the session was over
				p.signInFirst(w, r, http.StatusUnauthorized, "Nobody is signed in here any more, so nothing was done. Sign in, and send it again.")
				return
			}
			handlers.Error(w, r, http.StatusUnauthorized, "sign in, or send a token: Authorization: Bearer …")
		}
	}
}

// errElsewhere says that a preview is looked at from another machine.
var errElsewhere = errors.New("in preview the pages answer on loopback alone: open them on the machine itself, by its loopback address")

// enters says who asks, and gives a browser another id of its session when it is time.
func (p *Pages) enters(w http.ResponseWriter, r *http.Request) (*viewer, error) {
	who, err := p.who(r)
	if err == nil && who.session.Turn {
		err = p.turn(w, r, who.session)
	}
	return who, err
}

// who says who asks: the operator, a program with a token, or whoever is signed in.
func (p *Pages) who(r *http.Request) (*viewer, error) {
	token := bearer(r)
	switch {
	case token != "":
		return p.token(r, token)
	case p.cfg.Preview && loopback(r):
		return &viewer{operator: true}, nil
	case p.cfg.Preview:
		return nil, errElsewhere
	}
	return p.signedIn(r)
}

// protect sets the headers that every answer has: unless more is set, it runs no script,
// loads nothing but our style and icon, sends no form, and is shown in nobody's frame.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", csp("form-action 'none'"))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

// open allows a page what those who were let in need: our own scripts, what they ask of
// us, and forms.
func open(h http.Header) {
	h.Set("Content-Security-Policy", csp("form-action 'self'; script-src 'self'; connect-src 'self'"))
}

// csp is the policy of a page that may do what is said, and nothing else.
func csp(may string) string {
	return "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; " + may
}

// bearer is the token that the request carries, "" if it carries none.
func bearer(r *http.Request) string {
	scheme, got, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(got)
}

// same reports whether a token is the one that is meant. Nothing is the same as no token.
func same(token, right string) bool {
	if right == "" {
		return false
	}
	a, b := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(right))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// loopback reports whether the request came over the loopback interface, and was
// addressed to it: a page elsewhere whose name was made to point here names
// itself as the host. What a proxy passes on did not come from this machine.
func loopback(r *http.Request) bool {
	for name := range r.Header {
		if name == "Forwarded" || name == "Via" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			return false
		}
	}
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !net.ParseIP(from).IsLoopback() {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}
