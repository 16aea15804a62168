package issue

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/policy"
)

// one makes feedback with an id, of a kind, changed by what.
func one(id string, kind feedback.Kind, what ...func(*feedback.Feedback)) Member {
	f := &feedback.Feedback{ID: id, Source: string(kind), Kind: kind, Title: "title of " + id, Count: 1,
		First: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), Last: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)}
	for _, w := range what {
		w(f)
	}
	return Member{Feedback: f, Joined: f.First}
}

func by(author string) func(*feedback.Feedback) {
	return func(f *feedback.Feedback) { f.Author = author }
}

func gathered(members ...Member) Cluster { return Cluster{ID: "c1", Members: members} }

func TestSummariseCounts(t *testing.T) {
	p := Summarise(problems(t)["checkout"], livePolicy(policy.Full))
	want := Problem{
		Cluster: "c7", Kinds: []feedback.Kind{feedback.Sentry, feedback.Report, feedback.Reddit},
		ErrorGroups: 2, Reporters: 1, Posters: 1, People: 2, Reports: 4,
		Events: 1204 + 7 + 1 + 1, Users: 312,
		Sources: []string{"acme-reddit", "acme-sentry", "acme-support"}, Releases: []string{"web@2.3.1", "web@2.4.0"},
		Environments: []string{"production", "staging"}, First: at(t, "3 08:15"), Last: at(t, "23 14:02"),
		Trend: Trend{10: 1, 11: 1, 12: 2, 13: 1}, Cohesion: p.Cohesion,
	}
	for i, id := range []string{"f1", "f2", "f3", "f4"} {
		if p.members[i].Feedback.ID != id {
			t.Errorf("member %d is %s, want %s", i, p.members[i].Feedback.ID, id)
		}
	}
	p.members, p.all = nil, nil
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
}

// People are counted once each, whichever source they speak through; who is not
// named counts for each report.
func TestSummarisePeople(t *testing.T) {
	p := Summarise(gathered(
		one("1", feedback.Report, by("ann")), one("2", feedback.Report, by("ann")), one("3", feedback.Report, by("bob")),
		one("4", feedback.Report), one("5", feedback.Report),
		one("6", feedback.Reddit, by("ann")), one("7", feedback.Reddit, by("cid")),
		one("8", feedback.Sentry, by("dan")),
	), livePolicy(policy.Full))
	if p.Reporters != 4 || p.Posters != 2 || p.People != 5 || p.ErrorGroups != 1 || p.Reports != 8 {
		t.Errorf("got %+v", p)
	}
}

func TestUncounted(t *testing.T) {
	pol := livePolicy(policy.Full)
	pol.Levels = []string{"error", "fatal"}
	pol.Environments = []string{"production"}
	pol.Ignore = []string{"Health Check", "probe"}
	production := func(f *feedback.Feedback) { f.Environments = []string{"staging", "production"} }
	for name, c := range map[string]struct {
		m    Member
		want string
	}{
		"counts":           {one("1", feedback.Sentry, production), ""},
		"report":           {one("1", feedback.Report), ""},
		"level":            {one("1", feedback.Sentry, production, func(f *feedback.Feedback) { f.Level = "Warning" }), "level warning"},
		"good level":       {one("1", feedback.Sentry, production, func(f *feedback.Feedback) { f.Level = "fatal" }), ""},
		"report's level":   {one("1", feedback.Report, func(f *feedback.Feedback) { f.Level = "info" }), ""},
		"environment":      {one("1", feedback.Sentry, func(f *feedback.Feedback) { f.Environments = []string{"staging"} }), "environment staging"},
		"no environment":   {one("1", feedback.Sentry), "environment not known"},
		"ignored title":    {one("1", feedback.Report, func(f *feedback.Feedback) { f.Title = "the HEALTH CHECK failed" }), `title contains "Health Check"`},
		"ignored culprit":  {one("1", feedback.Sentry, production, func(f *feedback.Feedback) { f.Culprit = "app/Probe" }), `culprit contains "probe"`},
		"ignored body":     {one("1", feedback.Report, func(f *feedback.Feedback) { f.Body = "health check" }), ""},
		"archived":         {one("1", feedback.Sentry, production, func(f *feedback.Feedback) { f.State.Value = "archived" }), "archived in Sentry"},
		"resolved":         {one("1", feedback.Sentry, production, func(f *feedback.Feedback) { f.State.Value = "resolved" }), ""},
		"removed":          {one("1", feedback.Reddit, func(f *feedback.Feedback) { f.Removed = true }), "deleted at its source"},
		"removed, ignored": {one("1", feedback.Reddit, func(f *feedback.Feedback) { f.Removed, f.Title = true, "probe" }), "deleted at its source"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Summarise(gathered(c.m), pol)
			got := ""
			if len(p.Uncounted) > 0 {
				got = p.Uncounted[0].Why
			}
			if got != c.want || p.Reports != 1-len(p.Uncounted) {
				t.Errorf("got %q and %d that count, want %q", got, p.Reports, c.want)
			}
		})
	}
}

