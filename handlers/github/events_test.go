package github

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// said returns an issue_comment delivery about issue 5 of acme/web.
func said(login, body string) object {
	person := object{"id": 3, "login": login, "type": "User"}
	return object{
		"action": "created", "issue": object{"number": 5}, "sender": person,
		"comment": object{"id": 77, "html_url": "https://github.com/acme/web/issues/5#issuecomment-77", "user": person, "body": body,
			"created_at": "2026-03-04T05:00:00Z", "author_association": "NONE", "performed_via_github_app": nil},
		"repository": object{"id": 9, "full_name": "acme/web"}, "installation": object{"id": 101},
	}
}

// with changes one value of a payload, named by its path.
func with(payload object, path string, value any) object {
	steps := strings.Split(path, ".")
	at := payload
	for _, s := range steps[:len(steps)-1] {
		next := object{}
		for k, v := range at[s].(object) {
			next[k] = v
		}
		at[s], at = next, next
	}
	at[steps[len(steps)-1]] = value
	return payload
}

func TestIssues(t *testing.T) {
	tests := []struct {
		name    string
		payload object
		status  int
		due     bool
	}{
		{"closed", change("closed", 5), 200, true},
		{"reopened", change("reopened", 5), 200, true},
		{"edited", change("edited", 5), 200, true},
		{"deleted", change("deleted", 5), 200, true},
		{"transferred", change("transferred", 5), 200, true},
		{"labeled", change("labeled", 5), 200, true},
		{"unlabeled", change("unlabeled", 5), 200, true},
		{"locked", change("locked", 5), 200, true},
		{"opened", change("opened", 5), 202, false},
		{"pinned", change("pinned", 5), 202, false},
		{"not ours", change("closed", 6), 202, false},
		{"other repository", with(change("closed", 5), "repository.full_name", "acme/api"), 202, false},
		{"other installation", with(change("closed", 5), "installation.id", 102), 202, false},
		{"no installation", with(change("closed", 5), "installation.id", 0), 202, false},
		{"no number", change("closed", 0), 400, false},
		{"no repository", with(change("closed", 5), "repository", nil), 400, false},
		{"repository's name is none", with(change("closed", 5), "repository.full_name", "acme"), 400, false},
		{"repository's name cannot be a key", with(change("closed", 5), "repository.full_name", "a/b\x00"), 400, false},
		{"repository's name is too long", with(change("closed", 5), "repository.full_name", "a/"+strings.Repeat("b", 600)), 400, false},
		{"number is text", with(change("closed", 5), "issue.number", "5"), 400, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			if status := h.deliver("issues", "d-1", tt.payload); status != tt.status {
				t.Errorf("answer %d, want %d", status, tt.status)
			}
			want := []string(nil)
			if tt.due {
				want = []string{"look/c7"}
			}
			if got := due(t, h.web()); !slices.Equal(got, want) {
				t.Errorf("due %v, want %v", got, want)
			}
			if got := keys(t, h.web(), "delivery/"); (len(got) == 1) != tt.due {
				t.Errorf("kept %v", got)
			}
		})
	}
}

// TestIssuesOfOthers: one that links a problem is one that it might join.
func TestIssuesOfOthers(t *testing.T) {
	h := newHouse(t)
	linking := func(action string, number int) object {
		return with(change(action, number), "issue.body", "https://acme.sentry.io/issues/77/")
	}
	last := ""
	for n, tt := range []struct {
		payload object
		status  int
	}{
		{linking("opened", 6), 200}, {linking("edited", 6), 200}, {linking("closed", 6), 200},
		{with(change("opened", 6), "issue.body", "See #5"), 202}, {linking("pinned", 6), 202}, {linking("opened", 5), 202},
	} {
		if status := h.deliver("issues", fmt.Sprint("d-", n), tt.payload); status != tt.status {
			t.Errorf("%d: answer %d, want %d", n, status, tt.status)
		}
		entries, err := h.web().Get(t.Context(), "opened")
		if err != nil {
			t.Fatal(err)
		}
		if now := string(entries[0].Value); (now != last) != (tt.status == 200) {
			t.Errorf("%d: the word was %q and is %q", n, last, now)
		} else {
			last = now
		}
	}
}

