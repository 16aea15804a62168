package intake_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/enginetest"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
)

const installation = enginetest.Installation

func world(t *testing.T, live bool) *enginetest.World {
	return enginetest.New(t, live, nil,
		source.Source{Installation: installation, ID: "sentry", Kind: source.Sentry, Routes: map[string]string{"api": "acme/api"}},
		source.Source{Installation: installation, ID: "reports", Kind: source.Feedback, Repository: "acme/web"},
		source.Source{Installation: installation, ID: "reddit", Kind: source.Reddit, Repository: "acme/web"},
	)
}

// event is an error event of group 77, or the group itself if id is empty.
func event(w *enginetest.World, id, sentryProject, extra string) []feedback.Reading {
	w.T.Helper()
	resource, body := "event_alert", fmt.Sprintf(`{"action": "triggered", "data": {"event": {"event_id": %q, "issue_id": "77", "title": "E: m", "project_slug": %q %s}}}`, id, sentryProject, extra)
	if id == "" {
		resource, body = "issue", fmt.Sprintf(`{"action": "created", "data": {"issue": {"id": "77", "title": "E: m", "project": {"slug": %q} %s}}}`, sentryProject, extra)
	}
	readings, err := w.Reader("sentry").Sentry(resource, []byte(body))
	if err != nil {
		w.T.Fatal(err)
	}
	return readings
}

func post(w *enginetest.World, body string) []feedback.Reading {
	w.T.Helper()
	readings, err := w.Reader("reddit").Reddit([]byte(`{"kind": "t3", "data": {"name": "t3_abc", "author": "mona", "subreddit_type": "public", ` + body + `}}`))
	if err != nil {
		w.T.Fatal(err)
	}
	return readings
}

// route changes where the feedback of a source goes, as new settings do.
func route(w *enginetest.World, sourceID string, change func(s *source.Source)) {
	s := *w.Sources[sourceID]
	change(&s)
	w.Sources[sourceID] = &s
}

func load(w *enginetest.World, repository, id string) *feedback.Feedback {
	w.T.Helper()
	all, _, err := intake.Load(w.T.Context(), w.Space(repository), id)
	if err != nil {
		w.T.Fatal(err)
	}
	return all[0]
}

func home(w *enginetest.World) storage.Space {
	w.T.Helper()
	space, err := w.Projects.Space(w.T.Context(), installation)
	if err != nil {
		w.T.Fatal(err)
	}
	return space
}

func held(w *enginetest.World) (all []feedback.Feedback) {
	w.T.Helper()
	if err := intake.EachHeld(w.T.Context(), home(w), 100, func(h intake.Held) { all = append(all, h.Feedback) }); err != nil {
		w.T.Fatal(err)
	}
	return all
}

// release does the work that a start of the app with new settings makes due.
func release(w *enginetest.World) {
	w.T.Helper()
	var b storage.Batch
	b.SetJSON("work/due/"+intake.HeldWork, struct{}{})
	if err := home(w).Apply(w.T.Context(), &b); err != nil {
		w.T.Fatal(err)
	}
	w.Settle()
}

// grep returns the keys whose value, or which themselves, hold the text.
func grep(w *enginetest.World, text string) (found []string) {
	w.T.Helper()
	names, err := w.DB.List(w.T.Context(), "", "", 1000)
	if err != nil {
		w.T.Fatal(err)
	}
	for _, name := range names {
		space, err := w.DB.Open(w.T.Context(), name)
		if err != nil {
			w.T.Fatal(err)
		}
		entries, err := space.Scan(w.T.Context(), "", "", 100_000)
		if err != nil {
			w.T.Fatal(err)
		}
		for _, e := range entries {
			if strings.Contains(strings.ToLower(e.Key+string(e.Value)), strings.ToLower(text)) {
				found = append(found, name+" "+e.Key)
			}
		}
	}
	return found
}

func TestHeldUntilARouteIsNamed(t *testing.T) {
	w := world(t, false)
	first := w.Take("sentry", event(w, "e1", "frontend", "")...)[0]
	again := w.Take("sentry", event(w, "e2", "frontend", "")...)[0]
	if first.Status != intake.Accepted || again.Status != intake.Duplicate || first.ID != again.ID ||
		first.State != again.State || !strings.HasPrefix(first.State, "held: ") {
		t.Errorf("first %+v, again %+v", first, again)
	}
	release(w) // nothing has changed
	if all := held(w); len(all) != 1 || all[0].Count != 2 {
		t.Fatalf("held: %+v", all)
	}
	route(w, "sentry", func(s *source.Source) { s.Routes = map[string]string{"frontend": "acme/web"} })
	release(w)
	if all := held(w); len(all) != 0 {
		t.Errorf("still held: %+v", all)
	}
	if f := load(w, "acme/web", first.ID); f == nil || f.Count != 2 {
		t.Errorf("in its project: %+v", f)
	}
	w.Line("acme/web", first.ID) // fails unless it is in a cluster
}

