package github

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// branch is that of the run of [house.run].
const branch = "soulcaster/issue-5-abc123"

const sha = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"

// run gives issue 5 a run, whose pull request is 2.
func (h *house) run(state run.State) {
	h.t.Helper()
	_, was, err := run.Of(h.t.Context(), h.web(), "c7")
	if err != nil {
		h.t.Fatal(err)
	}
	var b storage.Batch
	run.Begin(&b, was, &run.Run{ID: "abc123", Cluster: "c7", Issue: 5, State: state, Branch: branch, Rounds: []run.Round{{N: 1}},
		Created: time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)}, nil, run.Words{})
	run.SetPull(&b, 2, "abc123")
	b.Delete("work/due/run/abc123")
	if err := h.web().Apply(h.t.Context(), &b); err != nil {
		h.t.Fatal(err)
	}
}

func ofRepository(payload object) object {
	payload["repository"], payload["installation"] = object{"id": 9, "full_name": "acme/web"}, object{"id": 101}
	return payload
}

// pulled is a pull_request delivery about pull request 2.
func pulled(action string) object {
	return ofRepository(object{"action": action, "number": 2, "pull_request": object{"number": 2}})
}

// reviewed is a review of pull request 2.
func reviewed(login, state string) object {
	person := object{"id": 3, "login": login, "type": "User"}
	return ofRepository(object{"action": "submitted", "pull_request": object{"number": 2}, "sender": person,
		"review": object{"id": 31, "state": state, "user": person, "body": "please use a constant", "submitted_at": "2026-03-04T05:06:00Z"}})
}

// failed is a suite of checks on the branch of the run.
func failed(conclusion string) object {
	return ofRepository(object{"action": "completed", "check_suite": object{"conclusion": conclusion, "head_branch": branch, "head_sha": sha}})
}

