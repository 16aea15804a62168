package fix_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/task"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/work"
)

// over checks that nothing is left of a run that has ended.
func (w *world) over() {
	w.T.Helper()
	w.pass(3 * time.Minute)
	r := w.last()
	busy, waiting := w.slots()
	if busy != 0 || waiting != 0 || len(w.cloud.alive()) != 0 || !r.Released {
		w.T.Errorf("%d places are taken, %d tickets wait, tasks %v go on, released %v", busy, waiting, w.cloud.alive(), r.Released)
	}
	for _, prefix := range []string{"run-review/", "run-news/", "run-checks/"} {
		if notes, err := w.space().Scan(w.T.Context(), prefix, "", 10); err != nil || len(notes) != 0 {
			w.T.Errorf("notes are left: %v (%v)", notes, err)
		}
	}
}

// to brings the first round of a run to a state, on its way to the proposal.
func (w *world) to(state run.State) *run.Run {
	w.T.Helper()
	switch state {
	case run.Queued:
		w.caps.All.AtOnce = 1
		w.World.Restart()
		w.issue()
		if _, err := w.order("fix", false, 2, ""); err != nil {
			w.T.Fatal(err)
		}
		w.Settle() // the only place is taken
	case run.Launching:
		w.cloud.away = &work.Later{Err: errors.New("throttled")}
	}
	w.say("fix")
	w.Settle()
	switch state {
	case run.Publishing, run.Proposed:
		w.claim(w.last())
		w.hand(changed())
		if state == run.Proposed {
			w.Settle()
			w.pass(2 * time.Minute)
		}
	case run.Working:
		w.claim(w.last())
		w.Settle()
	}
	if got := w.last().State; got != state && state != run.Publishing {
		w.T.Fatalf("the run is %s, want %s", got, state)
	}
	return w.last()
}

func TestCancelInEveryState(t *testing.T) {
	for _, state := range []run.State{run.Queued, run.Launching, run.Working, run.Publishing, run.Proposed} {
		t.Run(string(state), func(t *testing.T) {
			w := newWorld(t, "")
			w.to(state)
			other := len(w.cloud.alive())
			if text := w.say("cancel"); text != "" {
				t.Errorf("answered %q", text)
			}
			if text := w.say("cancel"); !strings.Contains(text, "being cancelled") {
				t.Errorf("the second time it is answered %q", text)
			}
			w.Settle()
			w.want(run.Cancelled, run.ReasonCommand)
			w.cloud.away = nil
			w.pass(3 * time.Minute)
			if !w.last().Released {
				t.Error("the place was not freed")
			}
			if state == run.Queued {
				if len(w.cloud.alive()) != other {
					t.Error("another run's task was stopped")
				}
				return
			}
			w.over()
			for _, p := range w.GitHub.Pulls(repoID) {
				if p.State == "open" {
					t.Errorf("pull request %d is open", p.Number)
				}
			}
			if text := w.say("cancel"); !strings.Contains(text, "nothing to cancel") {
				t.Errorf("afterwards it is answered %q", text)
			}
		})
	}
}

func TestIssueClosedInEveryState(t *testing.T) {
	for _, state := range []run.State{run.Queued, run.Launching, run.Working, run.Publishing, run.Proposed} {
		t.Run(string(state), func(t *testing.T) {
			w := newWorld(t, "")
			w.to(state)
			w.GitHub.Close(repoID, 1, "completed")
			w.pass(2 * time.Minute)
			if state == run.Proposed {
				w.want(run.Proposed, "")
				return
			}
			w.want(run.Cancelled, run.ReasonClosed)
			w.cloud.away = nil
			if state != run.Queued {
				w.over()
			}
		})
	}
}