// What a project learnt before the held part reached it, and the held part,
// become one; and stay one when a crash makes the move happen again.
func TestReleaseFoldsIn(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash %v", crash), func(t *testing.T) {
			w := world(t, false)
			id := w.Take("sentry", event(w, "e1", "frontend", `, "release": "1.0", "user": {"id": "mona"}`)...)[0].ID
			w.Take("sentry", event(w, "e2", "frontend", `, "release": "1.1", "user": {"id": "hubot"}`)...)
			w.Pass(time.Hour)
			route(w, "sentry", func(s *source.Source) { s.Repository = "acme/web" })
			w.Take("sentry", event(w, "e3", "frontend", `, "release": "2.0", "user": {"id": "mona"}`)...)
			w.Take("sentry", event(w, "e2", "frontend", "")...) // Sentry said it twice
			w.Settle()
			if crash {
				// The move is done once and looks as if it had not been: the held
				// copy is still there.
				before := held(w)
				release(w)
				var b storage.Batch
				b.SetJSON("held/"+id, intake.Held{Feedback: before[0]})
				if err := home(w).Apply(t.Context(), &b); err != nil {
					t.Fatal(err)
				}
			}
			release(w)
			f := load(w, "acme/web", id)
			if f == nil || f.Count != 3 || f.Users != 2 || len(f.Events) != 3 {
				t.Fatalf("%+v", f)
			}
			slices.Sort(f.Releases)
			if !slices.Equal(f.Releases, []string{"1.0", "1.1", "2.0"}) || f.Last.Sub(f.First) != time.Hour {
				t.Errorf("releases %q, seen from %v to %v", f.Releases, f.First, f.Last)
			}
			if all := held(w); len(all) != 0 {
				t.Errorf("still held: %+v", all)
			}
			c, ok, err := cluster.Get(t.Context(), w.Space("acme/web"), w.Line("acme/web", id).Cluster)
			if err != nil || !ok || c.Size != 1 {
				t.Errorf("its cluster: %+v %v %v", c, ok, err)
			}
		})
	}
}

// Sentry's own count, held, is not lost to the few events that came since.
func TestReleaseKeepsSentrysCount(t *testing.T) {
	w := world(t, false)
	id := w.Take("sentry", event(w, "", "frontend", `, "count": "500", "userCount": 40, "lastSeen": "2026-03-02T08:00:00Z", "firstSeen": "2026-01-01T00:00:00Z"`)...)[0].ID
	w.Pass(time.Hour)
	route(w, "sentry", func(s *source.Source) { s.Repository = "acme/web" })
	w.Take("sentry", event(w, "e1", "frontend", "")...)
	w.Take("sentry", event(w, "e2", "frontend", "")...)
	release(w)
	if f := load(w, "acme/web", id); f.Count != 502 || f.Users != 40 || f.First.Year() != 2026 || f.First.Month() != time.January {
		t.Errorf("%+v", f)
	}
}

