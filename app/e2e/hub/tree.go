package hub

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// treeEntry is a path of a tree.
type treeEntry struct {
	mode, kind, sha, path string
	size                  int64
}

// list lists a tree or a commit's; args may name paths.
func (g git) list(treeish string, recursive bool, args ...string) ([]treeEntry, error) {
	command := []string{"ls-tree", "-z", "-l"}
	if recursive {
		command = append(command, "-r", "-t")
	}
	out, err := g.run(nil, append(append(command, treeish), args...)...)
	var all []treeEntry
	for _, l := range strings.FieldsFunc(out, func(r rune) bool { return r == 0 }) {
		head, path, _ := strings.Cut(l, "\t")
		f := strings.Fields(head)
		size, _ := strconv.ParseInt(f[3], 10, 64) // "-" for what has none
		all = append(all, treeEntry{f[0], f[1], f[2], path, size})
	}
	return all, err
}

// postBlob is POST git/blobs.
func (c *call) postBlob() (any, error) {
	var ask struct{ Content, Encoding string }
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	content := []byte(ask.Content)
	if ask.Encoding == "base64" {
		var err error
		if content, err = base64.StdEncoding.DecodeString(strings.ReplaceAll(ask.Content, "\n", "")); err != nil {
			return nil, refuse(422, "content is not valid Base64")
		}
	}
	sha, err := c.repo.git.line(content, "hash-object", "-w", "--stdin")
	return object{"sha": sha, "url": c.hub.api(c.repo, "/git/blobs/"+sha)}, err
}

// getBlob is GET git/blobs/{sha}.
func (c *call) getBlob() (any, error) {
	sha := c.param("sha")
	if c.repo.git.kind(sha) != "blob" {
		return nil, notFound
	}
	content, err := c.repo.git.run(nil, "cat-file", "blob", sha)
	if err != nil {
		return nil, err
	}
	if strings.Contains(c.r.Header.Get("Accept"), "raw") {
		return answered{raw: append([]byte{}, content...)}, nil
	}
	return object{"sha": sha, "size": len(content), "encoding": "base64", "content": wrapped(content), "url": c.hub.api(c.repo, "/git/blobs/"+sha)}, nil
}

// postTree is POST git/trees.
func (c *call) postTree() (any, error) {
	g := c.repo.git
	var ask struct {
		Base string `json:"base_tree"`
		Tree []struct {
			Path, Mode, Type string
			SHA, Content     *string
		} `json:"tree"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if len(ask.Tree) == 0 {
		return nil, refuse(422, "Invalid tree info")
	}
	if kind := g.kind(ask.Base); ask.Base != "" && kind != "tree" && kind != "commit" {
		return nil, refuse(404, "Not Found")
	}
	var changes []change
	for _, e := range ask.Tree {
		if malformed(e.Path) {
			return nil, refuse(422, "tree.path contains a malformed path component")
		}
		if !slices.Contains([]string{"100644", "100755", "120000", "160000"}, e.Mode) {
			return nil, refuse(422, "Must supply a valid tree.mode")
		}
		ch := change{mode: e.Mode, path: e.Path}
		switch {
		case e.Content != nil:
			sha, err := g.line([]byte(*e.Content), "hash-object", "-w", "--stdin")
			if err != nil {
				return nil, err
			}
			ch.sha = sha
		case e.SHA != nil:
			if want := map[bool]string{true: "commit", false: "blob"}[e.Mode == "160000"]; want == "blob" && g.kind(*e.SHA) != want {
				return nil, refuse(422, fmt.Sprintf("tree.sha %s is not a valid %s", *e.SHA, want))
			}
			ch.sha = *e.SHA
		default:
			if there, err := g.list(orEmpty(ask.Base), false, "--", e.Path); err != nil || len(there) == 0 {
				return nil, refuse(422, "GitRPC::BadObjectState")
			}
		}
		changes = append(changes, ch)
	}
	sha, err := g.tree(ask.Base, changes)
	if err != nil {
		return nil, err
	}
	if ask.Base != "" && !c.token.allows("workflows:write") {
		if changed, err := g.lines("diff-tree", "-r", "--name-only", "--no-commit-id", ask.Base+"^{tree}", sha, "--", ".github/workflows"); err != nil || len(changed) > 0 {
			return nil, notAccessible
		}
	}
	return c.tree(sha, false)
}

// orEmpty is a tree that can be listed: the empty one if none is named.
func orEmpty(base string) string {
	if base == "" {
		return "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	}
	return base
}

func malformed(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") || strings.Contains(part, "\x00") {
			return true
		}
	}
	return false
}

// getTree is GET git/trees/{sha}, of a tree or a commit.
func (c *call) getTree() (any, error) {
	sha := c.param("sha")
	switch c.repo.git.kind(sha) {
	case "tree":
	case "commit":
		commit, err := c.repo.git.revision(sha)
		if err != nil {
			return nil, err
		}
		sha = commit.tree
	default:
		return nil, notFound
	}
	return c.tree(sha, c.r.URL.Query().Has("recursive"))
}

func (c *call) tree(sha string, recursive bool) (any, error) {
	entries, err := c.repo.git.list(sha, recursive)
	list := []any{}
	for _, e := range entries {
		o := object{"path": e.path, "mode": e.mode, "type": e.kind, "sha": e.sha}
		if e.kind == "blob" {
			o["size"] = e.size
		}
		list = append(list, o)
	}
	return object{"sha": sha, "url": c.hub.api(c.repo, "/git/trees/"+sha), "tree": list, "truncated": false}, err
}
