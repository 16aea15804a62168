package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

const fullIssue = `{
	"id": 1, "node_id": "I_x", "number": 5, "html_url": "https://github.com/acme/web/issues/5",
	"title": "Checkout fails", "body": "text", "state": "closed", "state_reason": "not_planned", "locked": true,
	"user": {"login": "soulcaster[bot]"}, "labels": [{"name": "bug"}, {"name": "soulcaster"}],
	"assignees": [{"login": "mona"}, {"login": "hubot"}], "comments": 4,
	"created_at": "2026-01-02T03:04:05Z", "closed_at": "2026-01-03T03:04:05Z", "closed_by": {"login": "octocat"}
}`

func TestIssue(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{
		newIssues:                        says(201, json.RawMessage(fullIssue)),
		theIssue:                         says(200, json.RawMessage(fullIssue)),
		"PATCH /repos/acme/web/issues/5": says(200, json.RawMessage(fullIssue)),
	})
	a, _ := f.app(Pace{})
	want := Issue{
		Number: 5, NodeID: "I_x", URL: "https://github.com/acme/web/issues/5", Title: "Checkout fails", Body: "text",
		Labels: []string{"bug", "soulcaster"}, Assignees: []string{"mona", "hubot"}, Comments: 4, Author: "soulcaster[bot]", State: "closed", StateReason: "not_planned", Locked: true,
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), ClosedAt: time.Date(2026, 1, 3, 3, 4, 5, 0, time.UTC), ClosedBy: "octocat",
	}
	check := func(what string, got Issue, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v\nwant %+v", what, got, err, want)
		}
	}
	issue, err := a.GetIssue(t.Context(), acme, 5)
	check("get", issue, err)

	issue, err = a.CreateIssue(t.Context(), acme, NewIssue{Title: "Checkout fails", Body: "text", Labels: []string{"bug"}})
	check("create", issue, err)
	if got, want := f.sent(newIssues, 0), (map[string]any{"title": "Checkout fails", "body": "text", "labels": []any{"bug"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("create sent %v, want %v", got, want)
	}

	body, state, reason := "text", "closed", "not_planned"
	for _, e := range []Edit{{Body: &body}, {State: &state, StateReason: &reason}} {
		issue, err = a.Revise(t.Context(), acme, 5, func(now Issue) (Edit, error) { check("what is revised", now, nil); return e, nil })
		check("revise", issue, err)
	}
	for n, want := range []map[string]any{{"body": "text"}, {"state": "closed", "state_reason": "not_planned"}} {
		if got := f.sent("PATCH /repos/acme/web/issues/5", n); !reflect.DeepEqual(got, want) {
			t.Errorf("edit sent %v, want %v: what is not named stays", got, want)
		}
	}
}

// An edit that GitHub accepts without keeping it is found out; an answer that
// only lags behind is not taken for one.
func TestEditThatIsNotKept(t *testing.T) {
	for _, kept := range []bool{true, false} {
		now, asked := "old", 0
		if kept {
			now = "new\r\ntext\r\n"
		}
		f := newFake(t, map[string]http.HandlerFunc{
			"PATCH /repos/acme/web/issues/5": says(200, map[string]any{"number": 5, "body": "old"}),
			theIssue: func(w http.ResponseWriter, r *http.Request) {
				said := []string{"old", now}[min(asked, 1)] // before the edit, and after it
				asked++
				answer(w, 200, map[string]any{"number": 5, "body": said})
			},
		})
		a, _ := f.app(Pace{})
		body := "new\ntext"
		_, err := a.Revise(t.Context(), acme, 5, func(Issue) (Edit, error) { return Edit{Body: &body}, nil })
		if errors.Is(err, ErrNotKept) == kept {
			t.Errorf("kept %v: %v", kept, err)
		}
	}
}

func TestBodyThatIsTooLong(t *testing.T) {
	f := newFake(t, nil)
	a, _ := f.app(Pace{})
	body := strings.Repeat("x", MaxBody+1)
	_, create := a.CreateIssue(t.Context(), acme, NewIssue{Body: body})
	_, pull := a.CreatePull(t.Context(), acme, NewPull{Head: "fix", Base: "main", Body: body})
	_, edit := a.EditPull(t.Context(), acme, 5, nil, &body)
	_, comment := a.CreateComment(t.Context(), acme, 5, body)
	_, again := a.EditComment(t.Context(), acme, 7, body)
	for _, err := range []error{create, pull, edit, comment, again} {
		var invalid *ValidationError
		if !errors.As(err, &invalid) || !invalid.about("body") {
			t.Errorf("%v, want a complaint about the body", err)
		}
	}
	if calls := f.seen(); len(calls) != 0 {
		t.Errorf("calls %v, want none", calls)
	}
}

func TestValidation(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{newIssues: says(422, json.RawMessage(
		`{"message": "Validation Failed", "errors": [{"resource": "Issue", "field": "body", "code": "custom", "message": "body is too long (maximum is 65536 characters)"}]}`,
	))})
	a, _ := f.app(Pace{})
	_, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t", Labels: []string{"bug"}})
	var invalid *ValidationError
	if !errors.As(err, &invalid) || len(invalid.Fields) != 1 || invalid.Fields[0] != (Field{"body", "body is too long (maximum is 65536 characters)"}) {
		t.Errorf("%v", err)
	}
	if len(f.seen()) != 1 {
		t.Errorf("calls %v: made labels that nobody missed", f.seen())
	}
}

