package command_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const repo = "acme/web"

// world is a live app with one filed issue, a maintainer, a reader and a stranger.
func world(t *testing.T) *enginetest.World {
	t.Helper()
	file, err := policy.Parse([]byte("mode: live\nfile_after: {reports: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	w := enginetest.New(t, true, project.Settings{enginetest.Installation: {repo: file}},
		source.Source{Installation: enginetest.Installation, ID: "api", Kind: source.Feedback, Repository: repo})
	w.GitHub.Add(7, repo, true)
	w.GitHub.Allow("maintainer", github.Write)
	w.GitHub.Allow("reader", github.Read)
	report(w, "ann", "CSV export of orders times out")
	w.Settle()
	if n := len(w.GitHub.Issues(7)); n != 1 {
		t.Fatalf("%d issues, want 1", n)
	}
	return w
}

func report(w *enginetest.World, author, title string) {
	w.Take("api", w.Report("api", fmt.Sprintf(`{"title": %q, "author": %q}`, title, author))...)
}

// say is a comment on issue 1.
func say(w *enginetest.World, id int64, author, line string) {
	w.T.Helper()
	var b storage.Batch
	command.Add(&b, command.Comment{ID: id, Number: 1, Author: author, AuthorID: enginetest.ID(author), Line: line, CreatedAt: w.Time, Taken: w.Time, RequestID: "r1"})
	if err := w.Space(repo).Apply(w.T.Context(), &b); err != nil {
		w.T.Fatal(err)
	}
}

func TestWhoIsAnsweredWhat(t *testing.T) {
	for _, c := range []struct {
		author, line string
		want         string // in the answer; empty: no answer
		seen         bool
	}{
		{"maintainer", "/soulcaster status", "Issue #1", true},
		{"reader", "/soulcaster status", "1 person", false},
		{"reader", "/soulcaster help", "`/soulcaster undo`", false},
		{"reader", "/soulcaster undo", "needs write permission", false},
		{"reader", "/soulcaster stauts", "Did you mean `/soulcaster status`", false},
		{"stranger", "/soulcaster status", "", false},
		{"maintainer", "> /soulcaster undo", "", false},
	} {
		w := world(t)
		say(w, 99, c.author, c.line)
		w.Settle()
		got := w.GitHub.Comments(7, 1)
		if c.want == "" {
			if len(got) != 0 {
				t.Errorf("%s says %q: answered %q", c.author, c.line, got)
			}
		} else if len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s says %q: answers %q, want one with %q", c.author, c.line, got, c.want)
		}
		if seen := slices.Contains(w.GitHub.Reactions(7, 99), "eyes"); seen != c.seen {
			t.Errorf("%s says %q: reaction %v, want %v", c.author, c.line, seen, c.seen)
		}
		for _, answer := range got {
			for line := range strings.Lines(answer) {
				if _, result := command.Parse(line); result.Kind != command.Ignore {
					t.Errorf("the answer holds a live command: %q", line)
				}
			}
		}
	}
}

// A command is its author's by their id: who took a login that somebody else had may do
// nothing for that, and who has another login now may do what they may.
func TestLoginIsNoPerson(t *testing.T) {
	for _, c := range []struct {
		login string
		id    int64
		want  string
	}{
		{"maintainer", enginetest.ID("reader"), "needs write permission"},
		{"maintainer", enginetest.ID("stranger"), ""},
		{"maintainer", 0, ""}, // stored by a build that kept no ids
		{"renamed", enginetest.ID("maintainer"), "Closed as not planned"},
	} {
		w := world(t)
		var b storage.Batch
		command.Add(&b, command.Comment{ID: 99, Number: 1, Author: c.login, AuthorID: c.id, Line: "/soulcaster mute", CreatedAt: w.Time, Taken: w.Time})
		if err := w.Space(repo).Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		w.Settle()
		got := w.GitHub.Comments(7, 1)
		if c.want == "" && len(got) != 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s, with the id %d: answers %q, want %q", c.login, c.id, got, c.want)
		}
	}
}

func TestOldCommandIsNotObeyed(t *testing.T) {
	w := world(t)
	say(w, 99, "maintainer", "/soulcaster undo")
	w.Pass(25 * time.Hour)
	w.Settle()
	if c, s := w.GitHub.Comments(7, 1), w.GitHub.Issues(7)[0].State; len(c) != 0 || s != "open" {
		t.Errorf("comments %q, state %s", c, s)
	}
}

