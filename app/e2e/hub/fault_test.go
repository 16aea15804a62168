package hub

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// What breaks does so as often as it was told, where it was told.
func TestFaults(t *testing.T) {
	w := newWorld(t, nil)
	token := w.mint(nil)
	w.Break(Fault{Method: "POST", Path: "/issues$", Times: 1, Status: 502})
	if status, _ := w.ask(token, "POST", "/repos/acme/web/issues", object{"title": "t"}); status != 502 {
		t.Errorf("%d, want 502", status)
	}
	if n := len(w.Issues(web)); n != 0 {
		t.Errorf("%d issues were made", n)
	}
	w.Break(RateLimited("", "/pulls", 0, 30))
	for range 2 {
		r, err := http.NewRequest("GET", w.URL+"/repos/acme/web/pulls", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "token "+token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 403 || answer.Header.Get("Retry-After") != "30" {
			t.Errorf("%d %v", answer.StatusCode, answer.Header)
		}
	}
	w.Mend()
	if status, _ := w.ask(token, "GET", "/repos/acme/web/pulls", nil); status != 200 {
		t.Errorf("mended: %d", status)
	}

	// One that waits for something begins with that.
	w.Break(Fault{Method: "GET", Path: "/pulls$", After: "^POST .*/labels$", Status: 502})
	w.Break(Fault{Method: "GET", Path: "/pulls$", After: "^POST .*/blobs$", Status: 503})
	for _, want := range []int{200, 503} {
		if status, _ := w.ask(token, "GET", "/repos/acme/web/pulls", nil); status != want {
			t.Errorf("%d, want %d", status, want)
		}
		w.ask(token, "POST", "/repos/acme/web/git/blobs", object{"content": "x", "encoding": "utf-8"})
	}
	w.Mend()

	// A lost answer is to something that was done.
	w.Break(Fault{Method: "POST", Path: "/issues$", Times: 1, Lost: true})
	r, err := http.NewRequest("POST", w.URL+"/repos/acme/web/issues", bytes.NewReader([]byte(`{"title": "t"}`)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "token "+token)
	if answer, err := http.DefaultClient.Do(r); err == nil {
		answer.Body.Close()
		t.Errorf("an answer came: %s", answer.Status)
	}
	if n := len(w.Issues(web)); n != 1 {
		t.Errorf("%d issues were made, want 1", n)
	}

	// What is slow waits until it may go on.
	hold, done := make(chan struct{}), make(chan int)
	w.Break(Fault{Path: "/contents/", Times: 1, Hold: hold})
	go func() {
		status, _ := w.ask(token, "GET", "/repos/acme/web/contents/README.md", nil)
		done <- status
	}()
	select {
	case status := <-done:
		t.Errorf("answered %d at once", status)
	default:
	}
	if status, _ := w.ask(token, "GET", "/repos/acme/web", nil); status != 200 {
		t.Errorf("beside it: %d", status)
	}
	close(hold)
	if status := <-done; status != 200 {
		t.Errorf("at last: %d", status)
	}
	lost := w.Calls("POST", "/issues$")
	if len(lost) != 2 || lost[0].Status != 502 || lost[1].Status != 0 {
		t.Errorf("recorded %+v", lost)
	}
}

// Webhooks are lost when nobody takes them, and can be sent again as they were.
func TestDeliveries(t *testing.T) {
	w, away := absent(t)
	away.Store(true)
	w.As("stranger").Open(web, "Broken", "")
	w.As("stranger").Comment(web, 1, "nobody subscribed to this")
	w.Settle()
	d := w.Deliveries("issues")[0]
	if d.Status != 0 || d.Action != "opened" || len(d.ID) != 36 {
		t.Errorf("%+v", d)
	}
	if other := w.Deliveries("issue_comment"); len(other) != 0 {
		t.Errorf("%d deliveries of what is not subscribed to", len(other))
	}
	away.Store(false)
	w.Redeliver(d)
	again := <-w.app.got
	for again.Event != "issues" {
		again = <-w.app.got
	}
	if again.ID != d.ID || !bytes.Equal(again.Body, d.Body) {
		t.Errorf("delivered again as %s", again.ID)
	}
}

// Each delivery has the shape of a real one: what it says has the name and the type
// that GitHub gives it. The real ones come from octokit/webhooks.
func TestShapes(t *testing.T) {
	samples := filepath.Join("..", "..", "..", "..", "shared", "payloads", "github")
	if _, err := os.Stat(samples); err != nil {
		t.Skip("SKIPPED: no payloads of GitHub in ../shared/payloads/github beside the repository")
	}
	w := newWorld(t, nil)
	m := w.As("maintainer")
	n := m.Open(web, "Broken", "It is.")
	m.Comment(web, n, "hello")
	m.EditComment(web, w.Comments(web, n)[0].ID, "hello again")
	m.Close(web, n, "completed")
	m.Reopen(web, n)
	sha := m.Push(web, "fix", map[string]string{"src/a.txt": "one\n2\nthree\n"}, "Fix")
	p := m.Propose(web, "fix", "main", "Fix", "It does.")
	w.As("critic").Review(web, p, ChangesRequested, "No", LineComment{"src/a.txt", 2, "No"})
	m.Push(web, "fix", map[string]string{"x": "x"}, "More")
	w.Check(web, sha, Check{Name: "test", Conclusion: "failure", Title: "T", Summary: "S"})
	m.Merge(web, p, "merge")
	w.Exclude(web)
	w.Suspend(101, true)
	for _, tt := range []struct{ event, action, sample string }{
		{"installation", "created", "installation/created.payload.json"},
		{"installation_repositories", "added", "installation_repositories/added.payload.json"},
		{"issues", "opened", "issues/opened.with-organization.payload.json"},
		{"issue_comment", "created", "issue_comment/created.with-organization.payload.json"},
		{"issue_comment", "edited", "issue_comment/edited.with-organization.payload.json"},
		{"issues", "closed", ""},
		{"issues", "reopened", "issues/reopened.payload.json"},
		{"pull_request", "opened", "pull_request/opened.with-organization.payload.json"},
		{"pull_request_review", "submitted", "pull_request_review/submitted.payload.json"},
		{"pull_request_review_comment", "created", "pull_request_review_comment/created.with-organization.payload.json"},
		{"pull_request", "synchronize", "pull_request/synchronize.payload.json"},
		{"check_run", "completed", "check_run/completed.with-organization.payload.json"},
		{"check_suite", "completed", "check_suite/completed.with-organization.payload.json"},
		{"pull_request", "closed", "pull_request/closed.with-organization.payload.json"},
		{"installation_repositories", "removed", "installation_repositories/removed.payload.json"},
		{"installation", "suspend", ""}, // real ones have their times as text
	} {
		got := w.next(tt.event, tt.action)
		if tt.sample == "" {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(samples, tt.sample))
		if err != nil {
			t.Fatal(err)
		}
		var real object
		if err := json.Unmarshal(raw, &real); err != nil {
			t.Fatal(err)
		}
		same(t, tt.event+" "+tt.action, got, real)
	}
}

// newer are names that GitHub has given since those samples were taken.
var newer = map[string]bool{"state_reason": true, "closed_by": true, "performed_via_github_app": true, "organization": true, "installation": true, "reactions": true, "pull_request": true, "merged_at": true, "draft": true, "slug": true, "auto_merge": true, "events": true}

// same complains of what one JSON value says that a real one does not know, or has
// as another type.
func same(t *testing.T, path string, got, real any) {
	t.Helper()
	if got == nil || real == nil {
		return
	}
	switch g := got.(type) {
	case object:
		r, ok := real.(object)
		if !ok {
			t.Errorf("%s: %T, really %T", path, got, real)
			return
		}
		for name, value := range g {
			if _, known := r[name]; !known {
				if !newer[name] {
					t.Errorf("%s.%s: GitHub knows no such thing", path, name)
				}
				continue
			}
			if name == "permissions" { // whichever the App asks for
				continue
			}
			same(t, path+"."+name, value, r[name])
		}
	case []any:
		r, ok := real.([]any)
		if !ok {
			t.Errorf("%s: %T, really %T", path, got, real)
		} else if len(g) > 0 && len(r) > 0 {
			same(t, path+"[]", g[0], r[0])
		}
	case string:
		if _, ok := real.(string); !ok {
			t.Errorf("%s: %T, really %T", path, got, real)
		}
	case float64:
		if _, ok := real.(float64); !ok {
			t.Errorf("%s: %T, really %T", path, got, real)
		}
	case bool:
		if _, ok := real.(bool); !ok {
			t.Errorf("%s: %T, really %T", path, got, real)
		}
	}
}
