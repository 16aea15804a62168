package issue

import (
	"fmt"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/policy"
)

func TestEligible(t *testing.T) {
	bug, request, chatter := Bug, Request, Chatter
	live := livePolicy(policy.Full)
	preview := live
	preview.Mode = policy.Preview
	many := live
	many.FileAfter = policy.Counts{Errors: 2, Reports: 5, Posts: 4}
	ignoring := live
	ignoring.Ignore = []string{"title"}
	errorsOnly := live
	errorsOnly.Levels = []string{"fatal"}

	resolved := func(f *feedback.Feedback) { f.State.Value = "resolved" }
	sentry := one("s1", feedback.Sentry)
	reports := []Member{one("r1", feedback.Report, by("ann")), one("r2", feedback.Report, by("bob"))}
	posts := []Member{one("p1", feedback.Reddit, by("ann")), one("p2", feedback.Reddit, by("bob")), one("p3", feedback.Reddit, by("cid"))}
	same := one("r3", feedback.Report, by("ann"))

	for name, c := range map[string]struct {
		members []Member
		pol     policy.Policy
		judge   *Verdict
		state   State
		reason  string
	}{
		"one error":                 {[]Member{sentry}, live, nil, Ready, "ready"},
		"one error in preview":      {[]Member{sentry}, preview, nil, Preview, "held: preview"},
		"one error of two":          {[]Member{sentry}, many, nil, Held, "held: 1 of 2 errors"},
		"two errors of two":         {[]Member{sentry, one("s2", feedback.Sentry)}, many, nil, Ready, "ready"},
		"one report":                {reports[:1], live, nil, Held, "held: 1 of 2 people"},
		"one report in preview":     {reports[:1], preview, nil, Held, "held: 1 of 2 people"},
		"one person twice":          {[]Member{reports[0], same}, live, nil, Held, "held: 1 of 2 people"},
		"two people":                {reports, live, nil, Ready, "ready"},
		"two without a name":        {[]Member{one("1", feedback.Report), one("2", feedback.Report)}, live, nil, Ready, "ready"},
		"one post":                  {posts[:1], live, nil, Held, "held: posts alone, 1 of 3 people"},
		"two posts":                 {posts[:2], live, nil, Held, "held: posts alone, 2 of 3 people"},
		"two posts, a bug":          {posts[:2], live, &bug, Held, "held: posts alone, 2 of 3 people"},
		"three posts":               {posts, live, nil, Ready, "ready"},
		"three posts, a bug":        {posts, live, &bug, Ready, "ready"},
		"three posts, a request":    {posts, live, &request, Ready, "ready"},
		"three posts, chatter":      {posts, live, &chatter, Held, "held: posts alone, neither a bug nor a request"},
		"chatter on an error":       {append(posts, sentry), live, &chatter, Ready, "ready"},
		"apart: report and posts":   {append(posts[:2:2], reports[0]), live, nil, Held, "held: 1 of 2 people"},
		"apart: error and report":   {[]Member{sentry, reports[0]}, many, nil, Held, "held: 1 of 2 errors, 1 of 5 people"},
		"chatter, and a report":     {append(posts[:3:3], reports[0]), live, &chatter, Held, "held: 1 of 2 people"},
		"ignored":                   {reports, ignoring, nil, Ignored, `ignored: title contains "title"`},
		"level":                     {[]Member{sentry}, errorsOnly, nil, Ignored, "ignored: level error"},
		"resolved":                  {[]Member{one("s", feedback.Sentry, resolved)}, live, nil, Held, "held: resolved in Sentry"},
		"resolved and open":         {[]Member{one("s", feedback.Sentry, resolved), sentry}, live, nil, Ready, "ready"},
		"resolved, still reported":  {append(reports[:2:2], one("s", feedback.Sentry, resolved)), live, nil, Ready, "ready"},
		"empty":                     {nil, live, nil, Ignored, "ignored: nothing is left in it"},
		"most common reason":        {[]Member{one("1", feedback.Reddit, func(f *feedback.Feedback) { f.Removed = true }), reports[0], reports[1]}, ignoring, nil, Ignored, `ignored: title contains "title"`},
		"some ignored, some remain": {[]Member{sentry, one("x", feedback.Report, func(f *feedback.Feedback) { f.Title = "x" })}, ignoring, nil, Held, "held: 1 of 2 people"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Eligible(Summarise(gathered(c.members...), c.pol), c.pol, c.judge)
			if want := (Standing{c.state, c.reason}); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestHurt(t *testing.T) {
	for i, c := range []struct{ more, less Problem }{
		{Problem{Users: 3, Events: 3}, Problem{Users: 2, Events: 500}},
		{Problem{People: 3}, Problem{Users: 2, Events: 10}},
		{Problem{Users: 2, People: 2}, Problem{Users: 3}},
		{Problem{Users: 2, People: 2}, Problem{Users: 3, People: 1, Events: 9}},
		{Problem{Users: 1, Events: 9}, Problem{Users: 1, Events: 8}},
	} {
		if c.more.Hurt().Compare(c.less.Hurt()) <= 0 || c.less.Hurt().Compare(c.more.Hurt()) >= 0 {
			t.Errorf("%d: %+v should hurt more than %+v", i, c.more.Hurt(), c.less.Hurt())
		}
		if c.more.Hurt().Compare(c.more.Hurt()) != 0 {
			t.Errorf("%d: a problem hurts differently from itself", i)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		perDay, filed int
		now           string
		places        int
		again         string // "" if there are places
	}{
		{10, 0, "23 00:00", 7, ""},
		{10, 6, "23 00:00", 1, ""},
		{10, 7, "23 00:00", 0, "23 06:00"},
		{10, 7, "23 05:59", 0, "23 06:00"},
		{10, 7, "23 06:00", 1, ""},
		{10, 8, "23 06:00", 0, "23 12:00"},
		{10, 9, "23 06:00", 0, "23 18:00"},
		{10, 0, "23 12:00", 9, ""},
		{10, 9, "23 18:00", 1, ""},
		{10, 10, "23 18:00", 0, "24 00:00"},
		{10, 25, "23 01:00", 0, "24 00:00"},
		{1, 0, "23 00:00", 1, ""},
		{1, 1, "23 00:00", 0, "24 00:00"},
		{2, 0, "23 00:00", 1, ""},
		{2, 1, "23 00:00", 0, "23 12:00"},
		{2, 1, "23 12:00", 1, ""},
		{2, 0, "23 23:59", 2, ""},
		{3, 0, "23 00:00", 2, ""},
		{3, 2, "23 11:00", 0, "23 12:00"},
		{0, 0, "23 09:00", 0, "24 00:00"},
		{1000, 0, "23 00:00", 700, ""},
		{1000, 0, "23 23:59", 1000, ""},
	} {
		places, again := Places(c.perDay, c.filed, at(t, c.now))
		var want time.Time
		if c.again != "" {
			want = at(t, c.again)
		}
		if places != c.places || !again.Equal(want) {
			t.Errorf("Places(%d, %d, %s) = %d, %v; want %d, %v", c.perDay, c.filed, c.now, places, again, c.places, want)
		}
	}
}

// However a day goes, no more are filed than its budget; who comes back when
// told to finds a place, and by the end of the day all of them have been open.
func TestPlacesThroughADay(t *testing.T) {
	for perDay := 1; perDay <= 40; perDay++ {
		now, filed := at(t, "23 00:00"), 0
		for now.Day() == 23 {
			places, again := Places(perDay, filed, now)
			if places == 0 {
				if !again.After(now) {
					t.Fatalf("%d a day, %d filed: asked at %v to come again at %v", perDay, filed, now, again)
				}
				now = again
				continue
			}
			filed++
		}
		if filed != perDay {
			t.Errorf("of %d a day %d were filed", perDay, filed)
		}
	}
}

// A day is UTC's, whatever the clock's zone.
func TestPlacesZone(t *testing.T) {
	zone := time.FixedZone("east", 9*3600)
	for _, s := range []string{"23 00:30", "23 12:00", "23 23:59"} {
		now := at(t, s)
		p1, a1 := Places(10, 8, now)
		p2, a2 := Places(10, 8, now.In(zone))
		if p1 != p2 || !a1.Equal(a2) {
			t.Error(fmt.Sprint("in another zone: ", p1, a1, p2, a2))
		}
	}
}
