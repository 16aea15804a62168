package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/handlers"
)

// Finding is what one check came to.
type Finding struct {
	What string `json:"what"`
	Bad  string `json:"bad,omitempty"`  // what is wrong; "" if it is in order
	Note string `json:"note,omitempty"` // what was found, if it is in order
	Todo string `json:"todo,omitempty"` // what to do about it
}

// checkWithin bounds all checks together; the server's own patience with an answer is a
// minute.
const checkWithin = 50 * time.Second

// checksView is what the page of checks shows.
type checksView struct {
	Open    bool // there is a token that opens it
	Found   []Finding
	Problem string
	Now     time.Time
}

// registerChecks adds the page on which the operator has everything checked. It knows
// nobody by a session, so that it also helps where nobody can sign in.
func (p *Pages) registerChecks(in ways) {
	in.router.Handle(http.MethodGet, "/checks", within(checkWithin, http.HandlerFunc(p.checks)))
	in.upload("/checks", checkWithin, maxForm, http.HandlerFunc(p.checkNow))
	in.router.Handle(http.MethodGet, api+"/checks", within(checkWithin, p.guard(p.tellChecks)))
}

// checks asks for the token, unless it comes along as a program's does.
func (p *Pages) checks(w http.ResponseWriter, r *http.Request) {
	if token := bearer(r); token != "" {
		p.checkFor(w, r, token)
		return
	}
	p.showChecks(w, r, http.StatusOK, checksView{})
}

// checkNow takes the token from the form.
func (p *Pages) checkNow(w http.ResponseWriter, r *http.Request) {
	p.checkFor(w, r, strings.TrimSpace(r.PostFormValue("token")))
}

// checkFor shows how things are to whoever has the token.
func (p *Pages) checkFor(w http.ResponseWriter, r *http.Request, token string) {
	who, err := p.token(r, token)
	var wait *tooMany
	switch {
	case errors.As(err, &wait):
		handlers.RetryAfter(w, wait.after)
		p.showChecks(w, r, http.StatusTooManyRequests, checksView{Problem: "Too many wrong tokens came from this address: wait a little."})
	case err != nil || !who.operator:
		p.showChecks(w, r, http.StatusUnauthorized, checksView{Problem: "That is not the operator's token."})
	default:
		found, err := p.check(r.Context())
		if err != nil {
			p.showChecks(w, r, http.StatusServiceUnavailable, checksView{Problem: "Others are being answered just now. Try again in a moment."})
			return
		}
		p.showChecks(w, r, http.StatusOK, checksView{Found: found})
	}
}

func (p *Pages) showChecks(w http.ResponseWriter, r *http.Request, status int, v checksView) {
	protect(w.Header())
	w.Header().Set("Content-Security-Policy", csp("form-action 'self'"))
	v.Open, v.Now = p.cfg.AdminToken != "", p.now().UTC()
	p.write(w, r, status, p.checksPage, v)
}

// tellChecks answers the operator with how things are.
func (p *Pages) tellChecks(w http.ResponseWriter, r *http.Request, who *viewer) {
	if !who.operator {
		p.nothing(w, r)
		return
	}
	found, err := p.check(r.Context())
	if err != nil {
		handlers.RetryAfter(w, time.Second)
		handlers.Error(w, r, http.StatusServiceUnavailable, "others are being answered just now: try again in a moment")
		return
	}
	handlers.JSON(w, http.StatusOK, map[string][]Finding{"checks": found})
}

// check makes all checks, for one who asks at a time: they ask services that cost.
func (p *Pages) check(ctx context.Context) ([]Finding, error) {
	select {
	case p.checking <- struct{}{}:
		defer func() { <-p.checking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	found := p.cfg.Check(ctx)
	failed := 0
	for _, f := range found {
		if f.Bad != "" {
			failed++
		}
	}
	p.failed.Store(int64(failed))
	return found, nil
}
