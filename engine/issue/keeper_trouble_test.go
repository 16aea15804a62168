package issue_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/upkeep"
	"github.com/soulcaster/soulcaster/engine/work"
)

// say changes what the operator's settings say, and starts the app again.
func say(w *enginetest.World, yaml string) {
	w.T.Helper()
	file, err := policy.Parse([]byte(yaml))
	if err != nil {
		w.T.Fatal(err)
	}
	w.Settings[enginetest.Installation][repo] = file
	w.Restart()
	due(w, "", upkeep.InstallationWork)
	w.Settle()
}

// due makes a key due in the project's space, or in the installation's.
func due(w *enginetest.World, project, key string) {
	w.T.Helper()
	space, err := w.Projects.Space(w.T.Context(), enginetest.Installation)
	if project != "" {
		space = w.Space(project)
	}
	if err != nil {
		w.T.Fatal(err)
	}
	var b storage.Batch
	work.Add(&b, key)
	if err := space.Apply(w.T.Context(), &b); err != nil {
		w.T.Fatal(err)
	}
}

// post takes in a Reddit post.
func post(w *enginetest.World, id, author, title, text string) string {
	w.T.Helper()
	readings, err := w.Reader("reddit").Reddit(fmt.Appendf(nil, `{"kind": "t3", "data": {"name": "t3_%s", "author": %q, "title": %q,
		"selftext": %q, "subreddit": "shop", "subreddit_type": "public", "permalink": "/r/shop/comments/%s/x/", "created_utc": %d}}`,
		id, author, title, text, id, w.Time.Add(-time.Hour).Unix()))
	if err != nil {
		w.T.Fatal(err)
	}
	return w.Take("reddit", readings...)[0].ID
}

func TestOperatorGoesLive(t *testing.T) {
	w := world(t, "file_after: {reports: 1}\n")
	report(w, "ann", "CSV export of orders times out")
	w.Settle()
	if n := len(w.GitHub.Issues(7)); n != 0 {
		t.Fatalf("%d issues in a preview", n)
	}
	// The app dies between learning of it and going through the issues.
	crash := errors.New("crash")
	w.Hook = func(point string) error {
		if strings.HasPrefix(point, "commit.before:p/") {
			return crash
		}
		return nil
	}
	file, err := policy.Parse([]byte(live))
	if err != nil {
		t.Fatal(err)
	}
	w.Settings[enginetest.Installation][repo] = file
	w.Restart()
	due(w, "", upkeep.InstallationWork)
	if err := w.TrySettle(); !errors.Is(err, crash) {
		t.Fatalf("%v, want the crash", err)
	}
	w.Hook = nil
	say(w, live)
	if n := len(w.GitHub.Issues(7)); n != 1 {
		t.Errorf("%d issues after going live, want 1", n)
	}
}

func TestLessIsPublished(t *testing.T) {
	for _, closed := range []bool{false, true} {
		w := world(t, live+"publish: full\n")
		report(w, "ann", `CSV export of "Wildflower Ltd" times out`)
		w.Settle()
		if i := w.GitHub.Issues(7); len(i) != 1 || !strings.Contains(i[0].Title+i[0].Body, "Wildflower") {
			t.Fatalf("issues %+v, want one with the customer's name", i)
		}
		if closed {
			w.GitHub.Close(7, 1, "completed")
			due(w, repo, issue.LookWork("000001"))
			w.Settle()
		}
		say(w, live+"publish: safe\n")
		if i := w.GitHub.Issues(7)[0]; strings.Contains(i.Title+i.Body, "Wildflower") {
			t.Errorf("closed %v: still there: %s\n%s", closed, i.Title, i.Body)
		}
	}
}

