package issue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const mergeCommit = "6dcb09b5b57875f334f61aebed695e2e4193db5e"

// fixed is a world whose only issue was fixed by pull request 9, which was merged
// just now; GitHub closed the issue. The problem was seen in release 1.0.0, which
// does not contain the merge; 2.0.0 does.
func fixed(t *testing.T, yaml string) *enginetest.World {
	t.Helper()
	w := world(t, yaml)
	w.GitHub.Commits.Status = map[string]string{"v1.0.0": "behind", "v1.0.1": "diverged", "v2.0.0": "ahead", "abc1234": "identical"}
	complain(w, "ann", "web@1.0.0")
	w.Settle()
	merge(w, "r1", 9)
	w.GitHub.Close(7, 1, "completed")
	look(w)
	return w
}

// complain takes in a report of the problem, which happens now.
func complain(w *enginetest.World, author, release string) string {
	w.T.Helper()
	more := ""
	if release != "" {
		more = fmt.Sprintf(`, "release": %q`, release)
	}
	return report(w, author, "CSV export of orders times out", more)
}

func merge(w *enginetest.World, id string, pull int) {
	w.T.Helper()
	var b storage.Batch
	w.Keeper.NoteMerge(&b, "000001", run.Merge{Run: id, Pull: pull, URL: fmt.Sprintf("https://github.example/acme/web/pull/%d", pull),
		Commit: mergeCommit, At: w.Time, By: "maintainer"})
	if err := w.Space(repo).Apply(w.T.Context(), &b); err != nil {
		w.T.Fatal(err)
	}
}

// look is a delivery about issue 1.
func look(w *enginetest.World) {
	w.T.Helper()
	due(w, repo, issue.LookWork("000001"))
	w.Settle()
}

func state(w *enginetest.World) string { return w.GitHub.Issues(7)[0].State }

func standing(w *enginetest.World) issue.Line {
	w.T.Helper()
	l, ok, err := issue.LineOf(w.T.Context(), w.Space(repo), "000001")
	if err != nil || !ok {
		w.T.Fatalf("no standing (%v)", err)
	}
	return l
}

// comments are what was said on the issue that has the word.
func comments(w *enginetest.World, word string) (found []string) {
	for _, c := range w.GitHub.Comments(7, 1) {
		if strings.Contains(c, word) {
			found = append(found, c)
		}
	}
	return found
}

const day = 24 * time.Hour

func TestMergeLinksIssueAndPullRequest(t *testing.T) {
	w := fixed(t, live)
	if l := standing(w); l.State != issue.Closed || l.Text != "issue #1, fixed by #9, merged 2 March 2026: not yet proven, watched for its return" {
		t.Errorf("stands at %+v", l)
	}
	if body := w.GitHub.Issues(7)[0].Body; !strings.Contains(body, "\n**Fixed by #9, merged 2 March 2026.** Not proven yet") {
		t.Errorf("the body does not say so:\n%s", body)
	}
	if got := w.GitHub.Writes(); slices.Contains(got, "set issue closed") || len(comments(w, "")) != 0 {
		t.Errorf("writes %v, comments %q", got, comments(w, ""))
	}
	before := len(w.GitHub.Writes())
	w.Pass(day)
	look(w)
	if got := w.GitHub.Writes()[before:]; len(got) != 0 {
		t.Errorf("said again: %v", got)
	}
	if left, err := w.Space(repo).Scan(t.Context(), "fixed/", "", 10); err != nil || len(left) != 0 {
		t.Errorf("%d notes of merges are left (%v)", len(left), err)
	}
}

