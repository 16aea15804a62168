package hub

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The states of a review.
const (
	Approved         = "APPROVED"
	ChangesRequested = "CHANGES_REQUESTED"
	Commented        = "COMMENTED"
)

// review is a review of a pull request.
type review struct {
	id     int64
	author *account
	state  string
	body   string
	commit string
	at     time.Time
}

// lineComment is a comment on a line of a pull request.
type lineComment struct {
	id, review, replyTo int64
	author              *account
	path, hunk, body    string
	line                int
	commit              string
	outdated            bool
	at                  time.Time
}

func (h *Hub) reviewOf(r *repository, i *issue, v *review) object {
	page, api := h.page(r, fmt.Sprintf("/pull/%d#pullrequestreview-%d", i.number, v.id)), h.api(r, fmt.Sprintf("/pulls/%d", i.number))
	return object{
		"id": v.id, "node_id": fmt.Sprintf("PRR_%d", v.id), "user": h.user(v.author), "body": text(v.body), "state": v.state, "html_url": page,
		"pull_request_url": api, "author_association": r.association(v.author), "submitted_at": moment(v.at), "commit_id": v.commit,
		"_links": object{"html": object{"href": page}, "pull_request": object{"href": api}},
	}
}

func (h *Hub) lineCommentOf(r *repository, i *issue, c *lineComment) object {
	api, page := h.api(r, fmt.Sprintf("/pulls/comments/%d", c.id)), h.page(r, fmt.Sprintf("/pull/%d#discussion_r%d", i.number, c.id))
	pull := h.api(r, fmt.Sprintf("/pulls/%d", i.number))
	var line any = c.line
	if c.outdated {
		line = nil
	}
	o := object{
		"url": api, "pull_request_review_id": c.review, "id": c.id, "node_id": fmt.Sprintf("PRRC_%d", c.id), "diff_hunk": c.hunk, "path": c.path,
		"commit_id": i.pull.headSHA, "original_commit_id": c.commit, "user": h.user(c.author), "body": c.body,
		"created_at": moment(c.at), "updated_at": moment(c.at), "html_url": page, "pull_request_url": pull, "author_association": r.association(c.author),
		"_links":     object{"self": object{"href": api}, "html": object{"href": page}, "pull_request": object{"href": pull}},
		"start_line": nil, "original_start_line": nil, "start_side": nil, "line": line, "original_line": c.line, "side": "RIGHT",
	}
	if c.replyTo != 0 {
		o["in_reply_to_id"] = c.replyTo
	}
	return o
}

// judge submits a review with its comments on lines.
func (h *Hub) judge(r *repository, i *issue, by *account, state, body string, lines []LineComment) (*review, error) {
	p := i.pull
	if by == i.author && state != Commented {
		return nil, refuse(422, "Can not "+map[string]string{Approved: "approve", ChangesRequested: "request changes on"}[state]+" your own pull request")
	}
	if state != Approved && body == "" && len(lines) == 0 {
		return nil, refuse(422, "Unprocessable Entity: body can't be blank")
	}
	v := &review{id: h.id(), author: by, state: state, body: body, commit: p.headSHA, at: now()}
	var said []*lineComment
	for _, l := range lines {
		hunk, err := h.hunk(r, p, l.Path, l.Line)
		if err != nil {
			return nil, err
		}
		said = append(said, &lineComment{id: h.id(), review: v.id, author: by, path: l.Path, hunk: hunk, body: l.Body, line: l.Line, commit: p.headSHA, at: now()})
	}
	p.reviews, p.comments, i.updated = append(p.reviews, v), append(p.comments, said...), now()
	shown := h.reviewOf(r, i, v)
	shown["state"] = strings.ToLower(state) // so in deliveries alone
	h.announce(r, "pull_request_review", object{"action": "submitted", "review": shown, "pull_request": h.pullOf(r, i, false)}, by)
	for _, c := range said {
		h.aboutLine(r, i, c)
	}
	return v, nil
}

func (h *Hub) aboutLine(r *repository, i *issue, c *lineComment) {
	h.announce(r, "pull_request_review_comment", object{"action": "created", "comment": h.lineCommentOf(r, i, c), "pull_request": h.pullOf(r, i, false)}, c.author)
}

