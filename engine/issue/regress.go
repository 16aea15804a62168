package issue

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/markdown"
)

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

// See notes the releases that the problem was seen in by now, and returns those
// that it had not been seen in.
func (r *Record) See(p Problem, now time.Time) (fresh []string) {
	for _, m := range p.members {
		for _, release := range m.Feedback.Releases {
			h := releaseHash(release)
			if !slices.ContainsFunc(r.Seen, func(s Seen) bool { return s.Hash == h }) {
				r.Seen = append(r.Seen, Seen{h, now})
				fresh = append(fresh, release)
			}
		}
	}
	r.Seen = r.Seen[max(0, len(r.Seen)-maxSeen):]
	return fresh
}

// releaseHash stands for a release in what is remembered for long.
func releaseHash(release string) string {
	sum := sha256.Sum256([]byte(release))
	return hex.EncodeToString(sum[:5])
}

// Close notes that the issue was closed, with GitHub's reason, and which releases
// had been seen by then (see [Record.See]). Closed as not planned (or as a duplicate) it
// is muted until a person reopens it; closed as completed, or without a reason, it is
// watched, unless somebody muted it by a command.
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
	r.Muted = notPlanned(reason) || r.MutedBy != ""
}

// notPlanned reports whether GitHub's reason for a closing mutes.
func notPlanned(reason string) bool { return reason == "not_planned" || reason == "duplicate" }

// Reopen notes that the issue is open again. A person's reopening ends muting;
// ours is a regression and is never done to what is muted.
func (r *Record) Reopen() {
	r.State, r.StateReason = "open", "reopened"
	r.ClosedAt, r.ClosedReleases = time.Time{}, nil
	r.Muted, r.MutedBy = false, ""
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
	Contains bool      // the release contains the merge that was to fix it
	Fix      *Fix      // the merge that was to fix it, if there is one

	link string // to the error group in Sentry
}

// Aftermath is what became of a problem since its issue was closed as fixed.
type Aftermath struct {
	Back  Evidence // what shows that it is back, if Count is not 0
	Older int      // feedback of releases that surely lack the fix
	Early int      // feedback so soon after that the fix may not have reached its author
	// Ask are the releases that have to be asked about first, the latest seen
	// first: until it is known whether they contain the merge, their feedback
	// counts neither way.
	Ask []string
}

// After says what became of a problem whose issue was closed as fixed. Nothing
// did where it is not watched.
//
// After a merge, releases say what they can: one that contains the merge shows at
// once that the problem is back, one that does not contain it shows nothing. Where
// that is not known, and where a person closed the issue without a merge, feedback
// shows it that happened later than both by more than deploy, and not in a release
// that had been seen before the closing: users of old releases go on meeting what a
// new one fixed.
//
// A feedback's releases are known in the order in which they first reported, so
// the newest stands for its latest event.
func After(p Problem, rec Record, deploy time.Duration, now time.Time) Aftermath {
	if !rec.Watched() || rec.ClosedAt.IsZero() {
		return Aftermath{}
	}
	since := rec.ClosedAt
	if rec.Fix.holds() && rec.Fix.Merge.At.After(since) {
		since = rec.Fix.Merge.At
	}
	a := Aftermath{Back: Evidence{Closed: rec.ClosedAt}}
	if rec.Fix.holds() {
		a.Back.Fix = rec.Fix
	}
	asked := make(map[string]time.Time) // when they were seen last
	for _, m := range p.members {
		f := m.Feedback
		if !f.Last.After(since) {
			continue
		}
		release, has, ask := judge(f.Releases, rec, now)
		for _, r := range ask {
			if f.Last.After(asked[r]) {
				asked[r] = f.Last
			}
		}
		switch {
		case has == lacksFix:
			a.Older++
		case has == unasked:
		case has == unclear && !f.Last.After(since.Add(deploy)):
			a.Early++
		default:
			a.Back.see(f, release, has == hasFix)
		}
	}
	a.Ask = slices.SortedFunc(maps.Keys(asked), func(x, y string) int {
		return cmp.Or(asked[y].Compare(asked[x]), cmp.Compare(x, y))
	})
	return a
}

// judge says whether the users of a feedback's releases had the fix, as far as is
// known, which of them says so, and which have to be asked about first.
func judge(releases []string, rec Record, now time.Time) (release string, has carries, ask []string) {
	if len(releases) == 0 {
		return "", unclear, nil
	}
	newest := releases[len(releases)-1]
	for _, r := range slices.Backward(releases) {
		if slices.Contains(rec.ClosedReleases, releaseHash(r)) {
			continue // it was there before the fix
		}
		switch rec.Fix.has(r, now) {
		case hasFix:
			return r, hasFix, nil
		case unasked:
			ask = append(ask, r)
		}
	}
	switch {
	case len(ask) > 0:
		return newest, unasked, ask
	case slices.Contains(rec.ClosedReleases, releaseHash(newest)):
		return newest, lacksFix, nil
	}
	return newest, rec.Fix.has(newest, now), nil
}

// see adds a feedback that shows that the problem is back. The newest one is told
// of, but one whose release contains the fix before one of which that is not known.
func (e *Evidence) see(f *feedback.Feedback, release string, contains bool) {
	e.Count++
	newer := cmp.Or(f.Last.Compare(e.Seen), -cmp.Compare(f.ID, e.Feedback)) > 0
	if e.Count > 1 && (e.Contains && !contains || e.Contains == contains && !newer) {
		return
	}
	e.Feedback, e.Seen, e.Release, e.Contains, e.link = f.ID, f.Last, release, contains, ""
	if f.Kind == feedback.Sentry {
		e.link = f.URL
	}
}

// Comment is what a regression's comment says on the reopened issue.
func (e Evidence) Comment() string {
	s := "This is back. The issue was closed on " + moment(e.Closed)
	if e.Fix != nil {
		s = fmt.Sprintf("This is back. #%d, which was to fix it, was merged on %s", e.Fix.Merge.Pull, moment(e.Fix.Merge.At))
	}
	s += ", and " + count(e.Count, "report") + " of it happened since, the last on " + moment(e.Seen)
	switch release := markdown.Code(e.Release, maxName); {
	case release == "":
	case e.Contains:
		s += " in release " + release + ", which contains it"
	default:
		s += " in release " + release + ", which had not reported it before"
	}
	s += "."
	if e.link != "" {
		s += " " + markdown.Link("Newest", e.link)
	}
	return s
}
