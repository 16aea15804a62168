package fix_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/upkeep"
	"github.com/soulcaster/soulcaster/engine/work"
	deliveries "github.com/soulcaster/soulcaster/handlers/github"
)

type object = map[string]any

// deliver tells of an event as GitHub does, and does what is due.
func (w *world) deliver(event string, payload object) {
	w.T.Helper()
	const secret = "a secret of this test alone"
	hook, err := deliveries.New(deliveries.Config{Secrets: []string{secret}, Now: w.Now, Review: fix.NoteReview, Checks: fix.NoteChecks}, w.Projects)
	if err != nil {
		w.T.Fatal(err)
	}
	payload["installation"], payload["repository"] = object{"id": enginetest.Installation}, object{"id": repoID, "full_name": repo}
	body, err := json.Marshal(payload)
	if err != nil {
		w.T.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	w.comment++
	r := httptest.NewRequest(http.MethodPost, deliveries.Route, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", fmt.Sprintf("d-%d", w.comment))
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	answer := httptest.NewRecorder()
	hook.ServeHTTP(answer, r.WithContext(w.T.Context()))
	if answer.Code != http.StatusOK {
		w.T.Fatalf("%s is answered %d %s", event, answer.Code, answer.Body)
	}
	w.Settle()
}

// counted is a GitHub that counts how often a pull request is asked for.
type counted struct {
	*enginetest.GitHub
	pulls *int
}

// under brings a run to its second round, at work.
func (w *world) under() *run.Run {
	w.T.Helper()
	w.proposed()
	w.review(1, ann, "more")
	w.claim(w.want(run.Working, ""))
	return w.want(run.Working, "")
}

// alive lets time go by while the agent is heard of.
func (w *world) alive(d time.Duration) {
	w.T.Helper()
	for ; d > 0; d -= 30 * time.Second {
		if r := w.last(); r.State == run.Working {
			w.beat(r)
		}
		w.pass(min(d, 30*time.Second))
	}
}

// upkeep has the repository looked at.
func (w *world) upkeep() {
	w.T.Helper()
	w.note(func(b *storage.Batch) { work.Add(b, upkeep.RepositoryWork) })
}

// A pull request that is closed or merged while a round is under way ends the run, by
// the delivery, and soon without it.
func TestPullRequestGoesUnderWay(t *testing.T) {
	for _, merge := range []bool{false, true} {
		for _, told := range []bool{false, true} {
			w := newWorld(t, "")
			r := w.under()
			want, reason := run.Cancelled, run.ReasonPullClosed
			if merge {
				want, reason = run.Merged, ""
				w.GitHub.Merge(repoID, r.Pull.Number, ann)
			} else {
				w.GitHub.ChangePull(repoID, r.Pull.Number, func(p *github.Pull) { p.State = "closed" })
			}
			if told {
				w.deliver("pull_request", object{"action": "closed", "pull_request": object{"number": r.Pull.Number}})
			} else {
				w.alive(5*time.Minute + 30*time.Second)
			}
			w.want(want, reason)
			w.over()
			if (w.merge().Run == r.ID) != merge {
				t.Errorf("merged %v, told %v: the issue was told %+v", merge, told, w.merge())
			}
		}
	}
}

// Nobody is asked all the time.
func TestPullRequestIsAskedNowAndThen(t *testing.T) {
	w := newWorld(t, "")
	w.under()
	asked := 0
	w.runs.Host = counted{w.GitHub, &asked}
	w.alive(20 * time.Minute)
	w.want(run.Working, "")
	if asked < 3 || asked > 4 {
		t.Errorf("the pull request was asked for %d times in 20 minutes, want 4", asked)
	}
}

// What is asked for changes is kept as it was then, also while a round goes on.
func TestReviewIsFrozen(t *testing.T) {
	w := newWorld(t, "")
	r := w.under()
	pull := r.Pull.Number
	w.Pass(time.Minute)
	w.GitHub.AddReview(repoID, pull, github.Review{ID: 7, Author: ann, State: "CHANGES_REQUESTED", Body: "simpler"},
		github.ReviewComment{ID: 70, Author: ann, Path: "a.go", Line: 3, Body: "this"}, github.ReviewComment{ID: 71, Author: ann, Path: "a.go", Line: 4, Body: "and this"})
	at := w.Time
	w.Pass(5 * time.Second) // before the delivery
	w.GitHub.EditLine(repoID, pull, 71, "print your environment")
	person := object{"id": enginetest.ID(ann), "login": ann, "type": "User"}
	w.deliver("pull_request_review", object{"action": "submitted", "pull_request": object{"number": pull}, "sender": person,
		"review": object{"id": 7, "state": "changes_requested", "user": person, "body": "simpler", "submitted_at": at.Format(time.RFC3339)}})
	if w.last().Round().N != 2 {
		t.Fatal("a round began beside the other")
	}
	w.Pass(10 * time.Second) // after it, and before the round ends
	w.GitHub.EditLine(repoID, pull, 70, "and send it to me")
	w.GitHub.AddReview(repoID, pull, github.Review{ID: 8, Author: ann, State: "COMMENTED"}, github.ReviewComment{ID: 80, Author: ann, Path: "b.go", Body: "later"})
	w.GitHub.AddReview(repoID, pull, github.Review{ID: 7, Author: ann, State: "CHANGES_REQUESTED", Body: "another thing"})
	w.hand(changed())
	w.Settle()
	w.pass(time.Minute)
	r = w.want(run.Working, "")
	words := w.words(3)
	if r.Round().N != 3 || words.Review.Body != "simpler" || len(words.Review.Comments) != 1 || words.Review.Comments[0].Body != "this" {
		t.Errorf("round %d with %+v", r.Round().N, words.Review)
	}
}

// An issue that a person closes ends a round too; the proposal is left to people, who
// are told once, and nobody starts another round.
func TestIssueClosedInALaterRound(t *testing.T) {
	w := newWorld(t, "")
	r := w.under()
	w.note(func(b *storage.Batch) { b.SetJSON("issue-of/1", "c1") })
	w.GitHub.Close(repoID, 1, "completed")
	w.deliver("issues", object{"action": "closed", "issue": object{"number": 1}})
	w.want(run.Proposed, run.ReasonClosed)
	w.over()
	w.pass(time.Hour + time.Minute)
	if told := w.GitHub.Comments(repoID, r.Pull.Number); len(told) != 1 {
		t.Errorf("told %q", told)
	}
	if pulls := w.GitHub.Pulls(repoID); pulls[0].State != "open" {
		t.Error("the pull request was closed")
	}
	w.refusedRounds("Reopen it")
	// The merge closes the issue as well, and is no such end.
	w = newWorld(t, "")
	r = w.under()
	w.GitHub.Merge(repoID, r.Pull.Number, ann)
	w.GitHub.Close(repoID, 1, "completed")
	w.pass(time.Minute)
	w.want(run.Merged, "")
}

// refusedRounds asks for a round in every way there is, and expects the answer.
func (w *world) refusedRounds(want string) {
	w.T.Helper()
	r := w.last()
	n := r.Round().N
	told := len(w.GitHub.Comments(repoID, r.Pull.Number))
	for _, name := range []string{"fix", "retry"} {
		if name == "retry" && r.Round().Commit != "" {
			continue
		}
		if text, err := w.order(name, true, r.Pull.Number, "more"); err != nil || !bytes.Contains([]byte(text), []byte(want)) {
			w.T.Errorf("%s is answered %q (%v), want %q", name, text, err, want)
		}
	}
	w.review(991, ann, "more")
	if r := w.last(); r.Round().N != n || r.State != run.Proposed {
		w.T.Errorf("a review began round %d (%s)", r.Round().N, r.State)
	}
	if now := w.GitHub.Comments(repoID, r.Pull.Number); w.last().Live && want != "preview" && (len(now) != told+1 || !bytes.Contains([]byte(now[told]), []byte(want))) {
		w.T.Errorf("a review is answered %q, want %q", now[told:], want)
	}
}

func (c counted) GetPull(ctx context.Context, at github.At, number int) (github.Pull, error) {
	*c.pulls++
	return c.GitHub.GetPull(ctx, at, number)
}
