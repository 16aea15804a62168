package registration

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

// base is the manifest of the whole App: a copy of app.yml at the top of the
// repository, which go:embed cannot reach.
//
//go:generate cp ../../app.yml app.yml
//go:embed app.yml
var base []byte

// Choices are what whoever registers the App decides.
type Choices struct {
	Name         string // of the App, unique on GitHub
	Organization string // login of the organisation that is to own it; "" for the person
	Fix          bool   // it may propose fixes; else it asks for what issues need, and no more
	Public       bool   // other accounts may install it
}

// maxName is how long GitHub lets an App's name be, in characters.
const maxName = 34

var organization = regexp.MustCompile(`^[A-Za-z0-9](-?[A-Za-z0-9])*$`)

// Check says what of the choices GitHub would not take, in words for who made them;
// nil if it is nothing that can be seen from here.
func (c Choices) Check() error {
	switch n := utf8.RuneCountInString(c.Name); {
	case n == 0:
		return errors.New("the App needs a name")
	case n > maxName:
		return fmt.Errorf("the App's name is %d characters long; GitHub takes %d", n, maxName)
	case strings.ContainsFunc(c.Name, func(r rune) bool { return r < ' ' }):
		return errors.New("the App's name must be one line")
	case c.Organization != "" && (len(c.Organization) > 39 || !organization.MatchString(c.Organization)):
		return errors.New("that is no name of an organisation: it is the last part of the organisation's address on GitHub")
	}
	return nil
}

// Paths are where GitHub sends browsers back to.
type Paths struct {
	Registered string // once the App is there
	SignedIn   string // who signs in
	Installed  string // who has installed the App
}

// Manifest is what GitHub is sent, as JSON. publicURL is where GitHub reaches the app,
// without a slash at the end.
// https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
func Manifest(c Choices, publicURL string, back Paths) ([]byte, error) {
	var m struct {
		Name        string            `json:"name" yaml:"name"`
		URL         string            `json:"url" yaml:"url"`
		Public      bool              `json:"public" yaml:"public"`
		Redirect    string            `json:"redirect_url" yaml:"redirect_url"`
		Callbacks   []string          `json:"callback_urls" yaml:"callback_urls"`
		Setup       string            `json:"setup_url" yaml:"setup_url"`
		Hook        map[string]any    `json:"hook_attributes" yaml:"hook_attributes"`
		Permissions map[string]string `json:"default_permissions" yaml:"default_permissions"`
		Events      []string          `json:"default_events" yaml:"default_events"`
	}
	if err := yaml.UnmarshalWithOptions(base, &m, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("read the App's manifest: %w", err)
	}
	m.Name, m.URL, m.Public, m.Redirect = c.Name, publicURL, c.Public, publicURL+back.Registered
	m.Callbacks, m.Setup = []string{publicURL + back.SignedIn}, publicURL+back.Installed
	m.Hook["url"] = publicURL + "/api/github/hook"
	if !c.Fix {
		m.Permissions = map[string]string{"issues": m.Permissions["issues"], "metadata": m.Permissions["metadata"]}
		m.Events = []string{"issues", "issue_comment", "repository"}
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("make the App's manifest: %w", err)
	}
	return data, nil
}
