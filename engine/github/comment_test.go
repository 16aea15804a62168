package github

import (
	"errors"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/work"
)

func TestComments(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	said := func(body string) map[string]any {
		return map[string]any{"id": 7, "html_url": "https://x/7", "user": map[string]any{"login": "soulcaster[bot]"}, "body": body, "created_at": at}
	}
	f := newFake(t, map[string]http.HandlerFunc{
		"POST /repos/acme/web/issues/5/comments":    says(201, said("hello")),
		"PATCH /repos/acme/web/issues/comments/7":   says(200, said("hello again")),
		"PATCH /repos/acme/web/issues/comments/8":   says(200, said("as it was")),
		"DELETE /repos/acme/web/issues/comments/7":  says(204, nil),
		"DELETE /repos/acme/web/issues/comments/10": says(403, map[string]any{"message": "no"}),
		"POST /repos/acme/web/issues/6/comments":    says(201, map[string]any{}),
	})
	a, _ := f.app(Pace{})
	want := Comment{ID: 7, URL: "https://x/7", Author: "soulcaster[bot]", Body: "hello", CreatedAt: at}
	if got, err := a.CreateComment(t.Context(), acme, 5, "hello"); err != nil || got != want {
		t.Errorf("create: %+v, %v, want %+v", got, err, want)
	}
	if got := f.sent("POST /repos/acme/web/issues/5/comments", 0); !reflect.DeepEqual(got, map[string]any{"body": "hello"}) {
		t.Errorf("create sent %v", got)
	}
	if got, err := a.EditComment(t.Context(), acme, 7, "hello again"); err != nil || got.Body != "hello again" {
		t.Errorf("edit: %+v, %v", got, err)
	}
	if _, err := a.EditComment(t.Context(), acme, 8, "new"); !errors.Is(err, ErrNotKept) {
		t.Errorf("edit that is not kept: %v", err)
	}
	for id, ok := range map[int64]bool{7: true, 9: true, 10: false} { // 9 is not there
		if err := a.DeleteComment(t.Context(), acme, id); (err == nil) != ok {
			t.Errorf("delete %d: %v", id, err)
		}
	}
	if _, err := a.CreateComment(t.Context(), acme, 6, "hello"); !action.IsUnknown(err) {
		t.Errorf("answer without an id: %v, want unknown", err)
	}
}

func TestOwnCommentsSince(t *testing.T) {
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	said := func(id int, login string, at time.Duration) map[string]any {
		return map[string]any{"id": id, "user": map[string]any{"login": login}, "created_at": start.Add(at)}
	}
	f := newFake(t, map[string]http.HandlerFunc{
		"GET /app": says(200, map[string]any{"slug": "soulcaster"}),
		"GET /repos/acme/web/issues/5/comments": func(w http.ResponseWriter, r *http.Request) {
			if got := r.URL.Query().Get("since"); got != "2026-05-01T11:58:00Z" {
				t.Errorf("since %s", got)
			}
			// The first was edited lately: since is about that.
			answer(w, 200, []any{said(1, "soulcaster[bot]", -time.Hour), said(2, "mallory", time.Minute), said(3, "soulcaster[bot]", -time.Second)})
		},
	})
	a, _ := f.app(Pace{})
	own, err := a.OwnCommentsSince(t.Context(), acme, 5, start)
	if err != nil || len(own) != 1 || own[0].ID != 3 {
		t.Errorf("%v, %v, want comment 3", own, err)
	}
}

// A reaction that cannot be had is no failure; a limit still is one.
func TestReact(t *testing.T) {
	const route = "POST /repos/acme/web/issues/comments/7/reactions"
	for status, ok := range map[int]bool{200: true, 201: true, 404: true, 410: true, 403: true, 422: true, 429: false} {
		f := newFake(t, map[string]http.HandlerFunc{route: says(status, map[string]any{"content": "eyes"})})
		a, _ := f.app(Pace{})
		err := a.React(t.Context(), acme, 7, "eyes")
		var later *work.Later
		if (err == nil) != ok || errors.As(err, &later) == ok {
			t.Errorf("status %d: %v", status, err)
		}
		if got := f.sent(route, 0); !reflect.DeepEqual(got, map[string]any{"content": "eyes"}) {
			t.Errorf("sent %v", got)
		}
	}
}
