package publish_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/github"
)

// host is a GitHub whose git is real: a bare repository, asked with git itself.
type host struct {
	t      *testing.T
	dir    string
	pulls  []github.Pull
	writes []string
	// fault is called before a write lands and after it did.
	fault    func(call string, landed bool) error
	noDrafts bool
	known    map[string]string // what git said of objects: they do not change
}

// about asks git about an object.
func (h *host) about(args ...string) (string, error) {
	key := strings.Join(args, " ")
	if out, ok := h.known[key]; ok {
		return out, nil
	}
	out, err := h.try(nil, args...)
	if err == nil {
		h.known[key] = out
	}
	return out, err
}

// newHost returns a host with one commit, of the files by path. A path may begin with
// its mode and a space; a submodule's content is the name of its commit.
func newHost(t *testing.T, files map[string]string) (*host, string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is missing")
	}
	h := &host{t: t, dir: filepath.Join(t.TempDir(), "web.git"), known: make(map[string]string)}
	h.git(nil, "init", "-q", "--bare", "-b", "main", h.dir)
	var list []github.TreeFile
	for path, content := range files {
		mode := "100644"
		if m, p, ok := strings.Cut(path, " "); ok && len(m) == 6 {
			mode, path = m, p
		}
		list = append(list, github.TreeFile{Path: path, Mode: mode, Content: []byte(content)})
	}
	tree := h.tree("", list)
	base := h.git(nil, "commit-tree", "-m", "begin", tree)
	h.git(nil, "update-ref", "refs/heads/main", base)
	return h, base
}

func (h *host) git(stdin []byte, args ...string) string {
	h.t.Helper()
	out, err := h.try(stdin, args...)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func (h *host) try(stdin []byte, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Env = append(os.Environ(), "GIT_DIR="+h.dir, "GIT_INDEX_FILE="+h.dir+"/index.tmp", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=soulcaster", "GIT_AUTHOR_EMAIL=app@example.com", "GIT_COMMITTER_NAME=soulcaster", "GIT_COMMITTER_EMAIL=app@example.com",
		"GIT_AUTHOR_DATE=2026-03-02T09:00:00Z", "GIT_COMMITTER_DATE=2026-03-02T09:00:00Z")
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("git %s: %s", args[0], exit.Stderr)
	}
	return strings.TrimSuffix(string(out), "\n"), err
}

// tree makes a tree: base with the files changed.
func (h *host) tree(base string, files []github.TreeFile) string {
	h.t.Helper()
	os.Remove(h.dir + "/index.tmp")
	if base != "" {
		h.git(nil, "read-tree", base)
	}
	var index strings.Builder
	for _, f := range files {
		switch {
		case f.Delete:
			fmt.Fprintf(&index, "0 %040d\t%s\x00", 0, f.Path)
		case f.Mode == "160000":
			fmt.Fprintf(&index, "%s %s\t%s\x00", f.Mode, f.Content, f.Path)
		default:
			fmt.Fprintf(&index, "%s %s\t%s\x00", f.Mode, h.git(f.Content, "hash-object", "-w", "--stdin"), f.Path)
		}
	}
	h.git([]byte(index.String()), "update-index", "-z", "--index-info")
	return h.git(nil, "write-tree")
}

// write does a write, with its faults.
func (h *host) write(call string, do func() error) error {
	if h.fault != nil {
		if err := h.fault(call, false); err != nil {
			return err
		}
	}
	h.writes = append(h.writes, call)
	if err := do(); err != nil {
		return err
	}
	if h.fault != nil {
		return h.fault(call, true)
	}
	return nil
}

func (h *host) CommitOf(_ context.Context, _ github.At, sha string) (github.Commit, error) {
	out, err := h.about("show", "-s", "--format=%T%x00%P%x00%B", sha)
	if err != nil {
		return github.Commit{}, github.ErrNotFound
	}
	parts := strings.SplitN(out, "\x00", 3)
	return github.Commit{SHA: sha, Tree: parts[0], Parents: strings.Fields(parts[1]), Message: parts[2]}, nil
}

func (h *host) Tree(_ context.Context, _ github.At, sha string, recursive bool) (list []github.TreeEntry, truncated bool, err error) {
	out, err := h.about("ls-tree", "-z", "-l", sha)
	if err != nil || recursive {
		return nil, false, fmt.Errorf("list tree %s (recursive: %t): %w", sha, recursive, err)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		about, path, _ := strings.Cut(line, "\t")
		words := strings.Fields(about)
		if len(words) == 4 {
			size, _ := strconv.ParseInt(words[3], 10, 64)
			list = append(list, github.TreeEntry{Path: path, Mode: words[0], Type: words[1], SHA: words[2], Size: size})
		}
	}
	return list, false, nil
}