// TestEndings is what becomes of the first round of a run when its task does what is
// said.
func TestEndings(t *testing.T) {
	exit := func(n int) *int { return &n }
	hand := func(r brief.Result) func(*world) {
		return func(w *world) { w.claim(w.last()); w.hand(r) }
	}
	for name, c := range map[string]struct {
		do     func(w *world)
		state  run.State
		reason run.Reason
	}{
		"it never claims": {func(w *world) { w.pass(16 * time.Minute) }, run.Failed, run.ReasonSilent},
		"it runs and never claims": {func(w *world) {
			id := w.last().Attempt.Task
			w.cloud.tasks[id].Phase, w.cloud.tasks[id].Version = task.Running, 2
			w.pass(11 * time.Minute)
		}, run.Failed, run.ReasonSilent},
		"it goes silent": {func(w *world) { w.claim(w.last()); w.pass(3 * time.Minute) }, run.Failed, run.ReasonSilent},
		"its time is up": {func(w *world) {
			w.claim(w.last())
			for range 36 {
				w.beat(w.last())
				w.pass(time.Minute)
			}
		}, run.TimedOut, run.ReasonTime},
		"it crashes":      {func(w *world) { w.claim(w.last()); w.cloud.end(w.last().Attempt.Task, task.Exited, exit(1)) }, run.Failed, run.ReasonCrashed},
		"it ends quietly": {func(w *world) { w.claim(w.last()); w.cloud.end(w.last().Attempt.Task, task.Exited, exit(0)) }, run.Failed, run.ReasonCrashed},
		"it is killed":    {func(w *world) { w.claim(w.last()); w.cloud.end(w.last().Attempt.Task, task.Exited, exit(137)) }, run.Failed, run.ReasonKilled},
		"somebody stops it": {func(w *world) {
			w.claim(w.last())
			w.cloud.end(w.last().Attempt.Task, task.Asked, exit(143))
		}, run.Failed, run.ReasonKilled},
		"nothing changed":     {hand(brief.Result{Ending: brief.Finished, Said: "It is right as it is."}), run.NoChange, ""},
		"nothing in time":     {hand(brief.Result{Ending: brief.Deadline}), run.TimedOut, run.ReasonTime},
		"nothing for money":   {hand(brief.Result{Ending: brief.Budget}), run.Failed, run.ReasonBudget},
		"the clone failed":    {hand(brief.Result{Ending: brief.Failed, Failure: brief.FailedClone}), run.Failed, run.ReasonClone},
		"the model failed":    {hand(brief.Result{Ending: brief.Failed, Failure: brief.FailedModel}), run.Failed, run.ReasonModel},
		"the coder failed":    {hand(brief.Result{Ending: brief.Failed, Failure: brief.FailedCoder}), run.Failed, run.ReasonCoder},
		"too much":            {hand(brief.Result{Ending: brief.Finished, TooMuch: "more than 100 files"}), run.Failed, run.ReasonCollect},
		"what there is":       {hand(brief.Result{Ending: brief.Deadline, Files: changed().Files}), run.Proposed, ""},
		"for what money buys": {hand(brief.Result{Ending: brief.Budget, Files: changed().Files}), run.Proposed, ""},
		"unsafe": {func(w *world) {
			w.refusals = []run.Refusal{{Path: ".github/workflows/x.yml", Rule: "workflow"}}
			hand(changed())(w)
		}, run.Failed, run.ReasonUnsafe},
		"GitHub forbids": {func(w *world) {
			w.GitHub.Fault = func(call string, landed bool) error {
				if call == "move branch" {
					return github.ErrForbidden
				}
				return nil
			}
			hand(changed())(w)
		}, run.Failed, run.ReasonForbidden},
		"the branch is somebody else's": {func(w *world) {
			w.GitHub.Push(repoID, w.last().Branch, "theirs")
			hand(changed())(w)
		}, run.Failed, run.ReasonMoved},
		"the issue is deleted": {func(w *world) {
			w.GitHub.Change(repoID, 1, func(i *github.Issue) { i.State = "deleted" })
			hand(changed())(w)
		}, run.Cancelled, run.ReasonClosed},
		"the installation is suspended": {func(w *world) {
			w.claim(w.last())
			w.GitHub.Suspend(101, true)
			w.suspended()
		}, run.Cancelled, run.ReasonUninstalled},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			w.say("fix", "mind the gap")
			w.Settle()
			w.want(run.Working, "")
			c.do(w)
			w.pass(2 * time.Minute)
			w.want(c.state, c.reason)
			w.over()
			if c.state == run.Proposed {
				return
			}
			if len(w.GitHub.Pulls(repoID)) != 0 {
				t.Error("there is a pull request")
			}
			if c.reason == run.ReasonClosed || c.reason == run.ReasonUninstalled {
				return
			}
			// Another try is a run of its own, with the same words.
			was := w.last()
			if text := w.say("retry"); text != "" {
				t.Errorf("retry is answered %q", text)
			}
			w.GitHub.Fault, w.refusals = nil, nil
			w.Settle()
			is := w.want(run.Working, "")
			words, err := run.WordsOf(t.Context(), w.space(), is.ID, 1)
			if is.ID == was.ID || err != nil || words.Words != "mind the gap" {
				t.Errorf("tried again: run %s after %s with words %+v (%v)", is.ID, was.ID, words, err)
			}
		})
	}
}

