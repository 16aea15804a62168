package fix

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	reviewPrefix = "run-review/"
	checksPrefix = "run-checks/"
	newsPrefix   = "run-news/"

	// takenPrefix is where the hook remembers which reviews deliveries brought.
	takenPrefix = "delivery/review-"
)

// Review is what a delivery says of a review that asks for changes.
type Review struct {
	Pull int       // number of the pull request
	ID   int64     // of the review
	By   string    // login
	ByID int64     // GitHub's id of the same
	At   time.Time // when it was submitted
	Body string    // as it was then, of which at most 4,000 runes are kept
}

// asked is a review that may ask for a round, as it was when it was submitted: what
// is said or changed after that is no part of it.
type asked struct {
	By       string         `json:"by"`
	ByID     int64          `json:"by_id"`
	At       time.Time      `json:"at"`
	Body     string         `json:"body,omitempty"`
	Frozen   bool           `json:"frozen,omitempty"` // the comments on lines are there
	Comments []said         `json:"comments,omitempty"`
	May      map[int64]bool `json:"writers,omitempty"` // until it is frozen: who of those that wrote on lines may write, by id
}

// said is a comment on a line, frozen.
type said struct {
	ID int64     `json:"id"`
	At time.Time `json:"at"`
	brief.ReviewComment
}

// NoteReview adds to the batch that a review was submitted. Whether it counts is
// asked from GitHub; what it says is what stands here.
func NoteReview(b *storage.Batch, r Review) {
	b.SetJSON(fmt.Sprintf("%s%d/%d", reviewPrefix, r.Pull, r.ID), asked{By: r.By, ByID: r.ByID, At: r.At.UTC(), Body: clip(r.Body, maxBody)})
	work.Add(b, fmt.Sprintf("%s/%d", PullWork, r.Pull))
}

// noteUnheard is NoteReview of a review that no delivery told of so far. One that does
// in the end, because GitHub makes it again, finds the review taken.
func noteUnheard(b *storage.Batch, r Review, now time.Time) {
	NoteReview(b, r)
	b.SetJSON(fmt.Sprintf("%s%d", takenPrefix, r.ID), struct {
		At time.Time `json:"at"`
	}{now.UTC()})
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

// note is a noted review with the entry that it was read from.
type note struct {
	id int64
	asked
	entry storage.Entry
}

// reviewsOf returns the notes of reviews of a pull request: at most 50 at a time.
func reviewsOf(ctx context.Context, space storage.Space, pull int) ([]note, error) {
	entries, err := space.Scan(ctx, fmt.Sprintf("%s%d/", reviewPrefix, pull), "", 50)
	if err != nil {
		return nil, fmt.Errorf("list reviews of pull request %d: %w", pull, err)
	}
	notes := make([]note, len(entries))
	for i, e := range entries {
		notes[i].entry = e
		if err := storage.GetJSON(e, &notes[i].asked); err != nil {
			return nil, err
		}
		if notes[i].id, err = strconv.ParseInt(e.Key[strings.LastIndexByte(e.Key, '/')+1:], 10, 64); err != nil {
			return nil, fmt.Errorf("read %s: %w", e.Key, err)
		}
	}
	return notes, nil
}
