package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// maxTask is the longest name of a task; an ARN has some 150 bytes.
const maxTask = 512

// Claim gives a container its brief. The claim of the present attempt is good for
// one task; that one may bring it again for ten minutes, until it sends its first
// heartbeat. The brief holds exactly the evidence that was shown before the run.
func (s *Sessions) Claim(ctx context.Context, c brief.Claim) (*brief.Brief, error) {
	if c.Task == "" || len(c.Task) > maxTask || strings.ContainsFunc(c.Task, unicode.IsControl) {
		return nil, invalid("task: want the name of the task, at most %d bytes", maxTask)
	}
	space, r, was, err := s.find(ctx, c.Run)
	if errors.Is(err, ErrNoRun) {
		// The work of a run that is there, so that the time does not tell.
		secret.Equal(Claim(s.c.Mac, project.AppSpace, "none", 1), c.Claim)
	}
	if err != nil {
		return nil, err
	}
	if err := s.mayClaim(space, r, c); err != nil {
		return nil, err
	}
	if err := s.isTask(ctx, r, c.Task); err != nil {
		return nil, err
	}
	p, _, err := project.Load(ctx, space)
	if err != nil {
		return nil, err
	}
	b, err := s.brief(ctx, space, p, r)
	if err != nil {
		return nil, err
	}
	token, err := s.c.Tokens.ReadToken(ctx, github.At{Installation: p.Installation, Repo: p.Repo})
	if err != nil {
		return nil, fmt.Errorf("%w: make read token: %w", ErrNotYet, err)
	}
	b.Repository.Token = token.Value
	if r, err = s.redeem(ctx, space, r, was, c, s.c.Projects.Policy(p).Fix.Minutes); err != nil {
		return nil, err
	}
	b.Attempt = r.Attempt.N
	b.Token = Token(s.c.Mac, space.Name(), r.ID, r.Attempt.N)
	b.Seconds = max(1, int(r.Attempt.Deadline.Sub(s.c.Now())/time.Second))
	return b, nil
}

// mayClaim checks a claim against the run as it is.
func (s *Sessions) mayClaim(space storage.Space, r *run.Run, c brief.Claim) error {
	a := r.Attempt
	if a == nil {
		return ErrToken
	}
	if !secret.Equal(Claim(s.c.Mac, space.Name(), r.ID, a.N), c.Claim) {
		for n := a.N - 1; n > 0; n-- {
			if secret.Equal(Claim(s.c.Mac, space.Name(), r.ID, n), c.Claim) {
				return fmt.Errorf("%w: another attempt took its place", ErrOver)
			}
		}
		return ErrToken
	}
	x := &Session{s: s, space: space, id: r.ID, attempt: a.N}
	if stop := x.stop(r); stop != "" {
		return fmt.Errorf("%w: %s", ErrOver, stop)
	}
	if a.Seen != nil && (a.Seen.Phase == task.Ending || a.Seen.Phase == task.Stopped) {
		return fmt.Errorf("%w: its task has stopped", ErrOver)
	}
	switch {
	case s.c.Tasks != nil && a.Task != "" && a.Task != c.Task:
		return fmt.Errorf("%w: it is for another task", ErrClaimed)
	case a.ClaimedBy == "":
		return nil
	case a.ClaimedBy != c.Task:
		return fmt.Errorf("%w: by another task", ErrClaimed)
	case a.Spoken:
		return fmt.Errorf("%w: its task is at work", ErrClaimed)
	case s.c.Now().Sub(a.Claimed) > claimAgain:
		return fmt.Errorf("%w: too long ago", ErrClaimed)
	}
	return nil
}

// isTask asks whether a task was started for the run and lives. What was started a
// moment ago may not be known yet.
func (s *Sessions) isTask(ctx context.Context, r *run.Run, id string) error {
	if s.c.Tasks == nil {
		return nil
	}
	tasks, err := s.c.Tasks.Describe(ctx, id)
	if err != nil {
		return fmt.Errorf("%w: describe task: %w", ErrNotYet, err)
	}
	if len(tasks) != 1 || tasks[0].Phase == task.Missing {
		return fmt.Errorf("%w: the task is not known yet", ErrNotYet)
	}
	switch t := tasks[0]; {
	case t.Run != r.ID:
		return fmt.Errorf("%w: the task was not started for this run", ErrToken)
	case t.Phase != task.Pending && t.Phase != task.Running:
		return fmt.Errorf("%w: the task is %s", ErrOver, t.Phase)
	}
	return nil
}

// brief is what the agent gets, but for the tokens and its time.
func (s *Sessions) brief(ctx context.Context, space storage.Space, p project.Project, r *run.Run) (*brief.Brief, error) {
	evidence, err := run.Evidence(ctx, space, r.ID)
	if err != nil {
		return nil, err
	}
	hash, err := run.HashEvidence(evidence)
	if err != nil {
		return nil, err
	}
	if hash != r.EvidenceHash {
		return nil, fmt.Errorf("brief of run %s: the evidence is not what was shown before the run", r.ID)
	}
	round := r.Round()
	words, err := run.WordsOf(ctx, space, r.ID, round.N)
	if err != nil {
		return nil, err
	}
	if round.Base == "" {
		return nil, fmt.Errorf("brief of run %s: round %d has no commit to work on", r.ID, round.N)
	}
	clone := s.c.CloneURL(p.Repo)
	return &brief.Brief{
		Run:   r.ID,
		Round: round.N,
		Repository: brief.Repository{
			Name: p.Repo.String(), CloneURL: clone, RevokeURL: s.c.RevokeURL,
			Commit: round.Base,
			// The first round began at the head of the default branch.
			DefaultCommit: cmp.Or(round.Default, r.Rounds[0].Base),
		},
		Model:     s.c.Model,
		Heartbeat: max(1, int(s.c.Beat/time.Second)),
		Issue:     brief.Issue{Number: r.Issue, URL: strings.TrimSuffix(clone, ".git") + "/issues/" + strconv.Itoa(r.Issue)},
		By:        words.By, Words: words.Words, Review: words.Review,
		Evidence: evidence,
		Test:     s.c.Projects.Policy(p).Fix.Test,
		Limits:   s.c.Limits,
	}, nil
}

// redeem writes down who has the brief, and until when the agent has time. It
// returns the run as it is then.
func (s *Sessions) redeem(ctx context.Context, space storage.Space, r *run.Run, was storage.Entry, c brief.Claim, minutes int) (*run.Run, error) {
	first := r.Attempt.N
	for range tries {
		if r.Attempt.ClaimedBy != "" {
			return r, nil // mayClaim has seen that it is the same task
		}
		now := s.c.Now().UTC()
		r.Attempt.Claimed, r.Attempt.ClaimedBy = now, c.Task
		r.Attempt.Deadline = now.Add(time.Duration(minutes) * time.Minute)
		var b storage.Batch
		run.Save(&b, was, r)
		work.Add(&b, run.Work(r.ID))
		err := space.Apply(ctx, &b)
		if err == nil {
			s.c.Wake(space.Name())
			return r, nil
		}
		if !errors.Is(err, storage.ErrConflict) {
			return nil, fmt.Errorf("redeem claim of run %s: %w", r.ID, gone(err))
		}
		if r, was, err = run.Load(ctx, space, c.Run); err != nil {
			return nil, gone(err)
		}
		if err := s.mayClaim(space, r, c); err != nil {
			return nil, err
		}
		if r.Attempt.N != first {
			return nil, fmt.Errorf("%w: another attempt took its place", ErrOver)
		}
	}
	return nil, fmt.Errorf("%w: the run changes all the time", ErrNotYet)
}
