package hub

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Start is a moment at which GitHub would look whether workflows are to run.
type Start struct {
	Repository string
	Event      string // push or pull_request
	Branch     string // the one that was pushed, or the pull request's
	SHA        string
	Skipped    bool // the commit's message says that none are to run
}

// Starts returns what would have started workflows so far in a repository, oldest
// first.
func (h *Hub) Starts(fullName string) (found []Start) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.starts {
		if strings.EqualFold(s.Repository, fullName) {
			found = append(found, s)
		}
	}
	return found
}

func (h *Hub) start(r *repository, event, branch, sha string) {
	rev, err := r.git.revision(sha)
	if err != nil {
		h.t.Errorf("hub: %v", err)
	}
	h.starts = append(h.starts, Start{r.fullName(), event, branch, sha, skips(rev.message)})
}

var (
	skipMark    = regexp.MustCompile(`\[(skip ci|ci skip|no ci|skip actions|actions skip)\]`)
	skipTrailer = regexp.MustCompile(`\n\n\n(?:[A-Za-z0-9-]+:[^\n]*\n)*skip-checks: ?true\n*$`)
)

// skips reports whether a commit's message keeps workflows from running, as
// "Skipping workflow runs" of GitHub's documentation has it: one of five marks, or
// the trailer, the last of all, after two empty lines.
func skips(message string) bool {
	return skipMark.MatchString(message) || skipTrailer.MatchString(message)
}

// pushed finds out which branches have moved and does what GitHub does then.
func (h *Hub) pushed(r *repository, by *account) {
	heads, err := r.git.heads()
	if err != nil {
		h.t.Errorf("hub: %v", err)
		return
	}
	before := r.heads
	r.heads = heads
	names := maps.Clone(before)
	maps.Copy(names, heads)
	for _, branch := range slices.Sorted(maps.Keys(names)) {
		if before[branch] != heads[branch] {
			h.moved(r, by, branch, before[branch], heads[branch])
		}
	}
}

// moved is what follows when a branch was made (old is ""), moved or deleted (new
// is "").
func (h *Hub) moved(r *repository, by *account, branch, old, new string) {
	none := strings.Repeat("0", 40)
	from, to := old, new
	if from == "" {
		from = none
	}
	if to == "" {
		to = none
	}
	shas := []string{}
	if new != "" {
		args := []string{"rev-list", "--reverse", "--max-count=20", new}
		if old != "" {
			args = append(args, "^"+old)
		} else if base := r.heads[r.branch]; branch != r.branch && base != "" {
			args = append(args, "^"+base)
		}
		shas, _ = r.git.lines(args...)
	}
	commits, messages := []any{}, []string{}
	for _, sha := range shas {
		rev, err := r.git.revision(sha)
		if err != nil {
			h.t.Errorf("hub: %v", err)
			continue
		}
		messages = append(messages, rev.message)
		commits = append(commits, h.pushedCommit(r, rev))
	}
	var head any
	if len(commits) > 0 {
		head = commits[len(commits)-1]
	}
	h.announce(r, "push", object{
		"ref": "refs/heads/" + branch, "before": from, "after": to, "created": old == "", "deleted": new == "",
		"forced": old != "" && new != "" && !r.git.isAncestor(old, new), "base_ref": nil,
		"compare": h.page(r, "/compare/"+from+"..."+to), "commits": commits, "head_commit": head,
		"pusher": object{"name": by.login, "email": by.email()},
	}, by)
	if new != "" {
		h.start(r, "push", branch, new)
	}
	for _, i := range r.issues {
		if i.pull != nil && i.open() && i.pull.head == branch {
			h.synchronize(r, i, by, old, new)
		}
	}
	if branch == r.branch && old != "" {
		h.closeBy(r, by, messages...)
	}
}

// pushedCommit is a commit as push deliveries show it.
func (h *Hub) pushedCommit(r *repository, c revision) object {
	sign := func(p person) object {
		o := object{"name": p.name, "email": p.email}
		if a := h.byEmail(p.email); a != nil {
			o["username"] = a.login
		}
		return o
	}
	return object{"id": c.sha, "tree_id": c.tree, "distinct": true, "message": c.message, "timestamp": moment(c.committer.at),
		"url": h.page(r, "/commit/"+c.sha), "author": sign(c.author), "committer": sign(c.committer)}
}
