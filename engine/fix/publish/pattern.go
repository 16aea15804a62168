package publish

import (
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// patterns are those of fix.paths, read once for a change. How they are written
// stands at the top of the package.
type patterns struct {
	allow, deny []string
	plain       []string // deny, in lower case alone: folding makes two characters of some, which ? and [] count
	broken      bool     // one cannot be read: then nothing is let through
}

func readPatterns(list []string) patterns {
	var p patterns
	for _, s := range list {
		s, deny := strings.CutPrefix(strings.TrimSpace(s), "!")
		s = strings.TrimSuffix(strings.TrimPrefix(s, "./"), "/")
		anchored := strings.Contains(s, "/")
		s = strings.TrimPrefix(s, "/")
		if s == "" || !doublestar.ValidatePattern(s) {
			p.broken = true
			continue
		}
		if !anchored {
			s = "**/" + s
		}
		if deny {
			p.deny, p.plain = append(p.deny, fold(s)), append(p.plain, lower(s))
		} else {
			p.allow = append(p.allow, s)
		}
	}
	return p
}

// refuse says why the patterns do not let a path through, "" if they do.
func (p patterns) refuse(name string) string {
	switch {
	case p.broken:
		return "a pattern in fix.paths cannot be read, so nothing is let through"
	case matchAny(p.deny, fold(name)), matchAny(p.plain, lower(name)):
		return "fix.paths excludes it"
	case len(p.allow) > 0 && !matchAny(p.allow, name):
		return "it is not among fix.paths"
	}
	return ""
}

// matchAny reports whether a pattern matches the path or a folder that it is in.
func matchAny(list []string, name string) bool {
	for ; name != "."; name = path.Dir(name) {
		for _, pattern := range list {
			if doublestar.MatchUnvalidated(pattern, name) { // readPatterns validated it
				return true
			}
		}
	}
	return false
}
