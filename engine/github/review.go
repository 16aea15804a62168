package github

import (
	"context"
	"fmt"
	"time"

	"github.com/google/go-github/v66/github"
)

// Review is a person's review of a pull request.
type Review struct {
	ID        int64
	Author    string // login
	AuthorID  int64
	Bot       bool
	State     string // APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED
	Body      string
	CommitSHA string
	At        time.Time
}

// ReviewComment is a comment on a line of a pull request.
type ReviewComment struct {
	ID       int64
	Review   int64  // that it is a part of
	Author   string // login
	AuthorID int64
	Bot      bool
	Path     string
	Line     int // 0: of the whole file, or outdated
	Hunk     string
	Body     string
	ReplyTo  int64
	At       time.Time
	Updated  time.Time
}

// Review asks for a review of a pull request.
func (a *App) Review(ctx context.Context, at At, pull int, id int64) (Review, error) {
	what := fmt.Sprintf("get review %d of %s#%d", id, at.Repo, pull)
	var r *github.PullRequestReview
	err := a.read(ctx, at, what, func(c *github.Client) (resp *github.Response, err error) {
		r, resp, err = c.PullRequests.GetReview(ctx, at.Repo.Owner, at.Repo.Name, pull, id)
		return resp, err
	})
	if err != nil {
		return Review{}, err
	}
	return aReview(r), nil
}

// Reviews lists the reviews of a pull request, oldest first. ErrTooMany if there are
// more than 2,000.
func (a *App) Reviews(ctx context.Context, at At, pull int) ([]Review, error) {
	what := fmt.Sprintf("list reviews of %s#%d", at.Repo, pull)
	options := &github.ListOptions{PerPage: perPage}
	var reviews []Review
	for range maxPages {
		var page []*github.PullRequestReview
		var next int
		err := a.read(ctx, at, what, func(c *github.Client) (resp *github.Response, err error) {
			page, resp, err = c.PullRequests.ListReviews(ctx, at.Repo.Owner, at.Repo.Name, pull, options)
			if resp != nil {
				next = resp.NextPage
			}
			return resp, err
		})
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			reviews = append(reviews, aReview(r))
		}
		if next == 0 {
			return reviews, nil
		}
		options.Page = next
	}
	return nil, fmt.Errorf("%s: %w", what, ErrTooMany)
}

func aReview(r *github.PullRequestReview) Review {
	return Review{
		ID:        r.GetID(),
		Author:    r.GetUser().GetLogin(),
		AuthorID:  r.GetUser().GetID(),
		Bot:       isBot(r.GetUser()),
		State:     r.GetState(),
		Body:      r.GetBody(),
		CommitSHA: r.GetCommitID(),
		At:        r.GetSubmittedAt().Time,
	}
}

// PullComments lists the comments on the lines of a pull request, of all reviews,
// oldest first. ErrTooMany if there are more than 2,000. Whether a thread was
// resolved is not among what GitHub's REST API tells.
func (a *App) PullComments(ctx context.Context, at At, pull int) ([]ReviewComment, error) {
	what := fmt.Sprintf("list review comments of %s#%d", at.Repo, pull)
	options := &github.PullRequestListCommentsOptions{Sort: "created", Direction: "asc", ListOptions: github.ListOptions{PerPage: perPage}}
	var comments []ReviewComment
	for range maxPages {
		var page []*github.PullRequestComment
		var next int
		err := a.read(ctx, at, what, func(c *github.Client) (resp *github.Response, err error) {
			page, resp, err = c.PullRequests.ListComments(ctx, at.Repo.Owner, at.Repo.Name, pull, options)
			if resp != nil {
				next = resp.NextPage
			}
			return resp, err
		})
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			comments = append(comments, ReviewComment{
				ID:       c.GetID(),
				Review:   c.GetPullRequestReviewID(),
				Author:   c.GetUser().GetLogin(),
				AuthorID: c.GetUser().GetID(),
				Bot:      isBot(c.GetUser()),
				Path:     c.GetPath(),
				Line:     c.GetLine(),
				Hunk:     c.GetDiffHunk(),
				Body:     c.GetBody(),
				ReplyTo:  c.GetInReplyTo(),
				At:       c.GetCreatedAt().Time,
				Updated:  c.GetUpdatedAt().Time,
			})
		}
		if next == 0 {
			return comments, nil
		}
		options.Page = next
	}
	return nil, fmt.Errorf("%s: %w", what, ErrTooMany)
}

// isBot reports whether an account is not a person's. Of one that GitHub does not
// describe nobody knows, and bots never command us.
func isBot(u *github.User) bool { return u.GetType() != "User" }
