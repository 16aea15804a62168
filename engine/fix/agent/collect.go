package agent

import (
	"cmp"
	"context"
	"crypto/sha1" // what git names content by
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

// change is what the coder did to the tree.
type change struct {
	files   []brief.File
	tooMuch string   // see brief.Result
	notes   []string // what was left out, for the log
}

// found is a path of the tree that differs from the base.
type found struct {
	path string
	mode string // "" if it was deleted
	size int64
	info fs.FileInfo
}

// collect compares the work tree with the base. Nothing of the tree is run or
// believed: no git looks at it, links are read and not followed, what is neither a
// file nor a link nor the coder's is not opened, and sizes are known before
// anything is read. A file counts as it is: what an attribute would have git
// convert is not converted.
func collect(ctx context.Context, g git, p place, c *coder, b *base, limits brief.Limits) (*change, error) {
	root, err := os.OpenRoot(p.work())
	if err != nil {
		return nil, fmt.Errorf("open the work tree: %w", err)
	}
	defer root.Close()
	w := &walk{git: g, place: p, coder: c, base: b, root: root, seen: map[string]bool{}, change: &change{files: []brief.File{}}}
	if err := w.tree(ctx); err != nil {
		return nil, err
	}
	for name, e := range b.entries {
		// Of a submodule nothing was checked out, and Kilo's own was taken away.
		if !w.seen[name] && e.mode != brief.ModeSubmodule && !kilosOwn(name) {
			w.found = append(w.found, found{path: name})
		}
	}
	slices.SortFunc(w.found, func(a, b found) int { return cmp.Compare(a.path, b.path) })
	if w.change.tooMuch = tooMuch(w.found, limits); w.change.tooMuch != "" {
		return w.change, nil
	}
	for _, f := range w.found {
		file := brief.File{Path: f.path, Mode: f.mode}
		switch f.mode {
		case brief.ModeLink:
			file.Content, err = w.link(f.path)
		case brief.ModeFile, brief.ModeExecutable:
			file.Content, err = w.content(f)
		}
		if err == nil && !utf8.ValidString(f.path) {
			err = fmt.Errorf("%q: a name that is not UTF-8", f.path)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		w.change.files = append(w.change.files, file)
	}
	return w.change, nil
}

// tooMuch says in words which limit is passed, "" if none is.
func tooMuch(all []found, l brief.Limits) string {
	if len(all) > l.Files {
		return fmt.Sprintf("%d files changed, the most is %d", len(all), l.Files)
	}
	var sum int64
	for _, f := range all {
		if f.size > l.FileBytes {
			return fmt.Sprintf("%q has %d bytes, the most is %d", f.path, f.size, l.FileBytes)
		}
		sum += f.size
	}
	if sum > l.Bytes {
		return fmt.Sprintf("what changed has %d bytes, the most is %d", sum, l.Bytes)
	}
	return ""
}

// open opens a file that was looked at before, if it is still the same.
func (w *walk) open(f found) (*os.File, error) {
	file, err := w.root.OpenFile(f.path, openFlags, 0)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", f.path, err)
	}
	info, err := file.Stat()
	if err == nil && (!os.SameFile(info, f.info) || info.Size() != f.size || !info.Mode().IsRegular()) {
		err = errors.New("it changed meanwhile")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %q: %w", f.path, err), file.Close())
	}
	return file, nil
}

func (w *walk) content(f found) ([]byte, error) {
	file, err := w.open(f)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data := make([]byte, f.size)
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, fmt.Errorf("read %q: %w", f.path, err)
	}
	return data, nil
}

// maxTarget is the longest path that Linux knows, in bytes: of a link's target.
const maxTarget = 4096

func (w *walk) link(name string) ([]byte, error) {
	target, err := w.root.Readlink(name)
	if err != nil {
		return nil, fmt.Errorf("read link %q: %w", name, err)
	}
	return []byte(target), nil
}

// same reports whether a file of the base's size has the base's content. It reads
// no more than the base itself holds, and keeps none of it.
func (w *walk) same(f found, e entry) (bool, error) {
	var in io.Reader
	if f.mode == brief.ModeLink {
		target, err := w.link(f.path)
		if err != nil {
			return false, err
		}
		in, f.size = strings.NewReader(string(target)), int64(len(target))
	} else {
		file, err := w.open(f)
		if err != nil {
			return false, err
		}
		defer file.Close()
		in = io.LimitReader(file, f.size)
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", f.size)
	n, err := io.Copy(h, in)
	if err == nil && n != f.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return false, fmt.Errorf("read %q: %w", f.path, err)
	}
	return hex.EncodeToString(h.Sum(nil)) == e.hash, nil
}