// Whatever happens to an issue is told to who shows it, also what nothing else follows from.
func TestIssueIsTold(t *testing.T) {
	for event, payloads := range map[string][]object{
		"issues":        {change("closed", 5), change("assigned", 5), change("labeled", 5), change("milestoned", 5), with(change("closed", 5), "repository.full_name", "acme/api")},
		"issue_comment": {said("octocat", "I see this too"), with(said("octocat", "x"), "action", "deleted"), with(said("octocat", "x"), "comment.user.type", "Bot")},
	} {
		for i, payload := range payloads {
			h := newHouse(t)
			if h.deliver(event, "d-1", payload); !slices.Equal(h.issues, []string{"101/9#5"}) {
				t.Errorf("%s %d: told of %v", event, i, h.issues)
			}
		}
	}
}

// A repository that was renamed is known by its id, and its old name may be
// somebody else's by now.
func TestRenamedRepository(t *testing.T) {
	h := newHouse(t)
	p, was, err := project.Load(t.Context(), h.web())
	if err != nil {
		t.Fatal(err)
	}
	p.Repo.ID = 9
	var b storage.Batch
	project.Save(&b, was, p)
	if err := h.web().Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if _, err := h.registry.Bind(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if status := h.deliver("issues", "d-1", with(change("closed", 5), "repository.full_name", "acme/renamed")); status != 200 {
		t.Errorf("under the new name: %d", status)
	}
	if status := h.deliver("issues", "d-2", with(change("closed", 5), "repository.id", 10)); status != 202 {
		t.Errorf("another repository under the old name: %d, want 202", status)
	}
}

func TestIssueComment(t *testing.T) {
	tests := []struct {
		name    string
		payload object
		status  int
		line    string // kept, empty if nothing is
	}{
		{"command", said("octocat", "/soulcaster status\r\nthanks"), 200, "/soulcaster status"},
		{"misspelt", said("octocat", "/soulcaster stauts"), 200, "/soulcaster stauts"},
		{"on somebody else's issue", with(said("octocat", "/soulcaster help"), "issue.number", 6), 200, "/soulcaster help"},
		{"chatter", said("octocat", "I see this too"), 202, ""},
		{"quoted", said("octocat", "> /soulcaster undo"), 202, ""},
		{"edited", with(said("octocat", "/soulcaster undo"), "action", "edited"), 202, ""},
		{"bot", with(said("x[bot]", "/soulcaster undo"), "comment.user.type", "Bot"), 202, ""},
		{"sent by a bot", with(said("octocat", "/soulcaster undo"), "sender", object{"id": 3, "login": "octocat", "type": "Bot"}), 202, ""},
		{"sent by another", with(said("octocat", "/soulcaster undo"), "sender", object{"id": 4, "login": "octocat", "type": "User"}), 202, ""},
		{"through an App", with(said("octocat", "/soulcaster undo"), "comment.performed_via_github_app", object{"id": 1}), 202, ""},
		{"no project of ours", with(said("octocat", "/soulcaster undo"), "repository.full_name", "acme/api"), 202, ""},
		{"no id", with(said("octocat", "/soulcaster undo"), "comment.id", 0), 400, ""},
		{"nobody's", with(with(said("octocat", "/soulcaster undo"), "comment.user.id", 0), "sender.id", 0), 400, ""},
		{"no date", with(said("octocat", "/soulcaster undo"), "comment.created_at", "yesterday"), 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			body, err := json.Marshal(tt.payload)
			if err != nil {
				t.Fatal(err)
			}
			r := delivery("issue_comment", "d-1", body)
			r.Header.Set("X-Request-ID", "req-1")
			if w := h.do(r); w.Code != tt.status {
				t.Errorf("answer %d %s, want %d", w.Code, w.Body, tt.status)
			}
			if strings.Contains(h.log.String(), "thanks") {
				t.Error("the comment's text is in the log")
			}
			if tt.line == "" {
				if got := keys(t, h.web(), "command/"); len(got) != 0 || len(due(t, h.web())) != 0 {
					t.Errorf("kept %v", got)
				}
				return
			}
			entries, err := h.web().Get(t.Context(), "command/77")
			if err != nil {
				t.Fatal(err)
			}
			var got command.Comment
			if err := storage.GetJSON(entries[0], &got); err != nil {
				t.Fatal(err)
			}
			want := command.Comment{ID: 77, Number: int(tt.payload["issue"].(object)["number"].(int)), Author: "octocat", AuthorID: 3, Line: tt.line,
				URL:       "https://github.com/acme/web/issues/5#issuecomment-77",
				CreatedAt: time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC), RequestID: "req-1"}
			if want.Taken = got.Taken; got != want || got.Taken.IsZero() {
				t.Errorf("kept %+v, want %+v", got, want)
			}
			if got := due(t, h.web()); !slices.Equal(got, []string{"command/77"}) {
				t.Errorf("due %v", got)
			}
		})
	}
}