// The later of the merge and the closing is what counts, for a return and for the
// soak.
func TestClosedBeforeAndAfterTheMerge(t *testing.T) {
	w := world(t, live)
	complain(w, "ann", "")
	w.Settle()
	w.GitHub.Close(7, 1, "completed")
	look(w)
	w.Pass(3 * day)
	merge(w, "r1", 9)
	w.Settle()
	w.Pass(time.Hour)
	complain(w, "bob", "") // long after the closing, right after the merge
	w.Settle()
	if state(w) != "closed" {
		t.Fatal("reopened before the merge could reach anyone")
	}
	w.Pass(3 * day)
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.State, i.StateReason = "open", "reopened" })
	look(w)
	w.GitHub.Close(7, 1, "completed")
	look(w)
	w.Pass(8*day - time.Hour)
	w.Settle()
	if got := comments(w, ""); len(got) != 0 {
		t.Fatalf("proven too soon after it was closed anew: %q", got)
	}
	w.Pass(time.Hour)
	w.Settle()
	if got := comments(w, "Proven"); len(got) != 1 {
		t.Errorf("said %q", comments(w, ""))
	}
}

// GitHub closes what a pull request fixes; where it did not, the keeper does.
func TestMergeClosesTheIssue(t *testing.T) {
	w := world(t, live)
	complain(w, "ann", "")
	w.Settle()
	merge(w, "r1", 9)
	w.Settle()
	if state(w) != "open" {
		t.Fatal("closed before GitHub had its time")
	}
	w.Pass(5 * time.Minute)
	w.Settle()
	i := w.GitHub.Issues(7)[0]
	if i.State != "closed" || i.StateReason != "completed" {
		t.Fatalf("%s, %s; want closed as completed", i.State, i.StateReason)
	}
	// A person who reopens it means it.
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.State, i.StateReason = "open", "reopened" })
	look(w)
	w.Pass(30 * day)
	look(w)
	if state(w) != "open" || len(comments(w, "Proven")) != 0 {
		t.Errorf("state %s, comments %q", state(w), comments(w, ""))
	}
	if l := standing(w); !strings.Contains(l.Text, "open, although #9") {
		t.Errorf("stands at %q", l.Text)
	}
}

// The closing can be taken back, and stays so.
func TestUndoOfTheClosing(t *testing.T) {
	w := world(t, live)
	w.GitHub.Allow("maintainer", github.Write)
	complain(w, "ann", "")
	w.Settle()
	merge(w, "r1", 9)
	w.Pass(6 * time.Minute)
	w.Settle()
	undo := func(id int64) {
		var b storage.Batch
		command.Add(&b, command.Comment{ID: id, Number: 1, Author: "maintainer", AuthorID: enginetest.ID("maintainer"), Line: "/soulcaster undo", CreatedAt: w.Time})
		if err := w.Space(repo).Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		w.Settle()
	}
	undo(1) // the edit that says that it is fixed
	undo(2)
	w.Pass(time.Hour)
	look(w)
	if state(w) != "open" {
		t.Errorf("state %s; answers %q", state(w), comments(w, ""))
	}
}

func TestNotPlannedStaysMutedAfterMerge(t *testing.T) {
	w := world(t, live)
	complain(w, "ann", "")
	w.Settle()
	w.GitHub.Close(7, 1, "not_planned")
	look(w)
	merge(w, "r1", 9)
	before := len(w.GitHub.Writes())
	w.Pass(30 * day)
	complain(w, "bob", "2.0.0")
	w.Settle()
	if got := w.GitHub.Writes()[before:]; len(got) != 0 || standing(w).State != issue.Muted {
		t.Errorf("writes %v, %+v", got, standing(w))
	}
}

