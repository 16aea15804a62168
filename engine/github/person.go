package github

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"golang.org/x/oauth2"
)

// LoginConfig is the App as people sign in with it.
type LoginConfig struct {
	API, Web     string // of GitHub, without a slash at the end
	ClientID     string
	ClientSecret string // never to be logged
	Redirect     string // URL that GitHub sends the browser back to
	UserAgent    string

	Timeout   time.Duration     // of one request, 10 s if 0
	Now       func() time.Time  // time.Now if nil
	Transport http.RoundTripper // a clone of http.DefaultTransport if nil
}

// Login asks GitHub who people are and what they may see, as themselves: with a token
// that they gave, which can do no more than they and no more than the App.
type Login struct {
	cfg    LoginConfig
	oauth  oauth2.Config
	client *http.Client
}

// NewLogin returns a Login. It talks to nobody yet.
func NewLogin(cfg LoginConfig) *Login {
	as := Config{API: cfg.API, UserAgent: cfg.UserAgent, Timeout: cfg.Timeout, Now: cfg.Now, Transport: cfg.Transport}.filled()
	cfg.API, cfg.UserAgent, cfg.Now = as.API, as.UserAgent, as.Now
	return &Login{
		cfg: cfg,
		oauth: oauth2.Config{
			ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, RedirectURL: cfg.Redirect,
			Endpoint: oauth2.Endpoint{AuthURL: cfg.Web + "/login/oauth/authorize", TokenURL: cfg.Web + "/login/oauth/access_token", AuthStyle: oauth2.AuthStyleInParams},
		},
		client: &http.Client{
			Timeout: as.Timeout, Transport: wire{next: as.Transport, agent: as.UserAgent},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is for this host alone
		},
	}
}

// Person is somebody with an account on GitHub. Logins change hands; ids do not.
type Person struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
}

// PersonToken is what a person gave when they signed in.
type PersonToken struct {
	Value   string    // never to be logged, and stored only sealed
	Expires time.Time // zero if it does not
}

// String says that it is one, and nothing of it.
func (PersonToken) String() string { return "[token]" }

// GoString is String.
func (t PersonToken) GoString() string { return t.String() }

// ErrNotSignedIn says that GitHub does not take a code or a token of a person's: it is
// too old, was used, or was taken back.
var ErrNotSignedIn = errors.New("github: not signed in")

// ErrNoClient says that GitHub does not know the App by its client id and secret, and
// ErrNoCallback that it would not send a browser back to where the app is.
var (
	ErrNoClient   = errors.New("github: no such client")
	ErrNoCallback = errors.New("github: not a callback of the App")
)

// NewVerifier returns a secret for one sign-in, by which GitHub knows that who brings
// the code is who asked for it (RFC 7636).
func NewVerifier() string { return oauth2.GenerateVerifier() }

// URL is where a person is sent to sign in.
func (l *Login) URL(state, verifier string) string {
	return l.oauth.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
}

// Exchange returns the token for a code. ErrNotSignedIn if GitHub does not take it.
func (l *Login) Exchange(ctx context.Context, code, verifier string) (PersonToken, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, l.client)
	got, err := l.oauth.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused): // GitHub says so with 200; the error may quote the code
		if refused.ErrorCode != "" {
			return PersonToken{}, fmt.Errorf("exchange a code: %w", ErrNotSignedIn)
		}
		return PersonToken{}, fmt.Errorf("exchange a code: GitHub answers %d", refused.Response.StatusCode)
	case err != nil:
		return PersonToken{}, errors.New("exchange a code: GitHub cannot be reached, or does not answer as it should")
	}
	return PersonToken{Value: got.AccessToken, Expires: got.Expiry}, nil
}

// Check asks GitHub whether somebody could sign in, by a code that is none: a client that
// it knows is told so, any other that it is another. ErrNoClient, ErrNoCallback.
// https://docs.github.com/en/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-oauth-app-access-token-request-errors
func (l *Login) Check(ctx context.Context) error {
	const what = "ask GitHub whether people can sign in"
	ctx = context.WithValue(ctx, oauth2.HTTPClient, l.client)
	_, err := l.oauth.Exchange(ctx, "none", oauth2.VerifierOption(NewVerifier()))
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return errors.New(what + ": it cannot be reached, or does not answer as it should")
	}
	switch refused.ErrorCode {
	case "bad_verification_code":
		return nil
	case "incorrect_client_credentials":
		return fmt.Errorf("%s: %w", what, ErrNoClient)
	case "redirect_uri_mismatch":
		return fmt.Errorf("%s: %w", what, ErrNoCallback)
	}
	return fmt.Errorf("%s: it answers %d", what, refused.Response.StatusCode)
}

