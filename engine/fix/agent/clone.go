package agent

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

// tokenVariable is what the credential helper reads. Only the one git that fetches
// has it.
const tokenVariable = "SOULCASTER_CLONE_TOKEN"

// helper gives git the token when it is asked for one. It is a shell function, so
// that the token is in no argument and in no file.
const helper = `!f() { test "$1" = get && echo username=x-access-token && echo "password=$` + tokenVariable + `"; }; f`

// asIs keeps git from converting anything on its way into a work tree: no filter,
// no line ending, no encoding, no keyword. What is there is what was committed,
// byte for byte.
const asIs = "* -text -eol -ident -filter -working-tree-encoding\n"

// fetch fills the clean repository with the two commits that are needed, and
// nothing before them if the server lets them be asked for by name.
func fetch(ctx context.Context, g git, p place, r *brief.Repository) error {
	remote, err := url.Parse(r.CloneURL)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	g.protocols = remote.Scheme
	if _, err := g.run(ctx, nil, nil, "init", "--quiet", "--bare", "--template=", p.clean()); err != nil {
		return err
	}
	commits := []string{r.Commit}
	if r.DefaultCommit != r.Commit {
		commits = append(commits, r.DefaultCommit)
	}
	env := append([]string{tokenVariable + "=" + r.Token}, proxyVariables()...)
	// The helper belongs to the server's own address: where it redirects to gets
	// no token.
	base := []string{"--git-dir=" + p.clean(), "-c", "credential." + remote.Scheme + "://" + remote.Host + ".helper=" + helper,
		"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance"}
	_, err = g.run(ctx, env, nil, append(append(base, "--depth=1", r.CloneURL), commits...)...)
	if err != nil && context.Cause(ctx) == nil {
		// The server gives only what branches point at: then all of them, with
		// what they are built on.
		_, second := g.run(ctx, env, nil, append(base, r.CloneURL, "+refs/heads/*:refs/heads/*")...)
		if second != nil {
			return fmt.Errorf("fetch %s: %w", r.Name, err)
		}
	}
	for _, c := range commits {
		if _, err := g.run(ctx, nil, nil, "--git-dir="+p.clean(), "cat-file", "-e", c+"^{tree}"); err != nil {
			return fmt.Errorf("fetch %s: commit %s is not there: %w", r.Name, c, err)
		}
	}
	return nil
}

// revoke has the token that was cloned with end now rather than in an hour.
func revoke(ctx context.Context, r *brief.Repository) error {
	if r.RevokeURL == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, r.RevokeURL, nil)
	if err != nil {
		return fmt.Errorf("revoke the clone token: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+r.Token)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("revoke the clone token: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("revoke the clone token: the answer was %d", res.StatusCode)
	}
	return nil
}

// checkOut puts the commit into the work tree, as it was committed, with a
// repository of its own: the coder may look, commit and break it. Nothing of the
// repository has run until now, so nothing interferes.
func checkOut(ctx context.Context, g git, p place, c *coder, commit string) error {
	made, err := newRepository(ctx, g, p, commit)
	if err != nil {
		return fmt.Errorf("check out: %w", err)
	}
	dir := filepath.Join(p.work(), ".git")
	if err := os.Rename(made, dir); err != nil {
		return fmt.Errorf("check out: %w", err)
	}
	if _, err := g.run(ctx, nil, nil, "--git-dir="+dir, "--work-tree="+p.work(), "reset", "--quiet", "--hard", commit); err != nil {
		return fmt.Errorf("check out: %w", err)
	}
	if err := c.giveAll(p.work()); err != nil {
		return fmt.Errorf("check out: %w", err)
	}
	return nil
}

// renew puts a new repository in the place of the coder's, whose configuration may
// name programs to run by now. The tree stays as it is.
func renew(ctx context.Context, g git, p place, c *coder, commit string) error {
	made, err := newRepository(ctx, g, p, commit)
	if err == nil {
		err = c.giveAll(made)
	}
	if err == nil {
		_, err = p.putAway(".git")
	}
	if err == nil {
		err = os.Rename(made, filepath.Join(p.work(), ".git"))
	}
	if err != nil {
		return fmt.Errorf("renew the repository: %w", err)
	}
	return nil
}

// newRepository makes a repository that holds one commit, and returns the path of
// its .git, which is to be moved to a work tree.
func newRepository(ctx context.Context, g git, p place, commit string) (string, error) {
	top, err := p.folder("repository", 0o700)
	if err != nil {
		return "", err
	}
	g.protocols = "file"
	dir := filepath.Join(top, ".git")
	if _, err := g.run(ctx, nil, nil, "init", "--quiet", "--template=", "--initial-branch=soulcaster", top); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(dir, "info"), 0o755); err != nil {
		return "", fmt.Errorf("make a repository: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "info", "attributes"), []byte(asIs), 0o644); err != nil {
		return "", fmt.Errorf("make a repository: %w", err)
	}
	for _, step := range [][]string{
		{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--depth=1", "file://" + p.clean(), commit},
		{"update-ref", "refs/heads/soulcaster", commit},
		{"config", "user.name", "Kilo"},
		{"config", "user.email", "kilo@localhost"},
		{"config", "core.hooksPath", "/dev/null"},
	} {
		if _, err := g.run(ctx, nil, nil, append([]string{"--git-dir=" + dir}, step...)...); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// maxInstructions bounds what is taken of the repository's AGENTS.md, in bytes.
const maxInstructions = 64 << 10

// instructions returns the default branch's AGENTS.md, "" if there is none. What the
// tree that is worked on says in its own copy counts nothing: it may be a proposal's.
//
// Kilo adds the AGENTS.md of a folder below the top to what it reads there, and
// nothing keeps it from that. Those come from the tree that is worked on, like all
// that it reads.
func instructions(ctx context.Context, g git, p place, commit string) (string, error) {
	out, err := g.run(ctx, nil, nil, "--git-dir="+p.clean(), "ls-tree", "-z", commit, "AGENTS.md")
	if err != nil {
		return "", fmt.Errorf("read AGENTS.md: %w", err)
	}
	if len(out) == 0 {
		return "", nil
	}
	e, _, err := parseEntry(strings.TrimSuffix(string(out), "\x00"))
	if err != nil || e.mode != brief.ModeFile && e.mode != brief.ModeExecutable {
		return "", err
	}
	text, err := g.run(ctx, nil, nil, "--git-dir="+p.clean(), "cat-file", "blob", e.hash)
	if err != nil {
		return "", fmt.Errorf("read AGENTS.md: %w", err)
	}
	return strings.ToValidUTF8(string(text[:min(len(text), maxInstructions)]), "\uFFFD"), nil
}