var hunkHead = regexp.MustCompile(`^@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@`)

// hunk is the part of a pull request's diff that ends with a line of the new file.
func (h *Hub) hunk(r *repository, p *pull, path string, line int) (string, error) {
	diff, err := r.git.run(nil, "diff", "--no-color", r.heads[p.base]+"..."+p.headSHA, "--", path)
	if err != nil {
		return "", err
	}
	var hunk []string
	at := 0 // the next line of the new file
	for l := range strings.SplitSeq(diff, "\n") {
		if m := hunkHead.FindStringSubmatch(l); m != nil {
			hunk = []string{l}
			at, _ = strconv.Atoi(m[1])
			continue
		}
		if hunk == nil || l == "" {
			continue
		}
		hunk = append(hunk, l)
		if l[0] == ' ' || l[0] == '+' {
			if at == line {
				return strings.Join(hunk, "\n"), nil
			}
			at++
		}
	}
	return "", invalid("PullRequestReviewComment", "pull_request_review_thread.line", "custom", "pull_request_review_thread.line must be part of the diff")
}

// postReview is POST pulls/{number}/reviews.
func (c *call) postReview() (any, error) {
	i, err := c.pull()
	if err != nil {
		return nil, err
	}
	var ask struct {
		Body, Event string
		Comments    []LineComment
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	state := map[string]string{"APPROVE": Approved, "REQUEST_CHANGES": ChangesRequested, "COMMENT": Commented}[ask.Event]
	if state == "" {
		return nil, refuse(422, "Unprocessable Entity: event")
	}
	v, err := c.hub.judge(c.repo, i, c.hub.bot(), state, ask.Body, ask.Comments)
	if err != nil {
		return nil, err
	}
	return c.hub.reviewOf(c.repo, i, v), nil
}

// getReviews is GET pulls/{number}/reviews, oldest first.
func (c *call) getReviews() (any, error) {
	i, err := c.pull()
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, v := range paged(c, i.pull.reviews) {
		list = append(list, c.hub.reviewOf(c.repo, i, v))
	}
	return list, nil
}

// getReview is GET pulls/{number}/reviews/{id}.
func (c *call) getReview() (any, error) {
	i, err := c.pull()
	if err != nil {
		return nil, err
	}
	for _, v := range i.pull.reviews {
		if strconv.FormatInt(v.id, 10) == c.param("id") {
			return c.hub.reviewOf(c.repo, i, v), nil
		}
	}
	return nil, notFound
}

// getReviewComments is GET pulls/{number}/comments, oldest first.
func (c *call) getReviewComments() (any, error) {
	i, err := c.pull()
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, l := range paged(c, i.pull.comments) {
		list = append(list, c.hub.lineCommentOf(c.repo, i, l))
	}
	return list, nil
}

// postReviewComment is POST pulls/{number}/comments: on a line, or in reply.
func (c *call) postReviewComment() (any, error) {
	i, err := c.pull()
	if err != nil {
		return nil, err
	}
	var ask struct {
		LineComment
		ReplyTo int64 `json:"in_reply_to"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if ask.ReplyTo != 0 {
		l, err := c.hub.reply(c.repo, i, c.hub.bot(), ask.ReplyTo, ask.Body)
		if err != nil {
			return nil, err
		}
		return c.hub.lineCommentOf(c.repo, i, l), nil
	}
	if _, err := c.hub.judge(c.repo, i, c.hub.bot(), Commented, "", []LineComment{ask.LineComment}); err != nil {
		return nil, err
	}
	return c.hub.lineCommentOf(c.repo, i, i.pull.comments[len(i.pull.comments)-1]), nil
}

// reply answers a comment on a line, in its thread.
func (h *Hub) reply(r *repository, i *issue, by *account, to int64, body string) (*lineComment, error) {
	for _, c := range i.pull.comments {
		if c.id == to {
			l := *c
			l.id, l.replyTo, l.author, l.body, l.at = h.id(), to, by, body, now()
			i.pull.comments = append(i.pull.comments, &l)
			h.aboutLine(r, i, &l)
			return &l, nil
		}
	}
	return nil, notFound
}