func TestReleasesAfterMerge(t *testing.T) {
	for name, c := range map[string]struct {
		release string
		after   time.Duration
		back    bool
		why     string // in the comment
		older   bool   // the standing counts it
	}{
		"contains the merge, at once":       {"web@2.0.0", time.Hour, true, "in release `web@2.0.0`, which contains it", false},
		"is its commit":                     {"web@2.0.0-rc1+abc1234", time.Hour, true, "which contains it", false},
		"lacks it, long after":              {"web@1.0.0", 5 * day, false, "", true},
		"new, on a branch without it":       {"web@1.0.1", 5 * day, false, "", true},
		"GitHub does not know it, soon":     {"web@3.0.0", time.Hour, false, "", false},
		"GitHub does not know it, later":    {"web@3.0.0", 2 * day, true, "which had not reported it before", false},
		"says nothing of a commit, soon":    {"nightly", time.Hour, false, "", false},
		"says nothing of a commit, later":   {"nightly", 2 * day, true, "which had not reported it before", false},
		"none, soon":                        {"", time.Hour, false, "", false},
		"none, later":                       {"", 2 * day, true, "happened since", false},
		"contains it, but before the merge": {"web@2.0.0", -time.Hour, false, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := fixed(t, live)
			now := w.Time
			w.Pass(c.after)
			readings := w.Report("api", fmt.Sprintf(`{"title": "CSV export of orders times out", "author": "bob", "release": %q, "occurred_at": %q}`, c.release, w.Time.Format(time.RFC3339)))
			w.Time = now.Add(max(c.after, time.Minute))
			w.Take("api", readings...)
			w.Settle()
			said := comments(w, "This is back.")
			if (state(w) == "open") != c.back || (len(said) == 1) != c.back {
				t.Fatalf("state %s, comments %q, stands at %q", state(w), said, standing(w).Text)
			}
			if c.back && (!strings.Contains(said[0], "#9, which was to fix it, was merged on 2 March 2026") || !strings.Contains(said[0], c.why)) {
				t.Errorf("said %q, want %q", said[0], c.why)
			}
			if got := strings.Contains(standing(w).Text, "; 1 report since from older releases"); got != c.older {
				t.Errorf("stands at %q", standing(w).Text)
			}
			if body := w.GitHub.Issues(7)[0].Body; c.back != strings.Contains(body, "#9, merged 2 March 2026, was to fix this. It is back since ") {
				t.Errorf("body\n%s", body)
			}
		})
	}
}

// What GitHub said of a release is remembered; what it does not know is asked again,
// a few times, because tags are made late.
func TestAnswersAreRemembered(t *testing.T) {
	w := fixed(t, live)
	for i := range 5 {
		w.Pass(time.Hour)
		complain(w, fmt.Sprint("p", i), "web@1.0.1")
		w.Settle()
	}
	if got := w.GitHub.Commits.Asked; !slices.Equal(got, []string{mergeCommit + "...v1.0.1"}) {
		t.Errorf("asked %v", got)
	}
	w = fixed(t, live+"watch: {deploy_hours: 100}\n")
	for i := range 20 {
		w.Pass(2 * time.Hour)
		complain(w, fmt.Sprint("q", i), "web@4.0.0")
		w.Settle()
	}
	if got := len(w.GitHub.Commits.Asked); got != 3*3 {
		t.Errorf("%d questions about a release that nobody knows, want three times three names: %v", got, w.GitHub.Commits.Asked)
	}
	// It is tagged at last, within the deploy time.
	w = fixed(t, live)
	w.Pass(time.Hour)
	complain(w, "bob", "web@4.0.0")
	w.Settle()
	w.GitHub.Commits.Status["v4.0.0"] = "ahead"
	w.Pass(7 * time.Hour)
	complain(w, "cleo", "web@4.0.0")
	w.Settle()
	if state(w) != "open" {
		t.Error("not reopened by a release that was tagged late")
	}
}

// Many releases are asked about a few at a time, and the rest in the next minute.
func TestFewQuestionsALook(t *testing.T) {
	w := fixed(t, live)
	w.Pass(time.Hour)
	for i := range 7 {
		w.GitHub.Commits.Status[fmt.Sprintf("v1.1.%d", i)] = "behind"
		complain(w, fmt.Sprint("p", i), fmt.Sprintf("web@1.1.%d", i))
	}
	w.Settle()
	if got := len(w.GitHub.Commits.Asked); got != 3 {
		t.Fatalf("%d questions in one look, want 3", got)
	}
	for range 3 {
		w.Pass(time.Minute)
		w.Settle()
	}
	if got := len(w.GitHub.Commits.Asked); got != 7 || !strings.Contains(standing(w).Text, "7 reports since from older releases") {
		t.Errorf("%d questions in all, want 7; %q", got, standing(w).Text)
	}
}

