package upkeep_test

import (
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/engine/upkeep"
	"github.com/soulcaster/soulcaster/engine/work"
)

func home(w *enginetest.World) storage.Space {
	w.T.Helper()
	home, err := w.Projects.Space(w.T.Context(), enginetest.Installation)
	if err != nil {
		w.T.Fatal(err)
	}
	return home
}

func due(w *enginetest.World, key string) {
	w.T.Helper()
	var b storage.Batch
	work.Add(&b, key)
	if err := home(w).Apply(w.T.Context(), &b); err != nil {
		w.T.Fatal(err)
	}
	w.Settle()
}

// A source whose text may not be quoted any more is quoted nowhere any more.
func TestQuotesAreTakenBack(t *testing.T) {
	w := world(t)
	w.Sources["api"].Public = true
	readings := w.Report("api", `{"title": "CSV export of orders times out", "body": "The wheel turns for ever."}`)
	readings[0].Feedback.Public = true
	w.Take("api", readings...)
	w.Settle()
	body := func() string { return w.GitHub.Issues(7)[0].Body }
	if !strings.Contains(body(), "The wheel turns") {
		t.Fatalf("it is not quoted: %s", body())
	}
	w.Sources["api"].Public = false
	w.Pass(time.Hour)
	due(w, upkeep.RestateWork)
	if strings.Contains(body(), "The wheel turns") {
		t.Errorf("it is still quoted: %s", body())
	}
}

// Of an installation, what is remembered of sources that are gone, and old lines of
// the audit, go.
func TestHomeIsTidied(t *testing.T) {
	w := world(t)
	for _, id := range []string{"api", "feedback-101-abcdefghij"} {
		w.Traffic.Source(enginetest.Installation, id, traffic.Event{Counts: traffic.Counts{Accepted: 1}})
	}
	if err := w.Traffic.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	note := func(why string) {
		var b storage.Batch
		if err := w.Actions.Note(&b, action.Action{Key: "source.update/api", Kind: "source.update", Subject: "api", By: "ann", Why: why}); err != nil {
			t.Fatal(err)
		}
		if err := home(w).Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	note("old")
	w.Pass(366 * 24 * time.Hour)
	note("new")
	due(w, upkeep.InstallationWork)
	all, err := traffic.OfSource(t.Context(), home(w), "api", "feedback-101-abcdefghij")
	if err != nil || len(all[0].Days) != 1 || len(all[1].Days) != 0 {
		t.Errorf("%+v %v", all, err)
	}
	list, err := w.Actions.List(t.Context(), home(w), "api", "", 10)
	if err != nil || len(list) != 1 || list[0].Why != "new" || list[0].What != "done" {
		t.Errorf("%+v %v", list, err)
	}
}
