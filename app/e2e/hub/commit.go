package hub

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// person is who a commit names.
type person struct {
	name, email string
	at          time.Time
}

func (a *account) signature() person { return person{a.login, a.email(), now()} }

// gitHub is who commits what is done on GitHub itself.
func gitHub() person { return person{"GitHub", "noreply@github.com", now()} }

func (p person) String() string {
	return fmt.Sprintf("%s <%s> %d +0000", p.name, p.email, p.at.Unix())
}

// revision is a commit.
type revision struct {
	sha, tree, message string
	parents            []string
	author, committer  person
}

// store writes a commit, its message to the letter, and returns its name.
func (g git) store(c revision) (string, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tree %s\n", c.tree)
	for _, p := range c.parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	fmt.Fprintf(&b, "author %s\ncommitter %s\n\n%s", c.author, c.committer, c.message)
	return g.line(b.Bytes(), "hash-object", "-t", "commit", "-w", "--stdin")
}

// revision reads a commit.
func (g git) revision(sha string) (revision, error) {
	raw, err := g.run(nil, "cat-file", "commit", sha)
	if err != nil {
		return revision{}, err
	}
	c := revision{sha: sha}
	head, message, _ := strings.Cut(raw, "\n\n")
	c.message = message
	for line := range strings.SplitSeq(head, "\n") {
		switch name, value, _ := strings.Cut(line, " "); name {
		case "tree":
			c.tree = value
		case "parent":
			c.parents = append(c.parents, value)
		case "author":
			c.author = readPerson(value)
		case "committer":
			c.committer = readPerson(value)
		}
	}
	return c, nil
}

func readPerson(s string) person {
	name, rest, _ := strings.Cut(s, " <")
	email, rest, _ := strings.Cut(rest, "> ")
	seconds, _, _ := strings.Cut(rest, " ")
	at, _ := strconv.ParseInt(seconds, 10, 64)
	return person{name, email, time.Unix(at, 0).UTC()}
}

// commit puts files onto a branch as a person does, and returns the commit. A branch
// that is not there starts where the default one is. A file whose content is Gone
// goes.
func (r *repository) commit(a *account, branch string, files map[string]string, message string) (string, error) {
	parent := r.git.resolve(branch)
	if parent == "" {
		parent = r.git.resolve(r.branch)
	}
	var changes []change
	for path, content := range files {
		if content == Gone {
			changes = append(changes, change{path: path})
			continue
		}
		sha, err := r.git.line([]byte(content), "hash-object", "-w", "--stdin")
		if err != nil {
			return "", err
		}
		changes = append(changes, change{"100644", sha, path})
	}
	c := revision{message: message, author: a.signature(), committer: a.signature()}
	if parent != "" {
		c.parents = []string{parent}
	}
	var err error
	if c.tree, err = r.git.tree(parent, changes); err != nil {
		return "", err
	}
	sha, err := r.git.store(c)
	if err != nil {
		return "", err
	}
	_, err = r.git.run(nil, "update-ref", "refs/heads/"+branch, sha)
	return sha, err
}

// gitCommit is a commit as the git API shows it.
func (h *Hub) gitCommit(r *repository, c revision) object {
	sign := func(p person) object { return object{"name": p.name, "email": p.email, "date": moment(p.at)} }
	parents := []any{}
	for _, p := range c.parents {
		parents = append(parents, object{"sha": p, "url": h.api(r, "/git/commits/"+p)})
	}
	verification := object{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil}
	if h.signed[c.sha] {
		verification = object{"verified": true, "reason": "valid", "signature": "-----BEGIN PGP SIGNATURE-----", "payload": ""}
	}
	return object{
		"sha": c.sha, "url": h.api(r, "/git/commits/"+c.sha), "message": c.message, "author": sign(c.author), "committer": sign(c.committer),
		"tree": object{"sha": c.tree, "url": h.api(r, "/git/trees/"+c.tree)}, "parents": parents, "verification": verification,
	}
}

// commitOf is a commit as everything else shows it: with accounts.
func (h *Hub) commitOf(r *repository, c revision) object {
	inner := h.gitCommit(r, c)
	committer := h.user(h.byEmail(c.committer.email))
	return object{
		"sha": c.sha, "url": h.api(r, "/commits/"+c.sha), "html_url": h.page(r, "/commit/"+c.sha), "commit": inner, "parents": inner["parents"],
		"author": h.user(h.byEmail(c.author.email)), "committer": committer,
	}
}