func TestEditedAndReplacedTextsAreFollowed(t *testing.T) {
	w := world(t, "mode: live\nfile_after: {posts: 1}\n")
	post(w, "aaa", "u1", "Wildflower: size table unreadable in dark mode", "The table of sizes is dark grey on black.")
	w.Settle()
	if i := w.GitHub.Issues(7); len(i) != 1 || !strings.Contains(i[0].Title, "Wildflower") {
		t.Fatalf("issues %+v", i)
	}
	// The author thinks better of it.
	post(w, "aaa", "u1", "Size table unreadable in dark mode", "The table of sizes is dark grey on black.")
	w.Settle()
	if i := w.GitHub.Issues(7)[0]; strings.Contains(i.Title+i.Body, "Wildflower") {
		t.Errorf("the old text is still there: %s\n%s", i.Title, i.Body)
	}
	// One goes and another comes before anybody looks, and the issue is closed.
	w.GitHub.Close(7, 1, "completed")
	post(w, "bbb", "u2", "Size table unreadable in dark mode", "Sunflower cannot read the sizes.")
	w.Settle()
	w.Pass(48 * time.Hour)
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.State, i.ClosedAt = "open", time.Time{} })
	due(w, repo, issue.LookWork("000001"))
	w.Settle()
	if i := w.GitHub.Issues(7)[0]; !strings.Contains(i.Body, "Sunflower") {
		t.Fatalf("the second post is not told: %s", i.Body)
	}
	w.GitHub.Close(7, 1, "completed")
	due(w, repo, issue.LookWork("000001"))
	w.Settle()
	post(w, "bbb", "[deleted]", "Size table unreadable in dark mode", "[deleted]")
	post(w, "ccc", "u3", "Size table unreadable in dark mode", "Nothing can be read.")
	w.Settle()
	if i := w.GitHub.Issues(7)[0]; strings.Contains(i.Body, "Sunflower") || i.State != "closed" {
		t.Errorf("state %s, body %s", i.State, i.Body)
	}
}

func TestWhatDoesNotCountAnyMoreIsNotBlanked(t *testing.T) {
	w := world(t, live)
	report(w, "ann", "CSV export of orders times out")
	w.Settle()
	before := w.GitHub.Issues(7)[0].Body
	say(w, live+"ignore: [csv export]\n")
	if now := w.GitHub.Issues(7)[0].Body; now != before {
		t.Errorf("the issue was emptied:\n%s", now)
	}
}

func TestRefusalIsSaid(t *testing.T) {
	w := world(t, live)
	w.GitHub.Fault = func(call string, landed bool) error {
		if call == "create issue" && !landed {
			return github.ErrForbidden
		}
		return nil
	}
	id := report(w, "ann", "CSV export of orders times out")
	if err := w.TrySettle(); !errors.Is(err, github.ErrForbidden) {
		t.Fatalf("%v", err)
	}
	if l := w.Line(repo, id); l.State != issue.Blocked || !strings.Contains(l.Text, "permission") {
		t.Errorf("the cluster stands at %+v", l)
	}
}

// TestClosedWhileNobodyHeard: the delivery of the closing was lost. The app finds
// out when it wants to write, writes nothing, and knows the next release for new.
func TestClosedWhileNobodyHeard(t *testing.T) {
	w := world(t, live)
	report(w, "ann", "CSV export of orders times out", `, "release": "1.0"`)
	w.Settle()
	w.GitHub.Close(7, 1, "completed")
	before := w.GitHub.Issues(7)[0].Body
	w.Pass(time.Hour)
	report(w, "bob", "CSV export of orders times out!", `, "release": "2.0"`)
	w.Settle()
	if i := w.GitHub.Issues(7)[0]; i.Body != before || i.State != "closed" {
		t.Fatalf("a closed issue was written: %s %s", i.State, i.Body)
	}
	w.Pass(25 * time.Hour)
	report(w, "cleo", "CSV export of orders times out here", `, "release": "2.0"`)
	w.Settle()
	if i := w.GitHub.Issues(7)[0]; i.State != "open" {
		t.Errorf("release 2.0 was not there before the closing, and yet: %s", i.State)
	}
}

// TestIneligibleAfterTheFactIsKept: the issue was made, the app died before it
// knew, and by the next start the problem would not be filed any more.
func TestIneligibleAfterTheFactIsKept(t *testing.T) {
	w := world(t, live)
	crash := errors.New("crash")
	dead := false
	w.Hook = func(point string) error {
		if dead = dead || point == "effect.after:issue.create"; dead {
			return crash
		}
		return nil
	}
	id := report(w, "ann", "CSV export of orders times out")
	if err := w.TrySettle(); !errors.Is(err, crash) {
		t.Fatalf("%v, want the crash", err)
	}
	w.Hook = nil
	w.GitHub.Close(7, 1, "not_planned") // and nobody could tell us yet
	w.Pass(2 * time.Minute)
	say(w, "mode: live\nfile_after: {reports: 5}\n")
	w.Settle()
	if l := w.Line(repo, id); l.Number != 1 || l.State != issue.Muted || len(w.GitHub.Issues(7)) != 1 {
		t.Errorf("line %+v, %d issues; want issue 1, muted", l, len(w.GitHub.Issues(7)))
	}
}

