package fix

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
)

// What of a review is taken to the agent at most.
const (
	maxReviewed = 100  // comments
	maxAuthors  = 20   // whose permission is asked
	maxBody     = 4000 // runes of each text
	maxHunk     = 2000 // runes
	maxChecks   = 10
	maxReview   = 100 << 10 // bytes of all comments
)

// reviewed starts the next round if people with write permission asked for changes.
func (s *sitting) reviewed(ctx context.Context) (bool, error) {
	r := s.run
	notes, err := reviewsOf(ctx, s.space, r.Pull.Number)
	if err != nil || len(notes) == 0 {
		return false, err
	}
	var asked []github.Review
	may := s.writers()
	for _, e := range notes {
		id, err := strconv.ParseInt(e.Key[strings.LastIndexByte(e.Key, '/')+1:], 10, 64)
		if err != nil {
			continue
		}
		review, err := s.Host.Review(ctx, s.at(), r.Pull.Number, id)
		if isGone(err) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("ask for review %d: %w", id, err)
		}
		if review.Bot || review.State != "CHANGES_REQUESTED" {
			continue
		}
		ok, err := may(ctx, review.Author)
		if err != nil {
			return false, err
		}
		if ok {
			asked = append(asked, review)
		}
	}
	if len(asked) == 0 {
		return s.forget(ctx, notes...)
	}
	last := asked[len(asked)-1]
	if roundsLeft(r, s.policy.Fix) == 0 {
		if err := s.comment(ctx, fmt.Sprintf("run.capped/%s/%d", r.ID, last.ID), "a review", noRounds(s.policy.Fix)); err != nil {
			return false, err
		}
		return s.forget(ctx, notes...)
	}
	review := &brief.Review{By: last.Author}
	for _, a := range asked {
		body := clip(strings.TrimSpace(a.Body), maxBody)
		switch {
		case body == "":
		case len(asked) == 1:
			review.Body = body
		default: // several people said something
			review.Body += fmt.Sprintf("%s: %s\n\n", a.Author, body)
		}
	}
	if review.Comments, err = s.lineComments(ctx, s.at(), r, may); err != nil {
		return false, err
	}
	_, err = s.nextRound(ctx, run.Round{By: last.Author, Review: last.ID}, run.Words{By: last.Author, Review: review}, notes...)
	return true, err
}

// writers says who has write permission, and remembers it for a while.
func (s *sitting) writers() func(ctx context.Context, login string) (bool, error) {
	return writers(s.Host, s.at())
}

func writers(host Grounds, at github.At) func(ctx context.Context, login string) (bool, error) {
	known := make(map[string]bool)
	return func(ctx context.Context, login string) (bool, error) {
		if may, ok := known[login]; ok || len(known) >= maxAuthors {
			return may, nil
		}
		may, err := host.Permission(ctx, at, login)
		if err != nil {
			return false, fmt.Errorf("ask what %s may do: %w", login, err)
		}
		known[login] = may >= github.Write
		return known[login], nil
	}
}

// lineComments returns what people with write permission wrote on the lines of a
// proposal since it came to be what it is; others' words are not taken to the agent.
// GitHub does not tell which threads are resolved.
func (r *Runs) lineComments(ctx context.Context, at github.At, of *run.Run, may func(context.Context, string) (bool, error)) ([]brief.ReviewComment, error) {
	all, err := r.Host.PullComments(ctx, at, of.Pull.Number)
	if err != nil {
		return nil, fmt.Errorf("list review comments of pull request %d: %w", of.Pull.Number, err)
	}
	var since time.Time
	for _, round := range of.Rounds {
		if round.Commit != "" {
			since = round.Asked
		}
	}
	var list []brief.ReviewComment
	room := maxReview
	for _, c := range all {
		if c.Bot || c.At.Before(since) {
			continue
		}
		if ok, err := may(ctx, c.Author); err != nil || !ok {
			if err != nil {
				return nil, err
			}
			continue
		}
		comment := brief.ReviewComment{Path: clip(c.Path, 500), Line: c.Line, Hunk: clip(c.Hunk, maxHunk), Body: clip(c.Body, maxBody), By: c.Author}
		if room -= len(comment.Body) + len(comment.Hunk); room < 0 || len(list) == maxReviewed {
			break
		}
		list = append(list, comment)
	}
	return list, nil
}
