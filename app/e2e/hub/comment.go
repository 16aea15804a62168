package hub

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// comment is a comment on an issue or a pull request as a whole.
type comment struct {
	id               int64
	author           *account
	body             string
	created, updated time.Time
	reactions        []reaction
}

type reaction struct {
	id      int64
	by      *account
	content string
}

func (h *Hub) commentOf(r *repository, i *issue, c *comment) object {
	page := fmt.Sprintf("/issues/%d", i.number)
	if i.pull != nil {
		page = fmt.Sprintf("/pull/%d", i.number)
	}
	counts := object{"url": h.api(r, fmt.Sprintf("/issues/comments/%d/reactions", c.id)), "total_count": len(c.reactions)}
	for _, content := range reactions {
		counts[content] = 0
	}
	for _, x := range c.reactions {
		counts[x.content] = counts[x.content].(int) + 1
	}
	return object{
		"url": h.api(r, fmt.Sprintf("/issues/comments/%d", c.id)), "html_url": h.page(r, fmt.Sprintf("%s#issuecomment-%d", page, c.id)),
		"issue_url": h.api(r, fmt.Sprintf("/issues/%d", i.number)), "id": c.id, "node_id": fmt.Sprintf("IC_%d", c.id), "user": h.user(c.author),
		"created_at": moment(c.created), "updated_at": moment(c.updated), "author_association": r.association(c.author),
		"performed_via_github_app": h.via(c.author), "body": c.body, "reactions": counts,
	}
}

func (h *Hub) aboutComment(r *repository, i *issue, c *comment, action string, by *account, more object) {
	payload := object{"action": action, "issue": h.issueOf(r, i), "comment": h.commentOf(r, i, c)}
	for name, value := range more {
		payload[name] = value
	}
	h.announce(r, "issue_comment", payload, by)
}

// say adds a comment. On what is locked only those may who may write.
func (h *Hub) say(r *repository, i *issue, by *account, body string) (*comment, error) {
	if i.locked && ranks[r.grants[strings.ToLower(by.login)]] < ranks["write"] {
		return nil, refuse(403, "Unable to create comment because issue is locked.")
	}
	if body == "" {
		return nil, invalid("IssueComment", "body", "missing_field", "")
	}
	if err := tooLong("IssueComment", body); err != nil {
		return nil, err
	}
	c := &comment{id: h.id(), author: by, body: body, created: now(), updated: now()}
	i.comments = append(i.comments, c)
	i.updated = now()
	h.aboutComment(r, i, c, "created", by, nil)
	return c, nil
}

// amend changes a comment.
func (h *Hub) amend(r *repository, i *issue, c *comment, by *account, body string) error {
	if err := tooLong("IssueComment", body); err != nil {
		return err
	}
	old := c.body
	c.body, c.updated = body, now()
	h.aboutComment(r, i, c, "edited", by, object{"changes": object{"body": object{"from": old}}})
	return nil
}

// commentByID finds a comment with what it is on.
func (r *repository) commentByID(id int64) (*issue, *comment) {
	for _, i := range r.issues {
		for _, c := range i.comments {
			if c.id == id {
				return i, c
			}
		}
	}
	return nil, nil
}

func (c *call) comment() (*issue, *comment, error) {
	id, _ := strconv.ParseInt(c.param("id"), 10, 64)
	i, said := c.repo.commentByID(id)
	if said == nil {
		return nil, nil, notFound
	}
	return i, said, nil
}

// postComment is POST issues/{number}/comments.
func (c *call) postComment() (any, error) {
	i, err := c.issue()
	if err != nil {
		return nil, err
	}
	var ask struct{ Body string }
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	said, err := c.hub.say(c.repo, i, c.hub.bot(), ask.Body)
	if err != nil {
		return nil, err
	}
	return c.hub.commentOf(c.repo, i, said), nil
}

// getComment is GET issues/comments/{id}.
func (c *call) getComment() (any, error) {
	i, said, err := c.comment()
	if err != nil {
		return nil, err
	}
	return c.hub.commentOf(c.repo, i, said), nil
}

// patchComment is PATCH issues/comments/{id}. An App changes its own alone.
func (c *call) patchComment() (any, error) {
	i, said, err := c.comment()
	if err != nil {
		return nil, err
	}
	var ask struct{ Body string }
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if said.author != c.hub.bot() {
		return nil, notAccessible
	}
	if err := c.hub.amend(c.repo, i, said, c.hub.bot(), ask.Body); err != nil {
		return nil, err
	}
	return c.hub.commentOf(c.repo, i, said), nil
}

// deleteComment is DELETE issues/comments/{id}.
func (c *call) deleteComment() (any, error) {
	i, said, err := c.comment()
	if err != nil {
		return nil, err
	}
	i.comments = slices.DeleteFunc(i.comments, func(x *comment) bool { return x == said })
	c.hub.aboutComment(c.repo, i, said, "deleted", c.hub.bot(), nil)
	return nil, nil
}

// getComments is GET issues/{number}/comments, oldest first.
func (c *call) getComments() (any, error) {
	i, err := c.issue()
	if err != nil {
		return nil, err
	}
	since, _ := time.Parse(time.RFC3339, c.r.URL.Query().Get("since"))
	var found []*comment
	for _, said := range i.comments {
		if !said.updated.Before(since) {
			found = append(found, said)
		}
	}
	list := []any{}
	for _, said := range paged(c, found) {
		list = append(list, c.hub.commentOf(c.repo, i, said))
	}
	return list, nil
}

var reactions = []string{"+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"}

func (h *Hub) reactionOf(x reaction) object {
	return object{"id": x.id, "node_id": fmt.Sprintf("RX_%d", x.id), "user": h.user(x.by), "content": x.content, "created_at": moment(now())}
}

// postReaction is POST issues/comments/{id}/reactions: 200 if it is there already.
func (c *call) postReaction() (any, error) {
	i, said, err := c.comment()
	if err != nil {
		return nil, err
	}
	var ask struct{ Content string }
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if !slices.Contains(reactions, ask.Content) {
		return nil, invalid("Reaction", "content", "invalid", "")
	}
	if i.locked {
		return nil, refuse(403, "Unable to react because issue is locked.")
	}
	for _, x := range said.reactions {
		if x.by == c.hub.bot() && x.content == ask.Content {
			return answered{status: 200, body: c.hub.reactionOf(x)}, nil
		}
	}
	x := reaction{c.hub.id(), c.hub.bot(), ask.Content}
	said.reactions = append(said.reactions, x)
	return c.hub.reactionOf(x), nil
}

// getReactions is GET issues/comments/{id}/reactions.
func (c *call) getReactions() (any, error) {
	_, said, err := c.comment()
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, x := range paged(c, said.reactions) {
		list = append(list, c.hub.reactionOf(x))
	}
	return list, nil
}
