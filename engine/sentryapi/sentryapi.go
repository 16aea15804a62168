// Package sentryapi reads error groups from the API of a Sentry, sentry.io or one
// that somebody hosts, with a token of the tenant's.
//
// What it returns is what Sentry said, as bytes: feedback.Reader makes readings of
// it. It only reads; the token needs the scope event:read (and project:read, to
// list by project) and no more.
package sentryapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fetch"
)

// DefaultBase is where Sentry's own service is.
const DefaultBase = "https://sentry.io"

// What can be wrong in ways that a person can mend.
var (
	ErrToken   = errors.New("the token is refused by Sentry: give one that has the scope event:read")
	ErrUnknown = errors.New("no such organization or project is shown to this token by Sentry")
	ErrAnswer  = errors.New("what answers is no Sentry: check the address")
)

// Config is how a tenant's Sentry is asked.
type Config struct {
	Base         string // DefaultBase unless set; what is before /api/0/
	Organization string // its slug
	Token        string
	HTTP         *fetch.Client
}

// Client asks one organization's Sentry. It is safe for concurrent use.
type Client struct {
	base         *url.URL // with /api/0
	organization string
	token        string
	http         *fetch.Client
}

var (
	slug   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
	number = regexp.MustCompile(`^[0-9]{1,30}$`)
	cursor = regexp.MustCompile(`^[0-9A-Za-z:._-]{1,100}$`)
)

// New returns a client. An error says what of the configuration is wrong, and does
// not hold the token.
func New(c Config) (*Client, error) {
	if c.Base == "" {
		c.Base = DefaultBase
	}
	base, err := url.Parse(strings.TrimSuffix(c.Base, "/"))
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("the address of Sentry: want https://HOST")
	}
	if !slug.MatchString(c.Organization) {
		return nil, errors.New("the organization at Sentry: want its slug, as it stands in Sentry's addresses")
	}
	if c.Token == "" || strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, ErrToken
	}
	return &Client{base: base.JoinPath("api", "0"), organization: c.Organization, token: c.Token, http: c.HTTP}, nil
}

// Format names the client, whatever the verb: its token must not be printed.
func (c Client) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "Sentry organization %s", c.organization) }

// MaxGroups is how many groups a page holds at most.
const MaxGroups = 100

// Query says which groups to list.
type Query struct {
	Project string // its slug; empty: all that the token sees
	Cursor  string // Page.Next of the page before; empty: the first
	Limit   int    // of one page; MaxGroups unless it is less
}

// Page is a part of a list.
type Page struct {
	Groups []json.RawMessage // as Sentry describes them, newest seen first
	Next   string            // the cursor of what comes after; empty at the end
	Wait   time.Time         // when the next request may be sent, if Sentry asks to wait
}

// ID returns the id of one of the groups, empty if it has none that can be asked
// for.
func ID(raw json.RawMessage) string {
	var g struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(raw, &g) != nil || !number.MatchString(g.ID) {
		return ""
	}
	return g.ID
}

// Unresolved lists the unresolved groups that were seen in the last 90 days. An
// error that is not one of this package's is [fetch.Client.Do]'s.
func (c *Client) Unresolved(ctx context.Context, q Query) (Page, error) {
	at := c.base.JoinPath("organizations", c.organization, "issues")
	values := url.Values{"query": {"is:unresolved"}, "sort": {"date"}, "limit": {strconv.Itoa(MaxGroups)}}
	if q.Limit > 0 && q.Limit < MaxGroups {
		values.Set("limit", strconv.Itoa(q.Limit))
	}
	switch {
	case q.Project == "":
		values.Set("project", "-1") // all, not just those of the teams that the token's owner is in
		values.Set("statsPeriod", "90d")
	case !slug.MatchString(q.Project):
		return Page{}, ErrUnknown
	default:
		at = c.base.JoinPath("projects", c.organization, q.Project, "issues")
		values.Set("statsPeriod", "") // on this endpoint it is only about graphs
	}
	if q.Cursor != "" {
		if !cursor.MatchString(q.Cursor) {
			return Page{}, ErrAnswer
		}
		values.Set("cursor", q.Cursor)
	}
	a, err := c.get(ctx, at, values)
	if err != nil {
		return Page{}, err
	}
	var p Page
	if json.Unmarshal(a.Body, &p.Groups) != nil {
		return Page{}, ErrAnswer
	}
	p.Groups = p.Groups[:min(len(p.Groups), MaxGroups)]
	p.Wait = c.http.Spent(a.Header)
	if p.Next = next(a.Header); p.Next == q.Cursor {
		p.Next = "" // it leads in a circle
	}
	return p, nil
}

// Group returns a group; nil if Sentry has none of that id any more. The time is as
// that of [Client.Latest].
func (c *Client) Group(ctx context.Context, id string) (json.RawMessage, time.Time, error) {
	return c.one(ctx, id)
}

// Latest returns the newest event of a group; nil if Sentry has none any more.
// The time is when the next request may be sent, if Sentry asks to wait.
func (c *Client) Latest(ctx context.Context, group string) (json.RawMessage, time.Time, error) {
	return c.one(ctx, group, "events", "latest")
}

// one returns a group, or what is below it.
func (c *Client) one(ctx context.Context, group string, below ...string) (json.RawMessage, time.Time, error) {
	if !number.MatchString(group) {
		return nil, time.Time{}, nil
	}
	a, err := c.get(ctx, c.base.JoinPath("organizations", c.organization, "issues", group).JoinPath(below...), nil)
	switch {
	case errors.Is(err, ErrUnknown), errors.Is(err, fetch.ErrRedirect): // it was deleted or merged meanwhile, or its events are too old to be kept
		return nil, time.Time{}, nil
	case errors.Is(err, fetch.ErrTooLarge): // a group without its stack is better than none
		return nil, time.Time{}, nil
	case err != nil:
		return nil, time.Time{}, err
	case !json.Valid(a.Body):
		return nil, time.Time{}, ErrAnswer
	}
	return a.Body, c.http.Spent(a.Header), nil
}

func (c *Client) get(ctx context.Context, at *url.URL, values url.Values) (*fetch.Answer, error) {
	at = at.JoinPath("/") // Sentry's routes end in one
	at.RawQuery = values.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, ErrUnknown
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Accept", "application/json")
	a, err := c.http.Do(ctx, r)
	switch {
	case fetch.Refused(err, http.StatusUnauthorized, http.StatusForbidden):
		return nil, ErrToken
	case fetch.Refused(err, http.StatusNotFound, http.StatusGone):
		return nil, ErrUnknown
	case err != nil:
		return nil, fmt.Errorf("ask Sentry: %w", err)
	}
	return a, nil
}

// link is one link of a Link header, as Sentry writes them:
// <URL>; rel="next"; results="true"; cursor="0:100:0". Of the URL nothing is used:
// requests go to where the configuration says.
var link = regexp.MustCompile(`<[^<>]*>((?:\s*;\s*[a-z]+="[^"]*")+)`)

// next is the cursor of the next page, empty if there is nothing in it.
func next(h http.Header) string {
	for _, m := range link.FindAllStringSubmatch(strings.Join(h.Values("Link"), ","), -1) {
		if !strings.Contains(m[1], `rel="next"`) || !strings.Contains(m[1], `results="true"`) {
			continue
		}
		_, after, _ := strings.Cut(m[1], `cursor="`)
		if value, _, ok := strings.Cut(after, `"`); ok && cursor.MatchString(value) {
			return value
		}
	}
	return ""
}
