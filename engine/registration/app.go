package registration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// App is the App as GitHub registered it, with its credentials.
type App struct {
	ID    int64  `json:"id"`
	Slug  string `json:"slug"`
	Name  string `json:"name"`
	Owner string `json:"owner"` // login
	URL   string `json:"url"`   // of the App's page on GitHub

	PrivateKey    string `json:"private_key"` // PEM
	WebhookSecret string `json:"webhook_secret"`
	ClientID      string `json:"client_id"`
	ClientSecret  string `json:"client_secret"`

	Registered time.Time `json:"registered"`
}

// Format names the App, whatever the verb: its credentials must not be printed.
func (a App) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "App %d %s", a.ID, a.Slug) }

// ErrTaken says that an App was registered already.
var ErrTaken = errors.New("an App is registered already")

// Places are where a registration can be kept.
type Places struct {
	Space storage.Space   // the app's
	Keys  *secret.Keyring // seal it there
	File  string          // path; "" if there is no place for a file that every replica reads
}

const appKey = "github-app"

// Load returns the registration from wherever it is kept; false if there is none.
func (p Places) Load(ctx context.Context) (App, bool, error) {
	var a App
	if p.File != "" {
		switch data, err := secret.ReadFile(p.File, maxFile); {
		case err == nil:
			if err := json.Unmarshal(data, &a); err != nil || a.ID <= 0 {
				return App{}, false, fmt.Errorf("read the App's credentials: %s holds something else: move it away, and register the App anew", p.File)
			}
			return a, true, nil
		case !errors.Is(err, fs.ErrNotExist):
			return App{}, false, fmt.Errorf("read the App's credentials: %w", err)
		}
	}
	entries, err := p.Space.Get(ctx, appKey)
	if err != nil {
		return App{}, false, fmt.Errorf("read the App's credentials: %w", err)
	}
	if !entries[0].Exists() {
		return App{}, false, nil
	}
	data, err := p.Keys.Open(p.Space.Name(), appKey, entries[0].Value)
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	if err != nil {
		return App{}, false, fmt.Errorf("read the App's credentials: %w", err)
	}
	return a, true, nil
}

// maxFile is how long a file with a registration may be: a key and some lines.
const maxFile = 64 << 10

// Keep keeps a registration: in the file, if there is one and that is wished, or sealed
// in the store. ErrTaken if there is one already, which stays.
func (p Places) Keep(ctx context.Context, a App, inFile bool) error {
	_, there, err := p.Load(ctx)
	switch {
	case err != nil:
		return err
	case there:
		return ErrTaken
	}
	data, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return fmt.Errorf("keep the App's credentials: %w", err)
	}
	if inFile && p.File != "" {
		err = secret.CreateFile(p.File, string(data)+"\n")
		if errors.Is(err, fs.ErrExist) {
			return ErrTaken
		}
		if err != nil {
			return fmt.Errorf("keep the App's credentials: %w", err)
		}
		return nil
	}
	sealed, err := p.Keys.Seal(p.Space.Name(), appKey, data)
	if err != nil {
		return fmt.Errorf("keep the App's credentials: %w", err)
	}
	var b storage.Batch
	b.Require(appKey, 0)
	b.Set(appKey, sealed)
	err = p.Space.Apply(ctx, &b)
	if errors.Is(err, storage.ErrConflict) {
		return ErrTaken
	}
	if err != nil {
		return fmt.Errorf("keep the App's credentials: %w", err)
	}
	return nil
}
