package fix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// everyPull is how often the pull request is asked for, whatever deliveries say.
const everyPull = time.Hour

// maxBranch is how much of a foreign branch's name is kept, in runes.
const maxBranch = 200

// propose sees to a run whose proposal waits for people.
func (s *sitting) propose(ctx context.Context) (time.Time, error) {
	r := s.run
	again := earlier(s.now.Add(everyPull), r.Looked.Add(everyPull))
	if !again.After(s.now) {
		again = s.now.Add(everyPull)
	}
	if !r.Released {
		wait, err := s.release(ctx)
		if err != nil || !wait.After(s.now) {
			return wait, err
		}
		again = wait
	}
	if r.Pull == nil { // a preview: nobody can merge it
		if r.Wish != nil {
			r.Reason = r.Wish.Reason
			return s.end(ctx, run.Cancelled)
		}
		if r.Released {
			return time.Time{}, nil
		}
		return again, nil
	}
	// What is noted from here on is seen the next time.
	notes, err := s.space.Get(ctx, newsPrefix+r.ID, checksPrefix+r.ID)
	if err != nil {
		return time.Time{}, err
	}
	pull, err := s.pullNow(ctx)
	if err != nil || pull == nil {
		return s.now, err
	}
	if r.Wish != nil {
		return s.closePull(ctx)
	}
	if err := s.roundEnded(ctx); err != nil {
		return time.Time{}, err
	}
	if s.now.Sub(r.Looked) >= everyPull {
		return s.now, s.unheard(ctx)
	}
	for _, next := range []func() (bool, error){
		func() (bool, error) { return s.forget(ctx, notes[0]) },
		func() (bool, error) { return s.let(ctx) },
		func() (bool, error) { return s.reviewed(ctx) },
		func() (bool, error) { return s.checked(ctx, notes[1]) },
	} {
		if moved, err := next(); err != nil || moved {
			return s.now, err
		}
	}
	return again, nil
}

// pullNow asks for the pull request. None and no error say that it is not open any
// more, and that the run has ended by that.
func (s *sitting) pullNow(ctx context.Context) (*github.Pull, error) {
	r := s.run
	pull, err := s.Host.GetPull(ctx, s.at(), r.Pull.Number)
	switch {
	case isGone(err):
		r.Reason, r.Detail = run.ReasonGone, clip(err.Error(), maxDetail)
		_, err = s.end(ctx, run.Cancelled)
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("ask for pull request %d: %w", r.Pull.Number, err)
	case pull.Merged:
		return nil, s.merged(ctx, pull)
	case pull.State == "closed":
		r.Reason = run.ReasonPullClosed
		if r.Wish != nil { // it was us, and what we wrote of it was lost
			r.Reason = r.Wish.Reason
		}
		_, err = s.end(ctx, run.Cancelled)
		return nil, err
	}
	return &pull, nil
}

// merged ends the run well, and tells the issue's side if the fix is on its way to
// users: what was merged into another branch than the default one may never be.
func (s *sitting) merged(ctx context.Context, pull github.Pull) error {
	r := s.run
	branch, err := s.defaultBranch(ctx)
	if err != nil {
		return err
	}
	r.Reason, r.Detail, r.Wish = run.ReasonNone, "", nil
	r.Pull.Merge, r.Pull.Merged, r.Pull.MergedBy = pull.MergeSHA, pull.MergedAt, pull.MergedBy
	if pull.Base != branch {
		r.Pull.Into = clip(pull.Base, maxBranch)
	}
	_, err = s.end(ctx, run.Merged, func(b *storage.Batch) {
		if pull.Base != branch {
			return
		}
		s.Problems.NoteMerge(b, r.Cluster, run.Merge{
			Run: r.ID, Pull: pull.Number, URL: pull.URL, Commit: pull.MergeSHA, At: pull.MergedAt, By: pull.MergedBy,
		})
	})
	return err
}

// mergedAfterAll looks whether a pull request that was closed was opened again and
// merged.
func (s *sitting) mergedAfterAll(ctx context.Context) (bool, error) {
	pull, err := s.Host.GetPull(ctx, s.at(), s.run.Pull.Number)
	if isGone(err) {
		return false, nil
	}
	if err != nil && s.now.Sub(s.run.Ended) >= keepIndex {
		return false, nil // it was asked often enough
	}
	if err != nil || !pull.Merged {
		return false, err
	}
	return true, s.merged(ctx, pull)
}

// forget deletes notes that were heeded, unless they were made anew.
func (s *sitting) forget(ctx context.Context, notes ...storage.Entry) (bool, error) {
	var b storage.Batch
	for _, e := range notes {
		if e.Exists() {
			b.RequireEntry(e)
			b.Delete(e.Key)
		}
	}
	if len(b.Ops) == 0 {
		return false, nil
	}
	return false, s.space.Apply(ctx, &b)
}

// closePull takes the proposal back, as somebody asked.
func (s *sitting) closePull(ctx context.Context) (time.Time, error) {
	r := s.run
	request, err := json.Marshal(map[string]int{"number": r.Pull.Number})
	if err != nil {
		return time.Time{}, fmt.Errorf("close pull request %d: %w", r.Pull.Number, err)
	}
	_, err = s.Log.Converge(ctx, s.space, action.Action{
		Key: "pull.close/" + r.ID, Kind: "pull.close", Subject: r.ID, By: action.By("@"+r.Wish.By, r.Wish.Through), Why: "/soulcaster cancel", Request: request,
	}, s.live(), action.Effect{Do: func(ctx context.Context) (any, error) {
		_, err := s.Host.ClosePull(ctx, s.at(), r.Pull.Number)
		return nil, err
	}})
	if err != nil && !isGone(err) && !errors.Is(err, github.ErrForbidden) {
		return time.Time{}, err
	}
	r.Reason = r.Wish.Reason
	return s.end(ctx, run.Cancelled)
}

// roundEnded tells the pull request, once, that the last round came to nothing.
func (s *sitting) roundEnded(ctx context.Context) error {
	round := s.run.Round()
	if round.N == 1 || round.Commit != "" {
		return nil
	}
	v, err := s.view(ctx)
	if err != nil {
		return err
	}
	return s.comment(ctx, fmt.Sprintf("run.round/%s/%d", s.run.ID, round.N), "round came to nothing", tell.RoundEnded(v))
}

// comment says something on the pull request, once under its key. Where nobody can
// comment, it is left unsaid.
func (s *sitting) comment(ctx context.Context, key, why, text string) error {
	err := issue.Comment(ctx, s.Log, s.Host, s.space, s.at(), s.run.Pull.Number, s.live(), action.Action{
		Key: key, Kind: "run.comment", Subject: s.run.ID, By: s.by(), Why: why,
	}, text, s.Marker(s.space.Name(), key))
	if errors.Is(err, github.ErrForbidden) {
		return nil
	}
	return err
}
