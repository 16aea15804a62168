package fix_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

var errCrash = errors.New("crash")

// story is a run from the command to the merge, in a world that may crash once.
type story struct {
	*world
	point   int // that crashes
	passed  int
	crashed bool
}

func (s *story) hook(string) error {
	s.passed++
	if s.passed == s.point || s.crashed {
		s.crashed = true // nothing gets through any more
		return errCrash
	}
	return nil
}

// settle does what is due, starting the app again where it crashes.
func (s *story) settle() {
	for {
		err := s.TrySettle()
		if err == nil {
			return
		}
		if !errors.Is(err, errCrash) {
			s.T.Fatalf("point %d: %v", s.point, err)
		}
		s.crashed = false
		s.quiet(s.Restart)
	}
}

// until lets time go by until the run is as it should be.
func (s *story) until(what string, is func(r *run.Run) bool) *run.Run {
	s.T.Helper()
	for range 60 {
		s.settle()
		if r, _, err := run.Of(s.T.Context(), s.space(), "c1"); err == nil && r != nil && is(r) {
			return r
		}
		s.Pass(15 * time.Second)
	}
	s.T.Fatalf("crash at point %d: %s never came: %+v", s.point, what, s.last())
	return nil
}

func (s *story) write(do func(b *storage.Batch)) {
	s.quiet(func() {
		var b storage.Batch
		do(&b)
		if err := s.space().Apply(s.T.Context(), &b); err != nil {
			s.T.Fatal(err)
		}
	})
}

// says lets a maintainer comment.
func (s *story) says(number int, pull bool, line string) {
	s.comment++
	s.write(func(b *storage.Batch) {
		command.Add(b, command.Comment{ID: 1000 + s.comment, Number: number, Pull: pull, Author: ann, AuthorID: enginetest.ID(ann), Line: line, CreatedAt: s.Time})
	})
}

func working(round, attempt int) func(r *run.Run) bool {
	return func(r *run.Run) bool {
		return r.State == run.Working && r.Round().N == round && r.Attempt.N == attempt
	}
}

func resting(round int) func(r *run.Run) bool {
	return func(r *run.Run) bool { return r.State == run.Proposed && r.Round().N == round && r.Released }
}

// tell is the whole story: three rounds, one of them with a task that is lost and one
// that is taken away half-way, checks, and a merge.
func (s *story) tell() {
	s.write(func(b *storage.Batch) { b.SetJSON("issue-of/1", "c1") })
	s.says(1, false, "/soulcaster fix")
	r := s.until("the first task", working(1, 1))
	s.claim(r)
	s.quiet(func() { s.spend(r.ID, 1_230_000) })
	s.hand(changed())
	r = s.until("the proposal", resting(1))
	pull := r.Pull.Number

	s.GitHub.AddReview(repoID, pull, github.Review{ID: 5, Author: ann, State: "CHANGES_REQUESTED", Body: "more"})
	s.write(func(b *storage.Batch) {
		fix.NoteReview(b, fix.Review{Pull: pull, ID: 5, By: ann, ByID: enginetest.ID(ann), At: s.Time, Body: "more"})
	})
	s.claim(s.until("the second task", working(2, 2)))
	s.hand(changed())
	s.until("the second proposal", resting(2))

	s.says(pull, true, "/soulcaster checks")
	s.until("the commit that lets checks run", func(r *run.Run) bool { return r.Let != nil && r.Let.Done })

	s.says(pull, true, "/soulcaster fix and this")
	r = s.until("the third task", working(3, 3))
	s.cloud.end(r.Attempt.Task, task.Interrupted, nil)
	s.claim(s.until("another task", working(3, 4)))
	half := changed()
	half.Ending = brief.Stopped
	s.hand(half)
	s.claim(s.until("the last task", working(3, 5)))
	s.hand(changed())
	s.until("the third proposal", resting(3))

	s.GitHub.Merge(repoID, pull, ann)
	s.write(func(b *storage.Batch) { fix.NotePull(b, r.ID) })
	s.until("the end", func(r *run.Run) bool { return r.State == run.Merged && r.Released })
	s.Pass(5 * time.Minute) // what was put off
	s.settle()
}

