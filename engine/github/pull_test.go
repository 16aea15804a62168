package github

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	newPulls = "POST /repos/acme/web/pulls"
	thePull  = "GET /repos/acme/web/pulls/8"
	editPull = "PATCH /repos/acme/web/pulls/8"
)

func aPullOf(branch string, repo int64) map[string]any {
	return map[string]any{
		"number": 8, "html_url": "https://x/8", "title": "Fix", "body": "text", "state": "open", "draft": true,
		"user": map[string]any{"login": "soulcaster[bot]"}, "merge_commit_sha": otherSHA,
		"head": map[string]any{"ref": branch, "sha": commitSHA, "repo": map[string]any{"id": repo}, "user": map[string]any{"login": "acme"}},
		"base": map[string]any{"ref": "main"},
	}
}

func TestPulls(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	merged := aPullOf("soul/a", 9)
	merged["state"], merged["merged"], merged["merged_at"], merged["closed_at"], merged["merged_by"] = "closed", true, when, when, map[string]any{"login": "octocat"}
	f := newFake(t, map[string]http.HandlerFunc{
		newPulls: says(201, aPullOf("soul/a", 9)),
		thePull:  says(200, merged),
		editPull: says(200, aPullOf("soul/a", 9)),
	})
	a, _ := f.app(Pace{})
	want := Pull{Number: 8, URL: "https://x/8", Title: "Fix", Body: "text", State: "open", Draft: true, Author: "soulcaster[bot]",
		Head: "soul/a", HeadSHA: commitSHA, HeadRepo: 9, Base: "main"}
	if got, err := a.CreatePull(t.Context(), acme, NewPull{Title: "Fix", Body: "text", Head: "soul/a", Base: "main", Draft: true}); err != nil || got != want {
		t.Errorf("create: %+v, %v, want %+v", got, err, want)
	}
	if got, want := f.sent(newPulls, 0), (map[string]any{"title": "Fix", "body": "text", "head": "soul/a", "base": "main", "draft": true}); !reflect.DeepEqual(got, want) {
		t.Errorf("create sent %v, want %v", got, want)
	}
	title, body, other := "Fix", "text", "what is not kept"
	if got, err := a.EditPull(t.Context(), acme, 8, &title, &body); err != nil || got != want {
		t.Errorf("edit: %+v, %v", got, err)
	}
	if _, err := a.EditPull(t.Context(), acme, 8, nil, &other); !errors.Is(err, ErrNotKept) {
		t.Errorf("edit that is not kept: %v", err)
	}
	if _, err := a.ClosePull(t.Context(), acme, 8); err != nil {
		t.Errorf("close: %v", err)
	}
	for n, want := range []map[string]any{{"title": "Fix", "body": "text"}, {"body": other}, {"state": "closed"}} {
		if got := f.sent(editPull, n); !reflect.DeepEqual(got, want) {
			t.Errorf("edit %d sent %v, want %v", n, got, want)
		}
	}
	want.State, want.Merged, want.MergeSHA, want.MergedAt, want.MergedBy, want.ClosedAt = "closed", true, otherSHA, when, "octocat", when
	if got, err := a.GetPull(t.Context(), acme, 8); err != nil || got != want {
		t.Errorf("get: %+v, %v, want %+v", got, err, want)
	}
}

func TestPullsThatAreRefused(t *testing.T) {
	complaint := func(message string) map[string]any {
		return map[string]any{"message": "Validation Failed", "errors": []any{map[string]any{"resource": "PullRequest", "code": "custom", "message": message}}}
	}
	for _, tt := range []struct {
		body map[string]any
		want error
	}{
		{complaint("A pull request already exists for acme:soul/a."), ErrExists},
		{map[string]any{"message": "Draft pull requests are not supported in this repository."}, ErrNoDrafts},
		{complaint("No commits between main and soul/a"), nil},
	} {
		f := newFake(t, map[string]http.HandlerFunc{newPulls: says(422, tt.body)})
		a, _ := f.app(Pace{})
		_, err := a.CreatePull(t.Context(), acme, NewPull{Head: "soul/a", Base: "main"})
		var invalid *ValidationError
		if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && !errors.As(err, &invalid) {
			t.Errorf("%v: %v, want %v", tt.body, err, tt.want)
		}
	}
	f := newFake(t, map[string]http.HandlerFunc{newPulls: says(201, map[string]any{})})
	a, _ := f.app(Pace{})
	if _, err := a.CreatePull(t.Context(), acme, NewPull{Head: "soul/a", Base: "main"}); !action.IsUnknown(err) {
		t.Errorf("answer without a number: %v, want unknown", err)
	}
}