// A server that wants labels to exist first gets them, also those that someone
// else makes at the same moment.
func TestLabelsAreMade(t *testing.T) {
	made := 0
	f := newFake(t, map[string]http.HandlerFunc{
		newIssues: func(w http.ResponseWriter, r *http.Request) {
			if made < 2 {
				answer(w, 422, json.RawMessage(`{"message": "Validation Failed", "errors": [{"resource": "Label", "field": "labels", "code": "invalid"}]}`))
				return
			}
			answer(w, 201, map[string]any{"number": 5})
		},
		"POST /repos/acme/web/labels": func(w http.ResponseWriter, r *http.Request) {
			made++
			if made == 1 {
				answer(w, 422, json.RawMessage(`{"message": "Validation Failed", "errors": [{"resource": "Label", "field": "name", "code": "already_exists"}]}`))
				return
			}
			answer(w, 201, map[string]any{"name": "b"})
		},
	})
	a, _ := f.app(Pace{})
	_, err := a.CreateIssue(t.Context(), acme, NewIssue{Title: "t", Labels: []string{"a", "b"}})
	if err != nil || made != 2 || len(f.seen()) != 4 {
		t.Errorf("%v; calls %v", err, f.seen())
	}
	if got := f.sent("POST /repos/acme/web/labels", 1); got["name"] != "b" || got["color"] == "" {
		t.Errorf("made label %v", got)
	}
}

// The list of our own issues is read newest first, only as far as needed, and
// holds nobody else's.
func TestOwnIssuesSince(t *testing.T) {
	start := time.Date(2026, 5, 1, 12, 0, 0, 900, time.UTC)
	issue := func(n int, login string, at time.Duration) map[string]any {
		return map[string]any{"number": n, "user": map[string]any{"login": login}, "created_at": start.Add(at).Truncate(time.Second)}
	}
	pull := issue(3, "soulcaster[bot]", time.Hour)
	pull["pull_request"] = map[string]any{"url": "x"}
	pages := [][]map[string]any{
		{issue(6, "Soulcaster[bot]", 2*time.Hour), issue(5, "soulcaster", time.Hour), issue(4, "mallory", time.Hour), pull},
		{issue(2, "soulcaster[bot]", 0), issue(1, "soulcaster[bot]", -time.Hour)},
		{issue(0, "soulcaster[bot]", time.Hour)}, // never read
	}
	var f *fake
	f = newFake(t, map[string]http.HandlerFunc{
		"GET /app": says(200, map[string]any{"id": appID, "slug": "soulcaster"}),
		"GET /repos/acme/web/issues": func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			if q.Get("creator") != "soulcaster[bot]" || q.Get("state") != "all" || q.Get("sort") != "created" || q.Get("direction") != "desc" || q.Get("per_page") != "100" {
				t.Errorf("asked for %s", r.URL.RawQuery)
			}
			n := 1
			fmt.Sscan(q.Get("page"), &n)
			w.Header().Set("Link", fmt.Sprintf(`<%s/repos/acme/web/issues?page=%d>; rel="next"`, f.URL, n+1))
			answer(w, 200, pages[n-1])
		},
	})
	a, c := f.app(Pace{})
	for range 2 {
		own, err := a.OwnIssuesSince(t.Context(), acme, start)
		if err != nil || len(own) != 2 || own[0].Number != 6 || own[1].Number != 2 {
			t.Errorf("%v, %v, want issues 6 and 2", own, err)
		}
	}
	if calls := f.seen(); len(calls) != 5 {
		t.Errorf("calls %v, want /app once and two pages twice", calls)
	}
	c.now = c.now.Add(2 * time.Hour)
	if _, err := a.OwnIssuesSince(t.Context(), acme, start); err != nil || len(f.seen()) != 8 {
		t.Errorf("after two hours: %v; want the name asked anew", err)
	}
}

