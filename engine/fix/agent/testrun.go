package agent

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

const (
	// maxTest bounds one run of the repository's tests.
	maxTest = 10 * time.Minute
	// leastTest is the shortest time that is worth to begin one.
	leastTest = 2 * time.Second
)

// runTest runs the repository's test command as the coder, in a room of its own, for
// at most limit. It returns nil if there was no time or ctx ended before the tests
// did. After an error what the tests began may be at work still.
func (s *session) runTest(ctx context.Context, when string, limit time.Duration) (*brief.Test, error) {
	if limit < leastTest {
		s.journal.printf("no time for the tests %s the change", when)
		return nil, nil
	}
	s.journal.printf("tests %s the change: %s", when, s.brief.Test)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	exit, err := s.alone(limited, "test: ", nil, "/bin/sh", "-c", s.brief.Test)
	t := &brief.Test{When: when, Command: s.brief.Test, Exit: exit, Seconds: int(time.Since(start).Seconds())}
	switch {
	case err != nil:
		return nil, fmt.Errorf("tests %s the change: %w", when, err)
	case ctx.Err() != nil:
		return nil, nil
	case limited.Err() != nil:
		t.TimedOut = true
	}
	s.journal.printf("tests %s the change: status %d after %d s", when, t.Exit, t.Seconds)
	return t, nil
}

// alone runs a command of the coder's in the work tree, in a room that it has to
// itself, and notes what it prints. See [coder.drive] for what it returns.
func (s *session) alone(ctx context.Context, label string, in io.Reader, argv ...string) (exit int, err error) {
	r, err := s.place.newRoom(s.coder)
	if err != nil {
		return -1, err
	}
	cmd := s.coder.command(ctx, s.place.work(), s.coder.environment(r), argv...)
	cmd.Stdin = in
	note := func() func(line []byte) {
		to := s.journal.stream()
		return func(line []byte) { to.line(label + string(line)) }
	}
	return s.coder.drive(ctx, cmd, note(), note())
}

// asCoder runs git as the coder, in the coder's repository.
func (s *session) asCoder(ctx context.Context, in io.Reader, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	exit, err := s.alone(ctx, "git: ", in, append([]string{"git"}, args...)...)
	if err == nil && exit != 0 {
		err = fmt.Errorf("status %d", exit)
	}
	if err != nil {
		return fmt.Errorf("git %s: %w", args[0], err)
	}
	return nil
}

// tidy takes out of the tree what the tests left there, so that it is not taken for
// a part of the change, and has the coder begin with a new repository. What
// .gitignore names stays: it may be dependencies that took minutes to fetch. An error
// says that the repository is still the one that the tests had.
func (s *session) tidy(ctx context.Context) error {
	commit := s.brief.Repository.Commit
	if err := renew(ctx, s.git, s.place, s.coder, commit); err != nil {
		return err
	}
	for _, step := range [][]string{
		{"reset", "--quiet", "--mixed", commit}, // finds what is unchanged, which keeps its times
		{"reset", "--quiet", "--hard", commit},
		{"clean", "-qfd"},
	} {
		if err := s.asCoder(ctx, nil, step...); err != nil {
			s.journal.printf("tidy up after the tests: %v", err)
			return nil
		}
	}
	return nil
}

// hide takes Kilo's own files out of the tree. Git does not miss those that are
// tracked, and [collect] does not either.
func (s *session) hide(ctx context.Context, b *base) (map[string]string, error) {
	var tracked strings.Builder
	for name := range b.entries {
		if kilosOwn(name) {
			tracked.WriteString(name + "\x00")
		}
	}
	if tracked.Len() > 0 {
		if err := s.asCoder(ctx, strings.NewReader(tracked.String()), "update-index", "-z", "--skip-worktree", "--stdin"); err != nil {
			s.journal.printf("leave kilo's files out: %v", err)
		}
	}
	return s.place.hide()
}
