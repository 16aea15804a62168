package hub

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	jwt "github.com/golang-jwt/jwt/v4"
)

// token is an installation's access token.
type token struct {
	value        string
	installation *installation
	permissions  map[string]string
	only         []int64 // ids of the repositories that it is for; nil: all of the installation
	expires      time.Time
}

// sees reports whether the token's repositories have this one among them.
func (t *token) sees(r *repository) bool {
	return r != nil && r.installation != nil && r.installation == t.installation && (t.only == nil || slices.Contains(t.only, r.id))
}

// allows reports whether the token has one of some permissions, each like
// "contents:write".
func (t *token) allows(needs string) bool {
	for need := range strings.SplitSeq(needs, "|") {
		name, level, _ := strings.Cut(need, ":")
		if t.permissions[name] == "write" || t.permissions[name] == level {
			return true
		}
	}
	return false
}

// bearer finds the token in a request: as REST clients send it, or as git does.
func bearer(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "token") {
		return value
	}
	return ""
}

// caller returns the token of a request, or an error with the status that GitHub
// answers.
func (h *Hub) caller(value string) (*token, error) {
	t := h.tokens[value]
	switch {
	case value == "":
		return nil, refuse(401, "Requires authentication")
	case t == nil, !time.Now().Before(t.expires):
		return nil, refuse(401, "Bad credentials")
	case !t.installation.suspended.IsZero():
		return nil, refuse(403, "This installation has been suspended")
	}
	return t, nil
}

// checkApp verifies the App's own JWT, as "Generating a JSON Web Token for a GitHub
// App" wants it: RS256, issued in the past, good for ten minutes at most.
func (h *Hub) checkApp(value string) error {
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(value, &claims, func(*jwt.Token) (any, error) { return h.key, nil }, jwt.WithValidMethods([]string{"RS256"}))
	switch {
	case err != nil:
		return refuse(401, "A JSON web token could not be decoded")
	case claims.Issuer != strconv.FormatInt(h.o.AppID, 10):
		return refuse(401, "Integration not found")
	case claims.IssuedAt == nil, claims.ExpiresAt == nil:
		return refuse(401, "Missing 'issued at' or 'expiration time' claim ('iat', 'exp')")
	case claims.ExpiresAt.After(time.Now().Add(10 * time.Minute)):
		return refuse(401, "'Expiration time' claim ('exp') is too far in the future")
	}
	return nil
}

// postToken is POST /app/installations/{id}/access_tokens.
func (c *call) postToken() (any, error) {
	in, err := c.installation()
	if err != nil {
		return nil, err
	}
	if !in.suspended.IsZero() {
		return nil, refuse(403, "This installation has been suspended")
	}
	var ask struct {
		IDs         []int64           `json:"repository_ids"`
		Names       []string          `json:"repositories"`
		Permissions map[string]string `json:"permissions"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	t := &token{installation: in, permissions: maps.Clone(in.permissions), expires: time.Now().Add(time.Hour).UTC().Truncate(time.Second)}
	if ask.Permissions != nil {
		t.permissions = map[string]string{"metadata": "read"}
		for name, level := range ask.Permissions {
			if !(&token{permissions: in.permissions}).allows(name + ":" + level) {
				return nil, refuse(422, "The permissions requested are not granted to this installation.")
			}
			t.permissions[name] = level
		}
	}
	answer := object{"expires_at": moment(t.expires), "permissions": t.permissions, "repository_selection": "selected"}
	var shown []any
	for _, r := range c.hub.repositories {
		if (slices.Contains(ask.IDs, r.id) || slices.Contains(ask.Names, r.name)) && r.installation == in {
			t.only = append(t.only, r.id)
			shown = append(shown, c.hub.repository(r))
		}
	}
	if len(t.only) != len(ask.IDs)+len(ask.Names) {
		return nil, refuse(422, "There is at least one repository that does not exist or is not accessible to the parent installation.")
	}
	if t.only != nil {
		answer["repositories"] = shown
	}
	// As long as those that GitHub gives out since 2026, with dots.
	random := make([]byte, 360)
	rand.Read(random)
	long := base64.RawURLEncoding.EncodeToString(random)
	t.value = fmt.Sprintf("ghs_%d_%s.%s.%s", c.hub.o.AppID, long[:40], long[40:400], long[400:])
	c.hub.tokens[t.value] = t
	answer["token"] = t.value
	return answer, nil
}

// getCovered is GET /installation/repositories.
func (c *call) getCovered() (any, error) {
	list := []any{}
	for _, r := range c.hub.repositories {
		if c.token.sees(r) {
			list = append(list, c.hub.repository(r))
		}
	}
	return object{"total_count": len(list), "repositories": paged(c, list)}, nil
}

// deleteToken is DELETE /installation/token: the token that it is called with is
// void.
func (c *call) deleteToken() (any, error) {
	delete(c.hub.tokens, c.token.value)
	return nil, nil
}

// Tokens returns the installation tokens that are good now.
func (h *Hub) Tokens() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.tokens))
}

// Expire lets all tokens expire that were made so far.
func (h *Hub) Expire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.tokens {
		t.expires = time.Now()
	}
}
