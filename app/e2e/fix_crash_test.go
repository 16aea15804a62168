//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/app/e2e/hub"
	"github.com/soulcaster/soulcaster/engine/fix/ecs/ecstest"
	"github.com/soulcaster/soulcaster/engine/fix/script"
)

// sign is what an agent's command waits for, however often the app and its model
// come and go meanwhile.
type sign struct{ path string }

func newSign(t *testing.T) sign { return sign{filepath.Join(place(t), "go")} }

func (s sign) wait() script.Call {
	return script.Bash("touch " + s.path + ".awaited; until test -e " + s.path + "; do sleep 0.2; done")
}

// awaited waits until the command is there.
func (s sign) awaited(t *testing.T) {
	t.Helper()
	within(t, slow, "the agent is at its command", func() error {
		_, err := os.Stat(s.path + ".awaited")
		return err
	})
}

func (s sign) give(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(s.path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// again kills the app, as a power cut would, and starts it.
func (w *fixworld) again() {
	w.t.Helper()
	w.kill()
	w.start()
}

// intends waits until the app has written down that it is about to do something.
func (w *fixworld) intends(kind string) {
	w.t.Helper()
	within(w.t, slow, "the app is about to do "+kind, func() error {
		for line := range strings.Lines(plain(w.pages(auditPages))) {
			if strings.Contains(line, kind) && strings.Contains(line, "intended") {
				return nil
			}
		}
		return errors.New("it is not")
	})
}

// redeliver delivers again what the app did not take, as an operator has GitHub do.
func (w *fixworld) redeliver() {
	w.hub.Settle()
	for _, d := range w.hub.Deliveries("") {
		if d.Status == 0 || d.Status >= http.StatusInternalServerError {
			w.hub.Redeliver(d)
		}
	}
	w.hub.Settle()
}

// TestFixSurvivesCrashes: the power fails in every state of a run, once. The run goes
// on, and nothing is done twice.
func TestFixSurvivesCrashes(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		first, second := newSign(t), newSign(t)
		turns := corrects()
		turns[0].Calls = append([]script.Call{second.wait()}, turns[0].Calls...)
		turns[2].Calls = append([]script.Call{first.wait()}, turns[2].Calls...)
		w := stages(t, stage{store: s, turns: turns})
		number := w.greeting()

		status := make(chan struct{}) // queued, and its comment is on its way
		w.hub.Break(hub.Fault{Method: "POST", Path: fmt.Sprintf("/issues/%d/comments$", number), Times: 1, Hold: status})
		w.fix(number)
		w.intends("run.status")
		w.ecs.Fault("RunTask", 1, ecstest.Hanging())
		w.again()
		close(status)

		within(t, settling, "the task is asked for", func() error { return atLeast(len(w.ecs.Calls("RunTask")), 1) })
		w.again() // launching

		w.reached("working", 1)
		first.awaited(t)
		tree := make(chan struct{})
		w.hub.Break(hub.Fault{Method: "POST", Path: "/git/trees$", Times: 1, Hold: tree})
		w.kill() // working
		first.give(t)
		w.start()

		w.reached("publishing", 1)
		w.intends("commit.create")
		w.again()
		close(tree)

		pull := w.proposal(1)
		w.until(number, "proposed")
		w.again() // proposed
		w.hub.As(colleague).Review(shop, pull.Number, hub.ChangesRequested, "Say it louder")
		second.awaited(t)
		w.again() // working, in the second round
		second.give(t)
		w.commits(pull, 2)
		w.until(number, "proposed", "Round 2 of")
		w.holds(pull.Head, "greet.js", "console.log('Hello!')\n")

		w.kill()
		w.hub.As(maintainer).Ready(shop, pull.Number)
		w.hub.As(maintainer).Merge(shop, pull.Number, "merge")
		w.hub.Settle()
		w.start()
		w.redeliver()
		w.until(number, "merged")
		w.stopped()
		w.once(number, 1, 2, 1, 2)
		if n := len(w.answersTo(number)) + len(w.answersTo(pull.Number)); n > 0 {
			t.Errorf("%d comments beside the status", n)
		}
	})
}