// One comment is one command, whichever deliveries bring it, also after it was
// carried out.
func TestCommentComesTwice(t *testing.T) {
	h := newHouse(t)
	for i := range 2 {
		if status := h.deliver("issue_comment", fmt.Sprintf("d-%d", i), said("octocat", "/soulcaster undo")); status != 200 {
			t.Errorf("answer %d", status)
		}
		entries, err := h.web().Get(t.Context(), "command/77")
		if err != nil || entries[0].Exists() != (i == 0) {
			t.Errorf("delivery %d: kept %s, %v", i, entries[0].Value, err)
		}
		var carriedOut storage.Batch
		carriedOut.Delete("command/77")
		if err := h.web().Apply(t.Context(), &carriedOut); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLongLine(t *testing.T) {
	h := newHouse(t)
	h.deliver("issue_comment", "d-1", said("octocat", "/soulcaster "+strings.Repeat("ü", 5000)))
	entries, err := h.web().Get(t.Context(), "command/77")
	if err != nil {
		t.Fatal(err)
	}
	var got command.Comment
	if err := storage.GetJSON(entries[0], &got); err != nil || len([]rune(got.Line)) != command.MaxText {
		t.Errorf("kept %d runes, %v, want %d", len([]rune(got.Line)), err, command.MaxText)
	}
}

func TestInstallation(t *testing.T) {
	h := newHouse(t)
	event := func(action string, id int64) object {
		return object{"action": action, "installation": object{"id": id}, "repositories": []any{
			object{"id": 9, "full_name": "acme/web"}, object{"id": 0, "full_name": "acme/odd"}, object{"id": 8, "full_name": "odd"}}}
	}
	for _, action := range []string{"deleted", "suspend", "unsuspend", "new_permissions_accepted"} {
		if status := h.deliver("installation", "d-0", event(action, 102)); status != 202 {
			t.Errorf("%s of a stranger: %d, want 202", action, status)
		}
	}
	if _, err := h.registry.Space(t.Context(), 102); err == nil {
		t.Fatal("a stranger was installed")
	}
	for i, action := range []string{"created", "suspend", "unsuspend", "new_permissions_accepted", "deleted"} {
		if status := h.deliver("installation", fmt.Sprintf("d-%d", i), event(action, 102)); status != 200 {
			t.Errorf("%s: %d", action, status)
		}
		space, err := h.registry.Space(t.Context(), 102)
		if err != nil {
			t.Fatalf("%s: %v: what becomes of the space is not decided here", action, err)
		}
		if got := due(t, space); !slices.Equal(got, []string{"installation"}) {
			t.Errorf("%s: due %v", action, got)
		}
		if got := keys(t, space, "delivery/"); len(got) != i+1 || h.told != i+1 {
			t.Errorf("%s: kept %v, told %d times", action, got, h.told)
		}
	}
	// What cannot be told to all replicas is not taken: GitHub is asked for it again.
	h.away = storage.ErrUnavailable
	for _, kind := range []string{"installation", "installation_repositories"} {
		if status := h.deliver(kind, "d-8", event(map[string]string{"installation": "suspend", "installation_repositories": "removed"}[kind], 102)); status != 503 {
			t.Errorf("%s, with the store away: %d", kind, status)
		}
	}
	h.away = nil
	if status := h.deliver("installation", "d-9", event("renamed", 102)); status != 202 {
		t.Errorf("unknown action: %d", status)
	}
	if status := h.deliver("installation", "d-9", object{"action": "created"}); status != 400 {
		t.Errorf("no id: %d", status)
	}
}

func TestInstallationRepositories(t *testing.T) {
	h := newHouse(t)
	var many []any
	for i := range 5000 {
		many = append(many, object{"id": i + 1, "full_name": fmt.Sprintf("%039d/%0100d", i, i)})
	}
	payload := object{"action": "removed", "installation": object{"id": 101}, "repositories_added": many,
		"repositories_removed": []any{object{"id": 9, "full_name": "acme/web"}}}
	if status := h.deliver("installation_repositories", "d-1", payload); status != 200 {
		t.Fatalf("answer %d", status)
	}
	space, err := h.registry.Space(t.Context(), 101)
	if err != nil {
		t.Fatal(err)
	}
	if got := due(t, space); !slices.Equal(got, []string{"installation"}) {
		t.Errorf("due %v", got)
	}
	if status := h.deliver("installation_repositories", "d-2", object{"action": "added", "installation": object{"id": 102}}); status != 202 {
		t.Errorf("a stranger's: %d, want 202", status)
	}
}

// What changes what people may see has it asked anew, and what a repository is now is
// looked at.
func TestWhatPeopleMaySeeIsAskedAnew(t *testing.T) {
	in := object{"id": 101}
	web := object{"id": 9, "full_name": "acme/web"}
	for i, tt := range []struct {
		event   string
		payload object
		due     []string // in the project
	}{
		{"installation", object{"action": "new_permissions_accepted", "installation": in}, nil},
		{"installation_repositories", object{"action": "removed", "installation": in}, nil},
		{"github_app_authorization", object{"action": "revoked", "sender": object{"id": 5}}, nil},
		{"repository", object{"action": "privatized", "installation": in, "repository": web}, []string{"repository"}},
		{"repository", object{"action": "publicized", "installation": in, "repository": web}, []string{"repository"}},
		{"repository", object{"action": "transferred", "installation": in, "repository": web}, []string{"repository"}},
		{"repository", object{"action": "renamed", "installation": in, "repository": web}, []string{"repository"}},
		{"repository", object{"action": "archived", "installation": in, "repository": web}, []string{"repository"}},
		{"repository", object{"action": "unarchived", "installation": in, "repository": web}, []string{"repository"}},
		{"repository", object{"action": "deleted", "installation": in, "repository": web}, []string{"repository"}},
		{"repository", object{"action": "edited", "installation": in, "repository": web}, []string{"repository"}},
	} {
		h := newHouse(t)
		if status := h.deliver(tt.event, fmt.Sprintf("d-%d", i), tt.payload); status != 200 {
			t.Errorf("%s %s: %d", tt.event, tt.payload["action"], status)
		}
		if want := map[bool]int{false: 1}[slices.Contains([]any{"archived", "unarchived", "edited"}, tt.payload["action"])]; h.told != want { // which change nobody's right
			t.Errorf("%s %s: forgotten %d times", tt.event, tt.payload["action"], h.told)
		}
		if got := due(t, h.web()); !slices.Equal(got, tt.due) {
			t.Errorf("%s %s: due %v, want %v", tt.event, tt.payload["action"], got, tt.due)
		}
		if tt.event == "github_app_authorization" && !slices.Equal(h.out, []int64{5}) {
			t.Errorf("signed out: %v", h.out)
		}
	}
	h := newHouse(t)
	if status := h.deliver("repository", "d-1", object{"action": "deleted", "installation": in, "repository": object{"id": 77, "full_name": "acme/other"}}); status != 202 || h.told != 1 {
		t.Errorf("one of which nothing came yet: %d, forgotten %d times", status, h.told)
	}
	if status := h.deliver("repository", "d-2", object{"action": "deleted", "installation": in}); status != 400 {
		t.Errorf("of no repository: %d", status)
	}
}

func TestOtherEvents(t *testing.T) {
	h := newHouse(t)
	for event, want := range map[string]int{"ping": 200, "push": 202, "repository": 202, "member": 202, "nonsense": 202} {
		if status := h.deliver(event, "d-1", change("created", 5)); status != want {
			t.Errorf("%s: %d, want %d", event, status, want)
		}
	}
	if got := keys(t, h.web(), "delivery/"); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
}

// Every example that GitHub publishes is read, none is refused.
func TestRealPayloads(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared(t, "payloads", "github"), "*", "*.json"))
	if err != nil || len(files) < 50 {
		t.Fatalf("%d payloads, %v", len(files), err)
	}
	effects := map[int]int{}
	h := newHouse(t)
	h.run(run.Proposed)
	for i, file := range files {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var payload object
			if err := json.Unmarshal(body, &payload); err != nil {
				t.Fatal(err)
			}
			event := filepath.Base(filepath.Dir(file))
			// As it is: somebody else's, but for those that are installed by it, and of a person.
			status := h.do(delivery(event, fmt.Sprintf("d-%d", i), body)).Code
			if want := map[bool]int{true: 200, false: 202}[event == "ping" || event == "github_app_authorization" || (event == "installation" && payload["action"] == "created")]; status != want {
				t.Errorf("as it is: %d, want %d", status, want)
			}
			if in, ok := payload["installation"].(object); ok && status == 200 {
				if err := h.registry.Uninstall(t.Context(), int64(in["id"].(float64))); err != nil {
					t.Fatal(err)
				}
			}
			// As ours: what it is about is an installation, project and issue of ours.
			if event == "ping" {
				return
			}
			payload["installation"] = object{"id": 101}
			if repo, ok := payload["repository"].(object); ok {
				repo["full_name"] = "acme/web"
			}
			if issue, ok := payload["issue"].(object); ok {
				issue["number"] = 5
			}
			if comment, ok := payload["comment"].(object); ok {
				comment["body"] = "/soulcaster status"
			}
			if review, ok := payload["review"].(object); ok {
				review["state"] = "changes_requested"
			}
			if suite, ok := payload["check_suite"].(object); ok {
				suite["conclusion"], suite["head_branch"] = "failure", branch
			}
			got := h.deliver(event, fmt.Sprintf("e-%d", i), payload)
			effects[got]++
			action, _ := payload["action"].(string)
			want := 202
			switch event {
			case "installation", "installation_repositories", "github_app_authorization":
				want = 200
			case "repository":
				if action != "created" {
					want = 200
				}
			case "issues":
				if slices.Contains([]string{"closed", "reopened", "edited", "deleted", "transferred", "labeled", "unlabeled", "locked", "unlocked"}, action) {
					want = 200
				}
			case "issue_comment":
				if action == "created" {
					want = 200
				}
			case "pull_request":
				if slices.Contains([]string{"closed", "reopened", "synchronize", "edited", "converted_to_draft", "ready_for_review"}, action) {
					want = 200
				}
			case "pull_request_review":
				if action == "submitted" {
					want = 200
				}
			case "check_suite":
				if action == "completed" {
					want = 200
				}
			}
			if got != want {
				t.Errorf("%s %s as ours: %d, want %d", event, action, got, want)
			}
		})
	}
	if effects[200] < 30 {
		t.Errorf("effects %v: the payloads say less than they should", effects)
	}
}