func TestNothingOfItIsKnown(t *testing.T) {
	w := world(t, false)
	readings, err := w.Reader("sentry").Sentry("issue", []byte(`{"action": "resolved", "data": {"issue": {"id": "77", "project": {"slug": "api"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range [][]feedback.Reading{readings, post(w, `"selftext": "[deleted]", "title": "x"`)} {
		sourceID := "sentry"
		if r[0].Removed {
			sourceID = "reddit"
		}
		a := w.Take(sourceID, r...)[0]
		if a.Status != intake.Accepted || !strings.HasPrefix(a.State, "noted: ") {
			t.Errorf("%+v", a)
		}
	}
	if found := grep(w, "fb/"); len(found) != 0 {
		t.Errorf("stored: %q", found)
	}
}

// What its author deletes is gone from everything that is stored: the feedback,
// its vector, its cluster, the issue that would be filed.
func TestDeletedIsTakenOut(t *testing.T) {
	const text = "zanzibar"
	for _, c := range []struct {
		name   string
		change func(w *enginetest.World) // between the post and its deletion
	}{
		{"while it waits", func(*enginetest.World) {}},
		{"once it is grouped", func(w *enginetest.World) { w.Settle() }},
		{"after its source was pointed elsewhere", func(w *enginetest.World) {
			w.Settle()
			route(w, "reddit", func(s *source.Source) { s.Repository = "acme/other" })
		}},
		{"after its source lost its repository", func(w *enginetest.World) {
			w.Settle()
			route(w, "reddit", func(s *source.Source) { s.Repository = "" })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world(t, false)
			one := 1
			w.Settings = project.Settings{installation: {"acme/web": policy.File{FileAfter: &policy.FileAfter{Posts: &one}}}}
			w.Restart()
			id := w.Take("reddit", post(w, `"title": "The zanzibar export crashes", "selftext": "Zanzibar zanzibar, and then it crashes"`)...)[0].ID
			c.change(w)
			if found := grep(w, text); len(found) == 0 {
				t.Fatal("nothing of it was stored in the first place")
			}
			a := w.Take("reddit", post(w, `"title": "The zanzibar export crashes", "selftext": "[deleted]", "author": "[deleted]"`)...)[0]
			if a.Status != intake.Duplicate || a.ID != id || !strings.HasPrefix(a.State, "taken out: ") {
				t.Errorf("%+v", a)
			}
			w.Settle()
			if found := grep(w, text); len(found) != 0 {
				t.Errorf("%q is still in %q", text, found)
			}
			for _, key := range []string{"vec/", "sum/", "cluster/", "member/", "hash of "} {
				if found := grep(w, key); len(found) != 0 {
					t.Errorf("left of it: %q", found)
				}
			}
		})
	}
}

// Of a filed issue too: the record of what was sent goes, and the issue says it
// no more.
func TestDeletedIsTakenOutOfAnIssue(t *testing.T) {
	w := world(t, true)
	w.GitHub.Add(1, "acme/web", false)
	one, live := 1, policy.Live
	w.Settings = project.Settings{installation: {"acme/web": policy.File{Mode: &live, FileAfter: &policy.FileAfter{Posts: &one}}}}
	w.Restart()
	w.Take("reddit", post(w, `"title": "The export crashes", "selftext": "Zanzibar zanzibar, and then it crashes"`)...)
	w.Settle()
	if issues := w.GitHub.Issues(1); len(issues) != 1 || !strings.Contains(issues[0].Body, "Zanzibar") {
		t.Fatalf("issues: %+v", issues)
	}
	w.Take("reddit", post(w, `"title": "The export crashes", "selftext": "[removed]"`)...)
	w.Settle()
	if found := grep(w, "zanzibar"); len(found) != 0 {
		t.Errorf("still in %q", found)
	}
	if body := w.GitHub.Issues(1)[0].Body; strings.Contains(body, "Zanzibar") {
		t.Errorf("the issue still says:\n%s", body)
	}
}

func TestDeletedWhileHeld(t *testing.T) {
	w := world(t, false)
	route(w, "reddit", func(s *source.Source) { s.Repository = "" })
	w.Take("reddit", post(w, `"title": "The zanzibar export crashes"`)...)
	route(w, "reddit", func(s *source.Source) { s.Repository = "acme/web" }) // and not released yet
	w.Take("reddit", post(w, `"title": "[deleted]"`)...)
	release(w)
	if found := grep(w, "zanzibar"); len(found) != 0 {
		t.Errorf("still in %q", found)
	}
}

// A tenant that left and came back is taken in at once, though the handle on its
// old project is still at hand; one that left is not.
func TestTenantComesBack(t *testing.T) {
	w := world(t, false)
	report := w.Report("reports", `{"title": "Export fails", "external_id": "t-1"}`)
	w.Take("reports", report...)
	if err := w.Projects.Uninstall(t.Context(), installation); err != nil {
		t.Fatal(err)
	}
	if _, err := w.TryTake("reports", report...); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("after it left: %v", err)
	}
	if found := grep(w, "Export fails"); len(found) != 0 {
		t.Errorf("left of it: %q", found)
	}
	if _, err := w.Projects.Install(t.Context(), installation); err != nil {
		t.Fatal(err)
	}
	if a := w.Take("reports", report...)[0]; a.Status != intake.Accepted {
		t.Errorf("back again: %+v", a)
	}
	// Another process erases it and makes it anew.
	other := project.NewRegistry(w.DB, nil, nil)
	if err := other.Uninstall(t.Context(), installation); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Install(t.Context(), installation); err != nil {
		t.Fatal(err)
	}
	if a := w.Take("reports", report...)[0]; a.Status != intake.Accepted {
		t.Errorf("made anew by another process: %+v", a)
	}
}

// Those of one request wait in the order in which they stood in it, whatever their
// ids are and however many batches they take.
func TestOrderOfARequest(t *testing.T) {
	w := world(t, false)
	var elements, want []string
	for n := range 200 {
		elements = append(elements, fmt.Sprintf(`{"external_id":"%d","title":"Report %d"}`, n, n))
	}
	for _, a := range w.Take("reports", w.Report("reports", "["+strings.Join(elements, ",")+"]")...) {
		want = append(want, a.ID)
	}
	todo, err := intake.Waiting(t.Context(), w.Space("acme/web"), 1000)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, one := range todo {
		got = append(got, one.Feedback)
	}
	if !slices.Equal(got, want) {
		t.Errorf("they wait in the order %v, not %v", got[:5], want[:5])
	}
}
