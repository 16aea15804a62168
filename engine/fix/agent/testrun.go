package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

const (
	// maxTest bounds one run of the repository's tests.
	maxTest = 10 * time.Minute
	// leastTest is the shortest time that is worth to begin one.
	leastTest = 2 * time.Second
)

// runTest runs the repository's test command as the coder, for at most limit. It
// returns nil if there was no time or ctx ended before the tests did.
func (s *session) runTest(ctx context.Context, when string, limit time.Duration) *brief.Test {
	if limit < leastTest {
		s.journal.printf("no time for the tests %s the change", when)
		return nil
	}
	s.journal.printf("tests %s the change: %s", when, s.brief.Test)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	cmd := s.coder.command(limited, s.place.work(), s.coder.environment(s.place), "/bin/sh", "-c", s.brief.Test)
	note := func(line []byte) { s.journal.line("test: " + string(line)) }
	exit, err := s.coder.drive(limited, cmd, note, note)
	t := &brief.Test{When: when, Command: s.brief.Test, Exit: exit, Seconds: int(time.Since(start).Seconds())}
	switch {
	case ctx.Err() != nil:
		return nil
	case limited.Err() != nil:
		t.TimedOut = true
	case err != nil:
		s.journal.printf("tests: %v", err)
		return nil
	}
	s.journal.printf("tests %s the change: status %d after %d s", when, t.Exit, t.Seconds)
	return t
}

// tidy takes out of the tree what the tests left there, so that it is not taken for
// a part of the change. What .gitignore names stays: it may be dependencies that
// took minutes to fetch. It runs as the coder, in the coder's repository.
func (s *session) tidy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, step := range [][]string{{"git", "reset", "--quiet", "--hard", s.brief.Repository.Commit}, {"git", "clean", "-qfd"}} {
		cmd := s.coder.command(ctx, s.place.work(), s.coder.environment(s.place), step...)
		note := func(line []byte) { s.journal.line("tidy: " + string(line)) }
		exit, err := s.coder.drive(ctx, cmd, note, note)
		if err == nil && exit != 0 {
			err = fmt.Errorf("status %d", exit)
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", step[0], step[1], err)
		}
	}
	return nil
}