// shared finds a folder beside the repository that holds real inputs.
func shared(t *testing.T, path ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	dir = filepath.Join(append([]string{filepath.Dir(dir), "shared"}, path...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: the real payloads are not here: no %s", dir)
	}
	return dir
}

// Whatever a signed body holds, it is answered, and not with a 500.
func FuzzDeliveries(f *testing.F) {
	for i, payload := range []object{
		change("closed", 5), said("octocat", "/soulcaster status"),
		{"action": "created", "installation": object{"id": 101}, "repositories": []any{object{"id": 9, "full_name": "acme/web"}}},
		{"action": "removed", "installation": object{"id": 101}, "repositories_removed": []any{object{"id": 9, "full_name": "a/\u0000"}}},
	} {
		body, err := json.Marshal(payload)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, body)
	}
	for i, payload := range []object{pulled("closed"), reviewed("octocat", "changes_requested"), failed("failure")} {
		body, err := json.Marshal(payload)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(4+i, body)
	}
	f.Add(0, []byte(`{"action":5}`))
	f.Add(1, []byte(``))
	f.Add(2, []byte(`[[[[`))
	events := []string{"issues", "issue_comment", "installation", "installation_repositories", "pull_request", "pull_request_review", "check_suite", "repository"}
	h := newHouse(f)
	h.run(run.Proposed)
	f.Fuzz(func(t *testing.T, n int, body []byte) {
		event := events[uint(n)%uint(len(events))]
		w := h.do(delivery(event, "d-1", body))
		if w.Code != 200 && w.Code != 202 && w.Code != 400 {
			t.Errorf("%s %q: answer %d %s", event, body, w.Code, w.Body)
		}
	})
}