// The list of open issues says who opened them, leaves pull requests out, and ends after 500.
func TestOpenIssues(t *testing.T) {
	var f *fake
	f = newFake(t, map[string]http.HandlerFunc{"GET /repos/acme/web/issues": func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("state") != "open" || q.Get("sort") != "updated" || q.Get("direction") != "desc" || q.Get("per_page") != "100" || q.Get("creator") != "" {
			t.Errorf("asked for %s", r.URL.RawQuery)
		}
		n := 1
		fmt.Sscan(q.Get("page"), &n)
		w.Header().Set("Link", fmt.Sprintf(`<%s/repos/acme/web/issues?page=%d>; rel="next"`, f.URL, n+1))
		answer(w, 200, []any{
			map[string]any{"number": 10 * n, "state": "open", "body": "b", "user": map[string]any{"id": 7, "login": "ann", "type": "User"}},
			map[string]any{"number": 10*n + 1, "state": "open", "user": map[string]any{"id": 8, "login": "sentry-io[bot]", "type": "Bot"}},
			map[string]any{"number": 10*n + 2, "state": "open", "pull_request": map[string]any{"url": "x"}},
		})
	}})
	a, _ := f.app(Pace{})
	open, err := a.OpenIssues(t.Context(), acme)
	if err != nil || len(open) != 10 || len(f.seen()) != maxOpen {
		t.Fatalf("%d issues in %d calls, %v", len(open), len(f.seen()), err)
	}
	if i := open[0]; i.Number != 10 || i.AuthorID != 7 || i.AuthorBot || i.Body != "b" {
		t.Errorf("the first is %+v", i)
	}
	if i := open[1]; i.Author != "sentry-io[bot]" || !i.AuthorBot {
		t.Errorf("the second is %+v", i)
	}
}

// A listing that does not end is an error, not the answer that there is none.
func TestListingsAreBounded(t *testing.T) {
	var f *fake
	endless := func(w http.ResponseWriter, r *http.Request) {
		n := 1
		fmt.Sscan(r.URL.Query().Get("page"), &n)
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?page=%d>; rel="next"`, f.URL, r.URL.Path, n+1))
		answer(w, 200, []any{map[string]any{"id": n, "number": n, "created_at": time.Now()}})
	}
	f = newFake(t, map[string]http.HandlerFunc{
		"GET /app":                              says(200, map[string]any{"slug": "soulcaster"}),
		"GET /repos/acme/web/issues":            endless,
		"GET /repos/acme/web/issues/5/comments": endless,
	})
	a, _ := f.app(Pace{})
	if _, err := a.OwnIssuesSince(t.Context(), acme, time.Now().Add(-time.Hour)); !errors.Is(err, ErrTooMany) {
		t.Errorf("issues: %v", err)
	}
	if _, err := a.OwnCommentsSince(t.Context(), acme, 5, time.Now().Add(-time.Hour)); !errors.Is(err, ErrTooMany) {
		t.Errorf("comments: %v", err)
	}
	if n := len(f.seen()); n != 1+2*maxPages {
		t.Errorf("%d calls, want %d", n, 1+2*maxPages)
	}
}
