package config

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
)

// maxFile bounds the YAML file.
const maxFile = 1 << 20

// readFile reads the YAML file at path into c. It returns a problem, with file and
// line, for everything that could not be read.
func (c *Config) readFile(path string, env map[string]string) []error {
	data, err := readBounded(path)
	if err != nil {
		return []error{&Problem{fileSetting, err.Error(), "name a YAML file that the app may read, of at most 1 MB"}}
	}
	r := &reader{path: path, env: env, ids: map[string]int{}}
	r.read(data, c)
	return r.problems
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxFile:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	case !utf8.Valid(data):
		return nil, fmt.Errorf("%s is not UTF-8", path)
	}
	return data, nil
}

// reader puts the file's tree into the settings and collects problems. Its
// messages never hold a value, which may be a secret from the environment.
type reader struct {
	path     string
	env      map[string]string
	ids      map[string]int // source id → line
	problems []error
}

// wrong notes a problem at a node.
func (r *reader) wrong(n ast.Node, format string, args ...any) {
	r.wrongAt(line(n), format, args...)
}

func (r *reader) wrongAt(line int, format string, args ...any) {
	r.problems = append(r.problems, &Problem{Setting: fileSetting, What: fmt.Sprintf("%s:%d: ", r.path, line) + fmt.Sprintf(format, args...)})
}

func (r *reader) read(data []byte, c *Config) {
	root, ok := r.parse(data)
	if !ok {
		return
	}
	seen := map[int64]bool{}
	own := map[int]func(*Installation){} // what an installation says over what holds for all, by its place
	r.fields(root, "the file", map[string]func(ast.Node){
		"runs":   func(n ast.Node) { r.runs(n, &c.Runs) },
		"quotas": func(n ast.Node) { r.quotas(n, "quotas", &c.Quotas) },
		"installations": func(n ast.Node) {
			r.each(n, "installations", func(at string, n ast.Node) {
				i, lay := r.installation(at, n)
				if i.ID != 0 && seen[i.ID] {
					r.wrong(n, "%s: this id has an entry already; put both into one", at)
				}
				seen[i.ID] = true
				own[len(c.Installations)] = lay
				c.Installations = append(c.Installations, i)
			})
		},
	})
	for at := range c.Installations {
		in := &c.Installations[at]
		in.Runs, in.Quotas = c.Runs.PerInstallation, c.Quotas
		own[at](in)
	}
}

// installation reads one, and returns what lays its limits and quotas over those of
// all, which may stand further down in the file.
func (r *reader) installation(at string, n ast.Node) (i Installation, lay func(*Installation)) {
	var runs, quotas ast.Node
	named := r.fields(n, at, map[string]func(ast.Node){
		"id": func(n ast.Node) {
			id, err := strconv.ParseInt(scalar(n), 10, 64)
			if err != nil || id <= 0 {
				r.wrong(n, "%s.id: want GitHub's installation id, a number", at)
			}
			i.ID = max(id, 0)
		},
		"runs":   func(n ast.Node) { runs = n },
		"quotas": func(n ast.Node) { quotas = n },
		"sources": func(n ast.Node) {
			r.each(n, at+".sources", func(at string, n ast.Node) {
				i.Sources = append(i.Sources, r.source(at, n))
			})
		},
		"repositories": func(n ast.Node) {
			i.Repositories = map[string]policy.File{}
			folded := map[string]bool{}
			r.pairs(n, at+".repositories", func(name string, key, value ast.Node) {
				if _, err := project.ParseRepo(name); err != nil {
					r.wrong(key, "%s.repositories: want owner/name before the colon", at)
					return
				}
				at := fmt.Sprintf("%s.repositories[%s]", at, name)
				if folded[strings.ToLower(name)] {
					r.wrong(key, "%s: is there twice; GitHub does not tell upper from lower case", at)
				}
				folded[strings.ToLower(name)] = true
				i.Repositories[name] = r.policy(at, value)
			})
		},
	})
	if !named["id"] {
		r.wrong(n, "%s.id: is missing; it is GitHub's installation id", at)
	}
	for j := range i.Sources {
		i.Sources[j].Installation = i.ID
	}
	return i, func(to *Installation) {
		if runs != nil {
			r.limits(runs, at+".runs", &to.Runs)
		}
		if quotas != nil {
			r.quotas(quotas, at+".quotas", &to.Quotas)
		}
	}
}

