package publish_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/publish"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/work"
)

var shop = map[string]string{
	"cart.js": "let a = 1\n", "100755 run.sh": "#!/bin/sh\n", "lib/old.js": "old\n", "lib/keep.js": "keep\n", "120000 link": "lib/keep.js",
}

func TestProposes(t *testing.T) {
	d := newDesk(t, shop)
	c := d.change(map[string]string{
		"cart.js": "let a = 2\n", "- lib/old.js": "", "lib/new/deep.js": "new\n", "100755 lib/keep.js": "keep\n",
		"100755 run.sh": "#!/bin/sh\n", "- never.js": "", "120000 lib/up": "../cart.js", // the first two change nothing
	})
	if refused, err := d.Check(t.Context(), c); err != nil || len(refused) > 0 {
		t.Fatalf("refused %v: %v", refused, err)
	}
	sha, pull := d.propose(t, c)

	if got := d.host.git(nil, "rev-parse", "refs/heads/"+c.Run.Branch, sha+"^"); got != sha+"\n"+d.base {
		t.Errorf("branch and parent: %s", got)
	}
	want := "M\tcart.js\nM\tlib/keep.js\nA\tlib/new/deep.js\nD\tlib/old.js\nA\tlib/up"
	if got := d.host.git(nil, "diff", "--name-status", "--no-renames", d.base, sha); got != want {
		t.Errorf("diff\n%s\nwant\n%s", got, want)
	}
	if got := d.host.git(nil, "ls-tree", "-r", sha, "lib/keep.js", "lib/up"); !strings.Contains(got, "100755 blob") || !strings.Contains(got, "120000 blob") {
		t.Errorf("modes: %s", got)
	}
	commit, _ := d.host.CommitOf(t.Context(), c.At, sha)
	if !strings.HasSuffix(commit.Message, "\n\n\nskip-checks: true") {
		t.Errorf("message %q", commit.Message)
	}
	got := d.host.pulls[0]
	if pull != (run.Pull{Number: 12, URL: got.URL}) || !got.Draft || got.Base != "main" || got.Head != c.Run.Branch {
		t.Errorf("pull request %+v, as %+v", got, pull)
	}
	for _, want := range []string{"Fixes #7\n", "A typo.", "<summary>Changed: 5 files, +3 −2</summary>", "`cart.js`: +1 −1\n", "`lib/keep.js`: executable now\n", "`lib/old.js`: deleted, +0 −1\n", "`lib/new/deep.js`: new, +1 −0\n", "<!-- soulcaster:pull run=k3v9x2m4q7p1z8ab mac="} {
		if !strings.Contains(got.Body, want) {
			t.Errorf("the description has no %q:\n%s", want, got.Body)
		}
	}
	// Once more, nothing is done again.
	before := len(d.host.writes)
	if again, _ := d.propose(t, c); again != sha || len(d.host.writes) != before {
		t.Errorf("done again: %v, %s and %s", d.host.writes, sha, again)
	}
}

func TestWorkflowsStartByPolicy(t *testing.T) {
	d := newDesk(t, shop)
	c := d.change(map[string]string{"cart.js": "let a = 2\n"})
	c.Fix.Checks = policy.Run
	sha, _ := d.propose(t, c)
	commit, _ := d.host.CommitOf(t.Context(), c.At, sha)
	if strings.Contains(commit.Message, "skip-checks") || strings.Contains(d.host.pulls[0].Body, "/soulcaster checks") {
		t.Errorf("held: %q\n%s", commit.Message, d.host.pulls[0].Body)
	}
}

func TestEmpty(t *testing.T) {
	d := newDesk(t, shop)
	for name, files := range map[string]map[string]string{
		"nothing":   nil,
		"identical": {"cart.js": "let a = 1\n", "100755 run.sh": "#!/bin/sh\n", "120000 link": "lib/keep.js"},
		"not there": {"- gone.js": "", "- lib/none/x": ""},
	} {
		if sha, _, err := d.Commit(t.Context(), d.change(files)); !errors.Is(err, publish.ErrEmpty) || sha != "" {
			t.Errorf("%s: %q, %v", name, sha, err)
		}
	}
	if len(d.host.writes) > 0 {
		t.Errorf("written: %v", d.host.writes)
	}
}

