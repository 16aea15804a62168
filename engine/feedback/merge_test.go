package feedback

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"
)

var frames = []Frame{{Function: "pay", File: "pay.go", InApp: true}}

// event is a reading of an event of group 1 that happened minutes after noon.
func event(id string, minutes int, change ...func(*Feedback)) Reading {
	r := testReader()
	f := r.feedback(Sentry, "1")
	f.Title = "Error: no"
	f.Exceptions = []Exception{{Type: "Error", Value: "no", Frames: frames}}
	f.First = now.Add(time.Duration(minutes) * time.Minute)
	f.Last = f.First
	f.Events, f.Delivered = []string{id}, 1
	for _, c := range change {
		c(f)
	}
	return Reading{Feedback: f, Event: id}
}

// group is a reading of group 1 itself, of which Sentry counted n events.
func group(n, minutes int, state string) Reading {
	r := testReader()
	f := r.feedback(Sentry, "1")
	f.Title = "Error: no"
	f.Count, f.Users = n, n
	f.First = now
	f.Last = now.Add(time.Duration(minutes) * time.Minute)
	f.CountedTo = f.Last
	f.State = State{Value: state, At: f.Last}
	return Reading{Feedback: f}
}

func fold(readings ...Reading) *Feedback {
	f := *readings[0].Feedback
	for _, r := range readings[1:] {
		f.Merge(r)
	}
	return &f
}

func TestMergeCounts(t *testing.T) {
	for name, c := range map[string]struct {
		readings []Reading
		want     int
	}{
		"an event twice":                         {[]Reading{event("a", 0), event("a", 0)}, 1},
		"two events":                             {[]Reading{event("a", 0), event("b", 1)}, 2},
		"the first event and its issue":          {[]Reading{event("a", 0), group(1, 0, "unresolved")}, 1},
		"the issue and its first event":          {[]Reading{group(1, 0, "unresolved"), event("a", 0)}, 1},
		"events after the issue":                 {[]Reading{group(10, 5, "unresolved"), event("a", 6), event("b", 7)}, 12},
		"an event that Sentry's count holds":     {[]Reading{group(10, 5, "unresolved"), event("a", 3)}, 10},
		"more old events than it can have meant": {[]Reading{group(1, 0, "unresolved"), event("a", 0), event("b", 0), event("c", 0)}, 3},
		"a later count":                          {[]Reading{event("a", 0), event("b", 1), group(50, 9, "resolved")}, 50},
		"a count that is behind":                 {[]Reading{event("a", 0), event("b", 1), event("c", 2), group(1, 0, "unresolved")}, 3},
	} {
		if f := fold(c.readings...); f.Count != c.want {
			t.Errorf("%s: counted %d, want %d", name, f.Count, c.want)
		}
	}
	f := fold(event("a", 0))
	if c := f.Merge(event("b", 1)); !c.Counted || c.Enriched || c.State || c.Release || c.Removed {
		t.Errorf("a second event: %+v", c)
	}
	if c := f.Merge(event("b", 1)); c.Any() {
		t.Errorf("the same event again: %+v", c)
	}
}

func TestMergeRemembersABoundedNumberOfEvents(t *testing.T) {
	f := fold(event("e0", 0))
	for i := 1; i < MaxEvents+50; i++ {
		f.Merge(event(fmt.Sprint("e", i), i))
	}
	if len(f.Events) != MaxEvents || f.Count != MaxEvents+50 || f.Events[MaxEvents-1] != fmt.Sprint("e", MaxEvents+49) {
		t.Errorf("%d events remembered, %d counted", len(f.Events), f.Count)
	}
}

func TestMergeWidens(t *testing.T) {
	with := func(release, environment, person string) func(*Feedback) {
		return func(f *Feedback) {
			f.Releases, f.Environments, f.People, f.Users = []string{release}, []string{environment}, []string{person}, 1
		}
	}
	f := fold(event("a", 5, with("1.0", "production", "ann")))
	if c := f.Merge(event("b", 1, with("1.1", "production", "bob"))); !c.Release || c.Environment {
		t.Errorf("a new release: %+v", c)
	}
	if c := f.Merge(event("c", 9, with("1.0", "staging", "ann"))); c.Release || !c.Environment {
		t.Errorf("a new environment: %+v", c)
	}
	fields{
		"releases": {f.Releases, "1.0,1.1"}, "environments": {f.Environments, "production,staging"}, "users": {f.Users, 2},
		"first": {f.First, now.Add(time.Minute)}, "last": {f.Last, now.Add(9 * time.Minute)},
	}.check(t)
	f.Merge(group(3, 3, ""))
	if f.Users != 3 {
		t.Errorf("Sentry counts 3 users, got %d", f.Users)
	}
	for i := range MaxReleases + 5 {
		f.Merge(event(fmt.Sprint("r", i), 10, with(fmt.Sprint("2.", i), "production", fmt.Sprint("p", i))))
	}
	if len(f.Releases) != MaxReleases || f.Releases[MaxReleases-1] != fmt.Sprint("2.", MaxReleases+4) {
		t.Errorf("releases: %v", f.Releases)
	}
}

// States are levels: the newest holds, in whatever order they arrive.
func TestMergeState(t *testing.T) {
	for name, c := range map[string]struct {
		readings []Reading
		want     string
	}{
		"in order":           {[]Reading{group(1, 0, "unresolved"), group(1, 1, "resolved")}, "resolved"},
		"out of order":       {[]Reading{group(1, 0, "unresolved"), group(1, 2, "resolved"), group(1, 1, "archived")}, "resolved"},
		"at the same second": {[]Reading{group(1, 0, "unresolved"), group(1, 1, "resolved"), group(1, 1, "unresolved")}, "unresolved"},
		"an event says none": {[]Reading{group(1, 0, "archived"), event("a", 4)}, "archived"},
	} {
		if f := fold(c.readings...); f.State.Value != c.want {
			t.Errorf("%s: %q, want %q", name, f.State.Value, c.want)
		}
	}
	f := fold(event("a", 0))
	if c := f.Merge(group(1, 0, "unresolved")); c.State || !c.Any() {
		t.Errorf("unresolved is what a group of events is anyway: %+v", c)
	}
	if c := f.Merge(group(1, 1, "resolved")); !c.State {
		t.Errorf("resolved: %+v", c)
	}
}