// While GitHub does not answer, nothing is concluded: neither that it is back nor
// that it is proven.
func TestOutageConcludesNothing(t *testing.T) {
	for name, fault := range map[string]error{
		"away": &work.Later{Err: errors.New("status 502")}, "slow": fmt.Errorf("compare: %w", context.DeadlineExceeded),
	} {
		t.Run(name, func(t *testing.T) {
			w := fixed(t, live)
			w.GitHub.Commits.Fault = fault
			w.Pass(2 * day)
			complain(w, "bob", "web@2.0.0")
			w.Settle()
			w.Pass(20 * day)
			w.Settle()
			if state(w) != "closed" || len(comments(w, "")) != 0 {
				t.Fatalf("state %s, comments %q", state(w), comments(w, ""))
			}
			w.GitHub.Commits.Fault = nil
			w.Pass(10 * time.Minute)
			w.Settle()
			if state(w) != "open" || len(comments(w, "This is back.")) != 1 {
				t.Errorf("state %s, comments %q", state(w), comments(w, ""))
			}
		})
	}
	// Without the permission it will never be known, and time decides.
	w := fixed(t, live)
	w.GitHub.Commits.Fault = fmt.Errorf("compare: %w", github.ErrForbidden)
	w.Pass(2 * day)
	complain(w, "bob", "web@2.0.0")
	w.Settle()
	if state(w) != "open" {
		t.Error("not reopened where GitHub does not allow to ask")
	}
}

func TestRegressionAtMostOnceADay(t *testing.T) {
	w := fixed(t, live)
	w.Pass(time.Hour)
	complain(w, "bob", "web@2.0.0")
	w.Settle()
	if state(w) != "open" {
		t.Fatal("not reopened")
	}
	// Another fix, on the same day, does not hold either.
	w.Pass(time.Hour)
	merge(w, "r2", 10)
	w.GitHub.Close(7, 1, "completed")
	look(w)
	w.Pass(time.Hour)
	complain(w, "cleo", "web@2.0.1")
	w.GitHub.Commits.Status["v2.0.1"] = "ahead"
	w.Settle()
	if state(w) != "closed" {
		t.Fatal("reopened twice on a day")
	}
	w.Pass(23 * time.Hour)
	w.Settle()
	if said := comments(w, "This is back."); state(w) != "open" || len(said) != 2 || !strings.Contains(said[1], "#10") {
		t.Errorf("a day later: state %s, comments %q", state(w), said)
	}
}

// After a fix failed, a person's closing is judged by time and release alone: what
// the merge was part of says nothing any more.
func TestClosedByPersonAfterFailedFix(t *testing.T) {
	w := fixed(t, live)
	w.Pass(time.Hour)
	complain(w, "bob", "web@2.0.0")
	w.Settle()
	w.Pass(2 * day)
	w.GitHub.Close(7, 1, "completed")
	look(w)
	if l := standing(w); l.Text != "issue #1, closed: watched for its return" {
		t.Errorf("stands at %q", l.Text)
	}
	w.Pass(3 * day)
	complain(w, "cleo", "web@2.0.0")
	w.Settle()
	w.Pass(30 * day)
	look(w)
	if state(w) != "closed" || len(comments(w, "Proven")) != 0 {
		t.Errorf("state %s, comments %q", state(w), comments(w, ""))
	}
}