func TestLaunchTroubles(t *testing.T) {
	unknown := action.Unknown(errors.New("timeout"))
	for name, c := range map[string]struct {
		fail   []error
		pass   time.Duration
		state  run.State
		reason run.Reason
		spots  string // of the tasks that were started
	}{
		"no room for a while": {[]error{task.ErrCapacity}, 2 * time.Minute, run.Working, "", "[true]"},
		"no room on spot":     {[]error{task.ErrCapacity, task.ErrCapacity}, 5 * time.Minute, run.Working, "", "[false]"},
		"no room at all": {[]error{task.ErrCapacity, task.ErrCapacity, task.ErrCapacity, task.ErrCapacity, task.ErrCapacity, task.ErrCapacity,
			task.ErrCapacity, task.ErrCapacity, task.ErrCapacity}, 20 * time.Minute, run.Failed, run.ReasonCapacity, "[]"},
		"refused":         {[]error{fmt.Errorf("%w: no such cluster", task.ErrRefused)}, 0, run.Failed, run.ReasonRefused, "[]"},
		"nonsense":        {[]error{errors.New("nonsense")}, 0, run.Failed, run.ReasonRefused, "[]"},
		"away":            {[]error{&work.Later{Err: errors.New("throttled")}, &work.Later{Err: errors.New("throttled")}}, 2 * time.Minute, run.Working, "", "[true]"},
		"nobody knows":    {[]error{unknown}, 3 * time.Minute, run.Working, "", "[true]"},
		"nobody knows it": {[]error{unknown, unknown, task.ErrCapacity}, 7 * time.Minute, run.Working, "", "[true]"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			w.cloud.fail = c.fail
			w.say("fix")
			w.Settle()
			w.pass(c.pass)
			r := w.want(c.state, c.reason)
			if got := fmt.Sprint(w.cloud.spots); got != c.spots {
				t.Errorf("tasks were started on spot capacity %s, want %s", got, c.spots)
			}
			if strings.Contains(strings.Join(w.GitHub.Comments(repoID, 1), ""), "cluster") {
				t.Error("the launcher's words are on GitHub")
			}
			if c.state == run.Failed {
				w.over()
				if r.Detail == "" {
					t.Error("the operator is told nothing")
				}
			}
		})
	}
}

// A launch whose outcome nobody knows for half a day is not made again.
func TestLaunchIsNotGuessed(t *testing.T) {
	w := newWorld(t, "")
	w.cloud.away = action.Unknown(errors.New("timeout"))
	w.say("fix")
	w.Settle()
	w.want(run.Launching, "")
	id := w.last().ID + "/1"
	w.cloud.tasks[id] = &task.Task{ID: id, Run: w.last().ID, Phase: task.Running, Version: 1} // it was started after all
	w.Pass(13 * time.Hour)
	w.cloud.away = nil
	w.Settle()
	w.want(run.Failed, run.ReasonNotStarted)
	w.over()
	if len(w.cloud.order) != 0 || len(w.cloud.stops) == 0 {
		t.Errorf("tasks %v were started, %v stopped; want the one that is there stopped", w.cloud.order, w.cloud.stops)
	}
}

