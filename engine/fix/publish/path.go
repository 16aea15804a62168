package publish

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	maxPath = 500 // bytes; Windows stops at 260 characters unless it is told not to
	maxName = 255 // bytes of one name in it: what file systems take
)

// badPath says why a path is not taken, "" if it is. What git itself checks of a
// path before it writes it (verify_path, with protectHFS and protectNTFS) is in it.
func badPath(p string) string {
	switch {
	case p == "":
		return "an empty path"
	case len(p) > maxPath:
		return "a path that is too long"
	case !utf8.ValidString(p):
		return "a path that is not UTF-8"
	case strings.HasPrefix(p, "/"), strings.Contains(p, `\`):
		return "a path that is not relative, or holds a backslash"
	}
	for _, r := range p {
		if unicode.IsControl(r) || !unicode.IsGraphic(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return "a path with characters that are not seen"
		}
	}
	for name := range strings.SplitSeq(p, "/") {
		switch {
		case name == "", name == ".", name == "..":
			return "a path that goes nowhere or up"
		case len(name) > maxName:
			return "a path that is too long"
		case isGit(name):
			return "a path into git's own folder"
		case strings.HasSuffix(name, "."), strings.HasSuffix(name, " "):
			return "a name that ends in a dot or a space, which Windows takes off"
		case strings.ContainsAny(name, `:<>"|?*`), device(name):
			return "a name that Windows cannot have, or reads as something else"
		case shortened.MatchString(name):
			return "a name that Windows may read as the short form of another one"
		}
	}
	return ""
}

// shortened is what a short name of NTFS looks like: GITHUB~1, README~2.MD.
var shortened = regexp.MustCompile(`~[0-9]+(\.[^.]*)?$`)

// device reports whether a name means a device on Windows, with any extension
// (learn.microsoft.com, "Naming Files, Paths, and Namespaces").
func device(name string) bool {
	name, _, _ = strings.Cut(strings.ToLower(name), ".")
	name = strings.TrimRight(name, " ")
	switch name {
	case "con", "prn", "aux", "nul", "conin$", "conout$":
		return true
	}
	port, ok := strings.CutPrefix(name, "com")
	if !ok {
		port, ok = strings.CutPrefix(name, "lpt")
	}
	return ok && utf8.RuneCountInString(port) == 1 && strings.ContainsAny(port, "0123456789¹²³")
}

// isGit reports whether a name means .git to some file system. NTFS cuts what follows
// a colon, and knows .git also as git~1. Characters that HFS+ leaves out are not
// graphic, and were refused before.
func isGit(name string) bool {
	name, _, _ = strings.Cut(name, ":")
	name = strings.TrimRight(name, ". ")
	short, ok := strings.CutPrefix(strings.ToLower(name), "git~")
	return strings.EqualFold(name, ".git") || ok && len(short) == 1 && short[0] >= '0' && short[0] <= '9'
}

// fold returns the same for paths that are one file to some file system: those that
// differ in case, or in whether an accent is a character of its own, at most (the
// Unicode Standard, "Default Caseless Matching", D145).
func fold(p string) string {
	if strings.IndexFunc(p, func(r rune) bool { return r > unicode.MaxASCII }) < 0 {
		return strings.ToLower(p)
	}
	return norm.NFD.String(cases.Fold().String(norm.NFD.String(p)))
}

// lower is a path in lower case, with accents in the characters that they belong to.
func lower(p string) string { return norm.NFC.String(strings.ToLower(norm.NFC.String(p))) }

// badLink says why the target of a symbolic link at p is not taken, "" if it is. Steps
// up come first in it: behind a name, which may be a link itself, nobody knows from
// here where they lead.
func badLink(p, target string) string {
	switch {
	case target == "" || len(target) > maxPath || !utf8.ValidString(target):
		return "a link to nothing, or to what is no path"
	case strings.HasPrefix(target, "/"), strings.ContainsAny(target, "\\:"):
		return "a link to an absolute path"
	}
	for _, r := range target {
		if !unicode.IsGraphic(r) {
			return "a link to a path with characters that are not seen"
		}
	}
	depth, named := strings.Count(p, "/"), false
	for name := range strings.SplitSeq(target, "/") {
		switch {
		case name == "..":
			if depth--; depth < 0 || named {
				return "a link that leads out of the repository"
			}
		case isGit(name):
			return "a link into git's own folder"
		case name != "" && name != ".":
			named = true
		}
	}
	return ""
}
