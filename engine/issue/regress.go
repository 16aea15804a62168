package issue

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/markdown"
)

// DeployTime is how long after the closing of an issue its fix is taken to be
// on its way to the users: what happens in between is no regression.
const DeployTime = 24 * time.Hour

// RegressionInterval is how often an issue is reopened as a regression at most.
const RegressionInterval = 24 * time.Hour

// Seen is a release that the problem was seen in, and since when we know.
type Seen struct {
	Hash string    `json:"hash"`
	At   time.Time `json:"at"`
}

// maxSeen bounds the releases that are remembered: a year of one a day and more.
// Each feedback itself remembers only its newest few.
const maxSeen = 1000

// See notes the releases that the problem was seen in by now.
func (r *Record) See(p Problem, now time.Time) {
	for _, m := range p.members {
		for _, release := range m.Feedback.Releases {
			h := releaseHash(release)
			if !slices.ContainsFunc(r.Seen, func(s Seen) bool { return s.Hash == h }) {
				r.Seen = append(r.Seen, Seen{h, now})
			}
		}
	}
	r.Seen = r.Seen[max(0, len(r.Seen)-maxSeen):]
}

// releaseHash stands for a release in what is remembered for long.
func releaseHash(release string) string {
	sum := sha256.Sum256([]byte(release))
	return hex.EncodeToString(sum[:5])
}

// Close notes that the issue was closed, with GitHub's reason, and which releases
// had been seen by then (see [Record.See]). Closed as not planned (or as a duplicate) it is muted until a
// person reopens it; closed as completed, or without a reason, it is watched.
// What was closed at that moment already stays as it was noted.
func (r *Record) Close(reason string, at time.Time) {
	if r.State == "closed" && r.ClosedAt.Equal(at) && r.StateReason == reason {
		return
	}
	r.State, r.StateReason, r.ClosedAt = "closed", reason, at
	r.ClosedReleases = nil
	for _, seen := range r.Seen {
		if !seen.At.After(at) {
			r.ClosedReleases = append(r.ClosedReleases, seen.Hash)
		}
	}
	r.Muted = reason == "not_planned" || reason == "duplicate"
}

// Reopen notes that the issue is open again. A person's reopening ends muting;
// ours is a regression and is never done to what is muted.
func (r *Record) Reopen() {
	r.State, r.StateReason = "open", "reopened"
	r.ClosedAt, r.ClosedReleases = time.Time{}, nil
	r.Muted = false
}

// Watched reports whether the issue was closed as fixed, so that its return
// would be a regression.
func (r *Record) Watched() bool { return r.State == "closed" && !r.Muted }

// Evidence is what shows that a problem is back. It holds nothing that may not
// be published anywhere.
type Evidence struct {
	Feedback string // id of the newest that shows it
	Count    int    // how many feedback show it
	Closed   time.Time
	Seen     time.Time // when it happened last
	Release  string    // that it happened in, one that was not known when the issue was closed; empty: unknown

	link string // to the error group in Sentry
}

// Regressed says whether a problem whose issue was closed as fixed is back:
// feedback that counts happened later than the closing by more than deploy
// (use [DeployTime]), and not in a release that had been seen before the closing:
// users of old releases go on meeting what a new one fixed. It is never true
// more than once in [RegressionInterval].
//
// A feedback's releases are known in the order in which they first reported, so
// the newest stands for its latest event.
func Regressed(p Problem, rec Record, deploy time.Duration, now time.Time) (Evidence, bool) {
	if !rec.Watched() || rec.ClosedAt.IsZero() {
		return Evidence{}, false
	}
	if !rec.RegressedAt.IsZero() && now.Sub(rec.RegressedAt) < RegressionInterval {
		return Evidence{}, false
	}
	e := Evidence{Closed: rec.ClosedAt}
	for _, m := range p.members {
		f := m.Feedback
		if !f.Last.After(rec.ClosedAt.Add(deploy)) {
			continue
		}
		release := ""
		if n := len(f.Releases); n > 0 {
			release = f.Releases[n-1]
			if slices.Contains(rec.ClosedReleases, releaseHash(release)) {
				continue
			}
		}
		e.Count++
		if c := f.Last.Compare(e.Seen); c > 0 || c == 0 && cmp.Less(f.ID, e.Feedback) {
			e.Feedback, e.Seen, e.Release, e.link = f.ID, f.Last, release, ""
			if f.Kind == feedback.Sentry {
				e.link = f.URL
			}
		}
	}
	return e, e.Count > 0
}

// Comment is what a regression's comment says on the reopened issue.
func (e Evidence) Comment() string {
	s := "This is back. The issue was closed on " + moment(e.Closed) + ", and " + count(e.Count, "report") +
		" of it happened since, the last on " + moment(e.Seen)
	if e.Release != "" {
		s += " in release " + markdown.Code(e.Release, maxName) + ", which had not reported it before"
	}
	s += "."
	if e.link != "" {
		s += " " + markdown.Link("Newest", e.link)
	}
	return s
}
