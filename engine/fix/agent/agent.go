package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

var (
	errDeadline = errors.New("the time is up")
	errSpent    = errors.New("the model's budget is used up")
)

// session is one round of a run, from the brief on.
type session struct {
	cfg      *Config
	app      *app
	brief    *brief.Brief
	journal  *journal
	redact   *redactor
	progress *progress
	coder    *coder
	git      git
	place    place
	until    time.Time // when Kilo must have ended
	start    time.Time

	instructions string // of the default branch's AGENTS.md, "" if there is none
	prompt       string
}

// Run does one round of a run, from the claim to the result. The end of ctx is
// SIGTERM: Kilo is killed and what there is is handed over in a hurry. The error
// is for [ExitCode] and the operator's log; it holds nothing secret.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.complete(); err != nil {
		return err
	}
	for _, name := range []string{envURL, envRun, envClaim} {
		if err := os.Unsetenv(name); err != nil {
			return fmt.Errorf("clear %s: %w", name, err)
		}
	}
	if err := shut(); err != nil {
		return err
	}
	j := newJournal(cfg.Log, cfg.Claim, time.Now())
	c, err := newCoder(&cfg)
	if err != nil {
		return err
	}
	a := newApp(&cfg)
	b, err := claim(ctx, a, &cfg, taskName(ctx))
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ErrTerminated, err)
		}
		return err
	}
	a.token = b.Token
	secrets := []string{cfg.Claim, b.Token, b.Repository.Token}
	j.know(b.Limits.LogBytes, secrets...)
	j.printf("run %s, round %d, attempt %d: %s at %s with %s", b.Run, b.Round, b.Attempt, b.Repository.Name, b.Repository.Commit, b.Model.Name)
	switch {
	case c.apart:
		j.printf("the coder is user %d, the supervisor is not", c.uid)
	default:
		j.printf("the coder and the supervisor are the same user: this is for development")
	}
	s := &session{cfg: &cfg, app: a, brief: b, journal: j, redact: newRedactor(secrets...), progress: &progress{phase: brief.Cloning},
		coder: c, start: time.Now()}
	return s.run(ctx)
}

// run works and hands over while heartbeats go on beside. Two contexts say for how
// long: all ends everything, without a result; work ends what leads to a result.
func (s *session) run(ctx context.Context) error {
	all, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	work, finish := context.WithCancelCause(all)
	defer finish(nil)
	hurried := context.AfterFunc(ctx, func() {
		finish(ErrTerminated)
		time.AfterFunc(s.cfg.times.hurry, func() { stop(ErrTerminated) })
	})
	defer hurried()
	length := time.Duration(s.brief.Seconds) * time.Second
	s.until = s.start.Add(length - min(time.Minute, length/10)) // the rest is for handing over
	work, cancel := context.WithDeadlineCause(work, s.until, errDeadline)
	defer cancel()

	p := &pulse{app: s.app, attempt: s.brief.Attempt, every: time.Duration(s.brief.Heartbeat) * time.Second,
		progress: s.progress, times: s.cfg.times, journal: s.journal, first: make(chan struct{}),
		finish: func(o brief.Order) { finish(ordered(o)) },
		stop:   func(why string) { stop(fmt.Errorf("%w: %s", ErrStopped, why)) }}
	beside, end := context.WithCancel(all)
	var both sync.WaitGroup
	both.Go(func() { p.run(beside) })
	both.Go(func() { s.journal.shipping(beside, s.app, s.brief.Attempt, s.cfg.times.ship) })
	defer func() { end(); both.Wait() }()

	r := s.round(work, all, p.first)
	if cause := context.Cause(all); cause != nil {
		s.journal.printf("nothing is handed over: %v", cause)
		return cause
	}
	s.journal.printf("%s %s: %d files changed after %d s", r.Ending, r.Failure, len(r.Files), r.Seconds)
	if err := handOver(all, s.app, s.journal, s.cfg.times, r); err != nil {
		s.journal.printf("%v", err)
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ErrTerminated, err)
		}
		return err
	}
	if ctx.Err() != nil {
		return ErrTerminated
	}
	return nil
}