func TestMergeEnriches(t *testing.T) {
	f := fold(group(1, 0, "unresolved"))
	f.Title, f.Culprit = "main", "main"
	c := f.Merge(event("a", 0, func(f *Feedback) { f.Title, f.Culprit, f.Platform = "Error: no", "other", "go" }))
	if !c.Enriched || c.Counted || f.Thin() || f.Title != "Error: no" || f.Culprit != "main" || f.Platform != "go" {
		t.Errorf("a thin group got its stack: %+v, %+v", c, f)
	}
	if c := f.Merge(event("b", 1, func(f *Feedback) { f.Exceptions = []Exception{{Type: "Other", Frames: frames}} })); c.Enriched || f.Exceptions[0].Type != "Error" {
		t.Errorf("a group keeps its first stack: %+v", c)
	}
	bare := fold(event("a", 0, func(f *Feedback) { f.Exceptions[0].Frames = nil }))
	if c := bare.Merge(event("b", 1)); !c.Enriched || bare.Thin() {
		t.Errorf("an exception without frames is thin: %+v", c)
	}
}

func reddit(title, text, author string, edited time.Time) Reading {
	f := testReader().feedback(Reddit, "t3_a")
	f.Title, f.Body, f.Author, f.Edited, f.First, f.Last = title, text, author, edited, now, now
	f.URL = "https://www.reddit.com/r/x/comments/a/"
	return Reading{Feedback: f}
}

func TestMergeEdits(t *testing.T) {
	f := fold(reddit("t", "old", "ann", time.Time{}))
	if c := f.Merge(reddit("t", "old", "ann", time.Time{})); c.Any() {
		t.Errorf("the same post again: %+v", c)
	}
	if c := f.Merge(reddit("t", "new", "ann", now)); !c.Enriched || c.Counted || f.Body != "new" || f.Count != 1 {
		t.Errorf("an edit: %+v, %+v", c, f)
	}
	if c := f.Merge(reddit("t", "old", "ann", time.Time{})); c.Any() || f.Body != "new" {
		t.Errorf("an old copy that came late: %+v, %q", c, f.Body)
	}
	left := reddit("t", "new", "", now)
	left.AuthorGone = true
	if c := f.Merge(left); !c.Any() || f.Author != "" || f.Body != "new" {
		t.Errorf("an author who left: %+v, %+v", c, f)
	}
}

func TestMergeRemoves(t *testing.T) {
	f := fold(reddit("t", "text", "ann", time.Time{}))
	gone := reddit("", "", "", time.Time{})
	gone.Removed = true
	if c := f.Merge(gone); c != (Change{Removed: true}) || f.Title != "" || f.Body != "" || f.URL != "" || f.Author != "" || !f.Removed {
		t.Errorf("removed: %+v, %+v", c, f)
	}
	if c := f.Merge(reddit("t", "text", "ann", now)); c.Any() || f.Body != "" {
		t.Errorf("what is removed stays removed: %+v, %+v", c, f)
	}
	if c := f.Merge(gone); c.Any() {
		t.Errorf("removed twice: %+v", c)
	}
}

// What is removed is removed whole: of all fields, only those are left that say
// that there was something.
func TestMergeRemovesEveryWord(t *testing.T) {
	all := Feedback{
		ID: "id", Source: "s", Kind: Report, External: "7", Project: "web", Public: true, Count: 3, Users: 2, Delivered: 3, Removed: true,
		First: now, Last: now, Stored: now, Edited: now, CountedTo: now, State: State{Value: "resolved", At: now}, Events: []string{"e1"},
	}
	f := all
	f.Removed = false
	f.Title, f.Body, f.URL, f.Author, f.Culprit = "word", "word", "https://word.example/", "word", "word"
	f.Level, f.Platform = "word", "word"
	f.Labels, f.Releases, f.Environments, f.People = []string{"word"}, []string{"word"}, []string{"word"}, []string{"word"}
	f.Exceptions = []Exception{{Type: "word"}}
	for i, v := 0, reflect.ValueOf(f); i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Removed" {
			t.Errorf("the test leaves %s empty", name)
		}
	}
	if c := f.Merge(Reading{Feedback: &Feedback{ID: "id"}, Removed: true}); c != (Change{Removed: true}) || !reflect.DeepEqual(f, all) {
		t.Errorf("%+v: left %+v", c, f)
	}
}

func TestMergeIgnoresOthers(t *testing.T) {
	f := fold(event("a", 0))
	was := fmt.Sprint(*f)
	other := event("b", 1)
	other.Feedback.ID = "other"
	for _, r := range []Reading{other, {Err: &FieldError{}}, {}} {
		if c := f.Merge(r); c.Any() || fmt.Sprint(*f) != was {
			t.Errorf("%+v changed %+v", r, c)
		}
	}
}

// What is stored comes back as it was, and one feedback stays far below the
// size of a batch.
func TestFeedbackIsStored(t *testing.T) {
	f := fold(group(1, 0, "resolved"), event("a", 3))
	raw, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var back Feedback
	if err := json.Unmarshal(raw, &back); err != nil || !reflect.DeepEqual(&back, f) {
		t.Errorf("got %+v (%v)\nwant %+v", back, err, f)
	}
}
