package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

const (
	maxEntries = 1_000_000 // of the tree that are looked at
	maxDepth   = 256       // folders in folders
	maxNotes   = 20
)

// walk goes through the work tree, folder by folder, one depth after the other.
type walk struct {
	git    git
	place  place
	coder  *coder
	base   *base
	root   *os.Root
	seen   map[string]bool // paths of the base that are there
	found  []found
	change *change
	count  int
}

// candidate is a path that the base does not know, before the rules are asked.
type candidate struct {
	found
	folder bool
}

func (w *walk) tree(ctx context.Context) error {
	folders := []string{""}
	for depth := 0; len(folders) > 0; depth++ {
		if depth > maxDepth {
			return fmt.Errorf("more than %d folders in each other", maxDepth)
		}
		var next []string
		var unknown []candidate
		for _, folder := range folders {
			more, candidates, err := w.folder(ctx, folder)
			if err != nil {
				return err
			}
			next, unknown = append(next, more...), append(unknown, candidates...)
		}
		names := make([]string, 0, len(unknown))
		for _, u := range unknown {
			names = append(names, u.name())
		}
		ignored, err := w.base.ignored(ctx, w.git, w.place, names)
		if err != nil {
			return err
		}
		for _, u := range unknown {
			switch {
			case ignored[u.name()]:
			case u.folder:
				next = append(next, u.path)
			case u.mode == "":
				w.note("%q is left out: it is neither a file nor a link of the coder's", u.path)
			default:
				w.found = append(w.found, u.found)
			}
		}
		folders = next
	}
	return nil
}

func (c candidate) name() string {
	if c.folder {
		return c.path + "/"
	}
	return c.path
}

func (w *walk) note(format string, args ...any) {
	if len(w.change.notes) < maxNotes {
		w.change.notes = append(w.change.notes, fmt.Sprintf(format, args...))
	}
}

// folder looks at one folder: which of its folders hold something of the base, and
// what in it the base does not know. What differs from the base is noted.
func (w *walk) folder(ctx context.Context, name string) (more []string, unknown []candidate, err error) {
	info, err := w.root.Lstat(dot(name))
	if err != nil || !info.IsDir() {
		return nil, nil, fmt.Errorf("open folder %q: %w", name, cmp.Or(err, errors.New("it changed meanwhile")))
	}
	d, err := w.root.OpenFile(dot(name), openFlags, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open folder %q: %w", name, err)
	}
	defer d.Close()
	repository := false
	for {
		entries, err := d.ReadDir(1000)
		for _, e := range entries {
			if w.count++; w.count > maxEntries {
				return nil, nil, fmt.Errorf("the tree has more than %d entries", maxEntries)
			}
			if e.Name() == ".git" {
				repository = true
				continue
			}
			path := e.Name()
			if name != "" {
				path = name + "/" + path
			}
			dir, u, err := w.entry(path)
			if err != nil {
				return nil, nil, err
			}
			if dir {
				more = append(more, path)
			}
			if u != nil {
				unknown = append(unknown, *u)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read folder %q: %w", name, err)
		}
	}
	if repository && name != "" {
		// A repository in the repository: git would make it a submodule, and so does
		// this. What is in it is not looked at.
		w.found = append(w.found, found{path: name, mode: brief.ModeSubmodule})
		if !w.base.folders[name] {
			return nil, nil, nil
		}
	}
	return more, unknown, nil
}

// entry looks at one path. It is a folder to go on with, or a candidate, or known
// to the base.
func (w *walk) entry(path string) (folder bool, unknown *candidate, err error) {
	info, err := w.root.Lstat(path)
	if err != nil {
		return false, nil, fmt.Errorf("look at %q: %w", path, err)
	}
	e, known := w.base.entries[path]
	if info.IsDir() {
		switch {
		case known && e.mode == brief.ModeSubmodule:
			return false, nil, nil // as it was: empty, or filled by the coder for itself
		case w.base.folders[path]:
			return true, nil, nil
		}
		return false, &candidate{found{path: path}, true}, nil
	}
	f := found{path: path, mode: w.mode(info), size: info.Size(), info: info}
	if !known {
		return false, &candidate{f, false}, nil
	}
	w.seen[path] = true
	switch {
	case f.mode == "":
		return false, nil, fmt.Errorf("%q: what was a file is now neither a file nor a link of the coder's", path)
	case f.mode == e.mode && f.size == e.size:
		same, err := w.same(f, e)
		if err != nil || same {
			return false, nil, err
		}
	}
	w.found = append(w.found, f)
	return false, nil, nil
}

// mode is git's mode for a file or link of the coder's, "" for everything else.
func (w *walk) mode(info fs.FileInfo) string {
	switch {
	case !w.coder.owns(info):
		return ""
	case info.Mode()&fs.ModeSymlink != 0 && info.Size() <= maxTarget:
		return brief.ModeLink
	case !info.Mode().IsRegular():
		return ""
	case info.Mode().Perm()&0o100 != 0:
		return brief.ModeExecutable
	}
	return brief.ModeFile
}

// dot is how a Root calls a folder.
func dot(name string) string {
	if name == "" {
		return "."
	}
	return name
}
