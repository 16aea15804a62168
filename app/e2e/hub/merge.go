package hub

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// putMerge is PUT pulls/{number}/merge.
func (c *call) putMerge() (any, error) {
	i, err := c.pull()
	if err != nil {
		return nil, err
	}
	var ask struct {
		Method string `json:"merge_method"`
		SHA    string
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if ask.SHA != "" && ask.SHA != i.pull.headSHA {
		return nil, refuse(409, "Head branch was modified. Review and try the merge again.")
	}
	sha, err := c.hub.merge(c.repo, i, c.hub.bot(), ask.Method)
	if err != nil {
		return nil, err
	}
	return object{"sha": sha, "merged": true, "message": "Pull Request successfully merged"}, nil
}

// merge merges a pull request, with a merge commit or, squash, as one commit, and
// does what follows from it.
func (h *Hub) merge(r *repository, i *issue, by *account, method string) (string, error) {
	p := i.pull
	switch {
	case !i.open():
		return "", refuse(405, "Pull Request is not mergeable")
	case p.draft:
		return "", refuse(405, "Pull Request is still a draft")
	}
	base := r.heads[p.base]
	out, err := r.git.run(nil, "merge-tree", "--write-tree", "--no-messages", base, p.headSHA)
	if err != nil {
		return "", refuse(405, "Pull Request is not mergeable") // a conflict
	}
	rev := revision{tree: strings.TrimSpace(out), author: by.signature(), committer: gitHub()}
	switch method {
	case "", "merge":
		rev.parents = []string{base, p.headSHA}
		rev.message = fmt.Sprintf("Merge pull request #%d from %s/%s\n\n%s", i.number, r.owner.login, p.head, i.title)
	case "squash":
		rev.parents = []string{base}
		if rev.message, err = r.squashed(i, base); err != nil {
			return "", err
		}
	default:
		return "", refuse(405, "This merge method is not allowed on this repository.")
	}
	sha, err := r.git.store(rev)
	if err != nil {
		return "", err
	}
	h.signed[sha] = true
	if _, err := r.git.run(nil, "update-ref", "refs/heads/"+p.base, sha, base); err != nil {
		return "", err
	}
	p.mergedAt, p.mergeSHA, p.mergedBy = now(), sha, by
	h.end(r, i, by, "")
	h.pushed(r, by)
	if p.base == r.branch {
		h.closeBy(r, by, i.body)
	}
	return sha, nil
}

// squashed is the message that GitHub proposes for a squash: of one commit its own,
// trailers and all, else the title and the messages of all.
func (r *repository) squashed(i *issue, base string) (string, error) {
	shas, err := r.git.lines("rev-list", "--reverse", base+".."+i.pull.headSHA)
	if err != nil {
		return "", err
	}
	message := fmt.Sprintf("%s (#%d)\n", i.title, i.number)
	for _, sha := range shas {
		rev, err := r.git.revision(sha)
		if err != nil {
			return "", err
		}
		if len(shas) == 1 {
			subject, rest, _ := strings.Cut(rev.message, "\n")
			return fmt.Sprintf("%s (#%d)\n%s", subject, i.number, rest), nil
		}
		message += "\n* " + strings.TrimSpace(rev.message) + "\n"
	}
	return message, nil
}

var (
	closing = regexp.MustCompile(`(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?:([\w.-]+/[\w.-]+))?#(\d+)\b`)
	asleep  = regexp.MustCompile("(?s)```.*?(?:```|$)|`[^`\n]*`|<!--.*?(?:-->|$)")
)

// closeBy closes the issues that texts say are done, as GitHub does when they reach
// the default branch: in commits' messages and the bodies of pull requests that were
// merged. What is code or a comment says nothing.
func (h *Hub) closeBy(r *repository, by *account, texts ...string) {
	for _, t := range texts {
		for _, m := range closing.FindAllStringSubmatch(asleep.ReplaceAllString(t, ""), -1) {
			in := r
			if m[1] != "" {
				in = h.find(m[1])
			}
			n, _ := strconv.Atoi(m[2])
			if in == nil {
				continue
			}
			if i := in.numbered(n); i != nil && i.pull == nil && i.open() {
				h.end(in, i, by, "completed")
			}
		}
	}
}
