package hub

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"time"

	jwt "github.com/golang-jwt/jwt/v4"
)

// Tester is told of what goes wrong. A [testing.TB] is one; Fatalf does not return.
type Tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Options say which App the hub knows. T, Dir, AppID and Key are required.
type Options struct {
	T     Tester // fails when people cannot do what a test has them do
	Dir   string // for the repositories
	AppID int64
	Key   []byte // the App's private key, RSA, in PEM
	Slug  string // "soulcaster" if empty

	// Permissions are what the App asks for, and every installation grants; nil is
	// issues, contents and pull_requests: write, checks and metadata: read.
	Permissions map[string]string
	// Events are what the App subscribes to, beside those about installations; nil
	// is every event that the hub knows.
	Events []string

	WebhookSecret string
	WebhookURL    func() string // of the App; "" while it is not there
}

// Hub is one GitHub. It is safe for concurrent use.
type Hub struct {
	URL string // of the API and of git alike: <URL>/acme/web.git

	o      Options
	t      Tester
	key    *rsa.PublicKey
	server *httptest.Server
	routes []route
	mail   *courier
	closed chan struct{}
	ending sync.Once

	mu            sync.Mutex // guards all below, and what it leads to
	last          int64      // id that was given away last
	accounts      map[string]*account
	installations map[int64]*installation
	repositories  []*repository
	tokens        map[string]*token
	signed        map[string]bool // commits that GitHub signed
	calls         []Call
	faults        []*Fault
	starts        []Start
	codes         map[string]manifest // of manifests that somebody agreed to
	browsing      *account            // who is signed in where the hub's pages are looked at
	grants        map[string]grant    // by code
	given         map[string]*account // tokens of people
	hook          string              // the webhook's address, if a manifest named it
	setup         string              // where the browser is sent once somebody has installed the App
}

// New starts a hub that knows nobody but the App.
func New(o Options) (*Hub, error) {
	if o.T == nil || o.Dir == "" || o.AppID <= 0 {
		return nil, errors.New("hub: T, Dir and AppID are required")
	}
	if _, err := exec.LookPath("git"); err != nil {
		return nil, errors.New("hub: git is not installed")
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(o.Key)
	if err != nil {
		return nil, fmt.Errorf("hub: read the App's key: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	if o.Slug == "" {
		o.Slug = "soulcaster"
	}
	if o.Permissions == nil {
		o.Permissions = map[string]string{"issues": "write", "contents": "write", "pull_requests": "write", "checks": "read", "metadata": "read"}
	}
	if o.Events == nil {
		o.Events = knownEvents
	}
	if o.WebhookURL == nil {
		o.WebhookURL = func() string { return "" }
	}
	h := &Hub{
		o: o, t: o.T, key: &key.PublicKey, closed: make(chan struct{}),
		last:          1000,
		accounts:      make(map[string]*account),
		installations: make(map[int64]*installation),
		tokens:        make(map[string]*token),
		signed:        make(map[string]bool),
		codes:         make(map[string]manifest),
		grants:        make(map[string]grant),
		given:         make(map[string]*account),
	}
	h.routes = h.table()
	h.mail = newCourier(o.WebhookSecret, o.WebhookURL, o.AppID)
	h.server = httptest.NewServer(h)
	h.URL = h.server.URL
	h.account(h.login(), "Bot")
	return h, nil
}

// Close ends the hub. Deliveries that are under way are given up.
func (h *Hub) Close() {
	h.ending.Do(func() {
		close(h.closed)
		h.mail.close()
		h.server.CloseClientConnections()
		h.server.Close()
	})
}

// login is the name under which the App writes.
func (h *Hub) login() string { return h.o.Slug + "[bot]" }

// id gives an id away.
func (h *Hub) id() int64 {
	h.last++
	return h.last
}

// now is the time as GitHub tells it, in whole seconds.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// object is a JSON object.
type object = map[string]any

// moment is a time as JSON shows it: null if it never was.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Format(time.RFC3339)
}

// text is a string as JSON shows it where GitHub has null for none.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}
