package publish

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
)

const (
	// maxRefusals bounds what is remembered of a change that is refused.
	maxRefusals = 30
	// maxShown is how much of a path is remembered, in bytes.
	maxShown = 200
)

// Check returns why the change must not be proposed, nothing if it may. It reads the
// base from GitHub; an error is one of reading. Only a change that was checked may be
// given to the other methods.
func (p *Publisher) Check(ctx context.Context, c Change) ([]run.Refusal, error) {
	g := gates{limits: p.limits, patterns: readPatterns(c.Fix.Paths), scanner: p.scanner}
	if c.Result.TooMuch != "" {
		g.refuse("", "too_much", "the change is larger than what can be handed over")
		return g.refusals, nil
	}
	if c.Result.Base != c.Run.Round().Base {
		g.refuse("", "base", "the change is of another commit than the one that the agent was given")
		return g.refusals, nil
	}
	files := slices.Clone(c.Result.Files)
	slices.SortStableFunc(files, func(a, b brief.File) int { return cmp.Compare(a.Path, b.Path) })
	g.alone(ctx, files)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("check change of run %s: %w", c.Run.ID, err)
	}
	if len(g.refusals) > 0 {
		return g.refusals, nil // there is no sense in asking what stands at such paths
	}
	var err error
	if g.base, err = openBase(ctx, p.host, c.At, c.Run.Round().Base); err != nil {
		return nil, fmt.Errorf("check change of run %s: %w", c.Run.ID, err)
	}
	g.attributes = newAttributes(g.base)
	if err := g.against(ctx, files); errors.Is(err, errFolders) {
		g.refuse("", "files", errFolders.Error())
	} else if err != nil {
		return nil, fmt.Errorf("check change of run %s: %w", c.Run.ID, err)
	}
	return g.refusals, nil
}

// gates are what a change passes through.
type gates struct {
	limits     brief.Limits
	patterns   patterns
	scanner    *scanner
	base       *base
	attributes *attributes
	hidden     map[string]bool // paths that are not to be repeated
	refusals   []run.Refusal
}

// hiddenPath stands for a path that something like a secret is in.
const hiddenPath = "(a path that looks like a secret)"

func (g *gates) refuse(path, rule, why string) {
	switch n := len(g.refusals); {
	case n == maxRefusals:
		g.refusals = append(g.refusals, run.Refusal{Rule: "more", Why: "and more than is listed here"})
	case n < maxRefusals:
		if g.hidden[path] {
			path = hiddenPath
		}
		if len(path) > maxShown {
			path = path[:maxShown] + "…"
		}
		g.refusals = append(g.refusals, run.Refusal{Path: strings.ToValidUTF8(path, "\ufffd"), Rule: rule, Why: why})
	}
}

// alone checks what can be said without the base.
func (g *gates) alone(ctx context.Context, files []brief.File) {
	if n := len(files); n > g.limits.Files {
		g.refuse("", "files", fmt.Sprintf("%d files are changed; the most is %d", n, g.limits.Files))
		return
	}
	total, seen, deleted := int64(0), make(map[string]bool), make(map[string]bool)
	g.hidden = make(map[string]bool)
	for _, f := range files {
		if g.scanner.names(ctx, f.Path) {
			g.hidden[f.Path] = true
			g.refuse(f.Path, "secret", "its path looks like a secret")
		}
		total += int64(len(f.Content))
		folded := fold(f.Path)
		if seen[folded] {
			g.refuse(f.Path, "path", "another path of the change is the same file where upper and lower case are, or accents are written in two ways")
		}
		seen[folded] = true
		deleted[folded] = f.Mode == ""
		g.fileAlone(f)
	}
	for _, f := range files {
		for above := path.Dir(f.Path); above != "." && above != "/"; above = path.Dir(above) {
			if folded := fold(above); seen[folded] && f.Mode != "" && !deleted[folded] {
				g.refuse(f.Path, "path", "another path of the change is a file where this one needs a folder")
				break
			}
		}
	}
	if total > g.limits.Bytes {
		g.refuse("", "size", fmt.Sprintf("%d bytes in all; the most is %d", total, g.limits.Bytes))
	}
}