// Revoke makes a token void.
func (l *Login) Revoke(ctx context.Context, t PersonToken) error {
	body, err := json.Marshal(map[string]string{"access_token": t.Value})
	if err != nil {
		return fmt.Errorf("revoke a token: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, l.cfg.API+"/applications/"+url.PathEscape(l.cfg.ClientID)+"/token", bytes.NewReader(body))
	if err != nil {
		return errors.New("revoke a token: the API's address cannot be read")
	}
	req.SetBasicAuth(l.cfg.ClientID, l.cfg.ClientSecret)
	req.Header.Set("Accept", "application/vnd.github+json")
	resp, err := l.client.Do(req)
	if err != nil {
		return errors.New("revoke a token: GitHub cannot be reached")
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusUnprocessableEntity {
		return fmt.Errorf("revoke a token: GitHub answers %d", resp.StatusCode)
	}
	return nil
}

// Who says whose a token is.
func (l *Login) Who(ctx context.Context, t PersonToken) (Person, error) {
	var p Person
	if err := l.get(ctx, t, "/user", &p); err != nil {
		return p, fmt.Errorf("ask who signed in: %w", err)
	}
	if p.ID <= 0 || p.Login == "" {
		return p, errors.New("ask who signed in: the answer names nobody")
	}
	return p, nil
}

// Reach is what a person may see of an installation of the App: the repositories that
// both cover, with what the person may do in each, by id.
type Reach struct {
	Installation int64
	Account      string
	Owner        bool // the account is the person's own
	Repositories map[int64]Permission
	Names        map[int64]string // owner/name, of the same
}

// How much is asked of what a person may see. Who may see more sees as much.
const (
	maxReached      = 50 // installations
	maxReachedPages = 20 // of repositories, of each
)

// Reach says what a person may see.
// https://docs.github.com/en/rest/apps/installations#list-app-installations-accessible-to-the-user-access-token
func (l *Login) Reach(ctx context.Context, t PersonToken, who Person) ([]Reach, error) {
	var all []Reach
	err := l.pages(ctx, t, "/user/installations", 2, func(page io.Reader) (int, error) {
		var got struct {
			Installations []struct {
				ID      int64  `json:"id"`
				Account Person `json:"account"`
			} `json:"installations"`
		}
		err := json.NewDecoder(page).Decode(&got)
		for _, in := range got.Installations {
			all = append(all, Reach{Installation: in.ID, Account: in.Account.Login, Owner: in.Account.ID == who.ID, Repositories: make(map[int64]Permission), Names: make(map[int64]string)})
		}
		return len(got.Installations), err
	})
	if err != nil {
		return nil, fmt.Errorf("ask what %s may see: %w", who.Login, err)
	}
	all = all[:min(len(all), maxReached)]
	for _, in := range all {
		err := l.pages(ctx, t, "/user/installations/"+strconv.FormatInt(in.Installation, 10)+"/repositories", maxReachedPages, func(page io.Reader) (int, error) {
			var got struct {
				Repositories []struct {
					ID          int64           `json:"id"`
					Name        string          `json:"full_name"`
					Permissions map[string]bool `json:"permissions"`
				} `json:"repositories"`
			}
			err := json.NewDecoder(page).Decode(&got)
			for _, r := range got.Repositories {
				in.Repositories[r.ID], in.Names[r.ID] = most(r.Permissions), r.Name
			}
			return len(got.Repositories), err
		})
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrForbidden) {
			continue // it went meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("ask what %s may see: %w", who.Login, err)
		}
	}
	return slices.DeleteFunc(all, func(r Reach) bool { return len(r.Repositories) == 0 && !r.Owner }), nil
}

// most is the most that GitHub's flags allow.
func most(flags map[string]bool) Permission {
	for _, p := range []struct {
		flag string
		is   Permission
	}{{"admin", Admin}, {"maintain", Maintain}, {"push", Write}, {"triage", Triage}, {"pull", Read}} {
		if flags[p.flag] {
			return p.is
		}
	}
	return None
}

// pages reads a listing until a page is not full, or there were enough.
func (l *Login) pages(ctx context.Context, t PersonToken, path string, most int, read func(io.Reader) (n int, err error)) error {
	for page := 1; page <= most; page++ {
		var raw json.RawMessage
		err := l.get(ctx, t, path+"?per_page="+strconv.Itoa(perPage)+"&page="+strconv.Itoa(page), &raw)
		if err != nil {
			return err
		}
		n, err := read(bytes.NewReader(raw))
		if err != nil {
			return errors.New("the answer cannot be read")
		}
		if n < perPage {
			break
		}
	}
	return nil
}

func (l *Login) get(ctx context.Context, t PersonToken, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.cfg.API+path, nil)
	if err != nil {
		return errors.New("the API's address cannot be read")
	}
	req.Header.Set("Authorization", "Bearer "+t.Value)
	req.Header.Set("Accept", "application/vnd.github+json")
	resp, err := l.client.Do(req)
	if err != nil {
		return errors.New("GitHub cannot be reached")
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return ErrNotSignedIn
	case http.StatusForbidden:
		// That it was asked too often says nothing of what somebody may do.
		if resp.Header.Get("X-RateLimit-Remaining") == "0" || resp.Header.Get("Retry-After") != "" {
			return errors.New("GitHub asks to be asked less often")
		}
		return ErrForbidden
	case http.StatusNotFound:
		return ErrNotFound
	default:
		return fmt.Errorf("GitHub answers %d", resp.StatusCode)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return errors.New("the answer cannot be read")
	}
	return nil
}
