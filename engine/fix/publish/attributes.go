package publish

import (
	"bytes"
	"context"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/github"
)

// attributes says what git would do to files on their way into the repository, from
// the .gitattributes of the base: https://git-scm.com/docs/gitattributes
//
// What is collected from the agent's work tree passed through no filter and no
// conversion. Where git would have changed it, it must not be committed as it is.
// Where a line cannot be read for sure, it counts if it asks for a conversion and not
// if it turns one off.
type attributes struct {
	base  *base
	files map[string][]attributeLine // by folder
	macro map[string][]setting
}

type attributeLine struct {
	pattern  string // of package doublestar, relative to the folder
	sure     bool   // the pattern means there what it means to git
	settings []setting
}

// setting is one attribute: "" is unset or unspecified, "set", or its value.
type setting struct{ name, value string }

func newAttributes(b *base) *attributes {
	return &attributes{base: b, files: make(map[string][]attributeLine),
		macro: map[string][]setting{"binary": {{"diff", ""}, {"merge", ""}, {"text", ""}}}}
}

// refuse says why a file with the content must not be committed as it is, "" if it
// may. was is what it held before, nil if it is new.
func (a *attributes) refuse(ctx context.Context, name string, content, was []byte) (string, error) {
	is, err := a.of(ctx, name)
	if err != nil {
		return "", err
	}
	crlf := bytes.Contains(content, []byte("\r\n"))
	if text := is["text"]; is["crlf"] != "" && text == "" { // the old name of text
		is["text"] = is["crlf"]
		if is["crlf"] == "input" {
			is["text"] = "set"
		}
	}
	switch {
	case is["filter"] != "":
		return "a filter (such as Git LFS) converts it", nil
	case is["working-tree-encoding"] != "":
		return "git converts its encoding", nil
	case is["ident"] != "" && bytes.Contains(content, []byte("$Id:")):
		return "git converts its $Id$", nil
	case !crlf:
		return "", nil // no line end to convert
	case is["text"] == "auto" && bytes.Contains(was, []byte("\r\n")):
		return "", nil // git leaves alone what was committed so
	case is["text"] != "", is["eol"] != "":
		return "git converts its line endings", nil
	}
	return "", nil
}

// of returns the attributes of a path that are set: the last line that matches counts,
// and the folder nearest to the file.
func (a *attributes) of(ctx context.Context, name string) (map[string]string, error) {
	is := make(map[string]string)
	folder, rest := "", name
	for {
		lines, err := a.in(ctx, folder)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			if !doublestar.MatchUnvalidated(l.pattern, rest) && l.sure {
				continue
			}
			for _, s := range l.settings {
				if l.sure || s.value != "" {
					is[s.name] = s.value
				}
			}
		}
		first, below, deeper := strings.Cut(rest, "/")
		if !deeper {
			return is, nil
		}
		folder, rest = path.Join(folder, first), below
	}
}

// in reads the .gitattributes of a folder. Git follows no link to one.
func (a *attributes) in(ctx context.Context, folder string) ([]attributeLine, error) {
	if lines, ok := a.files[folder]; ok {
		return lines, nil
	}
	e, ok, err := a.base.entry(ctx, path.Join(folder, ".gitattributes"))
	if err != nil {
		return nil, err
	}
	var lines []attributeLine
	switch {
	case !ok || e.Type != "blob" || e.Mode == brief.ModeLink:
	case e.Size > github.MaxBlob: // not to be read: then it may say anything
		lines = []attributeLine{{"**", true, []setting{{"filter", "set"}}}}
	default:
		content, err := a.base.host.Blob(ctx, a.base.at, e.SHA)
		if err != nil {
			return nil, err
		}
		lines = a.read(string(content), folder == "")
	}
	a.files[folder] = lines
	return lines, nil
}

func (a *attributes) read(content string, top bool) (lines []attributeLine) {
	for line := range strings.SplitSeq(strings.TrimPrefix(content, "\ufeff"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		pattern, rest, sure := cutPattern(line)
		var settings []setting
		for _, word := range strings.Fields(rest) {
			settings = append(settings, a.setting(word)...)
		}
		if macro, ok := strings.CutPrefix(pattern, "[attr]"); ok {
			if top { // git reads macros nowhere else
				a.macro[macro] = settings
			}
			continue
		}
		if strings.HasPrefix(pattern, "!") {
			continue // git forbids it
		}
		glob, exact := globOf(pattern)
		lines = append(lines, attributeLine{glob, sure && exact, settings})
	}
	return lines
}

// setting reads one word: a, -a, !a or a=value. A macro brings what it stands for.
func (a *attributes) setting(word string) []setting {
	name, value, valued := strings.Cut(word, "=")
	switch {
	case strings.HasPrefix(name, "-"), strings.HasPrefix(name, "!"):
		return []setting{{name[1:], ""}}
	case !valued:
		return append([]setting{{name, "set"}}, a.macro[name]...)
	case value == "":
		value = "set"
	}
	return []setting{{name, value}}
}

// cutPattern takes the pattern off a line. One in quotes may hold escapes, which are
// not read here: it is not sure.
func cutPattern(line string) (pattern, rest string, sure bool) {
	if quoted, ok := strings.CutPrefix(line, `"`); ok {
		if i := strings.LastIndexByte(quoted, '"'); i >= 0 {
			return quoted[:i], quoted[i+1:], !strings.ContainsAny(quoted[:i], `"\`)
		}
		return quoted, quoted, false
	}
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		return line[:i], line[i:], true
	}
	return line, "", true
}

// globOf is a pattern of git's as package doublestar has it: without a slash it
// matches a name in any folder, braces are nothing special. exact is false if it may
// mean something else there: classes such as [[:alpha:]], escapes, what is no glob.
func globOf(pattern string) (glob string, exact bool) {
	glob = strings.NewReplacer("{", `\{`, "}", `\}`).Replace(pattern)
	exact = doublestar.ValidatePattern(glob)
	for _, odd := range []string{`\`, "[:", "[=", "[.", "[]", "[!]", "[^]"} {
		exact = exact && !strings.Contains(pattern, odd)
	}
	if !strings.Contains(pattern, "/") {
		return "**/" + glob, exact
	}
	return strings.TrimPrefix(glob, "/"), exact
}
