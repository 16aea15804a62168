package hub

import (
	"strconv"
	"strings"
	"time"
)

// postCommit is POST git/commits. One that names nobody is the App's: GitHub commits
// and signs it.
func (c *call) postCommit() (any, error) {
	g := c.repo.git
	type who struct{ Name, Email, Date string }
	var ask struct {
		Message, Tree     string
		Parents           []string
		Author, Committer *who
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if ask.Message == "" {
		return nil, invalid("Commit", "message", "missing_field", "")
	}
	if g.kind(ask.Tree) != "tree" {
		return nil, refuse(422, "Tree SHA does not exist")
	}
	for _, p := range ask.Parents {
		if g.kind(p) != "commit" {
			return nil, refuse(422, "Parent SHA does not exist or is not a commit object")
		}
	}
	rev := revision{tree: ask.Tree, parents: ask.Parents, message: ask.Message, author: c.hub.bot().signature(), committer: gitHub()}
	read := func(w *who) person {
		at, err := time.Parse(time.RFC3339, w.Date)
		if err != nil {
			at = now()
		}
		return person{w.Name, w.Email, at}
	}
	if ask.Author != nil {
		rev.author, rev.committer = read(ask.Author), read(ask.Author)
	}
	if ask.Committer != nil {
		rev.committer = read(ask.Committer)
	}
	sha, err := g.store(rev)
	if err != nil {
		return nil, err
	}
	if ask.Author == nil && ask.Committer == nil {
		c.hub.signed[sha] = true
	}
	rev.sha = sha
	return c.hub.gitCommit(c.repo, rev), nil
}

// getGitCommit is GET git/commits/{sha}.
func (c *call) getGitCommit() (any, error) {
	if c.repo.git.kind(c.param("sha")) != "commit" {
		return nil, notFound
	}
	rev, err := c.repo.git.revision(c.param("sha"))
	return c.hub.gitCommit(c.repo, rev), err
}

// getCommit is GET commits/{ref}: with accounts, and the files that it changed.
func (c *call) getCommit() (any, error) {
	sha := c.repo.git.resolve(c.param("ref"))
	if sha == "" {
		return nil, refuse(422, "No commit found for SHA: "+c.param("ref"))
	}
	rev, err := c.repo.git.revision(sha)
	if err != nil {
		return nil, err
	}
	base := orEmpty("")
	if len(rev.parents) > 0 {
		base = rev.parents[0]
	}
	files, err := c.hub.changed(c.repo, base, sha)
	if err != nil {
		return nil, err
	}
	o := c.hub.commitOf(c.repo, rev)
	o["files"] = paged(c, files)
	return o, nil
}

// changed lists the files that differ between two commits.
func (h *Hub) changed(r *repository, base, head string) ([]any, error) {
	status, err := r.git.lines("diff", "--no-renames", "--name-status", base, head)
	if err != nil {
		return nil, err
	}
	counts, err := r.git.lines("diff", "--no-renames", "--numstat", base, head)
	if err != nil {
		return nil, err
	}
	files := []any{}
	for i, l := range status {
		letter, path, _ := strings.Cut(l, "\t")
		f := strings.Split(counts[i], "\t")
		added, _ := strconv.Atoi(f[0]) // "-" for a binary file
		deleted, _ := strconv.Atoi(f[1])
		word := map[string]string{"A": "added", "D": "removed", "M": "modified", "T": "changed"}[letter]
		files = append(files, object{"filename": path, "status": word, "additions": added, "deletions": deleted, "changes": added + deleted})
	}
	return files, nil
}