// Commands on an issue are answered in the order in which they were written. One that
// cannot be carried out holds up those behind it for a while, and nobody else.
func TestCommandsKeepTheirOrder(t *testing.T) {
	w := world(t)
	say(w, 100, "maintainer", "/soulcaster help") // its work comes first: 100 is before 99 as a text
	say(w, 99, "maintainer", "/soulcaster status")
	w.Settle()
	w.Pass(3 * time.Second)
	w.Settle()
	if got := w.GitHub.Comments(7, 1); len(got) != 2 || !strings.Contains(got[0], "Issue #1") || !strings.Contains(got[1], "soulcaster undo") {
		t.Fatalf("answers %q", got)
	}

	w.GitHub.Fault = func(call string, _ bool) error {
		if call == "comment" {
			return &work.Later{Until: w.Time.Add(24 * time.Hour), Err: errors.New("not now")}
		}
		return nil
	}
	say(w, 101, "maintainer", "/soulcaster help")
	w.Settle()
	w.GitHub.Fault = nil
	say(w, 102, "maintainer", "/soulcaster help")
	say(w, 103, "reader", "/soulcaster help")
	w.GitHub.Allow("colleague", github.Write)
	say(w, 104, "colleague", "/soulcaster help")
	w.Settle()
	if n := len(w.GitHub.Comments(7, 1)); n != 4 || !slices.Contains(w.GitHub.Reactions(7, 102), "eyes") {
		t.Errorf("%d answers, %v: the later command is to be seen, and to wait, and nobody else's", n, w.GitHub.Reactions(7, 102))
	}
	w.Pass(11 * time.Minute)
	w.Settle()
	if n := len(w.GitHub.Comments(7, 1)); n != 5 {
		t.Errorf("%d answers: the later command waits for ever", n)
	}
	if left, err := w.Space(repo).Scan(t.Context(), "command-turn/", "", 10); err != nil || len(left) != 1 {
		t.Errorf("%d turns are kept (%v), want that of the one that waits", len(left), err)
	}
}

// Who deletes a comment before it was obeyed has thought better of it.
func TestDeletedCommandsAreNotObeyed(t *testing.T) {
	w := world(t)
	say(w, 99, "maintainer", "/soulcaster undo")
	w.GitHub.Delete(99)
	w.Pass(2 * time.Minute)
	w.Settle()
	if s := w.GitHub.Issues(7)[0].State; s != "open" || len(w.GitHub.Reactions(7, 99)) != 0 {
		t.Errorf("the issue is %s, reactions %v", s, w.GitHub.Reactions(7, 99))
	}
}

