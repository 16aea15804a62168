package hub

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// What the hub's App signs people in with.
const (
	ClientID     = "Iv1.0123456789abcdef"
	ClientSecret = "oauth-secret-0123456789"
)

// grant is a code that a browser was sent back with.
type grant struct {
	who       *account
	challenge string
	redirect  string
}

// Browse has whoever asks the hub's pages from now on be signed in to GitHub as a
// person, who agrees to what Apps ask.
func (h *Hub) Browse(login string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.browsing = h.account(login, "User")
}

// Renounce has a person take back what they gave to the App.
func (p Person) Renounce() {
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	for value, who := range p.h.given {
		if who == p.a {
			delete(p.h.given, value)
		}
	}
	p.h.send("github_app_authorization", object{"action": "revoked", "sender": p.h.user(p.a)}, 0, 0)
}

// authorize is the page on which a person agrees that an App knows who they are.
func (h *Hub) authorize(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := r.URL.Query()
	switch {
	case h.browsing == nil:
		http.Error(w, "nobody is signed in to GitHub", http.StatusForbidden)
		return
	case q.Get("client_id") != ClientID || q.Get("redirect_uri") == "" || q.Get("code_challenge_method") != "S256":
		http.Error(w, "client_id, redirect_uri and a challenge are needed", http.StatusUnprocessableEntity)
		return
	}
	code := rand.Text()
	h.grants[code] = grant{h.browsing, q.Get("code_challenge"), q.Get("redirect_uri")}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
}

// exchange is POST /login/oauth/access_token.
func (h *Hub) exchange(w http.ResponseWriter, form url.Values) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g, known := h.grants[form.Get("code")]
	delete(h.grants, form.Get("code"))
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	var answer any = object{"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."}
	switch {
	case form.Get("client_id") != ClientID || form.Get("client_secret") != ClientSecret:
		answer = object{"error": "incorrect_client_credentials"}
	case known && g.redirect == form.Get("redirect_uri") && base64.RawURLEncoding.EncodeToString(sum[:]) == g.challenge:
		value := "ghu_" + rand.Text()
		h.given[value] = g.who
		answer = object{"access_token": value, "expires_in": 28800, "refresh_token": "ghr_" + rand.Text(), "refresh_token_expires_in": 15897600, "scope": "", "token_type": "bearer"}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(answer)
}

// deleteGrant is DELETE /applications/{client}/token.
func (c *call) deleteGrant() (any, error) {
	if id, key, ok := c.r.BasicAuth(); !ok || id != ClientID || key != ClientSecret || c.param("client") != ClientID {
		return nil, refuse(401, "Bad credentials")
	}
	var ask struct {
		Token string `json:"access_token"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if c.hub.given[ask.Token] == nil {
		return nil, refuse(422, "Validation Failed")
	}
	delete(c.hub.given, ask.Token)
	return nil, nil
}

// person is whose token a request brings.
func (c *call) person() (*account, error) {
	if who := c.hub.given[bearer(c.r)]; who != nil {
		return who, nil
	}
	return nil, refuse(401, "Bad credentials")
}

// getUser is GET /user.
func (c *call) getUser() (any, error) {
	who, err := c.person()
	if err != nil {
		return nil, err
	}
	return c.hub.user(who), nil
}

// reaches reports whether a person was given something in a repository.
func (r *repository) reaches(a *account) bool {
	return a == r.owner || ranks[r.permission(a.login)] > 0 && ranks[r.grants[strings.ToLower(a.login)]] > 0
}

// getUserInstallations is GET /user/installations.
func (c *call) getUserInstallations() (any, error) {
	who, err := c.person()
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, in := range c.hub.installations {
		for _, r := range c.hub.repositories {
			if r.installation == in && r.reaches(who) {
				list = append(list, c.hub.installationOf(in))
				break
			}
		}
	}
	return object{"total_count": len(list), "installations": paged(c, list)}, nil
}

// getUserRepositories is GET /user/installations/{id}/repositories.
func (c *call) getUserRepositories() (any, error) {
	who, err := c.person()
	if err != nil {
		return nil, err
	}
	in, err := c.installation()
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, r := range c.hub.repositories {
		if r.installation != in || !r.reaches(who) {
			continue
		}
		has := ranks[r.permission(who.login)]
		shown := object{"id": r.id, "full_name": r.fullName(), "private": r.private, "permissions": object{
			"pull": has >= ranks["read"], "triage": has >= ranks["triage"], "push": has >= ranks["write"], "maintain": has >= ranks["maintain"], "admin": has >= ranks["admin"],
		}}
		list = append(list, shown)
	}
	return object{"total_count": len(list), "repositories": paged(c, list)}, nil
}

// Token is a token that a person gave to the App in some other way than on its pages.
func (p Person) Token() string {
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	value := "ghu_" + rand.Text()
	p.h.given[value] = p.a
	return value
}