// round makes the result: whatever happens, there is one.
func (s *session) round(work, all context.Context, known <-chan struct{}) *brief.Result {
	r := &brief.Result{Round: s.brief.Round, Attempt: s.brief.Attempt, Ending: brief.Finished, Base: s.brief.Repository.Commit, Files: []brief.File{}}
	defer func() { r.Seconds = int(time.Since(s.start).Seconds()) }()
	fail := func(err error, f brief.Failure) *brief.Result {
		s.journal.printf("%v", err)
		r.Ending, r.Failure = brief.Failed, f
		if cause := context.Cause(work); cause != nil {
			r.Ending, r.Failure = endingOf(cause)
		}
		return r
	}
	var err error
	if s.place, err = newPlace(s.cfg.Dir, s.coder); err != nil {
		return fail(err, brief.FailedCoder)
	}
	defer s.place.remove()
	if err := s.prepare(work); err != nil {
		return fail(err, brief.FailedClone)
	}
	base, err := readBase(work, s.git, s.place, s.brief.Repository.Commit)
	if err != nil {
		return fail(err, brief.FailedClone)
	}
	// From the first heartbeat on, nobody gets a brief for the claim any more.
	// Before, nothing of the repository's runs.
	select {
	case <-known:
	case <-work.Done():
		return fail(errors.New("the app never answered a heartbeat"), brief.FailedCoder)
	}

	testTime := min(maxTest, time.Until(s.until)/4)
	if s.brief.Test != "" {
		s.progress.at(brief.Before)
		t, err := s.runTest(work, "before", testTime)
		if t != nil {
			r.Tests = append(r.Tests, *t)
		}
		if err == nil && work.Err() == nil {
			err = s.tidy(work)
		}
		if err != nil { // what the tests left could steer Kilo
			return fail(err, brief.FailedCoder)
		}
	}
	o := outcome{}
	var hidden map[string]string
	if cause := context.Cause(work); cause != nil {
		o.ending, o.failure = endingOf(cause)
	} else {
		if hidden, err = s.hide(work, base); err != nil {
			return fail(err, brief.FailedCoder)
		}
		s.progress.at(brief.Working)
		o = code(work, s)
	}
	r.Ending, r.Failure, r.Said, r.Steps = o.ending, o.failure, o.said, o.steps
	if context.Cause(all) != nil {
		return r
	}

	// What changed is read before the tests run again: what they leave is no part
	// of it.
	collecting, cancel := context.WithTimeout(all, s.cfg.times.collect)
	defer cancel()
	change, err := collect(collecting, s.git, s.place, s.coder, base, s.brief.Limits)
	if err != nil {
		s.journal.printf("collect the change: %v", err)
		r.Ending, r.Failure = brief.Failed, brief.FailedCollect
		return r
	}
	for _, n := range change.notes {
		s.journal.printf("collect: %s", n)
	}
	r.Files, r.TooMuch = change.files, change.tooMuch
	if r.Ending == brief.Finished && s.brief.Test != "" && len(r.Files) > 0 {
		s.progress.at(brief.After)
		if err := s.place.show(hidden); err != nil {
			s.journal.printf("put kilo's files back: %v", err)
		}
		t, err := s.runTest(work, "after", min(testTime, time.Until(s.until)))
		if err != nil {
			s.journal.printf("%v", err)
		}
		if t != nil {
			r.Tests = append(r.Tests, *t)
		}
	}
	s.progress.at(brief.Collecting)
	return r
}

// prepare fetches the repository, has the token that it was fetched with revoked,
// and makes all ready for Kilo.
func (s *session) prepare(ctx context.Context) error {
	s.git = git{home: s.place.own()}
	repo := &s.brief.Repository
	cloning, cancel := context.WithTimeoutCause(ctx, s.cfg.times.clone, errors.New("the clone took too long"))
	defer cancel()
	err := fetch(cloning, s.git, s.place, repo)
	if err := revoke(context.WithoutCancel(ctx), repo); err != nil {
		s.journal.printf("%v", err)
	}
	repo.Token = ""
	if err != nil {
		return err
	}
	if err := checkOut(cloning, s.git, s.place, s.coder, repo.Commit); err != nil {
		return err
	}
	if s.instructions, err = instructions(cloning, s.git, s.place, repo.DefaultCommit); err != nil {
		return err
	}
	s.prompt = prompt(s.brief, boundary())
	return nil
}

// ordered is why the work ends if the app orders to finish. An order without an
// ending is about the budget: it was the only one that apps before gave.
func ordered(o brief.Order) error {
	if o.Ending == brief.Deadline {
		return fmt.Errorf("%w: the app says: %s", errDeadline, o.Finish)
	}
	return fmt.Errorf("%w: the app says: %s", errSpent, o.Finish)
}

// endingOf is how the work ended if this is why.
func endingOf(cause error) (brief.Ending, brief.Failure) {
	switch {
	case errors.Is(cause, errDeadline):
		return brief.Deadline, ""
	case errors.Is(cause, errSpent):
		return brief.Budget, ""
	case errors.Is(cause, errSilent):
		return brief.Failed, brief.FailedSilent
	}
	return brief.Stopped, ""
}