func TestQuietSoakIsProven(t *testing.T) {
	w := fixed(t, live+"watch: {deploy_hours: 12, soak_days: 3}\n")
	w.Pass(day)
	complain(w, "bob", "web@1.0.0") // counted, not shouted about
	complain(w, "cleo", "web@1.0.1")
	report(w, "dan", "Login loops after a password reset", `, "release": "web@2.0.0"`) // which people do have
	w.Settle()
	w.Pass(2*day + 11*time.Hour)
	w.Settle()
	if got := comments(w, ""); len(got) != 0 {
		t.Fatalf("said before the soak was over: %q", got)
	}
	w.Pass(time.Hour)
	w.Settle()
	want := "**Proven.** #9, merged on 2 March 2026, 09:00 UTC, fixed this: it has been quiet for 3 days, counted from 2 March 2026, 21:00 UTC, " +
		"when the fix had had 12 hours to reach everyone. Release `web@2.0.0` contains it. Not counted: 2 reports from older releases. It stays watched."
	if got := comments(w, ""); len(got) != 1 || !strings.HasPrefix(got[0], want+"\n") {
		t.Fatalf("said %q\nwant %s", got, want)
	}
	if l := standing(w); l.Text != "issue #1, fixed by #9, merged 2 March 2026: proven on 5 March 2026, watched for its return; 2 reports since from older releases" {
		t.Errorf("stands at %q", l.Text)
	}
	if i := w.GitHub.Issues(7)[0]; i.State != "closed" || !strings.Contains(i.Body, "Proven on 5 March 2026") {
		t.Errorf("%s\n%s", i.State, i.Body)
	}
	// Once, and a return is still one.
	w.Pass(30 * day)
	look(w)
	if got := comments(w, ""); len(got) != 1 {
		t.Errorf("said again: %q", got)
	}
	complain(w, "eve", "web@2.0.0")
	w.Settle()
	if state(w) != "open" || len(comments(w, "This is back.")) != 1 {
		t.Errorf("state %s, comments %q", state(w), comments(w, ""))
	}
}

// A person who closes without a merge of ours claims nothing that could be proven.
func TestNoProofWithoutMerge(t *testing.T) {
	w := world(t, live)
	complain(w, "ann", "")
	w.Settle()
	w.GitHub.Close(7, 1, "completed")
	look(w)
	w.Pass(60 * day)
	look(w)
	if got := comments(w, ""); len(got) != 0 {
		t.Errorf("said %q", got)
	}
}

// A person reopened the issue and the delivery was lost: nothing is proven there.
func TestNoProofOnReopenedIssue(t *testing.T) {
	w := fixed(t, live)
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.State, i.StateReason = "open", "reopened" })
	w.Pass(30 * day)
	w.Settle()
	if got := comments(w, ""); len(got) != 0 || state(w) != "open" {
		t.Errorf("state %s, said %q", state(w), got)
	}
}

func TestProofIsTakenBack(t *testing.T) {
	w := fixed(t, live)
	w.GitHub.Allow("maintainer", github.Write)
	w.Pass(8 * day)
	w.Settle()
	if len(comments(w, "Proven")) != 1 {
		t.Fatalf("said %q", comments(w, ""))
	}
	for id := range int64(2) { // the edit that says so, and the comment
		var b storage.Batch
		command.Add(&b, command.Comment{ID: id + 1, Number: 1, Author: "maintainer", AuthorID: enginetest.ID("maintainer"), Line: "/soulcaster undo", CreatedAt: w.Time})
		if err := w.Space(repo).Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		w.Settle()
	}
	w.Pass(day)
	look(w)
	if got := comments(w, "Proven"); len(got) != 0 || state(w) != "closed" {
		t.Errorf("state %s, said %q", state(w), comments(w, ""))
	}
}