// Only pull requests of that branch of this repository count, whatever GitHub
// lists.
func TestPullsByHead(t *testing.T) {
	listed := aPullOf("soul/a", 9)
	listed["state"], listed["merged_at"] = "closed", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	link := ""
	f := newFake(t, map[string]http.HandlerFunc{"GET /repos/acme/web/pulls": func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("head") != "acme:soul/a" || q.Get("state") != "all" {
			t.Errorf("asked for %v", q)
		}
		if link != "" {
			w.Header().Set("Link", link)
		}
		answer(w, 200, []any{listed, aPullOf("soul/b", 9), aPullOf("soul/a", 10)})
	}})
	a, _ := f.app(Pace{})
	got, err := a.PullsByHead(t.Context(), acme, "soul/a")
	if err != nil || len(got) != 1 || !got[0].Merged || got[0].MergeSHA != otherSHA {
		t.Errorf("%+v, %v", got, err)
	}
	link = fmt.Sprintf(`<%s/repos/acme/web/pulls?page=2>; rel="next"`, f.URL)
	if _, err := a.PullsByHead(t.Context(), acme, "soul/a"); !errors.Is(err, ErrTooMany) {
		t.Errorf("more than a page: %v", err)
	}
}

func TestReviews(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	person, bot := map[string]any{"login": "octocat", "type": "User"}, map[string]any{"login": "lint[bot]", "type": "Bot"}
	pages := [][]any{
		{map[string]any{"id": 1, "pull_request_review_id": 7, "user": person, "path": "a.go", "line": 4, "diff_hunk": "@@ -1 +1 @@", "body": "why?", "created_at": when, "updated_at": when.Add(time.Hour)}},
		{map[string]any{"id": 2, "pull_request_review_id": 8, "user": bot, "path": "a.go", "line": nil, "original_line": 9, "body": "style", "in_reply_to_id": 1, "created_at": when}},
	}
	var f *fake
	f = newFake(t, map[string]http.HandlerFunc{
		"GET /repos/acme/web/pulls/8/reviews/7": says(200, map[string]any{"id": 7, "user": person, "state": "CHANGES_REQUESTED", "body": "no", "commit_id": commitSHA, "submitted_at": when}),
		"GET /repos/acme/web/pulls/8/comments": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("page") == "" {
				w.Header().Set("Link", fmt.Sprintf(`<%s%s?page=2>; rel="next"`, f.URL, r.URL.Path))
				answer(w, 200, pages[0])
				return
			}
			answer(w, 200, pages[1])
		},
		"GET /repos/acme/web/pulls/9/comments": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", fmt.Sprintf(`<%s%s?page=2>; rel="next"`, f.URL, r.URL.Path))
			answer(w, 200, pages[0])
		},
	})
	a, _ := f.app(Pace{})
	want := Review{ID: 7, Author: "octocat", State: "CHANGES_REQUESTED", Body: "no", CommitSHA: commitSHA, At: when}
	if got, err := a.Review(t.Context(), acme, 8, 7); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	comments := []ReviewComment{
		{ID: 1, Review: 7, Author: "octocat", Path: "a.go", Line: 4, Hunk: "@@ -1 +1 @@", Body: "why?", At: when, Updated: when.Add(time.Hour)},
		{ID: 2, Review: 8, Author: "lint[bot]", Bot: true, Path: "a.go", Body: "style", ReplyTo: 1, At: when},
	}
	if got, err := a.PullComments(t.Context(), acme, 8); err != nil || !reflect.DeepEqual(got, comments) {
		t.Errorf("%+v, %v, want %+v", got, err, comments)
	}
	if _, err := a.PullComments(t.Context(), acme, 9); !errors.Is(err, ErrTooMany) {
		t.Errorf("a list without end: %v", err)
	}
}

