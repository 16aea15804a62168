package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// issueComment hears what people say. A comment whose first line is for us is
// kept until it is answered; all others are forgotten at once.
type issueComment struct{ door }

func (*issueComment) Handles() []string { return []string{"issue_comment"} }

func (h *issueComment) Handle(ctx context.Context, event, id string, payload []byte) error {
	p, err := decode[struct {
		about
		Issue struct {
			Number int             `json:"number"`
			Pull   json.RawMessage `json:"pull_request"` // of an issue that is a pull request
		} `json:"issue"`
		Comment struct {
			ID        int64     `json:"id"`
			URL       string    `json:"html_url"`
			Body      string    `json:"body"`
			User      user      `json:"user"`
			CreatedAt time.Time `json:"created_at"`
			// The App through which it was written, if any. v66 of go-github has no
			// such field.
			Through json.RawMessage `json:"performed_via_github_app"`
		} `json:"comment"`
		Sender user `json:"sender"`
	}](event, payload)
	if err != nil {
		return err
	}
	h.issue(p.Installation.ID, p.Repository.ID, p.Issue.Number) // it has one more, or less
	c := p.Comment
	switch {
	case p.Action != "created":
		// Whoever may write can edit other people's comments.
		return nothing(ctx, "only new comments are commands")
	case c.User.Type != "User" || p.Sender.Type != "User" || p.Sender.ID != c.User.ID:
		// Bots can be talked into things, and quote each other without end.
		return nothing(ctx, "only people give commands")
	case given(c.Through):
		return nothing(ctx, "an App wrote it for a person")
	}
	line, rest := command.Split(c.Body)
	line, rest = head(line), head(rest)
	switch said, r := command.Parse(line); {
	case r.Kind == command.Ignore:
		return nothing(ctx, "it is no command")
	case said.Max != command.Free:
		rest = "" // it is not for us
	}
	return h.inProject(ctx, event, p.about, func(ctx context.Context, space storage.Space) error {
		if c.ID <= 0 || c.User.ID <= 0 || p.Issue.Number <= 0 {
			return &malformedError{event, errors.New("comment.id, comment.user.id, issue.number: want positive numbers")}
		}
		return h.take(ctx, space, event, p.Action, id, func(b *storage.Batch) {
			h.remember(b, event, p.Action, fmt.Sprintf("comment-%d", c.ID))
			command.Add(b, command.Comment{
				ID:        c.ID,
				Number:    p.Issue.Number,
				Author:    c.User.Login,
				AuthorID:  c.User.ID,
				Pull:      given(p.Issue.Pull),
				Line:      line,
				Rest:      rest,
				URL:       c.URL,
				CreatedAt: c.CreatedAt,
				Taken:     h.now().UTC(),
				RequestID: handlers.RequestID(ctx),
			})
		})
	})
}

// given reports whether a value stands in a payload.
func given(v json.RawMessage) bool { return len(v) > 0 && string(v) != "null" }

// head is as much of a text as is kept.
func head(s string) string {
	if runes := []rune(s); len(runes) > command.MaxText {
		return string(runes[:command.MaxText])
	}
	return s
}
