package hub

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// git is the folder of a bare repository.
type git string

// environ is what git gets: nothing of the machine's or the user's settings.
func environ(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C"}, more...)
}

// run does a git command and returns what it wrote.
func (g git) run(in []byte, args ...string) (string, error) { return g.runWith(nil, in, args...) }

func (g git) runWith(env []string, in []byte, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = string(g), environ(append(env, "GIT_DIR=.")...), bytes.NewReader(in)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}

// line is run for commands that write one line.
func (g git) line(in []byte, args ...string) (string, error) {
	out, err := g.run(in, args...)
	return strings.TrimSuffix(out, "\n"), err
}

// lines is run for commands that write any number of them.
func (g git) lines(args ...string) ([]string, error) {
	out, err := g.run(nil, args...)
	return strings.FieldsFunc(out, func(r rune) bool { return r == '\n' }), err
}

// guard is the pre-receive hook: it does to pushes what GitHub does to those of an
// App that may not change workflows. HUB_MAY is set by the server for each push.
const guard = `#!/bin/sh
test "$HUB_MAY" = workflows && exit 0
zero=0000000000000000000000000000000000000000
while read -r old new ref; do
  test "$new" = "$zero" && continue
  path=$(git log --format= --name-only -m "$new" --not --all -- .github/workflows | sed '/^$/d;q')
  if test -n "$path"; then
    echo "refusing to allow a GitHub App to create or update workflow \` + "`$path\\`" + ` without \` + "`workflows\\`" + ` permission" >&2
    exit 1
  fi
done
`

// create makes the repository.
func (g git) create(branch string) error {
	if err := os.MkdirAll(string(g), 0o700); err != nil {
		return err
	}
	if _, err := g.run(nil, "init", "--quiet", "--bare", "--template=", "--initial-branch="+branch, "."); err != nil {
		return err
	}
	for _, setting := range [][2]string{
		{"gc.auto", "0"}, {"receive.autogc", "false"}, {"maintenance.auto", "false"},
		// As GitHub does: any commit can be asked for by name, and only parts of it.
		{"uploadpack.allowAnySHA1InWant", "true"}, {"uploadpack.allowFilter", "true"},
		{"http.receivepack", "true"},
	} {
		if _, err := g.run(nil, "config", setting[0], setting[1]); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(string(g), "hooks"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(string(g), "hooks", "pre-receive"), []byte(guard), 0o700)
}

// heads returns the commit of every branch.
func (g git) heads() (map[string]string, error) {
	lines, err := g.lines("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads/")
	all := make(map[string]string)
	for _, l := range lines {
		sha, name, _ := strings.Cut(l, " ")
		all[name] = sha
	}
	return all, err
}

// kind is the type of an object, "" if there is none of that name.
func (g git) kind(sha string) string {
	if !isSHA(sha) {
		return ""
	}
	kind, err := g.line(nil, "cat-file", "-t", sha)
	if err != nil {
		return ""
	}
	return kind
}

// resolve returns the commit that a branch, a tag or a commit's name stands for, ""
// if none does.
func (g git) resolve(ref string) string {
	if isSHA(ref) && g.kind(ref) == "commit" {
		return ref
	}
	for _, name := range []string{"refs/heads/" + strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/" + ref} {
		if sha, err := g.line(nil, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}"); err == nil {
			return sha
		}
	}
	return ""
}

// isSHA reports whether a text is the name of an object.
func isSHA(s string) bool {
	return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == ""
}

// isAncestor reports whether a commit is in the history of another.
func (g git) isAncestor(old, new string) bool {
	_, err := g.run(nil, "merge-base", "--is-ancestor", old, new)
	return err == nil
}

// change is a path to change in a tree.
type change struct{ mode, sha, path string } // sha "": it goes

// tree makes the tree that base ("" for none) becomes by changes.
func (g git) tree(base string, changes []change) (string, error) {
	index, err := os.MkdirTemp(string(g), "index-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(index)
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(index, "index")}
	if base != "" {
		if _, err := g.runWith(env, nil, "read-tree", base); err != nil {
			return "", err
		}
	}
	var list bytes.Buffer
	for _, c := range changes {
		if c.sha == "" {
			c.mode, c.sha = "0", strings.Repeat("0", 40)
		}
		fmt.Fprintf(&list, "%s %s\t%s\x00", c.mode, c.sha, c.path)
	}
	if _, err := g.runWith(env, list.Bytes(), "update-index", "--replace", "-z", "--index-info"); err != nil {
		return "", err
	}
	sha, err := g.runWith(env, nil, "write-tree")
	return strings.TrimSpace(sha), err
}
