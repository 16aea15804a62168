// Package source knows the configured feeds of an installation: their kind,
// their secrets, and the repository that their feedback belongs to.
package source

import "fmt"

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
	Secrets      []string          // client secrets or API keys, several while rotating
	Legacy       bool              // Sentry only: the unsigned plugin may speak
	Repository   string            // owner/name; where its feedback belongs, unless Routes says so
	Routes       map[string]string // Sentry project slug → owner/name
	Public       bool              // its text may be quoted on a public repository
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
