package issue

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/policy"
)

// Record is what is kept of the issue of a cluster.
type Record struct {
	Cluster     string    `json:"cluster"`
	Number      int       `json:"number,omitempty"`
	NodeID      string    `json:"node_id,omitempty"`
	URL         string    `json:"url,omitempty"`
	FiledAt     time.Time `json:"filed_at,omitzero"`
	SectionHash string    `json:"section_hash,omitempty"` // of the section that was written last
	Told        Told      `json:"told,omitzero"`          // what that section said

	State          string    `json:"state,omitempty"`        // open or closed
	StateReason    string    `json:"state_reason,omitempty"` // completed, not_planned, duplicate, reopened
	ClosedAt       time.Time `json:"closed_at,omitzero"`
	ClosedReleases []string  `json:"closed_releases,omitempty"` // seen before it was closed, see releaseHash
	Seen           []Seen    `json:"seen,omitempty"`            // releases that it was ever seen in, oldest first
	Muted          bool      `json:"muted,omitempty"`           // until a person reopens it, or says so
	MutedBy        string    `json:"muted_by,omitempty"`        // who said so, "@login"; the issue may be closed as completed, or not filed
	RegressedAt    time.Time `json:"regressed_at,omitzero"`     // when it was last reopened as a regression
	Fix            *Fix      `json:"fix,omitempty"`             // the newest merge that was to fix the problem
}

// Told is what people were last told of a problem.
type Told struct {
	Reports      int       `json:"reports"`
	People       int       `json:"people"`
	Events       int       `json:"events"`
	Users        int       `json:"users"`
	Releases     []string  `json:"releases,omitempty"`
	Environments []string  `json:"environments,omitempty"`
	Sources      []string  `json:"sources,omitempty"`
	Last         time.Time `json:"last,omitzero"` // when the problem was last seen
	At           time.Time `json:"at,omitzero"`   // when they were told
	Fix          string    `json:"fix,omitempty"` // how the fix was said to stand

	// Publish is what might be published then, and Texts a hash of what each of
	// the most telling members said, by its id: what is taken back since, or
	// must not stand there any more, is found by them.
	Publish policy.Publish    `json:"publish,omitempty"`
	Texts   map[string]string `json:"texts,omitempty"`
}

// Tell is what a section about the problem, written at a moment, tells.
func Tell(p Problem, pol policy.Policy, at time.Time) Told {
	return Told{
		Publish: pol.Publish, Texts: p.texts(),
		Reports: p.Reports, People: p.People, Events: p.Events, Users: p.Users,
		Releases: p.Releases, Environments: p.Environments, Sources: p.Sources,
		Last: p.Last, At: at,
	}
}

// maxTexts is how many members' texts are remembered: more than a section shows.
const maxTexts = 100

// texts hashes what the members said that a section may show.
func (p Problem) texts() map[string]string {
	texts := make(map[string]string)
	for _, m := range p.members[:min(len(p.members), maxTexts)] {
		texts[m.Feedback.ID] = p.all[m.Feedback.ID]
	}
	return texts
}

// said hashes what a feedback says, and whether everybody may read it.
func said(f *feedback.Feedback) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q", f.Title, f.Body, f.URL)
	for _, e := range f.Exceptions {
		fmt.Fprintf(h, " %q %q", e.Type, e.Value)
	}
	if f.Public && f.Kind != feedback.Sentry {
		fmt.Fprint(h, " in public")
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// TakenBack reports whether something that people were told must not stand there
// any more: a text that was deleted or changed at its source, may not be read by
// everybody any more or belongs elsewhere now, or less may be published. That is written at once, on a closed issue too.
func (t Told) TakenBack(p Problem, pol policy.Policy) bool {
	if t.Publish == policy.Full && pol.Publish != policy.Full {
		return true
	}
	for id, text := range t.Texts {
		if p.all[id] != text {
			return true
		}
	}
	return false
}

// EditInterval is how long an issue stays as it is when what changed is nothing
// that a person would act on.
const EditInterval = 24 * time.Hour

// EditDue says whether the issue's section should be written again now, and why.
// It is due at once when something changed that a person would act on: a new
// release, environment or source, a regression, a correction of what belongs
// together, a count that passed the next of 2, 3, 5, 10, 20, 50, 100, …; at most
// once a day when anything else did. If it is not due yet, again is when it will
// be, and zero if nothing changed.
func EditDue(p Problem, rec Record, now time.Time) (due bool, why string, again time.Time) {
	told := rec.Told
	switch {
	case told.At.IsZero():
		return true, "not written yet", time.Time{}
	case rec.RegressedAt.After(told.At):
		return true, "regression", time.Time{}
	case news(told.Releases, p.Releases):
		return true, "new release", time.Time{}
	case news(told.Environments, p.Environments):
		return true, "new environment", time.Time{}
	case news(told.Sources, p.Sources):
		return true, "new source", time.Time{}
	case p.Reports == 0:
		return false, "", time.Time{} // nothing that counts: what was said of it stands
	case told.Fix != rec.Fix.told():
		return true, "fix", time.Time{}
	case p.Reports < told.Reports:
		return true, "feedback left it", time.Time{}
	case passes(told.Reports, p.Reports):
		return true, "more reports", time.Time{}
	case passes(told.People, p.People):
		return true, "more people", time.Time{}
	case passes(told.Users, p.Users):
		return true, "more users", time.Time{}
	case passes(told.Events, p.Events):
		return true, "more events", time.Time{}
	}
	if told.Reports == p.Reports && told.People == p.People && told.Users == p.Users &&
		told.Events == p.Events && told.Last.Equal(p.Last) {
		return false, "", time.Time{}
	}
	if again = told.At.Add(EditInterval); again.After(now) {
		return false, "", again
	}
	return true, "daily", time.Time{}
}

// news reports whether there is something that was not told.
func news(told, now []string) bool {
	return slices.ContainsFunc(now, func(s string) bool { return !slices.Contains(told, s) })
}

// passes reports whether a count passed one of 2, 3, 5, 10, 20, 50, 100, …
func passes(told, now int) bool {
	if told < 3 && now >= 3 {
		return true
	}
	for unit := 1; unit <= min(now, 1e15); unit *= 10 {
		for _, step := range []int{unit, 2 * unit, 5 * unit} {
			if step > 1 && told < step && now >= step {
				return true
			}
		}
	}
	return false
}
