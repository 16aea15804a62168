package hub

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// issue is an issue or a pull request.
type issue struct {
	id                       int64
	number                   int
	title, body              string
	author                   *account
	state, reason            string // reason is why it was closed or opened again
	locked                   bool
	labels                   []string
	created, updated, closed time.Time
	closedBy                 *account
	comments                 []*comment
	pull                     *pull // nil: an issue
}

func (i *issue) open() bool { return i.state == "open" }

// numbered returns an issue or a pull request, nil if there is none.
func (r *repository) numbered(n int) *issue {
	if n < 1 || n > len(r.issues) {
		return nil
	}
	return r.issues[n-1]
}

func (c *call) issue() (*issue, error) {
	if i := c.repo.numbered(c.number()); i != nil {
		return i, nil
	}
	return nil, notFound
}

// add makes the next issue or pull request.
func (h *Hub) add(r *repository, by *account, title, body string) *issue {
	i := &issue{id: h.id(), number: len(r.issues) + 1, title: title, body: body, author: by, state: "open", created: now(), updated: now()}
	r.issues = append(r.issues, i)
	return i
}

func (h *Hub) issueOf(r *repository, i *issue) object {
	url := h.api(r, fmt.Sprintf("/issues/%d", i.number))
	labels := []any{}
	for n, name := range i.labels {
		labels = append(labels, object{"id": n + 1, "node_id": fmt.Sprintf("L_%d", n+1), "url": h.api(r, "/labels/"+name), "name": name, "color": "ededed", "default": false, "description": nil})
	}
	o := object{
		"url": url, "repository_url": h.api(r, ""), "labels_url": url + "/labels{/name}", "comments_url": url + "/comments", "events_url": url + "/events",
		"html_url": h.page(r, fmt.Sprintf("/issues/%d", i.number)), "id": i.id, "node_id": fmt.Sprintf("I_%d", i.id), "number": i.number,
		"title": i.title, "user": h.user(i.author), "labels": labels, "state": i.state, "state_reason": text(i.reason), "locked": i.locked,
		"assignee": nil, "assignees": []any{}, "milestone": nil, "comments": len(i.comments),
		"created_at": moment(i.created), "updated_at": moment(i.updated), "closed_at": moment(i.closed), "closed_by": h.user(i.closedBy),
		"author_association": r.association(i.author), "active_lock_reason": nil, "body": text(i.body), "performed_via_github_app": h.via(i.author),
	}
	if i.pull != nil {
		page, api := h.page(r, fmt.Sprintf("/pull/%d", i.number)), h.api(r, fmt.Sprintf("/pulls/%d", i.number))
		o["html_url"], o["draft"] = page, i.pull.draft
		o["pull_request"] = object{"url": api, "html_url": page, "diff_url": page + ".diff", "patch_url": page + ".patch", "merged_at": moment(i.pull.mergedAt)}
	}
	return o
}

// via is the App through which an account wrote.
func (h *Hub) via(a *account) any {
	if a == h.bot() {
		return h.app()
	}
	return nil
}

// aboutIssue delivers an event of an issue. Pull requests have their own.
func (h *Hub) aboutIssue(r *repository, i *issue, action string, by *account, more object) {
	if i.pull != nil {
		h.aboutPull(r, i, action, by, more)
		return
	}
	payload := object{"action": action, "issue": h.issueOf(r, i)}
	for name, value := range more {
		payload[name] = value
	}
	h.announce(r, "issues", payload, by)
}

// end closes an issue or a pull request.
func (h *Hub) end(r *repository, i *issue, by *account, reason string) {
	i.state, i.reason, i.closed, i.closedBy, i.updated = "closed", reason, now(), by, now()
	if i.pull != nil {
		i.reason = ""
	}
	h.aboutIssue(r, i, "closed", by, nil)
}

// reopen opens one again.
func (h *Hub) reopen(r *repository, i *issue, by *account) {
	i.state, i.reason, i.closed, i.closedBy, i.updated = "open", "reopened", time.Time{}, nil, now()
	if i.pull != nil {
		i.reason = ""
		h.start(r, "pull_request", i.pull.head, i.pull.headSHA)
	}
	h.aboutIssue(r, i, "reopened", by, nil)
}

