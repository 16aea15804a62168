package issue

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/policy"
)

// Limits of what a problem lists; what is counted is counted whole.
const (
	MaxReleases     = 500 // the newest
	MaxEnvironments = 20
	MaxSources      = 20
)

// Cluster is what is known of a cluster: the feedback in it, and how alike it is.
type Cluster struct {
	ID       string
	Members  []Member
	Cohesion *float64 // mean pairwise similarity, 0 to 1; nil with fewer than two members
	Made     time.Time
}

// Member is one feedback of a cluster and why it is there.
type Member struct {
	Feedback   *feedback.Feedback
	Reason     string   // our own words for a person; it quotes nothing of the feedback's text
	Similarity *float64 // 0 to 1; nil for the first, and where meaning did not decide
	Joined     time.Time
}

// Problem is what a cluster amounts to. It depends on the cluster and the policy
// alone, not on the time. Its text is foreign and may be private: what is shown
// on GitHub goes through [Publish] first.
type Problem struct {
	Cluster string
	Kinds   []feedback.Kind // of what counts: errors, reports, posts

	// Counted apart, from the members that count.
	ErrorGroups int // error groups, without those that are resolved at their source
	Resolved    int // error groups that are
	Reporters   int // distinct people who reported; who is not named counts for each report
	Posters     int // distinct people who posted
	People      int // distinct people who reported or posted
	Reports     int // feedback that counts, of any kind

	Events int // how often it was seen: events of error groups, one for a report or post
	Users  int // people whom Sentry counted; an upper bound where groups share users

	Sources      []string // ids, in order of the alphabet
	Releases     []string // in the order in which they were first seen, as far as known
	Environments []string // in order of the alphabet
	First, Last  time.Time
	Trend        Trend
	Made         time.Time // when the cluster was opened

	Cohesion  *float64
	Uncounted []Uncounted

	members []Member          // those that count, the most telling first
	all     map[string]string // what every member says, hashed, by id: those that do not count too
}

// Uncounted is a member that does not count, and why.
type Uncounted struct {
	ID  string // of the feedback
	Why string // as a person reads it: "level info", "archived in Sentry"
}

// Summarise says what a cluster amounts to under a policy.
func Summarise(c Cluster, pol policy.Policy) Problem {
	p := Problem{Cluster: c.ID, Cohesion: c.Cohesion, Made: c.Made, all: make(map[string]string, len(c.Members))}
	for _, m := range c.Members {
		if !m.Feedback.Removed {
			p.all[m.Feedback.ID] = said(m.Feedback)
		}
		if why := uncounted(m.Feedback, pol); why != "" {
			p.Uncounted = append(p.Uncounted, Uncounted{m.Feedback.ID, why})
			continue
		}
		p.members = append(p.members, m)
	}
	slices.SortFunc(p.Uncounted, func(a, b Uncounted) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(p.members, telling)
	p.count()
	p.list()
	p.Trend = trend(p.members, p.Last)
	return p
}

// uncounted says why feedback does not count, or nothing if it does.
func uncounted(f *feedback.Feedback, pol policy.Policy) string {
	if f.Removed {
		return "deleted at its source"
	}
	for _, pattern := range pol.Ignore {
		if contains(f.Title, pattern) {
			return "title contains " + strconv.Quote(pattern)
		}
		if contains(f.Culprit, pattern) {
			return "culprit contains " + strconv.Quote(pattern)
		}
	}
	if f.Kind != feedback.Sentry {
		return ""
	}
	if f.State.Value == "archived" {
		return "archived in Sentry"
	}
	// Sentry itself takes an event without a level for an error.
	if level := cmp.Or(strings.ToLower(f.Level), "error"); pol.Levels != nil && !slices.Contains(pol.Levels, level) {
		return "level " + level
	}
	if pol.Environments != nil && !slices.ContainsFunc(f.Environments, func(e string) bool {
		return slices.Contains(pol.Environments, e)
	}) {
		if len(f.Environments) == 0 {
			return "environment not known"
		}
		return "environment " + f.Environments[len(f.Environments)-1]
	}
	return ""
}

func contains(text, pattern string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(pattern))
}

// culprit is where the most telling error group says that it failed, "" if none does.
func (p Problem) culprit() string {
	for _, m := range p.members {
		if m.Feedback.Culprit != "" {
			return m.Feedback.Culprit
		}
	}
	return ""
}

// telling orders members: error groups with a stack first (they say most about
// the cause), then the rest by how many they speak for; equal ones by age.
func telling(a, b Member) int {
	x, y := a.Feedback, b.Feedback
	return cmp.Or(
		cmp.Compare(weight(y), weight(x)),
		cmp.Compare(y.Users, x.Users),
		cmp.Compare(y.Count, x.Count),
		x.First.Compare(y.First),
		strings.Compare(x.ID, y.ID),
	)
}

func weight(f *feedback.Feedback) int {
	switch {
	case f.Kind == feedback.Sentry && f.State.Value == "resolved":
		return 1
	case len(f.Exceptions) > 0:
		return 3
	case f.Kind == feedback.Sentry:
		return 2
	}
	return 0
}

// count counts people, error groups and events.
func (p *Problem) count() {
	reporters, posters, people := crowd{}, crowd{}, crowd{}
	kinds := map[feedback.Kind]bool{}
	for _, m := range p.members {
		f := m.Feedback
		kinds[f.Kind] = true
		p.Reports++
		p.Events += max(f.Count, 1)
		switch f.Kind {
		case feedback.Sentry:
			p.Users += f.Users
			if f.State.Value == "resolved" {
				p.Resolved++
			} else {
				p.ErrorGroups++
			}
		case feedback.Reddit:
			posters.add(f)
			people.add(f)
		default:
			reporters.add(f)
			people.add(f)
		}
	}
	p.Reporters, p.Posters, p.People = len(reporters), len(posters), len(people)
	for _, k := range []feedback.Kind{feedback.Sentry, feedback.Report, feedback.Reddit} {
		if kinds[k] {
			p.Kinds = append(p.Kinds, k)
		}
	}
}

// crowd is a set of people. Who is not named is taken for one more.
type crowd map[string]bool

func (c crowd) add(f *feedback.Feedback) {
	if f.Author == "" {
		c["feedback "+f.ID] = true
		return
	}
	c["author "+f.Author] = true
}

// list gathers sources, releases, environments and times.
func (p *Problem) list() {
	byFirst := slices.SortedFunc(slices.Values(p.members), func(a, b Member) int {
		return cmp.Or(a.Feedback.First.Compare(b.Feedback.First), strings.Compare(a.Feedback.ID, b.Feedback.ID))
	})
	for _, m := range byFirst {
		f := m.Feedback
		p.Sources = with(p.Sources, f.Source)
		p.Releases = with(p.Releases, f.Releases...)
		p.Environments = with(p.Environments, f.Environments...)
		for _, at := range []time.Time{f.First, f.Last} {
			if at.IsZero() {
				continue
			}
			if p.First.IsZero() || at.Before(p.First) {
				p.First = at
			}
			if at.After(p.Last) {
				p.Last = at
			}
		}
	}
	slices.Sort(p.Sources)
	slices.Sort(p.Environments)
	p.Sources = p.Sources[:min(len(p.Sources), MaxSources)]
	p.Environments = p.Environments[:min(len(p.Environments), MaxEnvironments)]
	p.Releases = p.Releases[max(0, len(p.Releases)-MaxReleases):]
}

// with adds what the list does not hold yet.
func with(list []string, more ...string) []string {
	for _, s := range more {
		if s != "" && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}
