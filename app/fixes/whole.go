package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	fixrun "github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
)

// The tenant of every attempt.
const (
	installation = 101
	repository   = "acme/web"
	maintainer   = "maintainer"
)

// whole has Soulcaster fix a bug, the whole way: a report comes in, an issue is
// filed, a maintainer comments, a pull request appears, or does not.
func (s *suite) whole(ctx context.Context, c *bug, as *account, dir string) (a attempt, err error) {
	defer func() {
		if broken, ok := recover().(hubFailure); ok {
			err = errors.New(string(broken))
		}
	}()
	w := &world{secret: rand.Text()}
	if err := w.open(ctx, s, c, as, dir); err != nil {
		return a, err
	}
	defer w.close()
	if err := w.send(ctx, c.Report); err != nil {
		return a, err
	}
	number := 0
	if err := eventually(ctx, 2*time.Minute, "an issue is filed", func() bool {
		for _, i := range w.hub.Issues(repository) {
			number = i.Number
		}
		return number > 0
	}); err != nil {
		return a, errors.Join(err, w.said())
	}
	began := time.Now()
	w.hub.As(maintainer).Comment(repository, number, "/soulcaster fix")
	var state fixrun.State
	err = eventually(ctx, s.limit+5*time.Minute, "the run ends", func() bool {
		if a.Seconds == 0 && len(w.hub.Pulls(repository)) > 0 {
			a.Seconds = time.Since(began).Seconds()
		}
		state, a.Said = w.state(number)
		return !state.Busy()
	})
	if a.Seconds == 0 {
		a.Seconds = time.Since(began).Seconds()
	}
	if err != nil {
		return a, errors.Join(err, w.said())
	}
	switch state {
	case fixrun.Proposed:
		a.Outcome, a.Said = changed, ""
		pull := w.hub.Pulls(repository)[0]
		err = w.checkOut(ctx, pull.HeadSHA, filepath.Join(dir, "result"))
	case fixrun.NoChange:
		a.Outcome, a.Said = empty, ""
	default:
		a.Outcome, a.Note = failed, "the run "+tell.State(state)
	}
	return a, errors.Join(err, w.complaints())
}

// state reads the status comment as people do.
func (w *world) state(number int) (fixrun.State, string) {
	for _, comment := range w.hub.Comments(repository, number) {
		for _, s := range []fixrun.State{fixrun.Proposed, fixrun.NoChange, fixrun.Failed, fixrun.Cancelled, fixrun.TimedOut} {
			if strings.Contains(comment.Body, "**Fix run: "+tell.State(s)+"**") {
				text, _, _ := strings.Cut(comment.Body, "<details>")
				return s, text
			}
		}
	}
	return fixrun.Working, ""
}

// checkOut writes the files of a commit to a new folder.
func (w *world) checkOut(ctx context.Context, sha, to string) error {
	if err := os.Mkdir(to, 0o755); err != nil {
		return fmt.Errorf("check out: %w", err)
	}
	_, err := git(ctx, to, []string{"GIT_INDEX_FILE=" + to + ".index"},
		"--git-dir="+w.hub.GitDir(repository), "--work-tree="+to, "-c", "core.bare=false", "checkout", "--quiet", sha, "--", ".")
	return err
}

// eventually waits until something holds.
func eventually(ctx context.Context, limit time.Duration, what string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %v", what, limit)
		}
	}
	return nil
}

// hubFailure is what a [tester] panics with where a test would end.
type hubFailure string

// tester hears what goes wrong in the hub.
type tester struct {
	mu   sync.Mutex
	said []error
}

func (t *tester) Helper() {}

func (t *tester) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = append(t.said, fmt.Errorf(format, args...))
}

func (t *tester) Fatalf(format string, args ...any) { panic(hubFailure(fmt.Sprintf(format, args...))) }
