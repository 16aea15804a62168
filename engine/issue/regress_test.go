package issue

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/policy"
)

func TestRegressed(t *testing.T) {
	closed := at(t, "10 12:00")
	last := func(s string, releases ...string) Member {
		return one("f-"+s+strings.Join(releases, ""), feedback.Sentry, func(f *feedback.Feedback) {
			f.Last, f.Releases, f.URL = at(t, s), releases, "https://acme.sentry.io/issues/1/"
		})
	}
	watched := func(r *Record) {}
	for name, c := range map[string]struct {
		record func(r *Record)
		m      []Member
		want   string // id of the evidence, "" if there is none
		count  int
	}{
		"a new release":              {watched, []Member{last("12 09:00", "v1", "v2")}, "f-12 09:00v1v2", 1},
		"no release, after deploy":   {watched, []Member{last("11 12:01")}, "f-11 12:01", 1},
		"no release, within deploy":  {watched, []Member{last("11 12:00")}, "", 0},
		"new release within deploy":  {watched, []Member{last("11 09:00", "v1", "v2")}, "", 0},
		"an old release":             {watched, []Member{last("12 09:00", "v0", "v1")}, "", 0},
		"another old release":        {watched, []Member{last("12 09:00", "v0")}, "", 0},
		"before the closing":         {watched, []Member{last("9 09:00", "v2")}, "", 0},
		"old and new":                {watched, []Member{last("13 09:00", "v1"), last("12 09:00", "v2"), last("12 08:00", "v3")}, "f-12 09:00v2", 2},
		"never closed":               {func(r *Record) { r.Reopen() }, []Member{last("12 09:00", "v2")}, "", 0},
		"muted":                      {func(r *Record) { r.Muted = true }, []Member{last("12 09:00", "v2")}, "", 0},
		"a report":                   {watched, []Member{one("r", feedback.Report, func(f *feedback.Feedback) { f.Last = at(t, "12 09:00") })}, "r", 1},
		"what does not count":        {watched, []Member{one("s", feedback.Sentry, func(f *feedback.Feedback) { f.Last, f.State.Value = at(t, "12 09:00"), "archived" })}, "", 0},
		"a later group, same moment": {watched, []Member{last("12 09:00", "v3"), last("12 09:00", "v2")}, "f-12 09:00v2", 2},
	} {
		t.Run(name, func(t *testing.T) {
			rec := Record{State: "open"}
			rec.See(seenIn("v0", "v1"), closed)
			rec.See(seenIn("v2"), closed.Add(time.Second))
			rec.Close("completed", closed)
			c.record(&rec)
			p := Summarise(gathered(c.m...), livePolicy(policy.Safe))
			e := After(p, rec, 24*time.Hour, at(t, "14 12:00")).Back
			back := e.Count > 0
			if back != (c.want != "") || e.Feedback != c.want && back || e.Count != c.count {
				t.Errorf("back: %v, %+v; want %q, %d", back, e, c.want, c.count)
			}
		})
	}
}

func TestClose(t *testing.T) {
	for reason, muted := range map[string]bool{"completed": false, "": false, "not_planned": true, "duplicate": true} {
		var r Record
		r.Close(reason, at(t, "10 12:00"))
		if r.State != "closed" || r.Muted != muted || r.Watched() == muted || !r.ClosedAt.Equal(at(t, "10 12:00")) {
			t.Errorf("closed as %q: %+v", reason, r)
		}
		r.Reopen()
		if r.State != "open" || r.Muted || r.Watched() || !r.ClosedAt.IsZero() || r.ClosedReleases != nil {
			t.Errorf("opened again: %+v", r)
		}
	}
}

// Hearing of a closing late, or twice, does not make new releases old.
func TestCloseLateAndTwice(t *testing.T) {
	var r Record
	r.See(seenIn("v1"), at(t, "9 12:00"))
	r.See(seenIn("v1", "v2"), at(t, "11 12:00"))
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("x", 3600)} {
		r.Close("completed", at(t, "10 12:00").In(zone))
		if want := []string{releaseHash("v1")}; !slices.Equal(r.ClosedReleases, want) {
			t.Errorf("seen before the closing: %v, want %v", r.ClosedReleases, want)
		}
	}
	r.Close("completed", at(t, "12 12:00"))
	if len(r.ClosedReleases) != 2 {
		t.Errorf("closed again: %v", r.ClosedReleases)
	}
}

// A release that a feedback has forgotten is still known, and the memory is bounded.
func TestSeenIsRememberedAndBounded(t *testing.T) {
	var r Record
	for i := range 3 * maxSeen / 2 {
		r.See(seenIn(fmt.Sprint("v", i)), at(t, "9 12:00"))
	}
	r.Close("completed", at(t, "10 12:00"))
	if len(r.Seen) != maxSeen || !slices.Contains(r.ClosedReleases, releaseHash(fmt.Sprint("v", maxSeen))) {
		t.Errorf("%d releases are remembered", len(r.Seen))
	}
}

// seenIn is a problem that was seen in releases.
func seenIn(releases ...string) Problem {
	return Summarise(gathered(one("s", feedback.Sentry, func(f *feedback.Feedback) { f.Releases = releases })), livePolicy(policy.Safe))
}

func TestEvidenceComment(t *testing.T) {
	e := Evidence{Feedback: "f", Count: 2, Closed: at(t, "10 12:00"), Seen: at(t, "12 09:00"), Release: "v2`@octocat`\n/soulcaster fix", link: "https://acme.sentry.io/issues/1/"}
	want := "This is back. The issue was closed on 10 November 2026, 12:00 UTC, and 2 reports of it happened since, the last on 12 November 2026, 09:00 UTC " +
		"in release ``v2`@octocat` /soulcaster fix``, which had not reported it before. [Newest (acme.sentry.io)](https://acme.sentry.io/issues/1/)"
	if got := e.Comment(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	e = Evidence{Count: 1, Closed: at(t, "10 12:00"), Seen: at(t, "12 09:00")}
	want = "This is back. The issue was closed on 10 November 2026, 12:00 UTC, and 1 report of it happened since, the last on 12 November 2026, 09:00 UTC."
	if got := e.Comment(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
