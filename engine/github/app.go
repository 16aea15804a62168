package github

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	jwt "github.com/golang-jwt/jwt/v4"
	"github.com/google/go-github/v66/github"
	"github.com/palantir/go-githubapp/githubapp"

	"github.com/soulcaster/soulcaster/engine/project"
)

// DefaultAPI is github.com's REST API. A GitHub Enterprise Server has its own,
// https://HOST/api/v3.
const DefaultAPI = "https://api.github.com"

// Config says who the App is and how it reaches GitHub. AppID and PrivateKey
// are required; the rest has defaults.
type Config struct {
	API        string // DefaultAPI if empty
	AppID      int64
	PrivateKey []byte // RSA, in PEM: PKCS #1 or PKCS #8; line breaks may be written as \n
	UserAgent  string // "soulcaster" if empty

	// Clients is how many installations keep their token in memory, 1,024 if 0.
	// One that is pushed out costs one request for a token when it comes back.
	Clients int
	Timeout time.Duration // of one request, 10 s if 0
	Pace    *Pace         // DefaultPace if nil

	Now       func() time.Time  // time.Now if nil
	Transport http.RoundTripper // a clone of http.DefaultTransport if nil
}

// filled is the config with its defaults.
func (cfg Config) filled() Config {
	cfg.API = strings.TrimRight(cmp.Or(cfg.API, DefaultAPI), "/")
	cfg.UserAgent = cmp.Or(cfg.UserAgent, "soulcaster")
	if cfg.Clients <= 0 {
		cfg.Clients = 1024
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Transport == nil {
		cfg.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	return cfg
}

// App is the App on GitHub. It is safe for concurrent use.
type App struct {
	creator githubapp.ClientCreator
	fresh   githubapp.ClientCreator // makes a client anew each time
	renewed renewals
	clients int // that are kept at most
	app     *github.Client
	lanes   lanes
	pace    Pace
	now     func() time.Time
	sleep   func(context.Context, time.Duration) error

	mu       sync.Mutex
	identity Identity
	known    time.Time // when identity was asked
}

// At says where: in which repository, seen through which installation. Repo.ID
// may be 0, but then a rename of the repository cannot be told from a transfer.
type At struct {
	Installation int64
	Repo         project.Repo
}

// New returns the App. It talks to nobody yet; [App.App] checks that the
// credentials are good.
func New(cfg Config) (*App, error) {
	cfg = cfg.filled()
	if u, err := url.Parse(cfg.API); err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return nil, errors.New("github: the API's address must be an http or https URL without credentials or query")
	}
	if cfg.AppID <= 0 {
		return nil, errors.New("github: the App's id must be a positive number")
	}
	key, err := parseKey(cfg.PrivateKey)
	if err != nil {
		return nil, err
	}
	pace := DefaultPace()
	if cfg.Pace != nil {
		pace = *cfg.Pace
	}

	// Every client that the creator makes has its own ghinstallation transport
	// and its own token: sharing one between installations is a data race. What
	// is shared is the connection pool below. No HTTP cache: it would sit beside
	// the tokens and has to be sized times the number of installations.
	fresh := githubapp.NewClientCreator(
		cfg.API, "", cfg.AppID, key,
		githubapp.WithClientUserAgent(cfg.UserAgent),
		githubapp.WithClientTimeout(cfg.Timeout),
		githubapp.WithTransport(wire{next: cfg.Transport, agent: cfg.UserAgent}),
	)
	creator, err := githubapp.NewCachingClientCreator(fresh, cfg.Clients)
	if err != nil {
		return nil, fmt.Errorf("make github clients: %w", err)
	}
	app, err := creator.NewAppClient()
	if err != nil {
		return nil, fmt.Errorf("make github client of the App: %w", err)
	}
	return &App{
		creator: creator,
		fresh:   fresh,
		renewed: renewals{of: make(map[int64]renewal)},
		clients: cfg.Clients,
		app:     app,
		lanes:   lanes{of: make(map[int64]*lane)},
		pace:    pace,
		now:     cfg.Now,
		sleep:   sleep,
	}, nil
}

// parseKey checks the key without ever showing any of it.
func parseKey(pem []byte) ([]byte, error) {
	text := strings.TrimSpace(string(pem))
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, `\n`, "\n") // as environment files hold it
	}
	var key *rsa.PrivateKey
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(text))
	if err != nil {
		return nil, errors.New("github: the App's private key is not an RSA private key in PEM form")
	}
	if err := key.Validate(); err != nil {
		return nil, errors.New("github: the App's private key is damaged")
	}
	return []byte(text), nil
}

// client returns what speaks for an installation, or for the App itself (0).
func (a *App) client(installation int64) (*github.Client, error) {
	if installation == 0 {
		return a.app, nil
	}
	if c := a.renewal(installation); c != nil {
		return c, nil
	}
	c, err := a.creator.NewInstallationClient(installation)
	if err != nil {
		return nil, fmt.Errorf("make github client of installation %d: %w", installation, err)
	}
	return c, nil
}

var (
	ownerPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
	repoPattern  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
)

// check refuses what would end up elsewhere than meant: go-github puts names
// into paths as they are.
func (at At) check() error {
	switch {
	case at.Installation <= 0:
		return fmt.Errorf("github: no installation for %s", at.Repo)
	case !ownerPattern.MatchString(at.Repo.Owner), !repoPattern.MatchString(at.Repo.Name), at.Repo.Name == ".", at.Repo.Name == "..":
		return fmt.Errorf("github: %q is no name of a repository", at.Repo.String())
	}
	return nil
}
