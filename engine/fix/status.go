package fix

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/storage"
)

const (
	// statusPause is the least time between two edits of a status comment while a run
	// hurries from state to state; progressPause while it stays in one.
	statusPause   = 15 * time.Second
	progressPause = time.Minute
)

// statusKey is the key of the action that writes a run's status comment.
func statusKey(id string) string { return "run.status/" + id }

// view is the run as people are told of it.
func (s *sitting) view(ctx context.Context) (v tell.View, err error) {
	r := s.run
	v = tell.View{Run: r, Said: r.Round().Said, Rounds: s.policy.Fix.Rounds, Minutes: s.policy.Fix.Minutes, Now: s.now}
	if s.PublicURL != "" {
		v.Page = fmt.Sprintf("%s/runs/%d/%s/%s", s.PublicURL, s.project.Installation, s.project.ID, r.ID)
	}
	if v.Live, err = run.LiveOf(ctx, s.space, r.ID); err != nil {
		return v, err
	}
	if v.Usage, err = s.usage(ctx, s.space, r.ID); err != nil {
		return v, err
	}
	if v.Evidence, err = run.Evidence(ctx, s.space, r.ID); err != nil {
		return v, err
	}
	v.Words, err = run.WordsOf(ctx, s.space, r.ID, r.Round().N)
	return v, err
}

// news is what a status comment says that people wait for, hashed: first what they
// are told soon, then, after the colon, how it goes on.
func news(v tell.View) string {
	r := v.Run
	hash := func(what ...any) string {
		sum := sha256.Sum256(fmt.Append(nil, what...))
		return hex.EncodeToString(sum[:8])
	}
	pull, wish, let := 0, false, ""
	if r.Pull != nil {
		pull = r.Pull.Number
	}
	if r.Wish != nil {
		wish = true
	}
	if r.Let != nil {
		let = fmt.Sprint(r.Let.Done)
	}
	return hash(r.State, "|", r.Reason, "|", r.Round().N, "|", pull, wish, let) + ":" +
		hash(r.Place, "|", r.Waits, "|", r.Attempts, "|", v.Live.Attempt, v.Live.Phase, v.Live.Steps, "|", v.Usage.Micros/10_000, "|", v.Usage.Output/1000)
}

// tell brings the status comment in line with the run, unless that was done a
// moment ago; the time says when to come back for it. What GitHub refuses holds up
// nothing.
func (s *sitting) tell(ctx context.Context) (time.Time, error) {
	r := s.run
	if r.Told == "" && r.Live && !r.Ended.IsZero() && s.now.Sub(r.Ended) <= keepIndex {
		return s.late(ctx)
	}
	if r.Told == "" || r.Live && r.Status == 0 || !r.Ended.IsZero() && s.now.Sub(r.Ended) > keepIndex {
		return time.Time{}, nil // there is no comment, or nobody looks any more
	}
	v, err := s.view(ctx)
	if err != nil {
		return time.Time{}, err
	}
	is := news(v)
	if is == r.Told {
		return time.Time{}, nil
	}
	due := r.ToldAt.Add(progressPause)
	if soon, _, _ := strings.Cut(is, ":"); !strings.HasPrefix(r.Told, soon+":") {
		due = r.ToldAt.Add(statusPause)
		if !r.State.Busy() {
			due = s.now
		}
	}
	if s.now.Before(due) {
		return due, nil
	}
	if err := s.edit(ctx, tell.Status(v)); err != nil {
		switch {
		case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrNoSpace):
			return time.Time{}, err
		case isGone(err):
			r.Status = 0 // somebody deleted it, and is not told again
		default:
			if again, err := s.calm(ctx, err); err == nil {
				return again, nil
			}
			zerolog.Ctx(ctx).Warn().Err(err).Str("run", r.ID).Msg("a status comment could not be edited")
		}
	}
	r.Told, r.ToldAt = is, s.now
	_, err = s.save(ctx)
	return time.Time{}, err
}

// unshown says of a run that nothing can, or may, be shown of it.
const unshown = "-"

// late writes the status comment of a run that ended before it had one.
func (s *sitting) late(ctx context.Context) (time.Time, error) {
	r := s.run
	v, err := s.view(ctx)
	if err != nil {
		return time.Time{}, err
	}
	hash, err := run.HashEvidence(v.Evidence)
	if err != nil {
		return time.Time{}, err
	}
	r.Told = unshown
	if s.live() && r.Issue != 0 && hash == r.EvidenceHash && r.Reason != run.ReasonHidden {
		_, begun, err := s.Log.Get(ctx, s.space, statusKey(r.ID))
		if err != nil {
			return time.Time{}, err
		}
		posted, err := s.post(ctx, v)
		switch {
		case err == nil && begun:
			r.Status = posted.ID // it may say what was true then: it is edited
		case err == nil:
			r.Status, r.Told = posted.ID, news(v)
		case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrNoSpace):
			return time.Time{}, err
		default:
			if again, err := s.calm(ctx, err); err == nil {
				return again, nil
			}
			zerolog.Ctx(ctx).Warn().Err(err).Str("run", r.ID).Msg("a status comment could not be written")
		}
	}
	r.ToldAt = s.now
	return s.save(ctx)
}

// edit replaces the text of the status comment.
func (s *sitting) edit(ctx context.Context, text string) error {
	r := s.run
	body := issue.Marked(text, s.Marker(s.space.Name(), statusKey(r.ID)))
	request, err := json.Marshal(map[string]any{"comment": r.Status, "body": body})
	if err != nil {
		return fmt.Errorf("edit status of run %s: %w", r.ID, err)
	}
	_, err = s.Log.Converge(ctx, s.space, action.Action{
		Key: "run.status-edit/" + r.ID, Kind: "run.status", Subject: r.ID, By: s.by(), Why: string(r.State), Request: request,
	}, s.live(), action.Effect{Do: func(ctx context.Context) (any, error) {
		_, err := s.Host.EditComment(ctx, s.at(), r.Status, body)
		return nil, err
	}})
	return err
}