// check looks for what people would see: everything once.
func (s *story) check() {
	t, r := s.T, s.last()
	fail := func(format string, args ...any) {
		t.Errorf("crash at point %d: %s", s.point, fmt.Sprintf(format, args...))
	}
	if n := len(s.GitHub.Comments(repoID, 1)); n != 1 {
		fail("%d comments on the issue, want the status comment", n)
	}
	pulls := s.GitHub.Pulls(repoID)
	if len(pulls) != 1 {
		fail("%d pull requests", len(pulls))
	}
	kinds := ""
	for _, sha := range slices.Backward(s.GitHub.Branch(repoID, r.Branch)) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(sha, "commit-"), "-")
		kinds += kind + " "
	}
	if kinds != "base0 1 2 checks 3 " {
		fail("the branch holds %q", kinds)
	}
	if len(s.cloud.order) != 5 || len(s.cloud.alive()) != 0 {
		fail("tasks %v were started, %v go on", s.cloud.order, s.cloud.alive())
	}
	if busy, waiting := s.slots(); busy != 0 || waiting != 0 {
		fail("%d places are taken, %d tickets wait", busy, waiting)
	}
	if list, _, err := run.List(t.Context(), s.space(), "", 10); err != nil || len(list) != 1 {
		fail("%d runs (%v)", len(list), err)
	}
	if m := s.merge(); m.Run != r.ID {
		fail("told of the merge %+v", m)
	}
	count, err := fix.Spent(t.Context(), s.app(), enginetest.Installation, s.Time)
	if err != nil || count.Runs != 1 || count.Micros != 1_230_000 {
		fail("counted %+v (%v)", count, err)
	}
	entries, err := s.space().Scan(t.Context(), "run-result/", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Count(e.Key, "/") == 3 {
			fail("%s was not forgotten", e.Key)
		}
	}
}

// cancelled is the story of a run without room for its task at first, which is then
// cancelled under way.
func (s *story) cancelled() {
	s.write(func(b *storage.Batch) { b.SetJSON("issue-of/1", "c1") })
	s.cloud.fail = []error{task.ErrCapacity}
	s.says(1, false, "/soulcaster fix")
	s.claim(s.until("the task", func(r *run.Run) bool { return r.State == run.Working }))
	s.says(1, false, "/soulcaster cancel")
	s.until("the end", func(r *run.Run) bool { return r.State == run.Cancelled && r.Released })
	s.settle()
}

func (s *story) checkCancelled() {
	if n := len(s.GitHub.Comments(repoID, 1)); n != 1 {
		s.T.Errorf("crash at point %d: %d comments on the issue, want the status comment", s.point, n)
	}
	if len(s.cloud.order) != 1 || len(s.cloud.alive()) != 0 || len(s.GitHub.Pulls(repoID)) != 0 {
		s.T.Errorf("crash at point %d: tasks %v were started, %v go on", s.point, s.cloud.order, s.cloud.alive())
	}
	if busy, waiting := s.slots(); busy != 0 || waiting != 0 {
		s.T.Errorf("crash at point %d: %d places are taken, %d tickets wait", s.point, busy, waiting)
	}
}

// TestCrashAnywhere stops the app at every store write and every outside effect in
// turn, and starts it again.
func TestCrashAnywhere(t *testing.T) {
	inMemory(t)
	for _, c := range []struct {
		name   string
		tell   func(s *story)
		check  func(s *story)
		points int // at least
	}{
		{"to the merge", (*story).tell, (*story).check, 200},
		{"cancelled", (*story).cancelled, (*story).checkCancelled, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			for n := 0; ; n++ { // the first story has no crash
				s := &story{world: newWorld(t, ""), point: n}
				s.Hook = s.hook
				c.tell(s)
				c.check(s)
				if t.Failed() {
					return
				}
				if n > 0 && s.passed < n {
					if n <= c.points {
						t.Fatalf("only %d fault points were passed", n-1)
					}
					t.Logf("crashed at each of %d points", n-1)
					return
				}
			}
		})
	}
}

// inMemory keeps the stores of a test that opens hundreds of them off the disk, if
// the system has such a place: a process that dies loses nothing there.
func inMemory(t testing.TB) {
	const shared = "/dev/shm"
	if info, err := os.Stat(shared); err == nil && info.IsDir() {
		t.Setenv("TMPDIR", shared)
	}
}
