package hub

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// pull is what a pull request has beside an issue.
type pull struct {
	head, base string // branches of the same repository
	headSHA    string
	draft      bool
	mergedAt   time.Time
	mergeSHA   string
	mergedBy   *account
	reviews    []*review
	comments   []*lineComment
}

func (c *call) pull() (*issue, error) {
	if i := c.repo.numbered(c.number()); i != nil && i.pull != nil {
		return i, nil
	}
	return nil, notFound
}

// pullOf is a pull request; full says that it is shown by itself rather than in a
// list or beside a review.
func (h *Hub) pullOf(r *repository, i *issue, full bool) object {
	p := i.pull
	api, page := h.api(r, fmt.Sprintf("/pulls/%d", i.number)), h.page(r, fmt.Sprintf("/pull/%d", i.number))
	end := func(branch, sha string) object {
		return object{"label": r.owner.login + ":" + branch, "ref": branch, "sha": sha, "user": h.user(r.owner), "repo": h.repository(r)}
	}
	link := func(url string) object { return object{"href": url} }
	issue := h.issueOf(r, i)
	o := object{
		"url": api, "id": i.id, "node_id": fmt.Sprintf("PR_%d", i.id), "html_url": page, "diff_url": page + ".diff", "patch_url": page + ".patch",
		"issue_url": issue["url"], "commits_url": api + "/commits", "review_comments_url": api + "/comments", "comments_url": issue["comments_url"],
		"head": end(p.head, p.headSHA), "base": end(p.base, r.heads[p.base]), "draft": p.draft,
		"merged_at": moment(p.mergedAt), "merge_commit_sha": text(p.mergeSHA), "auto_merge": nil,
		"requested_reviewers": []any{}, "requested_teams": []any{},
		"_links": object{"self": link(api), "html": link(page), "issue": link(issue["url"].(string))},
	}
	for _, same := range []string{"number", "state", "locked", "title", "user", "body", "created_at", "updated_at", "closed_at", "assignee", "assignees", "labels", "milestone", "author_association", "active_lock_reason"} {
		o[same] = issue[same]
	}
	if !full {
		return o
	}
	files, _ := h.pullFiles(r, p)
	_, ahead, _ := r.git.distance(r.heads[p.base], p.headSHA)
	added, deleted := 0, 0
	for _, f := range files {
		added += f.(object)["additions"].(int)
		deleted += f.(object)["deletions"].(int)
	}
	for name, value := range (object{
		"merged": !p.mergedAt.IsZero(), "mergeable": nil, "rebaseable": nil, "mergeable_state": "unknown", "merged_by": h.user(p.mergedBy),
		"comments": len(i.comments), "review_comments": len(p.comments), "maintainer_can_modify": false,
		"commits": ahead, "additions": added, "deletions": deleted, "changed_files": len(files),
	}) {
		o[name] = value
	}
	return o
}

func (h *Hub) aboutPull(r *repository, i *issue, action string, by *account, more object) {
	payload := object{"action": action, "number": i.number, "pull_request": h.pullOf(r, i, true)}
	for name, value := range more {
		payload[name] = value
	}
	h.announce(r, "pull_request", payload, by)
}

// propose opens a pull request.
func (h *Hub) propose(r *repository, by *account, title, body, head, base string, draft bool) (*issue, error) {
	head = strings.TrimPrefix(head, r.owner.login+":")
	switch {
	case title == "":
		return nil, invalid("PullRequest", "title", "missing_field", "")
	case r.heads[head] == "":
		return nil, invalid("PullRequest", "head", "invalid", "")
	case r.heads[base] == "":
		return nil, invalid("PullRequest", "base", "invalid", "")
	case draft && r.noDrafts:
		return nil, refuse(422, "Draft pull requests are not supported in this repository.")
	}
	if err := tooLong("PullRequest", body); err != nil {
		return nil, err
	}
	if _, ahead, err := r.git.distance(r.heads[base], r.heads[head]); err != nil {
		return nil, err
	} else if ahead == 0 {
		return nil, invalid("PullRequest", "", "custom", fmt.Sprintf("No commits between %s and %s", base, head))
	}
	for _, i := range r.issues {
		if i.pull != nil && i.open() && i.pull.head == head && i.pull.base == base {
			return nil, invalid("PullRequest", "", "custom", fmt.Sprintf("A pull request already exists for %s:%s.", r.owner.login, head))
		}
	}
	i := h.add(r, by, title, body)
	i.pull = &pull{head: head, base: base, headSHA: r.heads[head], draft: draft}
	h.aboutPull(r, i, "opened", by, nil)
	h.start(r, "pull_request", head, i.pull.headSHA)
	return i, nil
}

