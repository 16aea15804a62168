package fix

import (
	"context"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	reviewPrefix = "run-review/"
	checksPrefix = "run-checks/"
	newsPrefix   = "run-news/"
)

// asked says that a review may ask for a round.
type asked struct {
	By string `json:"by"` // login, as the delivery says
}

// NoteReview adds to the batch that by submitted a review of a pull request. What
// it says, and whether it counts, is asked from GitHub.
func NoteReview(b *storage.Batch, pull int, review int64, by string) {
	b.SetJSON(fmt.Sprintf("%s%d/%d", reviewPrefix, pull, review), asked{By: by})
	work.Add(b, fmt.Sprintf("%s/%d", PullWork, pull))
}

// NotePull adds to the batch that something happened to a run's pull request, or to
// its issue.
func NotePull(b *storage.Batch, id string) {
	b.Set(newsPrefix+id, []byte("{}"))
	work.Add(b, run.Work(id))
}

// NoteChecks adds to the batch that checks of a commit on a run's branch have ended
// with a failure.
func NoteChecks(b *storage.Batch, id, sha string) {
	b.SetJSON(checksPrefix+id, ended{SHA: sha})
	work.Add(b, run.Work(id))
}

// ended names a commit whose checks have ended.
type ended struct {
	SHA string `json:"sha"`
}

// reviewsOf returns the notes of reviews of a pull request: at most 50 at a time.
func reviewsOf(ctx context.Context, space storage.Space, pull int) ([]storage.Entry, error) {
	entries, err := space.Scan(ctx, fmt.Sprintf("%s%d/", reviewPrefix, pull), "", 50)
	if err != nil {
		return nil, fmt.Errorf("list reviews of pull request %d: %w", pull, err)
	}
	return entries, nil
}
