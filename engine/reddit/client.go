package reddit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/soulcaster/soulcaster/engine/fetch"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Where Reddit is.
const (
	LoginURL = "https://www.reddit.com"
	APIURL   = "https://oauth.reddit.com"
)

// What can be wrong in ways that a person can mend.
var (
	ErrClient  = errors.New("the OAuth client is refused: check its id and its secret, and that Reddit approved it")
	ErrUnknown = errors.New("the subreddit is not shown: it is private, banned, or there is none of that name")
	ErrAnswer  = errors.New("the answer of Reddit is none that is understood")
)

// Config is how Reddit is asked.
type Config struct {
	ID, Secret string // of the tenant's OAuth client
	HTTP       *fetch.Client
	Login, API string           // LoginURL and APIURL unless set
	Now        func() time.Time // time.Now
}

// Client asks Reddit for one tenant. It is safe for concurrent use.
type Client struct {
	c Config

	mu    sync.Mutex
	token string
	until time.Time // that the token holds
	pause time.Time // before which Reddit wants no request
}

// New returns a client.
func New(c Config) *Client {
	if c.Login == "" {
		c.Login = LoginURL
	}
	if c.API == "" {
		c.API = APIURL
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Client{c: c}
}

// Format names the client, whatever the verb: its secrets must not be printed.
func (c *Client) Format(f fmt.State, _ rune) { fmt.Fprint(f, "a Reddit client") }

// MaxThings is how many things a listing holds, and how many can be asked about at
// once.
const MaxThings = 100

var (
	subreddit = regexp.MustCompile(`^[A-Za-z0-9_]{2,30}$`)
	fullname  = regexp.MustCompile(`^t[13]_[0-9a-z]{1,13}$`)
)

// Listing is a page of things.
type Listing struct {
	Body  []byte   // as Reddit sent it; feedback.Reader reads it
	Names []string // fullnames of what is in it, in order
	After string   // what to ask for the older things after; empty at the end
}

// Place is where in a listing a page is: the things that are newer than Before,
// those next to it first to be told, or older than After. Empty: the newest.
type Place struct{ Before, After string }

// Newest lists the posts of a subreddit, newest first.
func (c *Client) Newest(ctx context.Context, sub string, at Place) (Listing, error) {
	if !subreddit.MatchString(sub) {
		return Listing{}, ErrUnknown
	}
	q := url.Values{"limit": {fmt.Sprint(MaxThings)}}
	for name, value := range map[string]string{"before": at.Before, "after": at.After} {
		if fullname.MatchString(value) {
			q.Set(name, value)
		}
	}
	return c.listing(ctx, "/r/"+sub+"/new", q)
}

// About asks what the things of these fullnames are now, at most MaxThings. What
// Reddit does not know, or does not show, is not in the listing.
func (c *Client) About(ctx context.Context, names []string) (Listing, error) {
	if len(names) > MaxThings {
		return Listing{}, fmt.Errorf("ask Reddit about %d things: at most %d", len(names), MaxThings)
	}
	for _, n := range names {
		if !fullname.MatchString(n) {
			return Listing{}, fmt.Errorf("ask Reddit about things: %w", ErrUnknown)
		}
	}
	return c.listing(ctx, "/api/info", url.Values{"id": {strings.Join(names, ",")}})
}

func (c *Client) listing(ctx context.Context, path string, q url.Values) (Listing, error) {
	a, err := c.ask(ctx, path, q)
	if err != nil {
		return Listing{}, err
	}
	var in struct {
		Kind string `json:"kind"`
		Data struct {
			After    string `json:"after"`
			Children []struct {
				Data struct {
					Name string `json:"name"`
				} `json:"data"`
			} `json:"children"`
		} `json:"data"`
	}
	if json.Unmarshal(a.Body, &in) != nil || in.Kind != "Listing" {
		return Listing{}, ErrAnswer
	}
	out := Listing{Body: a.Body}
	for _, child := range in.Data.Children {
		if name := strings.ToLower(child.Data.Name); fullname.MatchString(name) {
			out.Names = append(out.Names, name)
		}
	}
	if fullname.MatchString(in.Data.After) {
		out.After = in.Data.After
	}
	return out, nil
}

// ask sends a request with a token; once more if Reddit took the token back before
// its time.
func (c *Client) ask(ctx context.Context, path string, q url.Values) (*fetch.Answer, error) {
	q.Set("raw_json", "1")
	for fresh := false; ; fresh = true {
		token, err := c.login(ctx, fresh)
		if err != nil {
			return nil, err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.c.API+path+"?"+q.Encode(), nil)
		if err != nil {
			return nil, ErrAnswer
		}
		r.Header.Set("Authorization", "Bearer "+token)
		a, err := c.send(ctx, r)
		switch {
		case fetch.Refused(err, http.StatusUnauthorized) && !fresh:
			continue
		case fetch.Refused(err, http.StatusUnauthorized):
			return nil, ErrClient
		case fetch.Refused(err, http.StatusForbidden, http.StatusNotFound), errors.Is(err, fetch.ErrRedirect): // a name that is none leads to the search
			return nil, ErrUnknown
		case err != nil:
			return nil, fmt.Errorf("ask Reddit: %w", err)
		}
		return a, nil
	}
}

// login returns a token: the one that there is, unless it ended or a fresh one is
// wanted.
func (c *Client) login(ctx context.Context, fresh bool) (string, error) {
	c.mu.Lock()
	token, until := c.token, c.until
	c.mu.Unlock()
	if token != "" && !fresh && c.c.Now().Before(until) {
		return token, nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.c.Login+"/api/v1/access_token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return "", ErrAnswer
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(c.c.ID, c.c.Secret)
	a, err := c.send(ctx, r)
	switch {
	case fetch.Refused(err, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden):
		return "", ErrClient
	case err != nil:
		return "", fmt.Errorf("sign in at Reddit: %w", err)
	}
	var in struct {
		Token   string  `json:"access_token"`
		Expires float64 `json:"expires_in"`
		Error   any     `json:"error"`
	}
	if json.Unmarshal(a.Body, &in) != nil {
		return "", ErrAnswer
	}
	if in.Token == "" || strings.ContainsFunc(in.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", ErrClient // an error in an answer of 200
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = in.Token
	// A minute less than it says, at most a day.
	c.until = c.c.Now().Add(time.Duration(min(max(in.Expires-60, 0), 86400)) * time.Second)
	return in.Token, nil
}

// send sends a request at the pace that Reddit sets.
func (c *Client) send(ctx context.Context, r *http.Request) (*fetch.Answer, error) {
	c.mu.Lock()
	pause := c.pause
	c.mu.Unlock()
	if c.c.Now().Before(pause) {
		return nil, &work.Later{Until: pause, Err: errors.New("it asks to go more slowly")}
	}
	a, err := c.c.HTTP.Do(ctx, r)
	var later *work.Later
	switch {
	case errors.As(err, &later):
		pause = later.Until
	case err == nil:
		pause = c.c.HTTP.Spent(a.Header)
	default:
		return nil, err
	}
	c.mu.Lock()
	if pause.After(c.pause) {
		c.pause = pause
	}
	c.mu.Unlock()
	return a, err
}