// A crowd of those who may not write is answered a while, on all issues together, and
// costs those who may nothing.
func TestACrowdTakesNoTurns(t *testing.T) {
	w := world(t)
	for n := range 10 {
		for i := range 15 {
			var b storage.Batch
			command.Add(&b, command.Comment{ID: int64(1000 + 100*n + i), Number: 1 + n, Author: "reader", AuthorID: enginetest.ID("reader"), Line: "/soulcaster fix", CreatedAt: w.Time, Taken: w.Time})
			if err := w.Space(repo).Apply(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
		}
		if n > 0 {
			if _, err := w.GitHub.CreateIssue(t.Context(), github.At{Installation: enginetest.Installation, Repo: project.Repo{ID: 7, Owner: "acme", Name: "web"}}, github.NewIssue{Title: "x"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := len(w.GitHub.Writes())
	w.Settle()
	if n := len(w.GitHub.Writes()) - before; n != 60 {
		t.Errorf("150 comments of a crowd cost %d writes, want 60", n)
	}
}

func TestAnswersHaveALimit(t *testing.T) {
	w := world(t)
	for i := range 30 {
		say(w, int64(i+1), "reader", "/soulcaster help")
		w.Settle()
	}
	if n := len(w.GitHub.Comments(7, 1)); n != 20 {
		t.Errorf("%d answers in an hour, want 20", n)
	}
	w.Pass(2 * time.Hour)
	say(w, 99, "reader", "/soulcaster help")
	w.Settle()
	if n := len(w.GitHub.Comments(7, 1)); n != 21 {
		t.Errorf("%d answers after the hour, want 21", n)
	}
	for i := range 80 {
		say(w, int64(100+i), "maintainer", "/soulcaster help")
		w.Settle()
	}
	if n := len(w.GitHub.Comments(7, 1)); n != 80 {
		t.Errorf("%d answers, want 60 in this hour", n)
	}
	// What is ordered is done all the same.
	say(w, 200, "maintainer", "/soulcaster undo")
	w.Settle()
	if s := w.GitHub.Issues(7)[0].State; s != "closed" {
		t.Errorf("the filing was not undone: the issue is %s", s)
	}
}

func TestUndoTakesBackOneActAtATime(t *testing.T) {
	w := world(t)
	first := w.GitHub.Issues(7)[0].Body
	report(w, "bob", "CSV export of orders times out!")
	w.Settle()
	if w.GitHub.Issues(7)[0].Body == first {
		t.Fatal("nothing was edited")
	}

	say(w, 1, "maintainer", "/soulcaster undo")
	w.Settle()
	if got := w.GitHub.Issues(7)[0]; got.Body != first || got.State != "open" {
		t.Fatalf("after undoing the edit: state %s, body\n%s\nwant\n%s", got.State, got.Body, first)
	}
	// It stays as it was until there is something new to say.
	w.Settle()
	if got := w.GitHub.Issues(7)[0]; got.Body != first {
		t.Fatal("the edit came back by itself")
	}

	say(w, 2, "maintainer", "/soulcaster undo")
	w.Settle()
	if got := w.GitHub.Issues(7)[0]; got.State != "closed" || got.StateReason != "not_planned" {
		t.Fatalf("after undoing the filing: %s, %s", got.State, got.StateReason)
	}
	for i := range 6 {
		report(w, fmt.Sprint("p", i), "CSV export of orders times out")
	}
	w.Pass(72 * time.Hour)
	w.Settle()
	if got := w.GitHub.Issues(7); len(got) != 1 || got[0].State != "closed" {
		t.Fatalf("muted, and yet: %+v", got)
	}

	say(w, 3, "maintainer", "/soulcaster undo")
	w.Settle()
	c := w.GitHub.Comments(7, 1)
	if len(c) != 3 || !strings.Contains(c[2], "nothing left") {
		t.Errorf("answers %q, want three, the last one saying that nothing is left", c)
	}
}

// TestUndoThroughCrashes stops the app at every point of an undo. Whatever
// happens, one act is taken back and one answer given.
func TestUndoThroughCrashes(t *testing.T) {
	crash := errors.New("crash")
	for n := 1; ; n++ {
		w := world(t)
		report(w, "bob", "CSV export of orders times out!")
		w.Settle()
		passed, dead := 0, false
		w.Hook = func(string) error {
			if passed++; passed == n || dead {
				dead = true
				return crash
			}
			return nil
		}
		say := func() error {
			var b storage.Batch
			command.Add(&b, command.Comment{ID: 1, Number: 1, Author: "maintainer", AuthorID: enginetest.ID("maintainer"), Line: "/soulcaster undo", CreatedAt: w.Time})
			b.Require("delivery/1", 0) // as the door does it: taken once
			b.Set("delivery/1", nil)
			err := w.Space(repo).Apply(t.Context(), &b)
			if errors.Is(err, storage.ErrConflict) {
				return nil
			}
			return err
		}
		for try := say; ; {
			err := try()
			if err == nil {
				if err = w.TrySettle(); err == nil {
					break
				}
			}
			if !errors.Is(err, crash) {
				t.Fatalf("point %d: %v", n, err)
			}
			w.Restart()
			dead = false
			w.Pass(2 * time.Minute)
		}
		w.Pass(2 * time.Minute)
		w.Settle()
		i := w.GitHub.Issues(7)[0]
		if c := w.GitHub.Comments(7, 1); i.State != "open" || len(c) != 1 || !strings.Contains(c[0], "last edit") {
			t.Fatalf("crash at point %d of %d: state %s, answers %q", n, passed, i.State, c)
		}
		if passed < n {
			t.Logf("crashed at each of %d points", n-1)
			return
		}
	}
}