// What counts is how the latest run of a check ended.
func TestFailedChecks(t *testing.T) {
	check := func(id int, app, name, status string, conclusion any) map[string]any {
		return map[string]any{"id": id, "name": name, "status": status, "conclusion": conclusion, "app": map[string]any{"slug": app},
			"output": map[string]any{"title": "T" + name, "summary": "S" + name}}
	}
	f := newFake(t, map[string]http.HandlerFunc{"GET /repos/acme/web/commits/" + commitSHA + "/check-runs": says(200, map[string]any{"check_runs": []any{
		check(1, "ci", "test", "completed", "failure"),
		check(2, "ci", "lint", "completed", "timed_out"),
		check(3, "ci", "again", "completed", "failure"),
		check(4, "ci", "again", "in_progress", nil),
		check(6, "ci", "mended", "completed", "success"),
		check(5, "ci", "mended", "completed", "failure"),
		check(7, "ci", "stopped", "completed", "cancelled"),
		check(8, "other", "test", "completed", "success"),
	}})})
	a, _ := f.app(Pace{})
	want := []CheckRun{
		{ID: 2, Name: "lint", App: "ci", Conclusion: "timed_out", Title: "Tlint", Summary: "Slint"},
		{ID: 1, Name: "test", App: "ci", Conclusion: "failure", Title: "Ttest", Summary: "Stest"},
	}
	if got, err := a.FailedChecks(t.Context(), acme, commitSHA); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

// A token is for one repository and for reading, and shows nothing of itself.
func TestReadToken(t *testing.T) {
	const route = "POST /app/installations/101/access_tokens"
	expires := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	good := map[string]any{"token": "ghs_read", "expires_at": expires, "permissions": map[string]any{"contents": "read", "metadata": "read"}}
	f := newFake(t, map[string]http.HandlerFunc{route: says(201, good)})
	a, _ := f.app(Pace{})
	for range 2 { // never kept
		token, err := a.ReadToken(t.Context(), acme)
		if err != nil || token.Value != "ghs_read" || !token.Expires.Equal(expires) {
			t.Errorf("%q, %v", token.Value, err)
		}
		if s := fmt.Sprintf("%v %+v %#v %s", token, token, token, token); strings.Contains(s, "ghs_") {
			t.Errorf("it shows itself: %s", s)
		}
	}
	want := map[string]any{"repository_ids": []any{float64(9)}, "permissions": map[string]any{"contents": "read"}}
	if got := f.sent(route, 1); !reflect.DeepEqual(got, want) {
		t.Errorf("asked for %v, want %v", got, want)
	}
	nameless := acme
	nameless.Repo.ID = 0
	if _, err := a.ReadToken(t.Context(), nameless); err == nil {
		t.Error("a token for every repository was asked for")
	}
	var later *work.Later
	var invalid *ValidationError
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		as     func(error) bool
	}{
		{"uninstalled", says(404, map[string]any{"message": "Not Found"}), func(err error) bool { return errors.Is(err, ErrUninstalled) }},
		{"suspended", says(403, map[string]any{"message": "This installation has been suspended"}), func(err error) bool { return errors.Is(err, ErrSuspended) }},
		{"taken out", says(422, map[string]any{"message": "There is at least one repository that does not exist or is not accessible to the parent installation."}), func(err error) bool { return errors.As(err, &invalid) }},
		{"away", says(502, nil), func(err error) bool { return errors.As(err, &later) }},
		{"too much", says(201, map[string]any{"token": "ghs_all", "expires_at": expires, "permissions": map[string]any{"contents": "write"}}), func(err error) bool { return err != nil }},
		{"nothing", says(201, map[string]any{}), func(err error) bool { return err != nil }},
	} {
		f.routes[route] = tt.answer
		if _, err := a.ReadToken(t.Context(), acme); !tt.as(err) || strings.Contains(fmt.Sprint(err), "ghs_") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
