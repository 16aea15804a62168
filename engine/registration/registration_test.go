package registration_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/registration"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

var app = registration.App{
	ID: 12, Slug: "soul", Name: "Soul", PrivateKey: "pem-0123456789", WebhookSecret: "hook-0123456789", ClientID: "Iv1.1", ClientSecret: "client-0123456789",
}

func places(t *testing.T, dir string) (p registration.Places, close func()) {
	t.Helper()
	db, err := bolt.Open(t.Context(), filepath.Join(dir, "soul.db"))
	if err != nil {
		t.Fatal(err)
	}
	space, err := db.Create(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	masters, err := secret.LoadOrMake(filepath.Join(dir, "soul.db.key"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := secret.NewKeyring(t.Context(), space, masters)
	if err != nil {
		t.Fatal(err)
	}
	return registration.Places{Space: space, Keys: keys, File: filepath.Join(dir, "soul.db.github.json")}, func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What is kept is there after a restart, in one place, and readable to nobody else.
func TestKeep(t *testing.T) {
	for _, inFile := range []bool{false, true} {
		dir := t.TempDir()
		p, end := places(t, dir)
		if _, known, err := p.Load(t.Context()); known || err != nil {
			t.Fatalf("before: %v %v", known, err)
		}
		if err := p.Keep(t.Context(), app, inFile); err != nil {
			t.Fatal(err)
		}
		for _, again := range []bool{false, true} {
			if err := p.Keep(t.Context(), registration.App{ID: 13}, again); !errors.Is(err, registration.ErrTaken) {
				t.Errorf("another one: %v", err)
			}
		}
		end()
		p, end = places(t, dir)
		got, known, err := p.Load(t.Context())
		if err != nil || !known || got != app {
			t.Errorf("after a restart: %v %v", known, err)
		}
		end()
		info, err := os.Stat(p.File)
		if inFile != (err == nil) || inFile && info.Mode().Perm() != 0o600 {
			t.Errorf("in a file: %v, and there is %v (%v)", inFile, info, err)
		}
		stored, err := os.ReadFile(filepath.Join(dir, "soul.db"))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{app.PrivateKey, app.WebhookSecret, app.ClientSecret} {
			if bytes.Contains(stored, []byte(s)) {
				t.Errorf("%s can be read in the store", s)
			}
		}
	}
}

func TestDamage(t *testing.T) {
	dir := t.TempDir()
	p, end := places(t, dir)
	defer end()
	if err := os.WriteFile(p.File, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Load(t.Context()); err == nil || !strings.Contains(err.Error(), p.File) {
		t.Errorf("a file of something else: %v", err)
	}
	if info, err := os.Stat(p.File); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("it was not closed to others: %v %v", info, err)
	}
	if err := os.Remove(p.File); err != nil {
		t.Fatal(err)
	}
	var b storage.Batch
	b.Set("github-app", []byte("moved here from elsewhere"))
	if err := p.Space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if _, known, err := p.Load(t.Context()); known || err == nil {
		t.Errorf("what this key did not seal: %v %v", known, err)
	}
}

func TestNothingIsPrinted(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if s := fmt.Sprintf(verb, app) + fmt.Sprintf(verb, &app) + fmt.Sprintf(verb, []registration.App{app}); strings.Contains(s, "0123456789") || strings.Contains(s, "30313233") {
			t.Errorf("%s: %s", verb, s)
		}
	}
}

// The manifest that is sent is app.yml at the top of the repository.
func TestManifest(t *testing.T) {
	want, err := os.ReadFile("../../app.yml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("app.yml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("app.yml is not the one at the top: make generate")
	}
	for _, c := range []registration.Choices{{Name: "Soul", Fix: true}, {Name: "S \"o\" <u> l", Public: true}} {
		data, err := registration.Manifest(c, "https://soul.test", registration.Paths{Registered: "/back", SignedIn: "/login/back", Installed: "/installed"})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte("example.com")) {
			t.Errorf("something still stands for the address: %s", data)
		}
		var m struct {
			Name        string            `json:"name"`
			Permissions map[string]string `json:"default_permissions"`
			Events      []string          `json:"default_events"`
		}
		if !bytes.Contains(data, []byte(`"callback_urls":["https://soul.test/login/back"],"setup_url":"https://soul.test/installed"`)) {
			t.Errorf("who signs in comes back elsewhere: %s", data)
		}
		if err := json.Unmarshal(data, &m); err != nil || m.Name != c.Name {
			t.Errorf("%v: %s", err, data)
		}
		if most := map[bool]int{true: 5, false: 2}[c.Fix]; len(m.Permissions) != most || m.Permissions["issues"] != "write" {
			t.Errorf("it asks for %v", m.Permissions)
		}
	}
}

func TestChoices(t *testing.T) {
	for _, c := range []registration.Choices{{Name: "Soul"}, {Name: strings.Repeat("ü", 34), Organization: "Acme-Corp9"}} {
		if err := c.Check(); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, c := range []registration.Choices{{}, {Name: strings.Repeat("x", 35)}, {Name: "a\nb"}, {Name: "x", Organization: "a/b"}, {Name: "x", Organization: "-a"},
		{Name: "x", Organization: "a--b"}, {Name: "x", Organization: strings.Repeat("a", 40)}} {
		if c.Check() == nil {
			t.Errorf("%v is taken", c)
		}
	}
}
