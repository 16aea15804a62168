package feedback

import (
	"strings"
	"testing"
)

func TestRow(t *testing.T) {
	r := testReader()
	got := r.Row(Row{External: "42", Title: "Login fails for ann@example.com", Body: "b", Author: "Ann", URL: "https://x.example/1", At: "2026-01-31T09:30:00Z", Release: "1.2", Environment: "production", Level: "warn"})
	f := one(t, []Reading{got}, nil).Feedback
	fields{
		"id":      {f.ID, ID("src", "42")},
		"title":   {f.Title, "Login fails for [email]"},
		"author":  {f.Author, "<report:ann>"},
		"first":   {f.First, date("2026-01-31T09:30:00Z")},
		"release": {f.Releases, "1.2"},
		"level":   {f.Level, "warning"},
		"url":     {f.URL, "https://x.example/1"},
	}.check(t)

	// The same over the plain API is the same report.
	api, err := r.Reports("application/json", []byte(`{"title":"A","body":"b","author":"Ann","url":"https://x.example/1","external_id":"42"}`))
	if err != nil || api[0].Feedback.ID != f.ID {
		t.Errorf("over the API it is %+v, %v", api, err)
	}

	chain := []Exception{{Type: "KeyError", Value: "'plan' of bob@example.com", Frames: []Frame{{Function: "run", File: "/home/bob/app.py", Line: -4, InApp: true}, {}}}}
	trace := one(t, []Reading{r.Row(Row{Exceptions: chain})}, nil).Feedback
	if trace.Title != "KeyError: 'plan' of [email]" || len(trace.Exceptions) != 1 || len(trace.Exceptions[0].Frames) != 1 || trace.Exceptions[0].Frames[0].Line != 0 ||
		strings.Contains(trace.Exceptions[0].Value, "bob") {
		t.Errorf("a trace: %+v", trace)
	}
	other := []Exception{{Type: "KeyError", Value: "'plan' of bob@example.com", Frames: []Frame{{Function: "stop"}}}}
	if again := r.Row(Row{Exceptions: other}); again.Feedback.ID == trace.ID {
		t.Error("two stacks with one message are one report")
	}
	if again := r.Row(Row{Exceptions: chain}); again.Feedback.ID != trace.ID {
		t.Error("the same row again is another report")
	}
	long := make([]Exception, 50)
	for i := range long {
		long[i].Type = "E"
	}
	if got := r.Row(Row{Exceptions: long}); len(got.Feedback.Exceptions) != MaxExceptions {
		t.Errorf("%d exceptions are kept", len(got.Feedback.Exceptions))
	}

	for field, row := range map[string]Row{
		"title":       {},
		"url":         {Title: "T", URL: "javascript:alert(1)"},
		"occurred_at": {Title: "T", At: "yesterday"},
		"external_id": {Title: "T", External: strings.Repeat("x", 300)},
		"author":      {Title: "T", Author: strings.Repeat("x", 400)},
	} {
		if got := r.Row(row); got.Err == nil || got.Err.Field != field {
			t.Errorf("%s: %+v", field, got)
		}
	}
	if got := r.Row(Row{Title: "T", At: "1700000000"}); got.Err != nil || got.Feedback.First.Unix() != 1700000000 {
		t.Errorf("seconds: %+v", got)
	}
}
