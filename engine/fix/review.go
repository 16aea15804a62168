package fix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// What of a review is taken to the agent at most.
const (
	maxReviewed = 100  // comments
	maxAuthors  = 20   // whose permission is asked in one look
	maxBody     = 4000 // runes of each text
	maxHunk     = 2000 // runes
	maxChecks   = 10
	maxReview   = 100 << 10 // bytes of all comments
)

// changesRequested is the state of a review that asks for changes.
const changesRequested = "CHANGES_REQUESTED"

// reviewed starts the next round if people with write permission asked for changes.
func (s *sitting) reviewed(ctx context.Context) (bool, error) {
	r := s.run
	notes, err := reviewsOf(ctx, s.space, r.Pull.Number)
	if err != nil || len(notes) == 0 {
		return false, err
	}
	if whole, err := s.freeze(ctx, s.space, s.at(), r, notes); err != nil || !whole {
		return !whole, err
	}
	slices.SortFunc(notes, func(a, b note) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.id, b.id)) })
	count, idle, left, err := s.counting(ctx, notes)
	if err != nil {
		return false, err
	}
	if seen := (run.Reviewed{ID: notes[len(notes)-1].id, At: notes[len(notes)-1].At}); r.Reviewed.Before(seen) {
		r.Reviewed = &seen
	}
	heed := idle
	heeded := func(b *storage.Batch) {
		for _, n := range heed {
			b.RequireEntry(n.entry)
			b.Delete(n.entry.Key)
		}
	}
	if len(count) == 0 || left && len(idle) > 0 { // those that count wait for the rest
		_, err := s.save(ctx, heeded)
		return true, err
	}
	heed = append(heed, count...)
	last := count[len(count)-1]
	why, err := s.mayRound(ctx, s.space, s.project, s.policy, r)
	if err != nil {
		return false, err
	}
	if why != "" {
		if err := s.comment(ctx, fmt.Sprintf("run.capped/%s/%d", r.ID, last.id), "a review", why); err != nil {
			return false, err
		}
		_, err := s.save(ctx, heeded)
		return true, err
	}
	_, err = s.nextRound(ctx, run.Round{By: last.By, ByID: last.ByID, Review: last.id}, run.Words{By: last.By, Review: together(r, count)}, heeded)
	return true, err
}

// counting picks the reviews that still ask for changes and come from people with
// write permission, the oldest first, and those that do not. The newest are asked for
// first; left says that there are others for another look.
func (s *sitting) counting(ctx context.Context, notes []note) (count, idle []note, left bool, err error) {
	may := newWriters(s.Host, s.at(), maxAuthors)
	for _, n := range slices.Backward(notes) {
		if !may.open(n.ByID) {
			left = true
			continue
		}
		review, err := s.Host.Review(ctx, s.at(), s.run.Pull.Number, n.id)
		if err != nil && !isGone(err) {
			return nil, nil, false, fmt.Errorf("ask for review %d: %w", n.id, err)
		}
		if err != nil || review.Bot || review.State != changesRequested {
			idle = append(idle, n)
			continue
		}
		ok, asked, err := may.writes(ctx, github.Person{ID: review.AuthorID, Login: review.Author})
		switch {
		case err != nil:
			return nil, nil, false, err
		case !asked:
			left = true
		case ok:
			n.By, n.ByID = review.Author, review.AuthorID
			count = append(count, n)
		default:
			idle = append(idle, n)
		}
	}
	slices.Reverse(count)
	return count, idle, left, nil
}

// together is what several reviews say, the oldest first.
func together(r *run.Run, notes []note) *brief.Review {
	review := &brief.Review{By: notes[len(notes)-1].By}
	comments, since := make(map[int64]said), proposedFor(r)
	for _, n := range notes {
		for _, c := range n.Comments {
			if !c.At.Before(since) {
				comments[c.ID] = c // as the last review found it
			}
		}
		body := strings.TrimSpace(n.Body)
		switch {
		case body == "":
		case len(notes) == 1:
			review.Body = body
		default: // several people said something
			review.Body += fmt.Sprintf("%s: %s\n\n", n.By, body)
		}
	}
	var list []said
	for _, c := range comments {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b said) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	review.Comments = words(room(list))
	return review
}

// unheard looks for what deliveries should have told of and did not: reviews that ask
// for changes, and checks of the head that failed.
func (s *sitting) unheard(ctx context.Context) error {
	r := s.run
	noted, err := reviewsOf(ctx, s.space, r.Pull.Number)
	if err != nil {
		return err
	}
	known := make(map[int64]bool)
	for _, n := range noted {
		known[n.id] = true
	}
	reviews, err := s.Host.Reviews(ctx, s.at(), r.Pull.Number)
	if err != nil && !isGone(err) && !errors.Is(err, github.ErrTooMany) {
		return fmt.Errorf("list reviews of pull request %d: %w", r.Pull.Number, err)
	}
	var lost []Review
	for _, review := range reviews {
		if !review.Bot && review.State == changesRequested && !known[review.ID] && r.Reviewed.Before(run.Reviewed{ID: review.ID, At: review.At}) {
			lost = append(lost, Review{Pull: r.Pull.Number, ID: review.ID, By: review.Author, ByID: review.AuthorID, At: review.At, Body: review.Body})
		}
	}
	failed, err := s.failed(ctx, r.Head)
	if err != nil {
		return err
	}
	r.Looked = s.now
	_, err = s.save(ctx, func(b *storage.Batch) {
		for _, review := range lost[:min(len(lost), maxLost)] {
			noteUnheard(b, review, s.now)
		}
		if len(failed) > 0 {
			NoteChecks(b, r.ID, r.Head)
		}
	})
	return err
}

// maxLost is how many lost reviews are taken up at once; the rest is an hour later.
const maxLost = 20