// sameTree is a host that finds that nothing has changed.
type sameTree struct{ *host }

func (sameTree) CreateTree(_ context.Context, _ github.At, base string, _ []github.TreeFile) (string, error) {
	return base, nil
}

func TestEmptyToTheHost(t *testing.T) {
	d := newDesk(t, shop)
	p, err := publish.New(sameTree{d.host}, d.log, func(_, key string) string { return key }, publish.Limits())
	if err != nil {
		t.Fatal(err)
	}
	if sha, _, err := p.Commit(t.Context(), d.change(map[string]string{"cart.js": "let a = 2\n"})); !errors.Is(err, publish.ErrEmpty) || sha != "" || len(d.host.writes) > 0 {
		t.Errorf("%q, %v, %v", sha, err, d.host.writes)
	}
}

func TestNextRound(t *testing.T) {
	d := newDesk(t, shop)
	first := d.change(map[string]string{"cart.js": "let a = 2\n"})
	sha, pull := d.propose(t, first)
	d.host.pulls[0].Body = strings.ReplaceAll(d.host.pulls[0].Body, "\n", "\r\n") + "\r\n\r\nA person's words.\r\n"
	d.host.pulls[0].Title = "A person's title"

	second := d.next(first, sha, pull, map[string]string{"cart.js": "let a = 3\n"})
	head, again := d.propose(t, second)
	if got := d.host.git(nil, "rev-list", d.base+".."+second.Run.Branch); got != head+"\n"+sha || again.Number != pull.Number {
		t.Errorf("commits %s, pull request %d", got, again.Number)
	}
	now := d.host.pulls[0]
	if len(d.host.pulls) != 1 || now.Title != "A person's title" || !strings.HasSuffix(now.Body, " -->\n\nA person's words.\n") || !strings.Contains(now.Body, "Round 2 was asked for by hubot") {
		t.Errorf("%d pull requests; %q\n%s", len(d.host.pulls), now.Title, now.Body)
	}

	writes := len(d.host.writes)
	if d.propose(t, second); len(d.host.writes) != writes {
		t.Errorf("done again: %v", d.host.writes[writes:])
	}

	// Somebody takes our marker out: the text is theirs.
	d.host.pulls[0].Body = "Mine now."
	third := d.next(second, head, again, map[string]string{"cart.js": "let a = 4\n"})
	head, again = d.propose(t, third)
	if d.host.pulls[0].Body != "Mine now." {
		t.Errorf("overwritten: %s", d.host.pulls[0].Body)
	}

	d.host.pulls[0].State = "closed"
	fourth := d.next(third, head, again, map[string]string{"cart.js": "let a = 5\n"})
	if _, err := d.Propose(t.Context(), fourth, head); !errors.Is(err, publish.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestMovedBranch(t *testing.T) {
	d := newDesk(t, shop)
	first := d.change(map[string]string{"cart.js": "let a = 2\n"})
	sha, pull := d.propose(t, first)
	second := d.next(first, sha, pull, map[string]string{"cart.js": "let a = 3\n"})
	mine, _, err := d.Commit(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	// A person pushes on top of the proposal, meanwhile.
	theirs, _ := d.host.CreateCommit(t.Context(), second.At, "by hand", d.host.tree(sha, []github.TreeFile{{Path: "x", Mode: "100644"}}), []string{sha})
	d.host.git(nil, "update-ref", "refs/heads/"+second.Run.Branch, theirs)
	if err := d.Move(t.Context(), second, mine); !errors.Is(err, publish.ErrMoved) {
		t.Errorf("over a person's commit: %v", err)
	}
	if at, _, _ := d.host.Ref(t.Context(), second.At, second.Run.Branch); at != theirs {
		t.Errorf("the branch is at %s", at)
	}
	d.host.git(nil, "update-ref", "-d", "refs/heads/"+second.Run.Branch)
	if err := d.Move(t.Context(), second, mine); !errors.Is(err, publish.ErrMoved) {
		t.Errorf("a branch that was deleted: %v", err)
	}
	// What somebody took off the branch stays off.
	d.host.git(nil, "update-ref", "refs/heads/"+second.Run.Branch, d.base)
	if err := d.Move(t.Context(), second, mine); !errors.Is(err, publish.ErrMoved) {
		t.Errorf("a branch that was set back: %v", err)
	}
	// It moves between the look and the write.
	d.host.git(nil, "update-ref", "refs/heads/"+second.Run.Branch, sha)
	d.host.fault = func(call string, landed bool) error {
		if call == "move" && !landed {
			d.host.git(nil, "update-ref", "refs/heads/"+second.Run.Branch, theirs)
		}
		return nil
	}
	if err := d.Move(t.Context(), second, mine); !errors.Is(err, publish.ErrMoved) {
		t.Errorf("moved meanwhile: %v", err)
	}
}

func TestTakenBranch(t *testing.T) {
	d := newDesk(t, shop)
	c := d.change(map[string]string{"cart.js": "let a = 2\n"})
	d.host.pulls = []github.Pull{{Number: 3, State: "open", Head: c.Run.Branch, HeadRepo: 9, Body: "somebody's"}}
	sha, _, err := d.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Propose(t.Context(), c, sha); !errors.Is(err, publish.ErrTaken) || len(d.host.pulls) != 1 {
		t.Errorf("%v, %d pull requests", err, len(d.host.pulls))
	}
}

func TestRepositoryWithoutDrafts(t *testing.T) {
	d := newDesk(t, shop)
	d.host.noDrafts = true
	if _, pull := d.propose(t, d.change(map[string]string{"cart.js": "let a = 2\n"})); pull.Number != 12 || d.host.pulls[0].Draft {
		t.Errorf("%+v", d.host.pulls)
	}
}

func TestChecks(t *testing.T) {
	d := newDesk(t, shop)
	c := d.change(map[string]string{"cart.js": "let a = 2\n"})
	sha, pull := d.propose(t, c)
	c.Run.Pull, c.Run.Head, c.Result = &pull, sha, nil
	next, err := d.Checks(t.Context(), c, sha, "hubot")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.Checks(t.Context(), c, sha, "hubot"); err != nil || again != next {
		t.Errorf("asked again: %s, %v; it was %s", again, err, next)
	}
	if at, _, _ := d.host.Ref(t.Context(), c.At, c.Run.Branch); at != sha {
		t.Error("the branch has moved already")
	}
	if _, err := d.Checks(t.Context(), c, d.base, "hubot"); !errors.Is(err, publish.ErrMoved) {
		t.Errorf("of a head that it is not at: %v", err)
	}
	if err := d.Move(t.Context(), c, next); err != nil {
		t.Fatal(err)
	}
	commit, _ := d.host.CommitOf(t.Context(), c.At, next)
	if d.host.git(nil, "diff", sha, next) != "" || !slices.Equal(commit.Parents, []string{sha}) {
		t.Errorf("commit %+v", commit)
	}
	if strings.Contains(commit.Message, "skip") || !strings.Contains(commit.Message, "hubot") {
		t.Errorf("message %q", commit.Message)
	}
	if rec, _, err := d.log.Get(t.Context(), d.space, publish.ChecksKey(c.Run.ID, sha)); err != nil || rec.By != "@hubot" || rec.Subject != c.Run.ID {
		t.Errorf("record %+v, %v", rec, err)
	}
	d.host.git(nil, "update-ref", "-d", "refs/heads/"+c.Run.Branch)
	if _, err := d.Checks(t.Context(), c, sha, "hubot"); !errors.Is(err, publish.ErrMoved) {
		t.Errorf("without a branch: %v", err)
	}
}

func TestPreviewWritesNothing(t *testing.T) {
	d := newDesk(t, shop)
	c := d.change(map[string]string{"cart.js": "let a = 2\n", "lib/big.js": strings.Repeat("<&>\n", 10_000)})
	c.Live = false
	sha, pull := d.propose(t, c)
	if sha != "" || pull.Number != 0 || len(d.host.writes) > 0 {
		t.Fatalf("%q, %+v, %v", sha, pull, d.host.writes)
	}
	var commit publish.CommitRequest
	var move publish.MoveRequest
	var proposed github.NewPull
	for key, v := range map[string]any{publish.CommitKey(c.Run.ID, 1): &commit, publish.MoveKey(c.Run.ID): &move, publish.PullKey(c.Run.ID): &proposed} {
		rec, ok, err := d.log.Get(t.Context(), d.space, key)
		if err != nil || !ok || rec.State != action.Previewed {
			t.Fatalf("%s: %+v, %v", key, rec, err)
		}
		if err := json.Unmarshal(rec.Request, v); err != nil {
			t.Fatal(err)
		}
	}
	if len(commit.Files) != 2 || commit.Files[0].Before != "let a = 1\n" || commit.Files[0].After != "let a = 2\n" || commit.Parent != d.base {
		t.Errorf("commit %+v", commit)
	}
	if move.To != "" || proposed.Title != "Fix: TypeError in the cart" || !strings.Contains(proposed.Body, "Fixes #7") || !proposed.Draft {
		t.Errorf("move %+v, pull request %+v", move, proposed)
	}
	if _, err := d.Checks(t.Context(), c, sha, "octocat"); err != nil || len(d.host.writes) > 0 {
		t.Errorf("checks: %v, %v", err, d.host.writes)
	}
	// Live, it is done.
	c.Live = true
	if _, pull := d.propose(t, c); pull.Number != 12 {
		t.Errorf("live: %+v", pull)
	}
}

func TestSecretsAreNotTold(t *testing.T) {
	d := newDesk(t, shop)
	c := d.change(map[string]string{"cart.js": "let a = 2\n"})
	token := "ghs_" + strings.Repeat("aB3.", 130)
	c.Result.Said = "I used " + token + " and AKIAQYLPMN5HHHFPZAM2."
	d.propose(t, c)
	if body := d.host.pulls[0].Body; strings.Contains(body, "aB3.aB3") || strings.Contains(body, "AKIAQYLP") {
		t.Errorf("told: %s", body)
	}
}

// Whatever dies, and wherever, one branch with one commit and one pull request is
// what comes of it.
func TestCrashes(t *testing.T) {
	points := []string{"effect.before:commit.create", "effect.after:commit.create", "effect.before:branch.move", "effect.after:branch.move", "effect.before:pull.create", "effect.after:pull.create"}
	for _, call := range []string{"tree", "commit", "branch", "pull"} {
		points = append(points, "lost "+call, "away "+call)
	}
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			d := newDesk(t, shop)
			c := d.change(map[string]string{"cart.js": "let a = 2\n"})
			tripped := false
			trip := func() error { tripped = true; return errCrash }
			d.hook = func(p string) error {
				if p == point && !tripped {
					return trip()
				}
				return nil
			}
			d.host.fault = func(call string, landed bool) error {
				switch {
				case tripped:
				case landed && point == "lost "+call:
					return action.Unknown(trip())
				case !landed && point == "away "+call:
					return &work.Later{Err: trip()}
				}
				return nil
			}
			recorded := "" // what the run remembers of its head
			var pull run.Pull
			step := func() (err error) {
				if recorded == "" {
					if recorded, _, err = d.Commit(t.Context(), c); err != nil {
						return err
					}
				}
				if err := d.Move(t.Context(), c, recorded); err != nil {
					return err
				}
				pull, err = d.Propose(t.Context(), c, recorded)
				return err
			}
			var err error
			for try := range 10 {
				if err = step(); err == nil {
					break
				}
				if try == 9 {
					t.Fatal(err)
				}
				d.now = d.now.Add(time.Minute)
			}
			if !tripped {
				t.Fatal("nothing crashed")
			}
			if got := d.host.git(nil, "rev-list", "--all", "^"+d.base); got != recorded || len(d.host.pulls) != 1 || pull.Number != 12 {
				t.Errorf("commits %s, %d pull requests, %+v", got, len(d.host.pulls), pull)
			}
		})
	}
}

func TestRequestFitsTheLog(t *testing.T) {
	d := newDesk(t, shop)
	files := make(map[string]string)
	for i := range 100 {
		files[fmt.Sprintf("%s%03d", strings.Repeat(strings.Repeat("<&", 125)+"/", 6), i)] = "x\n"
	}
	c := d.change(files)
	c.Result.Ending = brief.Deadline
	if _, pull := d.propose(t, c); pull.Number != 12 {
		t.Errorf("%+v", pull)
	}
	if body := d.host.pulls[0].Body; !strings.Contains(body, "Changed: 100 files, +100 −0") || !strings.Contains(body, "- and more\n") {
		t.Errorf("the description does not count what it has no room for:\n%s", body)
	}
}
