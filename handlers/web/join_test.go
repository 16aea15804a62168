package web

import (
	"testing"

	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
)

// TestPageOfWhatWouldJoin: a preview says which open issue the problem is in already, and
// what would be added there; live, which it joined.
func TestPageOfWhatWouldJoin(t *testing.T) {
	settings := project.Settings{enginetest.Installation: {"acme/web": policy.File{}}}
	w := enginetest.New(t, true, settings, source.Source{Installation: enginetest.Installation, ID: "sentry", Kind: source.Sentry, Repository: "acme/web"})
	w.GitHub.Add(7, "acme/web", true)
	w.GitHub.Open(7, "sentry-io[bot]", "It fails", "https://acme.sentry.io/issues/77/")
	readings, err := w.Reader("sentry").Sentry("event_alert", []byte(
		`{"action": "triggered", "data": {"event": {"event_id": "e1", "issue_id": "77", "title": "E: m", "project_slug": "api", "web_url": "https://acme.sentry.io/issues/77/events/e1/"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	w.Take("sentry", readings...)
	w.Settle()
	h, home := pages(t, w, Config{Preview: true}), pathOf(t, w, "acme/web")
	contains(t, get(t.Context(), h, "GET", home).Body.String(), "preview: it would join issue #1")
	contains(t, get(t.Context(), h, "GET", home+"/clusters/000001").Body.String(), "preview: it would join issue #1",
		`It would join <a href="https://github.example/acme/web/issues/1" rel="noreferrer">issue #1</a>`, "What would be added to issue #1")
	var told struct {
		Joins, Issue *apiIssue
		Noted        *apiText
	}
	answered(t, get(t.Context(), h, "GET", api+home+"/clusters/000001"), &told)
	if told.Joins == nil || told.Joins.Number != 1 || told.Joins.URL == "" || told.Issue != nil || told.Noted == nil || told.Noted.Title != "" || told.Noted.Body == "" {
		t.Errorf("the API tells %+v", told)
	}
}
