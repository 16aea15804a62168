package publish

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/soulcaster/soulcaster/engine/github"
)

// base is the repository at the commit that a change is of. Folders are listed when
// they are asked for: a change touches few of them, and the listing of a whole tree
// is cut by GitHub when it is large.
type base struct {
	host Objects
	at   github.At
	tree string // name of the top folder's tree
	dirs map[string]map[string]github.TreeEntry
}

// maxFolders bounds how many folders of one change are listed.
const maxFolders = 400

var errFolders = errors.New("the folders that it touches are too many, or too large, to be checked")

func openBase(ctx context.Context, host Objects, at github.At, commit string) (*base, error) {
	c, err := host.CommitOf(ctx, at, commit)
	if err != nil {
		return nil, err
	}
	return &base{host: host, at: at, tree: c.Tree, dirs: make(map[string]map[string]github.TreeEntry)}, nil
}

// dir returns what a folder holds, by name; "" is the top. It is empty if there is no
// such folder.
func (b *base) dir(ctx context.Context, name string) (map[string]github.TreeEntry, error) {
	if entries, ok := b.dirs[name]; ok {
		return entries, nil
	}
	tree := b.tree
	if name != "" {
		e, ok, err := b.entry(ctx, name)
		if err != nil {
			return nil, err
		}
		if !ok || e.Type != "tree" {
			b.dirs[name] = nil
			return nil, nil
		}
		tree = e.SHA
	}
	if len(b.dirs) >= maxFolders {
		return nil, errFolders
	}
	list, truncated, err := b.host.Tree(ctx, b.at, tree, false)
	if err != nil {
		return nil, err
	}
	if truncated {
		return nil, errFolders
	}
	entries := make(map[string]github.TreeEntry, len(list))
	for _, e := range list {
		entries[e.Path] = e
	}
	b.dirs[name] = entries
	return entries, nil
}

// entry returns what is at a path.
func (b *base) entry(ctx context.Context, name string) (github.TreeEntry, bool, error) {
	dir, file := path.Split(name)
	entries, err := b.dir(ctx, strings.TrimSuffix(dir, "/"))
	if err != nil {
		return github.TreeEntry{}, false, err
	}
	e, ok := entries[file]
	return e, ok, nil
}

// blobName is the name that git gives to a content:
// https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
func blobName(content []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(content))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}
