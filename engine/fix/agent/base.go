package agent

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

// maxRules bounds one .gitignore, in bytes.
const maxRules = 1 << 20

// entry is what a commit holds at a path.
type entry struct {
	mode string // see package brief
	hash string
	size int64 // of its content; 0 for a submodule
}

// base is the commit that the change is made against.
type base struct {
	entries map[string]entry
	folders map[string]bool // that hold at least one of the entries
	rules   string          // a folder with the commit's .gitignore files and nothing else
}

// readBase reads the list of the commit's files, and puts its .gitignore files
// aside: the coder's copies of them do not decide what is handed over.
func readBase(ctx context.Context, g git, p place, commit string) (*base, error) {
	out, err := g.run(ctx, nil, nil, "--git-dir="+p.clean(), "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
	if err != nil {
		return nil, fmt.Errorf("list commit %s: %w", commit, err)
	}
	b := &base{entries: map[string]entry{}, folders: map[string]bool{"": true}, rules: p.rules()}
	for line := range bytes.SplitSeq(bytes.TrimSuffix(out, []byte{0}), []byte{0}) {
		if len(line) == 0 {
			continue
		}
		e, name, err := parseEntry(string(line))
		if err != nil {
			return nil, fmt.Errorf("list commit %s: %w", commit, err)
		}
		b.entries[name] = e
		for dir := parent(name); !b.folders[dir]; dir = parent(dir) {
			b.folders[dir] = true
		}
		if path.Base(name) == ".gitignore" && e.mode != brief.ModeLink && e.mode != brief.ModeSubmodule && e.size <= maxRules {
			if err := b.addRules(ctx, g, p, name, e.hash); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

func (b *base) addRules(ctx context.Context, g git, p place, name, hash string) error {
	text, err := g.run(ctx, nil, nil, "--git-dir="+p.clean(), "cat-file", "blob", hash)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	root, err := os.OpenRoot(b.rules) // the names come from a commit that anybody may have made
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	defer root.Close()
	name = filepath.FromSlash(name)
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	if err := root.WriteFile(name, text, 0o600); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}

// parseEntry reads what git ls-tree prints for one path: "MODE TYPE HASH[ SIZE]\tPATH",
// where SIZE is "-" for what has none.
func parseEntry(line string) (entry, string, error) {
	head, name, ok := strings.Cut(line, "\t")
	fields := strings.Fields(head)
	if !ok || len(fields) < 3 || name == "" {
		return entry{}, "", fmt.Errorf("git ls-tree printed %q", line)
	}
	e := entry{mode: fields[0], hash: fields[2]}
	if e.mode == "100664" { // what git wrote long ago
		e.mode = brief.ModeFile
	}
	if len(fields) > 3 && fields[3] != "-" {
		size, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			return entry{}, "", fmt.Errorf("git ls-tree printed the size %q", fields[3])
		}
		e.size = size
	}
	return e, name, nil
}

// parent is the folder that a path is in, "" for the top.
func parent(name string) string {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)]
}

// ignored returns which of the paths the commit's .gitignore files name. A folder's
// path ends with a slash. Git looks at no file but those: the work tree that it is
// given holds nothing else.
func (b *base) ignored(ctx context.Context, g git, p place, paths []string) (map[string]bool, error) {
	found := map[string]bool{}
	if len(paths) == 0 {
		return found, nil
	}
	var in strings.Builder
	for _, name := range paths {
		in.WriteString("./" + name + "\x00") // with ./ no name is taken for a pattern
	}
	out, err := g.run(ctx, nil, strings.NewReader(in.String()),
		"-C", b.rules, "--git-dir="+p.clean(), "--work-tree="+b.rules, "-c", "core.bare=false", "check-ignore", "--no-index", "--stdin", "-z")
	if err != nil && exitStatus(err) != 1 { // 1: none of them
		return nil, fmt.Errorf("ask what is ignored: %w", err)
	}
	for name := range strings.SplitSeq(string(out), "\x00") {
		found[strings.TrimPrefix(name, "./")] = true
	}
	return found, nil
}
