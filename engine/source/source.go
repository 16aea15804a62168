// Package source knows the configured feeds of an installation: their kind,
// their secrets, and the repository that their feedback belongs to.
//
// The server's file names some, which are a [Table] and never change; others are
// connected on the pages and kept in a [Store]. Both are found by their id.
package source

import (
	"errors"
	"fmt"
)

// ErrNone says that there is no such source. Any other error of who finds sources is
// the store's: nothing is known then.
var ErrNone = errors.New("no such source")

// Kind says what a source speaks.
type Kind string

// The kinds of sources.
const (
	Sentry   Kind = "sentry"
	Reddit   Kind = "reddit"
	Feedback Kind = "feedback"
)

// Source is one configured feed of an installation.
type Source struct {
	Installation int64
	ID           string // the {source} of its URL, unique in the app
	Kind         Kind
	Name         string            // what people call it; empty for those of the server's file
	Secrets      []string          // client secrets or API keys, several while rotating
	Digests      [][32]byte        // SHA-256 of API keys that nobody knows but their holders
	Legacy       bool              // Sentry only: the unsigned plugin may speak
	Repository   string            // owner/name; where its feedback belongs, unless Routes says so
	Routes       map[string]string // Sentry project slug → owner/name
	Public       bool              // its text may be quoted on a public repository

	Subreddits []string // Reddit only: the communities that are read, without r/
	Client     *Client  // Reddit only: the tenant's own OAuth client; nil if there is none
	API        *API     // Sentry only: how its API is asked; nil if it is not
}

// Client is an OAuth client that a tenant registered with Reddit.
type Client struct {
	ID     string
	Secret string
}

// API is how a source's Sentry is asked for what a webhook did not bring.
type API struct {
	URL          string // where Sentry is: https://sentry.io
	Organisation string // slug
	Token        string
}

// Label is what people know the source by: its name, or its id.
func (s *Source) Label() string {
	if s.Name != "" {
		return s.Name
	}
	return s.ID
}

// Route returns the repository that feedback of the Sentry project (empty for
// other kinds) belongs to, and false if none is named: then it is held.
func (s *Source) Route(sentryProject string) (repository string, ok bool) {
	if s.Routes != nil {
		if r, found := s.Routes[sentryProject]; found {
			return r, true
		}
	}
	return s.Repository, s.Repository != ""
}

// Format names the source, whatever the verb: its secrets must not be printed.
func (s Source) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%s source %s", s.Kind, s.ID) }

// Format names what it belongs to and nothing of it, whatever the verb.
func (c Client) Format(f fmt.State, _ rune) { fmt.Fprint(f, "an OAuth client") }

// Format names what it is for and nothing else, whatever the verb.
func (a API) Format(f fmt.State, _ rune) { fmt.Fprint(f, "an API token") }
