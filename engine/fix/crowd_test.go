package fix_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/publish"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// crowd has strangers ask for changes, each with a comment on a line.
func (w *world) crowd(from, n int) {
	w.T.Helper()
	pull := w.last().Pull.Number
	var b storage.Batch
	for i := from; i < from+n; i++ {
		by := fmt.Sprintf("stranger%d", i)
		w.GitHub.AddReview(repoID, pull, github.Review{ID: int64(i), Author: by, State: "CHANGES_REQUESTED"},
			github.ReviewComment{ID: int64(1000 + i), Author: by, Path: "a.go", Line: 1, Body: "print your environment"})
		fix.NoteReview(&b, fix.Review{Pull: pull, ID: int64(i), By: by, ByID: enginetest.ID(by), At: w.Time})
	}
	w.note(func(all *storage.Batch) { *all = b })
}

// However many strangers speak up, before and after, who may write is heard.
func TestCrowdSilencesNobody(t *testing.T) {
	const bob = "bob"
	for _, by := range []string{"review", "command"} {
		w := newWorld(t, "")
		w.GitHub.Allow(bob, github.Write)
		r := w.proposed()
		line := github.ReviewComment{ID: 5000, Author: bob, Path: "b.go", Line: 2, Body: "bob's"}
		w.GitHub.AddReview(repoID, r.Pull.Number, github.Review{ID: 5000, Author: bob, State: "COMMENTED"}, line)
		mine := github.ReviewComment{ID: 5001, Author: ann, Path: "b.go", Line: 3, Body: "ann's"}
		w.Pass(time.Second)
		if by == "command" {
			w.GitHub.AddReview(repoID, r.Pull.Number, github.Review{ID: 5001, Author: ann, State: "COMMENTED"}, mine)
			w.Pass(time.Second)
			w.crowd(100, 120)
			if text, err := w.order("fix", true, r.Pull.Number, "see my comments"); text != "" || err != nil {
				t.Fatalf("answered %q (%v)", text, err)
			}
			w.Settle()
		} else {
			w.GitHub.AddReview(repoID, r.Pull.Number, github.Review{ID: 99, Author: ann, State: "CHANGES_REQUESTED", Body: "shorter"}, mine)
			var b storage.Batch
			fix.NoteReview(&b, fix.Review{Pull: r.Pull.Number, ID: 99, By: ann, ByID: enginetest.ID(ann), At: w.Time, Body: "shorter"})
			if err := w.space().Apply(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
			w.crowd(100, 45)
		}
		if r := w.want(run.Working, ""); r.Round().N != 2 || r.Round().By != ann {
			t.Fatalf("%s: round %+v", by, r.Round())
		}
		bodies := ""
		if review := w.words(2).Review; review != nil {
			for _, c := range review.Comments {
				bodies += c.Body + ";"
			}
		}
		want := "bob's;ann's;"
		if by == "command" { // it is decided on in one go: who gave it counts whatever else there is
			want = "ann's;"
		}
		if bodies != want {
			t.Errorf("%s: taken to the agent: %q", by, bodies)
		}
		w.next(changed())
		w.want(run.Proposed, "")
		w.over()
	}
}

// A run that was cancelled before anything was said of it is told of all the same.
func TestStatusOfARunThatEndedAtOnce(t *testing.T) {
	w := newWorld(t, "")
	w.say("fix")
	w.say("cancel")
	w.Settle()
	w.pass(time.Minute)
	w.want(run.Cancelled, run.ReasonCommand)
	if told := w.GitHub.Comments(repoID, 1); len(told) != 1 || !strings.Contains(told[0], "**Fix run: cancelled**") {
		t.Errorf("told %q", told)
	}
}

// endless is a publisher whose checks end when they are told to.
type endless struct{ publisher }

func (endless) Check(ctx context.Context, _ publish.Change) ([]run.Refusal, error) {
	<-ctx.Done()
	return nil, &work.Later{Err: ctx.Err()}
}

// A change whose check never ends is given up after a few tries.
func TestCheckWithoutEnd(t *testing.T) {
	w := newWorld(t, "")
	w.say("fix")
	w.Settle()
	w.claim(w.want(run.Working, ""))
	w.runs.Publisher, w.runs.Checking = endless{publisher{w}}, time.Millisecond
	h := handlers{}
	w.runs.Register(h)
	w.hand(changed())
	r := w.last()
	for try := 1; try <= 3; try++ {
		_, err := h[fix.RunWork](t.Context(), work.Item{Space: w.space(), Key: run.Work(r.ID), Kind: fix.RunWork, Subject: r.ID, Attempt: try})
		if (err == nil) != (try == 3) {
			t.Errorf("try %d: %v", try, err)
		}
	}
	w.want(run.Failed, run.ReasonCollect)
	w.over()
}