func (g *gates) fileAlone(f brief.File) {
	if why := badPath(f.Path); why != "" {
		g.refuse(f.Path, "path", why)
		return
	}
	if rule, why := protected(f.Path); rule != "" {
		g.refuse(f.Path, rule, why)
	}
	if why := g.patterns.refuse(f.Path); why != "" {
		g.refuse(f.Path, "policy", why)
	}
	switch f.Mode {
	case "":
		return
	case brief.ModeLink:
		if why := badLink(f.Path, string(f.Content)); why != "" {
			g.refuse(f.Path, "link", why)
		}
	case brief.ModeSubmodule:
		g.refuse(f.Path, "submodule", "submodules fetch code from elsewhere: people change them")
		return
	case brief.ModeFile, brief.ModeExecutable:
	default:
		g.refuse(f.Path, "mode", "it is neither a file nor a program nor a link")
	}
	if n := int64(len(f.Content)); n > g.limits.FileBytes {
		g.refuse(f.Path, "size", fmt.Sprintf("%d bytes; the most is %d", n, g.limits.FileBytes))
	}
	if bytes.IndexByte(f.Content, 0) >= 0 || !utf8.Valid(f.Content) {
		g.refuse(f.Path, "binary", "it is not text in UTF-8")
	}
}

// against checks the change against what it changes.
func (g *gates) against(ctx context.Context, files []brief.File) error {
	var before [][]byte // what the files hold so far
	were := make([][]byte, len(files))
	for i, f := range files {
		e, ok, err := g.stands(ctx, f)
		if err != nil {
			return err
		}
		if !ok || e.Type != "blob" || e.Size > github.MaxBlob {
			continue // a file that is too long to be compared counts as new
		}
		if were[i], err = g.base.host.Blob(ctx, g.base.at, e.SHA); err != nil {
			return err
		}
		before = append(before, were[i])
	}
	old, err := g.scanner.values(ctx, before)
	if err != nil {
		return err
	}
	for i, f := range files {
		if f.Mode == "" {
			continue
		}
		if len(g.refusals) > maxRefusals {
			return nil // nothing more would be remembered
		}
		fresh, err := g.scanner.added(ctx, f.Content, old)
		if err != nil {
			return err
		}
		for _, s := range fresh {
			g.refuse(f.Path, "secret", fmt.Sprintf("line %d looks like a secret (%s)", s.line, s.rule))
		}
		if f.Mode == brief.ModeLink {
			continue
		}
		why, err := g.attributes.refuse(ctx, f.Path, f.Content, were[i])
		if err != nil {
			return err
		}
		if why != "" {
			g.refuse(f.Path, "conversion", why)
		}
	}
	return nil
}

// stands returns what is at the path of a file, and refuses the file if it does not
// fit there.
func (g *gates) stands(ctx context.Context, f brief.File) (github.TreeEntry, bool, error) {
	folder, names := "", strings.Split(f.Path, "/")
	for i, name := range names {
		entries, err := g.base.dir(ctx, folder)
		if err != nil {
			return github.TreeEntry{}, false, err
		}
		e, ok := entries[name]
		last := i == len(names)-1
		switch {
		case !ok && f.Mode != "" && twin(entries, name):
			g.refuse(f.Path, "path", "a path that is there is the same file where upper and lower case are, or accents are written in two ways")
			return e, false, nil
		case !ok:
			return e, false, nil
		case e.Type == "commit":
			g.refuse(f.Path, "submodule", "a submodule is there: people change them")
			return e, false, nil
		case !last && e.Type != "tree", last && e.Type == "tree":
			g.refuse(f.Path, "path", "a file and a folder cannot take each other's place")
			return e, false, nil
		case last:
			return e, true, nil
		}
		folder = strings.TrimPrefix(folder+"/"+name, "/")
	}
	return github.TreeEntry{}, false, nil
}

// twin reports whether a folder holds the name in another form of it.
func twin(entries map[string]github.TreeEntry, name string) bool {
	name = fold(name)
	for other := range entries {
		if fold(other) == name {
			return true
		}
	}
	return false
}