func TestDeliveriesAboutRuns(t *testing.T) {
	for _, tt := range []struct {
		name, event string
		payload     object
		status      int
		note        string // a key that the delivery leaves behind
	}{
		{"merged", "pull_request", pulled("closed"), 200, ""},
		{"reopened", "pull_request", pulled("reopened"), 200, ""},
		{"pushed to", "pull_request", pulled("synchronize"), 200, ""},
		{"another base", "pull_request", pulled("edited"), 200, ""},
		{"ready", "pull_request", pulled("ready_for_review"), 200, ""},
		{"a draft again", "pull_request", pulled("converted_to_draft"), 200, ""},
		{"labeled", "pull_request", pulled("labeled"), 202, ""},
		{"somebody else's", "pull_request", with(pulled("closed"), "pull_request.number", 3), 202, ""},
		{"the issue's number", "pull_request", with(pulled("closed"), "pull_request.number", 5), 202, ""},
		{"another repository's", "pull_request", with(pulled("closed"), "repository.full_name", "acme/api"), 202, ""},
		{"another tenant's", "pull_request", with(pulled("closed"), "installation.id", 102), 202, ""},
		{"no number", "pull_request", with(pulled("closed"), "pull_request.number", 0), 400, ""},
		{"number is text", "pull_request", with(pulled("closed"), "pull_request.number", "2"), 400, ""},

		{"changes wanted", "pull_request_review", reviewed("octocat", "changes_requested"), 200, "review/2/31"},
		{"changes wanted, as the API writes it", "pull_request_review", reviewed("octocat", "CHANGES_REQUESTED"), 200, "review/2/31"},
		{"approved", "pull_request_review", reviewed("octocat", "approved"), 202, ""},
		{"commented", "pull_request_review", reviewed("octocat", "commented"), 202, ""},
		{"edited", "pull_request_review", with(reviewed("octocat", "changes_requested"), "action", "edited"), 202, ""},
		{"dismissed", "pull_request_review", with(reviewed("octocat", "changes_requested"), "action", "dismissed"), 202, ""},
		{"a bot's", "pull_request_review", with(reviewed("x[bot]", "changes_requested"), "review.user.type", "Bot"), 202, ""},
		{"sent by a bot", "pull_request_review", with(reviewed("octocat", "changes_requested"), "sender.type", "Bot"), 202, ""},
		{"sent by another", "pull_request_review", with(reviewed("octocat", "changes_requested"), "sender.id", 4), 202, ""},
		{"of somebody else's", "pull_request_review", with(reviewed("octocat", "changes_requested"), "pull_request.number", 3), 202, ""},
		{"nobody's", "pull_request_review", with(reviewed("octocat", "changes_requested"), "review.user", object{"login": "octocat", "type": "User"}), 202, ""},
		{"nobody's, sent by nobody", "pull_request_review", with(with(reviewed("octocat", "changes_requested"), "review.user.id", 0), "sender.id", 0), 400, ""},
		{"review without an id", "pull_request_review", with(reviewed("octocat", "changes_requested"), "review.id", 0), 400, ""},

		{"checks failed", "check_suite", failed("failure"), 200, "checks/abc123"},
		{"checks timed out", "check_suite", failed("timed_out"), 200, "checks/abc123"},
		{"checks passed", "check_suite", failed("success"), 202, ""},
		{"checks cancelled", "check_suite", failed("cancelled"), 202, ""},
		{"checks asked for", "check_suite", with(failed("failure"), "action", "requested"), 202, ""},
		{"checks without an end", "check_suite", with(failed("failure"), "check_suite.conclusion", nil), 202, ""},
		{"checks of another branch", "check_suite", with(failed("failure"), "check_suite.head_branch", "main"), 202, ""},
		{"checks of another run", "check_suite", with(failed("failure"), "check_suite.head_branch", "soulcaster/issue-5-other1"), 202, ""},
		{"checks of a branch that looks like it", "check_suite", with(failed("failure"), "check_suite.head_branch", "soulcaster/issue-6-abc123"), 202, ""},
		{"checks of a branch below it", "check_suite", with(failed("failure"), "check_suite.head_branch", branch+"/x"), 202, ""},
		{"checks without a branch", "check_suite", with(failed("failure"), "check_suite.head_branch", nil), 202, ""},
		{"checks of no commit", "check_suite", with(failed("failure"), "check_suite.head_sha", "main"), 400, ""},

		{"a comment on a line", "pull_request_review_comment", with(pulled("created"), "comment", object{"body": "/soulcaster fix"}), 202, ""},

		{"issue closed", "issues", change("closed", 5), 200, ""},
		{"issue deleted", "issues", change("deleted", 5), 200, ""},
		{"issue transferred", "issues", change("transferred", 5), 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			h.run(run.Proposed)
			for i := range 2 { // GitHub may say everything twice
				if status := h.deliver(tt.event, "d-1", tt.payload); status != tt.status {
					t.Errorf("answer %d, want %d (time %d)", status, tt.status, i+1)
				}
			}
			if got := slices.Contains(due(t, h.web()), "run/abc123"); got != (tt.status == 200) {
				t.Errorf("due: %v", due(t, h.web()))
			}
			if n := len(keys(t, h.web(), "delivery/")); (n > 0) != (tt.status == 200) {
				t.Errorf("%d deliveries remembered", n)
			}
			notes := append(keys(t, h.web(), "review/"), keys(t, h.web(), "checks/")...)
			if want := strings.Fields(tt.note); !slices.Equal(notes, want) {
				t.Errorf("noted %v, want %v", notes, want)
			}
		})
	}
}

// What a review said when it was submitted is taken from the delivery: afterwards it
// can be changed.
func TestReviewIsTakenAsItIs(t *testing.T) {
	h := newHouse(t)
	h.run(run.Proposed)
	if status := h.deliver("pull_request_review", "d-1", reviewed("octocat", "changes_requested")); status != 200 {
		t.Fatalf("answer %d", status)
	}
	entries, err := h.web().Get(t.Context(), "review/2/31")
	if err != nil {
		t.Fatal(err)
	}
	var got fix.Review
	if err := storage.GetJSON(entries[0], &got); err != nil {
		t.Fatal(err)
	}
	want := fix.Review{Pull: 2, ID: 31, By: "octocat", ByID: 3, At: time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC), Body: "please use a constant"}
	if got != want {
		t.Errorf("taken %+v, want %+v", got, want)
	}
}

