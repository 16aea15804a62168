package github

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-github/v66/github"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/project"
)

// Comment is a comment on an issue or a pull request.
type Comment struct {
	ID        int64
	URL       string // for people
	Author    string // login
	Body      string
	CreatedAt time.Time
}

// CreateComment adds a comment to an issue or a pull request. ErrLocked if
// nobody may any more.
func (a *App) CreateComment(ctx context.Context, at At, number int, body string) (comment Comment, err error) {
	what := fmt.Sprintf("comment on %s#%d", at.Repo, number)
	if err := fits(body); err != nil {
		return Comment{}, fmt.Errorf("%s: %w", what, err)
	}
	err = a.write(ctx, at, write, what, func(c *github.Client, r project.Repo) (*github.Response, error) {
		made, resp, err := c.Issues.CreateComment(ctx, r.Owner, r.Name, number, &github.IssueComment{Body: &body})
		comment = aComment(made)
		return resp, err
	})
	if err != nil {
		return Comment{}, err
	}
	if comment.ID == 0 {
		return Comment{}, action.Unknown(fmt.Errorf("%s: the answer names none", what))
	}
	return comment, nil
}

// GetComment reads a comment. ErrNotFound or ErrGone if it is not there.
func (a *App) GetComment(ctx context.Context, at At, id int64) (comment Comment, err error) {
	err = a.read(ctx, at, fmt.Sprintf("read comment %d in %s", id, at.Repo), func(c *github.Client) (*github.Response, error) {
		found, resp, err := c.Issues.GetComment(ctx, at.Repo.Owner, at.Repo.Name, id)
		comment = aComment(found)
		return resp, err
	})
	return comment, err
}

// EditComment replaces the body of a comment. ErrNotKept as for [App.Revise].
func (a *App) EditComment(ctx context.Context, at At, id int64, body string) (comment Comment, err error) {
	what := fmt.Sprintf("edit comment %d in %s", id, at.Repo)
	if err := fits(body); err != nil {
		return Comment{}, fmt.Errorf("%s: %w", what, err)
	}
	err = a.write(ctx, at, write, what, func(c *github.Client, r project.Repo) (*github.Response, error) {
		now, resp, err := c.Issues.EditComment(ctx, r.Owner, r.Name, id, &github.IssueComment{Body: &body})
		comment = aComment(now)
		return resp, err
	})
	if err != nil {
		return Comment{}, err
	}
	if !sameText(comment.Body, body) {
		return comment, fmt.Errorf("%s: %w", what, ErrNotKept)
	}
	return comment, nil
}

// DeleteComment removes a comment. That it is not there is success.
func (a *App) DeleteComment(ctx context.Context, at At, id int64) error {
	what := fmt.Sprintf("delete comment %d in %s", id, at.Repo)
	err := a.write(ctx, at, write, what, func(c *github.Client, r project.Repo) (*github.Response, error) {
		return c.Issues.DeleteComment(ctx, r.Owner, r.Name, id)
	})
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrGone) {
		return nil
	}
	return err
}

// OwnCommentsSince lists the App's comments on an issue or a pull request that
// were created since a moment (and up to two minutes before), oldest first.
// ErrTooMany if the issue got more than 2,000 since then.
func (a *App) OwnCommentsSince(ctx context.Context, at At, number int, since time.Time) ([]Comment, error) {
	login, err := a.login(ctx)
	if err != nil {
		return nil, err
	}
	since = since.Add(-clockSlack).UTC()
	// GitHub lists an issue's comments oldest first; since is about updates,
	// which are never before the creation.
	options := &github.IssueListCommentsOptions{Since: &since, ListOptions: github.ListOptions{PerPage: perPage}}
	what := fmt.Sprintf("list own comments on %s#%d", at.Repo, number)
	var own []Comment
	for range maxPages {
		var page []*github.IssueComment
		var next int
		err := a.read(ctx, at, what, func(c *github.Client) (resp *github.Response, err error) {
			page, resp, err = c.Issues.ListComments(ctx, at.Repo.Owner, at.Repo.Name, number, options)
			if resp != nil {
				next = resp.NextPage
			}
			return resp, err
		})
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			comment := aComment(c)
			if strings.EqualFold(comment.Author, login) && !comment.CreatedAt.Before(since) {
				own = append(own, comment)
			}
		}
		if next == 0 {
			return own, nil
		}
		options.Page = next
	}
	return nil, fmt.Errorf("%s: %w", what, ErrTooMany)
}

// React puts a reaction ("eyes") on a comment; one that is there already is
// success. A reaction is a courtesy, so a server that has none, a conversation
// that is locked and a comment that is gone are no errors.
func (a *App) React(ctx context.Context, at At, comment int64, content string) error {
	what := fmt.Sprintf("react to comment %d in %s", comment, at.Repo)
	err := a.write(ctx, at, write, what, func(c *github.Client, r project.Repo) (*github.Response, error) {
		_, resp, err := c.Reactions.CreateIssueCommentReaction(ctx, r.Owner, r.Name, comment, content)
		return resp, err
	})
	var invalid *ValidationError
	for _, refusal := range []error{ErrNotFound, ErrGone, ErrMoved, ErrForbidden, ErrLocked} {
		if errors.Is(err, refusal) {
			return nil
		}
	}
	if errors.As(err, &invalid) {
		return nil
	}
	return err
}

func aComment(c *github.IssueComment) Comment {
	return Comment{
		ID:        c.GetID(),
		URL:       c.GetHTMLURL(),
		Author:    c.GetUser().GetLogin(),
		Body:      c.GetBody(),
		CreatedAt: c.GetCreatedAt().Time,
	}
}