// synchronize is what a pull request goes through when its branch moves.
func (h *Hub) synchronize(r *repository, i *issue, by *account, before, after string) {
	if after == "" {
		h.end(r, i, by, "")
		return
	}
	for _, c := range i.pull.comments {
		if _, err := r.git.run(nil, "diff", "--quiet", i.pull.headSHA, after, "--", c.path); err != nil {
			c.outdated = true
		}
	}
	i.pull.headSHA, i.updated = after, now()
	h.aboutPull(r, i, "synchronize", by, object{"before": before, "after": after})
	h.start(r, "pull_request", i.pull.head, after)
}

// pullFiles lists what a pull request changes, seen from where its branch left.
func (h *Hub) pullFiles(r *repository, p *pull) ([]any, error) {
	base := r.heads[p.base]
	if !p.mergedAt.IsZero() {
		if rev, err := r.git.revision(p.mergeSHA); err == nil {
			base = rev.parents[0]
		}
	}
	fork, err := r.git.line(nil, "merge-base", base, p.headSHA)
	if err != nil {
		return nil, err
	}
	return h.changed(r, fork, p.headSHA)
}

// postPull is POST pulls.
func (c *call) postPull() (any, error) {
	var ask struct {
		Title, Body, Head, Base string
		Draft                   bool
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	i, err := c.hub.propose(c.repo, c.hub.bot(), ask.Title, ask.Body, ask.Head, ask.Base, ask.Draft)
	if err != nil {
		return nil, err
	}
	return c.hub.pullOf(c.repo, i, true), nil
}

// getPull is GET pulls/{number}.
func (c *call) getPull() (any, error) {
	i, err := c.pull()
	if err != nil {
		return nil, err
	}
	return c.hub.pullOf(c.repo, i, true), nil
}

// patchPull is PATCH pulls/{number}.
func (c *call) patchPull() (any, error) {
	i, err := c.pull()
	if err != nil {
		return nil, err
	}
	var ask issueEdit
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	ask.Labels = nil
	if err := c.hub.edit(c.repo, i, c.hub.bot(), ask); err != nil {
		return nil, err
	}
	return c.hub.pullOf(c.repo, i, true), nil
}

// getPulls is GET pulls. As on GitHub, a head without an owner filters nothing.
func (c *call) getPulls() (any, error) {
	q := c.r.URL.Query()
	state := q.Get("state")
	if state == "" {
		state = "open"
	}
	owner, branch, filtered := strings.Cut(q.Get("head"), ":")
	var found []*issue
	for _, i := range c.repo.issues {
		if i.pull == nil || (state != "all" && state != i.state) || (q.Get("base") != "" && q.Get("base") != i.pull.base) ||
			(filtered && (!strings.EqualFold(owner, c.repo.owner.login) || branch != i.pull.head)) {
			continue
		}
		found = append(found, i)
	}
	if q.Get("direction") != "asc" {
		slices.Reverse(found)
	}
	list := []any{}
	for _, i := range paged(c, found) {
		list = append(list, c.hub.pullOf(c.repo, i, false))
	}
	return list, nil
}

// getPullFiles is GET pulls/{number}/files.
func (c *call) getPullFiles() (any, error) {
	i, err := c.pull()
	if err != nil {
		return nil, err
	}
	files, err := c.hub.pullFiles(c.repo, i.pull)
	return paged(c, files), err
}