// sourceID is what a source's id looks like: it is a part of its URL.
var sourceID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// givenOut reports whether the app itself gives such ids to sources.
func givenOut(id string) bool {
	_, _, ok := source.Owner(id)
	return ok
}

func (r *reader) source(at string, n ast.Node) (s source.Source) {
	named := r.fields(n, at, map[string]func(ast.Node){
		"id": func(n ast.Node) {
			s.ID = r.text(n, at+".id")
			switch first, taken := r.ids[s.ID]; {
			case !sourceID.MatchString(s.ID), s.ID == "new": // that is an address of the pages
				r.wrong(n, "%s.id: want 1 to 63 of a-z, 0-9 and -, not - first", at)
			case givenOut(s.ID):
				r.wrong(n, "%s.id: ids that end like this are given to sources that are connected on the pages", at)
			case taken:
				r.wrong(n, "%s.id: is that of the source on line %d; ids are unique in the whole file", at, first)
			default:
				r.ids[s.ID] = line(n)
			}
		},
		"kind": func(n ast.Node) {
			s.Kind = source.Kind(r.text(n, at+".kind"))
			switch s.Kind {
			case source.Sentry, source.Reddit, source.Feedback:
			default:
				r.wrong(n, "%s.kind: want sentry, reddit or feedback", at)
			}
		},
		"secrets": func(n ast.Node) {
			r.each(n, at+".secrets", func(at string, n ast.Node) {
				if secret := r.text(n, at); strings.TrimSpace(secret) == "" {
					r.wrong(n, "%s: is empty", at)
				} else {
					s.Secrets = append(s.Secrets, secret)
				}
			})
		},
		"legacy":     func(n ast.Node) { s.Legacy = r.flag(n, at+".legacy") },
		"public":     func(n ast.Node) { s.Public = r.flag(n, at+".public") },
		"repository": func(n ast.Node) { s.Repository = r.repository(n, at+".repository") },
		"routes": func(n ast.Node) {
			s.Routes = map[string]string{}
			r.pairs(n, at+".routes", func(slug string, _, value ast.Node) {
				s.Routes[slug] = r.repository(value, at+".routes["+slug+"]")
			})
		},
	})
	for _, key := range []string{"id", "kind", "secrets"} {
		if !named[key] {
			r.wrong(n, "%s.%s: is missing", at, key)
		}
	}
	if named["secrets"] && len(s.Secrets) == 0 {
		r.wrong(n, "%s.secrets: name at least one", at)
	}
	if s.Repository == "" && len(s.Routes) == 0 && !named["repository"] {
		r.wrong(n, "%s: name a repository, or routes", at)
	}
	if s.Kind != source.Sentry {
		for _, key := range []string{"legacy", "routes"} {
			if named[key] {
				r.wrong(n, "%s.%s: is for sources of the kind sentry only", at, key)
			}
		}
	}
	return s
}

func (r *reader) repository(n ast.Node, at string) string {
	name := r.text(n, at)
	if _, err := project.ParseRepo(name); err != nil {
		r.wrong(n, "%s: want owner/name", at)
	}
	return name
}

// policy reads what the operator says of a repository, with the keys of the
// repository's own file.
func (r *reader) policy(at string, n ast.Node) (f policy.File) {
	if n == nil || n.Type() == ast.NullType {
		return f
	}
	if err := yaml.NodeToValue(n, &f, yaml.Strict()); err != nil {
		where, what := complaint(err)
		r.wrongAt(where, "%s: %s", at, what)
		return policy.File{}
	}
	for _, v := range valueErrors(f.Check()) {
		r.wrong(n, "%s.%s: want %s", at, v.Key, v.Allowed)
	}
	return f
}