func undo(w *enginetest.World, comment int64, author string) {
	w.T.Helper()
	w.GitHub.Allow(author, github.Write)
	var b storage.Batch
	command.Add(&b, command.Comment{ID: comment, Number: 1, Author: author, AuthorID: enginetest.ID(author), Line: "/soulcaster undo", CreatedAt: w.Time})
	if err := w.Space(repo).Apply(w.T.Context(), &b); err != nil {
		w.T.Fatal(err)
	}
}

func TestTwoUndosAtOnceAreTwo(t *testing.T) {
	w := world(t, live)
	report(w, "ann", "CSV export of orders times out")
	w.Settle()
	report(w, "bob", "CSV export of orders times out!")
	w.Settle()
	undo(w, 1, "mona")
	undo(w, 2, "hubot")
	w.Settle()
	i, c := w.GitHub.Issues(7)[0], w.GitHub.Comments(7, 1)
	if len(c) != 2 || i.State != "closed" || i.StateReason != "not_planned" {
		t.Errorf("answers %q, issue %s %s; want the edit and the filing taken back", c, i.State, i.StateReason)
	}
}

// TestWhatWaitsForItsTurnSaysSo: many are filed one after another, and nothing is wrong.
func TestWhatWaitsForItsTurnSaysSo(t *testing.T) {
	for why, want := range map[error]string{github.ErrPaced: "held: its turn comes", errors.New("status 502"): "held: GitHub is away"} {
		w := world(t, live)
		w.GitHub.Fault = func(call string, landed bool) error {
			if call == "create issue" && !landed {
				return &work.Later{Until: w.Time.Add(time.Hour), Err: why}
			}
			return nil
		}
		report(w, "ann", "CSV export of orders times out")
		w.Settle()
		if text := standing(w).Text; !strings.HasPrefix(text, want) {
			t.Errorf("%v: %q, want %q", why, text, want)
		}
	}
}

// TestUndoIsNotDoneAgain: only the answer is missing when somebody reopens.
func TestUndoIsNotDoneAgain(t *testing.T) {
	w := world(t, live)
	report(w, "ann", "CSV export of orders times out")
	w.Settle()
	later := &work.Later{Until: w.Time.Add(time.Hour), Err: errors.New("slow down")}
	w.GitHub.Fault = func(call string, landed bool) error {
		if call == "comment" && !landed {
			return later
		}
		return nil
	}
	undo(w, 1, "mona")
	w.Settle()
	if i := w.GitHub.Issues(7)[0]; i.State != "closed" {
		t.Fatalf("state %s", i.State)
	}
	w.GitHub.Fault = nil
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.State, i.StateReason, i.ClosedAt = "open", "reopened", time.Time{} })
	w.Pass(2 * time.Hour)
	w.Settle()
	if i, c := w.GitHub.Issues(7)[0], w.GitHub.Comments(7, 1); i.State != "open" || len(c) != 1 {
		t.Errorf("state %s, answers %q; want it left open, and one answer", i.State, c)
	}
}

func TestUndoOfAGoneIssueEnds(t *testing.T) {
	w := world(t, live)
	report(w, "ann", "CSV export of orders times out")
	w.Settle()
	undo(w, 1, "mona")
	w.GitHub.Change(7, 1, func(i *github.Issue) { i.State = "deleted" })
	w.Settle()
	entries, err := w.Space(repo).Scan(t.Context(), "undo/", "", 10)
	if err != nil || len(entries) != 0 {
		t.Errorf("left: %v (%v)", entries, err)
	}
}

// TestEraseSurvivesACrash: an erasure that was cut short is ended.
func TestEraseSurvivesACrash(t *testing.T) {
	w := world(t, live)
	report(w, "ann", "CSV export of orders times out")
	w.Settle()
	w.GitHub.Uninstall(enginetest.Installation)
	due(w, "", upkeep.InstallationWork)
	w.Settle() // GitHub told nothing of it, and is asked again
	w.Pass(10 * time.Minute)
	crash := errors.New("crash")
	w.Hook = func(point string) error {
		if strings.HasPrefix(point, "drop.before:p/") {
			return crash
		}
		return nil
	}
	if err := w.TrySettle(); !errors.Is(err, crash) {
		t.Fatalf("%v, want the crash", err)
	}
	w.Hook = nil
	w.Restart()
	w.Settle()
	names, err := w.DB.List(t.Context(), "", "", 10)
	if err != nil || len(names) != 1 {
		t.Errorf("spaces %v (%v), want the app's alone", names, err)
	}
}