func TestTasksThatAreTakenAway(t *testing.T) {
	w := newWorld(t, "")
	w.say("fix")
	w.Settle()
	lose := []func(id string){
		func(id string) { w.cloud.end(id, task.Interrupted, nil) },
		func(id string) { delete(w.cloud.tasks, id) },
	}
	for n, lost := range lose {
		r := w.want(run.Working, "")
		if r.Attempt.N != n+1 {
			t.Fatalf("attempt %d, want %d", r.Attempt.N, n+1)
		}
		lost(r.Attempt.Task)
		w.pass(7 * time.Minute)
	}
	r := w.want(run.Working, "")
	if got := fmt.Sprint(w.cloud.spots); got != "[true true false]" {
		t.Errorf("started on spot capacity %s, want the last one not", got)
	}
	if r.Round().Base != "base0" || r.Round().N != 1 {
		t.Errorf("round %+v", r.Round())
	}
	w.claim(r)
	w.hand(brief.Result{Ending: brief.Stopped})
	w.Settle()
	w.want(run.Failed, run.ReasonInterrupted)
	w.over()
	if busy, _, _ := run.Of(t.Context(), w.space(), "c1"); busy.Attempts != 3 {
		t.Errorf("%d attempts, want 3", busy.Attempts)
	}
}

func TestStoppedHalfWayIsTriedAgain(t *testing.T) {
	w := newWorld(t, "")
	w.say("fix")
	w.Settle()
	w.claim(w.want(run.Working, ""))
	result := changed()
	result.Ending = brief.Stopped
	w.hand(result)
	w.Settle()
	r := w.want(run.Working, "")
	if r.Attempt.N != 2 || len(w.GitHub.Pulls(repoID)) != 0 {
		t.Errorf("attempt %d, %d pull requests; want another try", r.Attempt.N, len(w.GitHub.Pulls(repoID)))
	}
	w.claim(r)
	w.hand(changed())
	w.Settle()
	w.want(run.Proposed, "")
}

func TestPermissionIsAskedAtLaunch(t *testing.T) {
	w := newWorld(t, "")
	w.say("fix")
	w.GitHub.Allow(ann, github.Read)
	w.Settle()
	w.want(run.Cancelled, run.ReasonPermission)
	w.over()
	if len(w.cloud.order) != 0 {
		t.Error("a task was started")
	}
}

// An app that was away when a container should have been heard of, or when its time
// was up, hears it out first.
func TestAwayIsNotSilence(t *testing.T) {
	for _, away := range []time.Duration{10 * time.Minute, 40 * time.Minute} {
		w := newWorld(t, "")
		w.say("fix")
		w.Settle()
		w.claim(w.want(run.Working, ""))
		w.Settle()
		w.Pass(3 * time.Minute)
		w.Settle() // this look finds it silent, and the app goes away
		w.Pass(away)
		w.World.Restart()
		w.Settle()
		w.want(run.Working, "")
		w.pass(30 * time.Second)
		w.hand(changed())
		w.Settle()
		w.want(run.Proposed, "")
	}
}

// What fails all the time ends the run.
func TestStuckRunsEnd(t *testing.T) {
	w := newWorld(t, "")
	w.say("fix")
	w.Settle()
	w.claim(w.want(run.Working, ""))
	w.hand(changed())
	w.GitHub.Fault = func(call string, landed bool) error {
		if call == "create pull" {
			return errors.New("nonsense")
		}
		return nil
	}
	began := w.Time
	for w.last().State != run.Failed {
		if err := w.TrySettle(); err != nil {
			w.Pass(5 * time.Minute)
		}
		if w.Time.Sub(began) > time.Hour {
			t.Fatalf("after an hour the run is %s", w.last().State)
		}
	}
	w.want(run.Failed, run.ReasonForbidden)
	w.over()
}

// The launcher was taken out of the settings while an agent worked: what it hands
// over as it is told to end, ends the run.
func TestLauncherTakenAway(t *testing.T) {
	w := newWorld(t, "")
	w.to(run.Working)
	w.begin(nil)
	w.hand(brief.Result{Ending: brief.Stopped})
	w.Settle()
	if r := w.last(); r.State != run.Failed || r.Reason != run.ReasonNoLauncher {
		t.Errorf("the run is %s: %s", r.State, r.Reason)
	}
}