// maxText is how many characters a body may have.
const maxText = 65536

func tooLong(resource, body string) error {
	if len([]rune(body)) > maxText {
		return invalid(resource, "body", "custom", fmt.Sprintf("body is too long (maximum is %d characters)", maxText))
	}
	return nil
}

// postIssue is POST issues. Labels that are not there are made.
func (c *call) postIssue() (any, error) {
	var ask struct {
		Title, Body string
		Labels      []string
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if ask.Title == "" {
		return nil, invalid("Issue", "title", "missing_field", "")
	}
	if err := tooLong("Issue", ask.Body); err != nil {
		return nil, err
	}
	i := c.hub.add(c.repo, c.hub.bot(), ask.Title, ask.Body)
	i.labels = ask.Labels
	c.hub.aboutIssue(c.repo, i, "opened", i.author, nil)
	return c.hub.issueOf(c.repo, i), nil
}

// getIssue is GET issues/{number}.
func (c *call) getIssue() (any, error) {
	i, err := c.issue()
	if err != nil {
		return nil, err
	}
	return c.hub.issueOf(c.repo, i), nil
}

// issueEdit is what a PATCH of an issue or a pull request may change.
type issueEdit struct {
	Title, Body, State *string
	Reason             *string `json:"state_reason"`
	Labels             *[]string
}

// patchIssue is PATCH issues/{number}.
func (c *call) patchIssue() (any, error) {
	i, err := c.issue()
	if err != nil {
		return nil, err
	}
	var ask issueEdit
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if err := c.hub.edit(c.repo, i, c.hub.bot(), ask); err != nil {
		return nil, err
	}
	return c.hub.issueOf(c.repo, i), nil
}

func (h *Hub) edit(r *repository, i *issue, by *account, e issueEdit) error {
	changes := object{}
	if e.Body != nil {
		if err := tooLong("Issue", *e.Body); err != nil {
			return err
		}
		if *e.Body != i.body {
			changes["body"] = object{"from": i.body}
		}
		i.body, i.updated = *e.Body, now()
	}
	if e.Title != nil {
		if *e.Title != i.title {
			changes["title"] = object{"from": i.title}
		}
		i.title, i.updated = *e.Title, now()
	}
	if len(changes) > 0 {
		h.aboutIssue(r, i, "edited", by, object{"changes": changes})
	}
	if e.Labels != nil && !slices.Equal(*e.Labels, i.labels) {
		i.labels, i.updated = *e.Labels, now()
		h.aboutIssue(r, i, "labeled", by, nil)
	}
	if e.State == nil || *e.State == i.state {
		return nil
	}
	switch *e.State {
	case "closed":
		reason := "completed"
		if e.Reason != nil {
			reason = *e.Reason
		}
		h.end(r, i, by, reason)
	case "open":
		if i.pull != nil && !i.pull.mergedAt.IsZero() {
			return invalid("PullRequest", "state", "invalid", "state cannot be changed. The pull request was merged.")
		}
		h.reopen(r, i, by)
	default:
		return invalid("Issue", "state", "invalid", "")
	}
	return nil
}

// getIssues is GET issues, pull requests among them.
func (c *call) getIssues() (any, error) {
	q := c.r.URL.Query()
	state := q.Get("state")
	if state == "" {
		state = "open"
	}
	since, _ := time.Parse(time.RFC3339, q.Get("since"))
	var found []*issue
	for _, i := range c.repo.issues {
		if (state == "all" || state == i.state) && (q.Get("creator") == "" || strings.EqualFold(q.Get("creator"), i.author.login)) && !i.updated.Before(since) {
			found = append(found, i)
		}
	}
	if q.Get("direction") != "asc" {
		slices.Reverse(found)
	}
	list := []any{}
	for _, i := range paged(c, found) {
		list = append(list, c.hub.issueOf(c.repo, i))
	}
	return list, nil
}