// A review is taken once, whichever deliveries bring it.
func TestReviewComesTwice(t *testing.T) {
	h := newHouse(t)
	h.run(run.Proposed)
	for i := range 2 {
		if status := h.deliver("pull_request_review", fmt.Sprint("d-", i), reviewed("octocat", "changes_requested")); status != 200 {
			t.Errorf("answer %d", status)
		}
		if got := keys(t, h.web(), "review/"); (len(got) == 1) != (i == 0) {
			t.Errorf("delivery %d: noted %v", i, got)
		}
		var taken storage.Batch
		taken.Delete("review/2/31")
		if err := h.web().Apply(t.Context(), &taken); err != nil {
			t.Fatal(err)
		}
	}
}

// An issue that changes otherwise, or whose run has ended, is none of a run's
// business.
func TestIssueWithoutLivingRun(t *testing.T) {
	for action, state := range map[string]run.State{"edited": run.Working, "reopened": run.Working, "closed": run.Merged, "deleted": run.Cancelled} {
		h := newHouse(t)
		h.run(state)
		if status := h.deliver("issues", "d-1", change(action, 5)); status != 200 {
			t.Errorf("%s: answer %d", action, status)
		}
		if got := due(t, h.web()); !slices.Equal(got, []string{"look/c7"}) {
			t.Errorf("%s, run %s: due %v", action, state, got)
		}
	}
}

// Without runs, what is said of proposals has no effect, and comments still have.
func TestWithoutRuns(t *testing.T) {
	h := newHouse(t)
	h.run(run.Proposed)
	bare, err := New(Config{Secrets: []string{secret}}, h.registry)
	if err != nil {
		t.Fatal(err)
	}
	h.handler = bare
	for event, payload := range map[string]object{"pull_request_review": reviewed("octocat", "changes_requested"), "check_suite": failed("failure")} {
		if status := h.deliver(event, "d-1", payload); status != 202 {
			t.Errorf("%s: answer %d", event, status)
		}
	}
	if status := h.deliver("issue_comment", "d-2", said("octocat", "/soulcaster fix")); status != 200 {
		t.Errorf("comment: answer %d", status)
	}
}

// The words for the agent are kept, those on the lines below too, and where the
// comment is.
func TestWordsOfComment(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		pull any
		want command.Comment
	}{
		"on an issue": {"/soulcaster fix  use  a *constant*\r\n\r\nand a test:\r\n\r\n    x := 1\r\n", nil,
			command.Comment{Line: "/soulcaster fix  use  a *constant*", Rest: "and a test:\r\n\r\n    x := 1"}},
		"on a pull request": {"/soulcaster fix", object{"url": "https://api.github.com/repos/acme/web/pulls/5"},
			command.Comment{Line: "/soulcaster fix", Pull: true}},
		"long": {"/soulcaster fix\n" + strings.Repeat("ü", 10_000), nil,
			command.Comment{Line: "/soulcaster fix", Rest: strings.Repeat("ü", command.MaxText)}},
		"not for the agent": {"/soulcaster cancel\nthis is nonsense", nil, command.Comment{Line: "/soulcaster cancel"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			payload := with(said("octocat", tt.body), "issue.pull_request", tt.pull)
			if status := h.deliver("issue_comment", "d-1", payload); status != 200 {
				t.Fatalf("answer %d", status)
			}
			entries, err := h.web().Get(t.Context(), "command/77")
			if err != nil {
				t.Fatal(err)
			}
			var got command.Comment
			if err := json.Unmarshal(entries[0].Value, &got); err != nil {
				t.Fatal(err)
			}
			if got.Line != tt.want.Line || got.Rest != tt.want.Rest || got.Pull != tt.want.Pull || got.Number != 5 {
				t.Errorf("kept %+v", got)
			}
		})
	}
}
