package github

import "time"

// TreeFile is a path to change in a tree.
type TreeFile struct {
	Path    string // from the top, with slashes
	Mode    string // 100644, 100755 or 120000
	Content []byte // whole; the target of a link
	Delete  bool
}

// TreeEntry is a path of a tree.
type TreeEntry struct {
	Path string
	Mode string // 100644, 100755, 120000, 160000 (a submodule), 040000
	Type string // blob, tree or commit
	SHA  string
	Size int64
}

// Commit is a commit.
type Commit struct {
	SHA     string
	Tree    string
	Parents []string
	Message string
	Author  string // login of the account, "" if GitHub knows none
	At      time.Time
}

// Comparison says how a commit stands to another.
type Comparison struct {
	Status string // identical, ahead, behind or diverged: head as seen from base
	Ahead  int    // commits
	Behind int
}