// TestPreviewKeepsTheLastEdit: what a preview would write is recorded beside the
// last edit, which undo still knows.
func TestPreviewKeepsTheLastEdit(t *testing.T) {
	w := world(t, live)
	report(w, "ann", "CSV export of orders times out")
	w.Settle()
	report(w, "bob", "CSV export of orders times out!")
	w.Settle()
	edited := w.GitHub.Issues(7)[0].Body
	say(w, "mode: preview\n")
	report(w, "cleo", "CSV export of orders times out again")
	w.Settle()
	if got := w.GitHub.Issues(7)[0].Body; got != edited {
		t.Error("a preview wrote")
	}
	for key, want := range map[string]action.State{issue.EditKey("000001"): action.Done, "preview/" + issue.EditKey("000001"): action.Previewed} {
		if rec, _, err := w.Actions.Get(t.Context(), w.Space(repo), key); err != nil || rec.State != want || len(rec.Request) == 0 {
			t.Errorf("%s is %q (%v), want %s", key, rec.State, err, want)
		}
	}
}

// handlers are the keeper's, by kind.
type handlers map[string]work.Handler

func (h handlers) Handle(kind string, do work.Handler) { h[kind] = do }

// TestUndoOfAnEditThatIsNotRemembered: while an edit is on its way, somebody locks the
// issue, which is looked at, and asks for an undo. What the edit told is lost with the
// record, and yet it is not told again.
func TestUndoOfAnEditThatIsNotRemembered(t *testing.T) {
	w := world(t, live)
	report(w, "ann", "CSV export of orders times out")
	w.Settle()
	before := w.GitHub.Issues(7)[0].Body
	keeper := make(handlers)
	w.Keeper.Register(keeper)
	edits := 0
	w.Hook = func(point string) error {
		if point != "effect.after:issue.edit" {
			return nil
		}
		if edits++; edits > 1 {
			return nil
		}
		w.GitHub.Change(7, 1, func(i *github.Issue) { i.Locked = true })
		if _, err := keeper["look"](t.Context(), work.Item{Space: w.Space(repo), Subject: "000001"}); err != nil {
			t.Error(err)
		}
		undo(w, 1, "mona")
		return nil
	}
	report(w, "bob", "CSV export of orders times out!")
	w.Settle()
	if now := w.GitHub.Issues(7)[0].Body; edits != 1 || now != before {
		t.Errorf("%d edits, and the issue says\n%s\nwant one, taken back:\n%s", edits, now, before)
	}
	// What is new after that is told.
	report(w, "cleo", "CSV export of orders times out again")
	w.Settle()
	if now := w.GitHub.Issues(7)[0].Body; !strings.Contains(now, "3 people") {
		t.Errorf("what came after the undo is not told:\n%s", now)
	}
}

// TestLookThatFindsNothing: GitHub tells of the app's own edit while that is being noted.
// The look that follows leaves the record as it is: else the note would come too late.
func TestLookThatFindsNothing(t *testing.T) {
	w := world(t, live)
	report(w, "ann", "CSV export of orders times out")
	w.Settle()
	keeper := make(handlers)
	w.Keeper.Register(keeper)
	version := func() string {
		entries, err := w.Space(repo).Get(t.Context(), "issue/000001")
		if err != nil || !entries[0].Exists() {
			t.Fatalf("record %+v (%v)", entries, err)
		}
		return fmt.Sprint(entries[0].Version)
	}
	edits := 0
	w.Hook = func(point string) error {
		if point != "effect.after:issue.edit" {
			return nil
		}
		edits++
		before := version()
		_, err := keeper["look"](t.Context(), work.Item{Space: w.Space(repo), Subject: "000001"})
		if now := version(); now != before {
			t.Errorf("the record was written: version %s, it was %s", now, before)
		}
		return err
	}
	report(w, "bob", "CSV export of orders times out!")
	w.Settle()
	if edits != 1 {
		t.Errorf("%d edits, want 1", edits)
	}
}
