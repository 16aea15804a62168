package source

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/project"
)

// Limits of what people set.
const (
	MaxSources    = 50 // connected on the pages, in an installation
	MaxSecrets    = 5  // that are good at a time, of a source
	MaxRoutes     = 200
	MaxSubreddits = 25
	MaxName       = 80  // runes
	maxSlug       = 200 // bytes
	minSecret     = 16  // bytes
	maxSecret     = 500
	maxURL        = 200
)

// Setting is what people set of a source, besides its secrets.
type Setting struct {
	Name       string            `json:"name"`
	Repository string            `json:"repository,omitempty"` // owner/name; empty: what no route names is held
	Routes     map[string]string `json:"routes,omitempty"`     // Sentry only: project slug → owner/name
	Public     bool              `json:"public,omitempty"`
	Subreddits []string          `json:"subreddits,omitempty"` // Reddit only
}

// FieldError says which field of a setting is wrong, and what it should be.
type FieldError struct {
	Field   string // of a form: name, repository, routes, subreddits, secret, client, url, organisation, token
	Message string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Message }

func wrong(field, format string, args ...any) error {
	return &FieldError{field, fmt.Sprintf(format, args...)}
}

// Repositories are those that the setting names, each once, in order.
func (set Setting) Repositories() []string {
	return feeds(&Source{Repository: set.Repository, Routes: set.Routes})
}

// feeds are the repositories that sources feed, each once, in order.
func feeds(sources ...*Source) []string {
	seen := make(map[string]string)
	for _, s := range sources {
		for _, r := range append(slices.Collect(maps.Values(s.Routes)), s.Repository) {
			if r != "" {
				seen[strings.ToLower(r)] = r
			}
		}
	}
	return slices.Sorted(maps.Values(seen))
}

// check brings a setting into form, or says what is wrong with it.
func (set Setting) check(kind Kind) (Setting, error) {
	set.Name = strings.TrimSpace(set.Name)
	set.Repository = strings.TrimSpace(set.Repository)
	switch {
	case set.Name == "":
		return set, wrong("name", "give it a name that people know it by")
	case !plain(set.Name) || utf8.RuneCountInString(set.Name) > MaxName:
		return set, wrong("name", "want one line of at most %d characters", MaxName)
	case set.Repository != "" && !isRepo(set.Repository):
		return set, wrong("repository", "want owner/name")
	case len(set.Routes) > MaxRoutes:
		return set, wrong("routes", "there are %d; at most %d are kept", len(set.Routes), MaxRoutes)
	case kind != Sentry && len(set.Routes) > 0:
		return set, wrong("routes", "only Sentry has projects to route")
	case kind != Reddit && len(set.Subreddits) > 0:
		return set, wrong("subreddits", "only Reddit has them")
	}
	routes := make(map[string]string, len(set.Routes))
	for slug, repo := range set.Routes {
		slug, repo = strings.TrimSpace(slug), strings.TrimSpace(repo)
		switch {
		case slug == "" || len(slug) > maxSlug || !plain(slug):
			return set, wrong("routes", "want the slug of a Sentry project, of at most %d bytes", maxSlug)
		case !isRepo(repo):
			return set, wrong("routes", "%s: want owner/name", slug)
		}
		routes[slug] = repo
	}
	set.Routes = routes
	var err error
	set.Subreddits, err = subreddits(set.Subreddits)
	return set, err
}

var subreddit = regexp.MustCompile(`^[A-Za-z0-9_]{2,30}$`)

// subreddits are names without r/, each once.
func subreddits(names []string) (list []string, err error) {
	for _, name := range names {
		name = strings.TrimSpace(name)
		for _, before := range []string{"/r/", "r/"} {
			name = strings.TrimPrefix(name, before)
		}
		if !subreddit.MatchString(name) {
			return nil, wrong("subreddits", "want names of subreddits such as r/golang")
		}
		if !slices.ContainsFunc(list, func(have string) bool { return strings.EqualFold(have, name) }) {
			list = append(list, name)
		}
	}
	if len(list) > MaxSubreddits {
		return nil, wrong("subreddits", "there are %d; at most %d are read", len(list), MaxSubreddits)
	}
	return list, nil
}

func isRepo(name string) bool {
	_, err := project.ParseRepo(name)
	return err == nil
}

// plain reports whether text is one line of characters that can be seen.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// checkSecret says what is wrong with a secret that somebody entered. It is never
// repeated.
func checkSecret(field, value string) error {
	if len(value) < minSecret || len(value) > maxSecret {
		return wrong(field, "it is %d characters long; want %d to %d: was it copied whole?", len(value), minSecret, maxSecret)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return wrong(field, "it holds a space or a character that no secret has: was something else copied with it?")
	}
	return nil
}

var (
	organisation = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
	clientID     = regexp.MustCompile(`^[A-Za-z0-9_-]{6,60}$`)
)

// SentryURL is where Sentry's API is asked unless people say otherwise.
const SentryURL = "https://sentry.io"

// checkURL brings the address of a Sentry into form. private are hosts that may be asked
// without TLS.
func checkURL(raw string, private []string) (string, error) {
	raw = strings.TrimRight(strings.TrimSpace(raw), "/")
	if raw == "" {
		return SentryURL, nil
	}
	bad := wrong("url", "want the address of Sentry, such as %s, with https", SentryURL)
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxURL || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" {
		return "", bad
	}
	allowed := slices.ContainsFunc(private, func(host string) bool { return strings.EqualFold(host, u.Hostname()) })
	switch {
	case u.Scheme == "https", u.Scheme == "http" && allowed:
		return u.String(), nil
	case u.Scheme == "http":
		return "", wrong("url", "want https: only a host that whoever runs this server allows is asked without")
	}
	return "", bad
}

func copyRoutes(routes map[string]string) map[string]string {
	if routes == nil {
		return nil
	}
	return maps.Clone(routes)
}