func (h *host) Blob(_ context.Context, _ github.At, sha string) ([]byte, error) {
	out, err := exec.Command("git", "--git-dir", h.dir, "cat-file", "blob", sha).Output()
	return out, err
}

func (h *host) CreateTree(_ context.Context, _ github.At, base string, files []github.TreeFile) (sha string, err error) {
	err = h.write("tree", func() error { sha = h.tree(base, files); return nil })
	return sha, err
}

func (h *host) CreateCommit(_ context.Context, _ github.At, message, tree string, parents []string) (sha string, err error) {
	err = h.write("commit", func() error {
		args := []string{"hash-object", "-t", "commit", "-w", "--stdin"} // verbatim, as GitHub has it
		var b strings.Builder
		fmt.Fprintf(&b, "tree %s\n", tree)
		for _, p := range parents {
			fmt.Fprintf(&b, "parent %s\n", p)
		}
		// Each commit has a moment of its own.
		when := time.Date(2026, 3, 2, 9, 0, len(h.writes), 0, time.UTC).Unix()
		fmt.Fprintf(&b, "author a <a@example.com> %d +0000\ncommitter a <a@example.com> %d +0000\n\n%s", when, when, message)
		sha, err = h.try([]byte(b.String()), args...)
		return err
	})
	return sha, err
}

func (h *host) Ref(_ context.Context, _ github.At, branch string) (string, bool, error) {
	sha, err := h.try(nil, "rev-parse", "-q", "--verify", "refs/heads/"+branch)
	return sha, err == nil, nil
}

func (h *host) CreateBranch(ctx context.Context, at github.At, branch, sha string) error {
	return h.write("branch", func() error {
		if _, found, _ := h.Ref(ctx, at, branch); found {
			return github.ErrExists
		}
		_, err := h.try(nil, "update-ref", "refs/heads/"+branch, sha)
		return err
	})
}

func (h *host) MoveBranch(ctx context.Context, at github.At, branch, sha string) error {
	return h.write("move", func() error {
		now, _, _ := h.Ref(ctx, at, branch)
		if _, err := h.try(nil, "merge-base", "--is-ancestor", now, sha); err != nil {
			return github.ErrNotFastForward
		}
		_, err := h.try(nil, "update-ref", "refs/heads/"+branch, sha)
		return err
	})
}

func (h *host) CreatePull(_ context.Context, at github.At, n github.NewPull) (pull github.Pull, err error) {
	err = h.write("pull", func() error {
		if h.noDrafts && n.Draft {
			return github.ErrNoDrafts
		}
		for _, p := range h.pulls {
			if p.Head == n.Head && p.State == "open" {
				return github.ErrExists
			}
		}
		number := 12 + len(h.pulls)
		pull = github.Pull{Number: number, URL: fmt.Sprintf("https://github.com/acme/web/pull/%d", number), Title: n.Title, Body: n.Body,
			State: "open", Draft: n.Draft, Head: n.Head, HeadRepo: at.Repo.ID, Base: n.Base}
		h.pulls = append(h.pulls, pull)
		return nil
	})
	return pull, err
}

func (h *host) GetPull(_ context.Context, _ github.At, number int) (github.Pull, error) {
	for _, p := range h.pulls {
		if p.Number == number {
			return p, nil
		}
	}
	return github.Pull{}, github.ErrNotFound
}

func (h *host) EditPull(ctx context.Context, at github.At, number int, title, body *string) (github.Pull, error) {
	err := h.write("edit", func() error {
		for i := range h.pulls {
			if p := &h.pulls[i]; p.Number == number {
				if title != nil {
					p.Title = *title
				}
				p.Body = *body
			}
		}
		return nil
	})
	if err != nil {
		return github.Pull{}, err
	}
	return h.GetPull(ctx, at, number)
}

func (h *host) PullsByHead(_ context.Context, _ github.At, branch string) (list []github.Pull, err error) {
	for i := len(h.pulls) - 1; i >= 0; i-- {
		if h.pulls[i].Head == branch {
			list = append(list, h.pulls[i])
		}
	}
	return list, nil
}