// TestAfterTheFixThroughCrashes stops the app at every fault point from the merge to
// the proof, or to the regression. Everything is said once.
func TestAfterTheFixThroughCrashes(t *testing.T) {
	crash := errors.New("crash")
	for _, back := range []bool{false, true} {
		for n := 1; ; n++ {
			w := world(t, live)
			w.GitHub.Commits.Status = map[string]string{"v2.0.0": "ahead"}
			complain(w, "ann", "web@1.0.0")
			w.Settle()
			merge(w, "r1", 9)
			passed, dead := 0, false
			w.Hook = func(string) error {
				if passed++; passed == n || dead {
					dead = true
					return crash
				}
				return nil
			}
			settle := func() {
				for {
					err := w.TrySettle()
					if err == nil {
						return
					}
					if !errors.Is(err, crash) {
						t.Fatalf("point %d: %v", n, err)
					}
					w.Restart()
					dead = false
					w.Pass(2 * time.Minute)
				}
			}
			w.Pass(6 * time.Minute)
			settle()
			if back {
				w.Pass(time.Hour)
				hook := w.Hook
				w.Hook = nil
				complain(w, "bob", "web@2.0.0")
				w.Hook = hook
				settle()
			}
			w.Pass(9 * day)
			settle()
			w.Pass(2 * time.Minute)
			settle()
			w.Hook = nil
			want, word := "closed", "Proven"
			if back {
				want, word = "open", "This is back."
			}
			if got := comments(w, ""); state(w) != want || len(got) != 1 || len(comments(w, word)) != 1 {
				t.Fatalf("crash at point %d of %d: %s, comments %q, want one %q", n, passed, state(w), got, word)
			}
			if passed < n {
				t.Logf("crashed at each of %d points (back: %v)", n-1, back)
				break
			}
		}
	}
}

// What the run learns of a cluster, before there is an issue and after.
func TestWhatARunLearns(t *testing.T) {
	w := world(t, "mode: live\nfile_after: {reports: 2}\npublish: safe\n")
	complain(w, "ann", "web@1.0.0")
	w.Settle()
	space := w.Space(repo)
	if i, err := w.Keeper.Issue(t.Context(), space, "000001"); err != nil || i != (run.Issue{Title: "CSV export of orders times out"}) {
		t.Errorf("before it is filed: %+v, %v", i, err)
	}
	complain(w, "bob", "web@1.0.0")
	w.Settle()
	i, err := w.Keeper.Issue(t.Context(), space, "000001")
	want := run.Issue{Number: 1, URL: "https://github.example/acme/web/issues/1", Title: "CSV export of orders times out", Open: true}
	if err != nil || i != want {
		t.Errorf("%+v, %v; want %+v", i, err, want)
	}
	list, err := w.Keeper.Evidence(t.Context(), space, "000001")
	if err != nil || len(list) != 3 || list[0].Text != "CSV export of orders times out" || list[0].Field != "title" {
		t.Errorf("%+v, %v", list, err)
	}
	// What the operator says of a source now decides, not what was so when it came.
	readings := w.Report("api", `{"title": "CSV export of orders times out", "author": "cleo", "body": "It never ends."}`)
	readings[0].Feedback.Public = true
	w.Take("api", readings...)
	w.Settle()
	says := func(list []brief.Evidence) bool {
		return slices.ContainsFunc(list, func(e brief.Evidence) bool { return e.Field == "text" && strings.Contains(e.Text, "It never ends.") })
	}
	if list, err = w.Keeper.Evidence(t.Context(), space, "000001"); err != nil || says(list) {
		t.Errorf("of a source that is not public: %+v, %v", list, err)
	}
	w.Sources = source.NewTable([]source.Source{{Installation: enginetest.Installation, ID: "api", Kind: source.Feedback, Repository: repo, Public: true}})
	w.Restart()
	space = w.Space(repo)
	if list, err = w.Keeper.Evidence(t.Context(), space, "000001"); err != nil || !says(list) {
		t.Errorf("of a public source: %+v, %v", list, err)
	}
	w.GitHub.Close(7, 1, "completed")
	look(w)
	if i, err := w.Keeper.Issue(t.Context(), space, "000001"); err != nil || i.Open {
		t.Errorf("closed: %+v, %v", i, err)
	}
	if list, err := w.Keeper.Evidence(t.Context(), space, "009999"); err != nil || len(list) != 0 {
		t.Errorf("of no cluster: %+v, %v", list, err)
	}
}
