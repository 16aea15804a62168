package fix

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// nextRound begins a round.
func (s *sitting) nextRound(ctx context.Context, round run.Round, words run.Words, also ...func(b *storage.Batch)) (time.Time, error) {
	addRound(s.run, round, s.now)
	return s.save(ctx, append(also, func(b *storage.Batch) { run.SetWords(b, s.run.ID, s.run.Round().N, words) })...)
}

// addRound makes a proposed run wait for a place with another round.
func addRound(r *run.Run, round run.Round, now time.Time) {
	round.N, round.Asked = r.Round().N+1, now.UTC()
	r.Rounds = append(r.Rounds, round)
	r.State, r.Changed, r.Reason, r.Detail, r.Again = run.Queued, now.UTC(), run.ReasonNone, "", time.Time{}
}

// Why there is no run, or no further round, whoever asks.
const (
	inPreview = "This repository is in preview now (`mode: preview`): nothing is pushed to it any more."
	noRuns    = "This repository allows no runs: `budget.runs_per_day` in `.github/soulcaster.yml` is 0."
)

// mayWrite says why nothing can be done for a repository, in words; it is empty if
// something can.
func mayWrite(p project.Project, pol policy.Policy) string {
	switch {
	case p.Unavailable != "":
		return "This repository cannot be written to: " + strings.TrimRight(p.Unavailable, "?.") + "."
	case pol.Mode != policy.Live:
		return inPreview
	}
	return ""
}

// mayRound says why the proposal of a run can have no further round now, in words; it
// is empty if it can. Whoever asks for one, a command, a review or checks, is told the
// same.
func (r *Runs) mayRound(ctx context.Context, space storage.Space, p project.Project, pol policy.Policy, of *run.Run) (string, error) {
	switch why := mayWrite(p, pol); {
	case r.Launcher == nil:
		return noLauncher, nil
	case why != "":
		return why, nil
	case pol.Budget.Runs == 0:
		return noRuns, nil
	}
	issue, err := r.Problems.Issue(ctx, space, of.Cluster)
	if err != nil {
		return "", err
	}
	switch {
	case of.Issue != 0 && issue.Number != of.Issue:
		return parted, nil
	case issue.Number != 0 && !issue.Open:
		return closed, nil
	}
	usage, err := r.usage(ctx, space, of.ID)
	if err != nil {
		return "", err
	}
	return tell.NoMore(tell.View{Run: of, Rounds: pol.Fix.Rounds, Usage: usage}), nil
}

// usage is what a run has used by now. Whose last request was answered has used up its
// requests, although the gateway notes so only when another one is refused: an agent
// that ends with it has not run out of them.
func (r *Runs) usage(ctx context.Context, space storage.Space, id string) (run.Usage, error) {
	u, _, err := run.UsageOf(ctx, space, id)
	if most := r.Caps.Requests; err == nil && u.Spent == "" && most > 0 && u.Requests >= most {
		u.Spent = "requests"
	}
	return u, err
}

// round begins the next round of a proposal: with what the last one was asked with, if
// it came to nothing and that is to be tried again, or else with what people say now.
func (o *order) round(ctx context.Context, again bool) (run.Answer, error) {
	r, was, err := run.Load(ctx, o.space, o.last.ID)
	if err != nil {
		return run.Answer{}, err
	}
	if r.State != run.Proposed || r.Wish != nil {
		return run.Answer{}, fmt.Errorf("begin a round of run %s: %w", r.ID, storage.ErrConflict)
	}
	last := *r.Round()
	switch {
	case o.late(r):
		return reply(overtook), nil
	case again && last.Commit != "":
		return reply(noAgain), nil
	}
	why, err := o.mayRound(ctx, o.space, o.project, o.policy, r)
	if err != nil || why != "" {
		return reply(why), err
	}
	next := run.Round{By: o.By, ByID: o.ByID, Through: o.Through, Comment: o.Comment, Order: o.Order.Order}
	var words run.Words
	if again {
		next.Review = last.Review
		words, err = run.WordsOf(ctx, o.space, r.ID, last.N)
	} else {
		words, err = o.now(ctx, r)
	}
	if err != nil {
		return run.Answer{}, err
	}
	addRound(r, next, o.time)
	o.stamp(r)
	return run.Answer{Change: func(b *storage.Batch) {
		run.Save(b, was, r)
		run.SetWords(b, r.ID, r.Round().N, words)
		work.Add(b, run.Work(r.ID))
	}}, nil
}

// now is what a comment says that asks for a round, with what stood on the lines of
// the proposal when it was written.
func (o *order) now(ctx context.Context, r *run.Run) (run.Words, error) {
	said := run.Words{By: o.By, Words: o.Words}
	at := github.At{Installation: o.project.Installation, Repo: o.project.Repo}
	all, err := o.lineComments(ctx, at, r)
	if err != nil {
		return said, err
	}
	// A command is decided on in one go, so more people are asked for.
	list, whole, err := until(ctx, all, o.At, 0, proposedFor(r), o.ByID, newWriters(o.Host, at, maxReviewed))
	if !whole && err == nil {
		zerolog.Ctx(ctx).Warn().Str("run", r.ID).Msg("too many people wrote on lines: the oldest comments are not taken to the agent")
	}
	if err == nil && len(list) > 0 {
		said.Review = &brief.Review{By: o.By, Comments: words(list)}
	}
	return said, err
}