// Whatever the order in which members are read, the problem is the same.
func TestSummariseInAnyOrder(t *testing.T) {
	c := problems(t)["checkout"]
	c.Members = append(c.Members, one("x", feedback.Report), one("y", feedback.Report), one("z", feedback.Reddit, func(f *feedback.Feedback) { f.Removed = true }), one("a", feedback.Reddit, func(f *feedback.Feedback) { f.Removed = true }))
	pol := livePolicy(policy.Safe)
	want := Summarise(c, pol)
	for range c.Members {
		c.Members = append(slices.Clone(c.Members[1:]), c.Members[0])
		if got := Summarise(c, pol); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	}
}

// Lists are bounded, and the newest releases are kept.
func TestSummariseBounds(t *testing.T) {
	var members []Member
	for i := range 700 {
		members = append(members, one(fmt.Sprintf("f%03d", i), feedback.Sentry, func(f *feedback.Feedback) {
			f.Source = fmt.Sprintf("source-%03d", i)
			f.Releases = []string{fmt.Sprintf("r%03d", i)}
			f.Environments = []string{fmt.Sprintf("e%03d", i)}
			f.First = f.First.Add(time.Duration(i) * time.Minute)
		}))
	}
	p := Summarise(gathered(members...), livePolicy(policy.Full))
	if len(p.Sources) != MaxSources || len(p.Environments) != MaxEnvironments || len(p.Releases) != MaxReleases {
		t.Errorf("%d sources, %d environments, %d releases", len(p.Sources), len(p.Environments), len(p.Releases))
	}
	if p.Releases[len(p.Releases)-1] != "r699" || p.Releases[0] != "r200" {
		t.Errorf("releases from %s to %s", p.Releases[0], p.Releases[len(p.Releases)-1])
	}
}

func TestTrend(t *testing.T) {
	seen := func(first, last string) Member {
		return one(first+last, feedback.Sentry, func(f *feedback.Feedback) { f.First, f.Last = at(t, first), at(t, last) })
	}
	p := Summarise(gathered(
		seen("1 00:00", "23 23:59"), // first before the fourteen days
		seen("10 00:00", "10 23:00"), seen("9 23:59", "16 12:00"), seen("17 00:00", "23 01:00"),
	), livePolicy(policy.Full))
	if want := (Trend{0: 1, 6: 1, 7: 1, 13: 2}); p.Trend != want {
		t.Errorf("got %v, want %v", p.Trend, want)
	}
	if last, before := p.Trend.Weeks(); last != 3 || before != 2 {
		t.Errorf("%d in the last week, %d before", last, before)
	}
	if got, want := (Trend{1: 1, 2: 50, 13: 100}).String(), "▁▂▅▁▁▁▁▁▁▁▁▁▁█"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := (Trend{}).String(); got != "▁▁▁▁▁▁▁▁▁▁▁▁▁▁" {
		t.Errorf("nothing is drawn as %s", got)
	}
	if got := Summarise(gathered(one("1", feedback.Report, func(f *feedback.Feedback) { f.First, f.Last = time.Time{}, time.Time{} })), livePolicy(policy.Full)); got.Trend != (Trend{}) {
		t.Errorf("without times there is a trend: %v", got.Trend)
	}
}

// Members come in the order of how much they tell: errors with a stack, errors,
// what people wrote, what is resolved among them; equal ones by age.
func TestSummariseOrder(t *testing.T) {
	later := func(f *feedback.Feedback) { f.First = f.First.Add(time.Hour) }
	stack := func(f *feedback.Feedback) { f.Exceptions = []feedback.Exception{{Type: "KeyError"}} }
	p := Summarise(gathered(
		one("a", feedback.Report, later), one("b", feedback.Report), one("c", feedback.Sentry),
		one("d", feedback.Sentry, stack, func(f *feedback.Feedback) { f.State.Value = "resolved" }),
		one("e", feedback.Sentry, stack, func(f *feedback.Feedback) { f.Users = 1 }),
		one("f", feedback.Sentry, stack, func(f *feedback.Feedback) { f.Users = 2 }),
		one("g", feedback.Sentry, stack, func(f *feedback.Feedback) { f.Users, f.Count = 2, 9 }),
	), livePolicy(policy.Full))
	got := ""
	for _, m := range p.members {
		got += m.Feedback.ID
	}
	if got != "gfecdba" {
		t.Errorf("the order is %s", got)
	}
}