// TestFixEffectsOnce: a crash right before or right after something is done outside
// neither loses nor doubles it.
func TestFixEffectsOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"reaction", "run.status", "task.launch", "commit.create", "branch.move", "pull.create", "checks.commit"} {
		for _, moment := range []string{"before", "after"} {
			t.Run(kind+" "+moment, func(t *testing.T) {
				t.Parallel()
				w := stages(t, stage{absent: true})
				w.startProgram(faultyBinary, fmt.Sprintf("SOULCASTER_FAULT=effect.%s:%s#1", moment, kind))
				number := w.asked()
				commits := 1
				if kind == "checks.commit" {
					commits = 2
					w.until(number, "proposed")
					w.later()
					w.say(maintainer, w.proposal(1).Number, "/soulcaster checks")
				}
				within(t, slow, "the app kills itself", func() error {
					if w.app.running() {
						return errors.New("it runs")
					}
					return nil
				})
				w.again()
				w.redeliver()
				within(t, settling, "a fix is proposed", func() error { return atLeast(len(w.hub.Pulls(shop)), 1) })
				w.until(number, "proposed")
				if kind == "checks.commit" {
					pull := w.proposal(1)
					w.commits(pull, 2)
					if n := len(w.started()); n == 0 {
						t.Error("no workflow was started")
					}
				}
				w.stopped()
				w.once(number, 1, 1, 1, commits)
				if c := w.hub.Comments(shop, number)[0]; !slices.Equal(c.Reactions, []string{"eyes"}) {
					t.Errorf("the command has %v", c.Reactions)
				}
			})
		}
	}
}

// certain is how many writes to the store a run takes at least.
const certain = 45

// TestFixCommitsOnce: a crash after the n-th write to the store, wherever in the way
// of a run that is, neither loses nor doubles anything.
func TestFixCommitsOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		step := map[string]int{"bolt": 5, "redis": 12}[s.name]
		for n := 3; n <= certain+40; n += step {
			t.Run(itoa(n), func(t *testing.T) {
				t.Parallel()
				s := s
				if s.name == "bolt" {
					s = newBolt(t)
				} else {
					s = newRedis(t)
				}
				w := stages(t, stage{store: s})
				number := w.greeting()
				w.stop()
				w.startProgram(faultyBinary, fmt.Sprintf("SOULCASTER_FAULT=commit.after:#%d", n))
				w.fix(number)
				within(t, slow, "the app kills itself, or is done", func() error {
					if all := w.statuses(number); w.app.running() && (len(all) == 0 || !strings.Contains(all[0].Body, ": proposed")) {
						return errors.New("neither yet")
					}
					return nil
				})
				if w.app.running() && n <= certain {
					t.Errorf("it was done before write %d", n)
				}
				w.again()
				w.redeliver()
				within(t, settling, "a fix is proposed", func() error { return atLeast(len(w.hub.Pulls(shop)), 1) })
				w.until(number, "proposed")
				w.stopped()
				w.once(number, 1, 1, 1, 1)
			})
		}
	})
}

// TestFixWithReplicas: two replicas on one Redis share the runs, and do nothing
// twice, also when one of them dies.
func TestFixWithReplicas(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	w := stages(t, stage{store: newRedis(t), turns: holding(hold)})
	other := launch(t, w.dir, w.environ(), binary, "serve")
	if _, _, err := other.serving(); err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, about := range complaints[:2] {
		numbers = append(numbers, w.problem(about, ""))
	}
	for _, number := range numbers {
		w.fix(number)
	}
	w.thinks(2)
	other.kill()
	close(hold)
	for _, number := range numbers {
		w.until(number, "proposed")
	}
	w.stopped()
	w.once(numbers[0], 1, 2, 2, 2)
	w.once(numbers[1], 1, 2, 2, 2)
}

// plain is the text of a page, a row of a table on each line.
func plain(page string) string {
	text := regexp.MustCompile(`(?s)<[^>]*>`).ReplaceAllString(page, " ")
	return regexp.MustCompile(`\s*\n\s*`).ReplaceAllString(text, "\n")
}
