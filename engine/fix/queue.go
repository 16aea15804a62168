package fix

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
)

// queue sees to a run that waits for a place: its status comment first, because
// nothing is started before the evidence was shown.
func (s *sitting) queue(ctx context.Context) (time.Time, error) {
	r := s.run
	if s.Launcher == nil {
		return s.roundEnds(ctx, run.Failed, run.ReasonNoLauncher, "")
	}
	if r.Told == "" {
		return s.show(ctx)
	}
	if r.Round().N > 1 && !r.Released {
		return s.release(ctx) // what is left of the round before
	}
	mine := s.ticket()
	usage, _, err := run.UsageOf(ctx, s.space, r.ID)
	if err != nil {
		return time.Time{}, err
	}
	mine.Micros = usage.Micros
	slot, ticket, err := s.admission.ask(ctx, mine)
	switch {
	case err != nil:
		return time.Time{}, err
	case slot != nil:
		r.Place, r.Waits, r.Released, r.Again = 0, "", false, time.Time{}
		return s.become(ctx, run.Launching)
	case ticket.Place != r.Place || ticket.Waits != r.Waits:
		r.Place, r.Waits = ticket.Place, ticket.Waits
		if _, err := s.save(ctx); err != nil {
			return time.Time{}, err
		}
	}
	return s.now.Add(look), nil
}

// ticket is what the present round waits with.
func (s *sitting) ticket() Ticket {
	r := s.run
	return Ticket{Run: r.ID, Round: r.Round().N, Space: s.space.Name(), Installation: s.project.Installation,
		PerDay: s.policy.Budget.Runs, Since: r.Round().Asked}
}

// show writes the status comment.
func (s *sitting) show(ctx context.Context) (time.Time, error) {
	r := s.run
	v, err := s.view(ctx)
	if err != nil {
		return time.Time{}, err
	}
	hash, err := run.HashEvidence(v.Evidence)
	if err != nil {
		return time.Time{}, err
	}
	if hash != r.EvidenceHash {
		return s.roundEnds(ctx, run.Failed, run.ReasonHidden, "the evidence is not the one that was frozen")
	}
	posted, err := s.post(ctx, v)
	switch {
	case isGone(err):
		return s.roundEnds(ctx, run.Cancelled, run.ReasonGone, err.Error())
	case errors.Is(err, github.ErrLocked), errors.Is(err, github.ErrForbidden), isInvalid(err):
		return s.roundEnds(ctx, run.Failed, run.ReasonHidden, err.Error())
	case err != nil:
		return time.Time{}, fmt.Errorf("show status of run %s: %w", r.ID, err)
	}
	r.Status, r.Told, r.ToldAt = posted.ID, news(v), s.now
	return s.save(ctx)
}

// post writes the status comment, once.
func (s *sitting) post(ctx context.Context, v tell.View) (issue.Posted, error) {
	r := s.run
	return issue.Post(ctx, s.Log, s.Host, s.space, s.at(), r.Issue, s.live(), action.Action{
		Key: statusKey(r.ID), Kind: "run.status", Subject: r.ID, By: s.by(), Why: "what the agent will get", RequestID: r.RequestID,
	}, tell.Status(v), s.Marker(s.space.Name(), statusKey(r.ID)))
}

// isGone reports whether GitHub says that something is not there (any more).
func isGone(err error) bool {
	for _, gone := range []error{github.ErrGone, github.ErrNotFound, github.ErrMoved} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}

// isInvalid reports whether GitHub does not accept what a request says.
func isInvalid(err error) bool {
	var invalid *github.ValidationError
	return errors.As(err, &invalid)
}
