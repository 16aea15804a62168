package issue

import (
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/policy"
)

// Limits of what an issue shows.
const (
	maxFrames   = 12
	maxQuotes   = 3
	maxBelongs  = 8
	maxReleases = 8 // the newest
)

// Published is what of a problem may stand on GitHub. Only [Publish] makes one,
// and only a Published can be rendered, so that nothing private is shown by
// mistake. Its text is still foreign: rendering neutralises it.
type Published struct {
	problem Problem // its counts, times, releases and environments
	title   string
	top     *failure // what failed, if errors say
	stack   []string // of the top failure, newest call first
	quotes  []quote
	belongs []belonging
	from    int      // how many sources there are
	sources []string // their names, if they may be shown
	fix     *Fix     // the merge that was to fix it, if there is one
}

// failure is an exception, as far as it may be shown.
type failure struct {
	kind     string // the exception's type
	message  string
	function string
	file     string
	link     string // to the error group
}

// quote is what someone wrote.
type quote struct {
	text string
	kind feedback.Kind
	at   time.Time
	link string
}

// belonging is a member and why it belongs to the others.
type belonging struct {
	kind   feedback.Kind
	error  *failure // of an error group
	title  string   // of a report or a post that may be quoted
	at     time.Time
	reason string
	alike  *float64
	link   string
}

// Publish takes away what may not stand on the repository.
//
// With [policy.Safe] there stays what is public already or says nothing private:
// types of exceptions, functions and files of the app's own frames, counts,
// times, releases, environments, links to Sentry (which asks who wants to read
// them), the text and the links of posts and reports whose source is public, and
// one line for a title: what failed and where or, of a report that is not
// public, its title without what is in quotes, numbers and addresses. With
// [policy.Full] messages, texts, all frames and the names of sources stay too.
func Publish(p Problem, pol policy.Policy) Published {
	v := view{full: pol.Publish == policy.Full}
	out := Published{problem: p, title: v.title(p.members)}
	out.from = len(p.Sources)
	if v.full {
		out.sources = p.Sources
	}
	for _, m := range p.members {
		if f := m.Feedback; f.Kind == feedback.Sentry {
			out.top, out.stack = v.failure(f), v.stack(f)
			break // members are in the order of how much they tell
		}
	}
	out.quotes = v.quotes(p.members)
	for _, m := range p.members[:min(len(p.members), maxBelongs)] {
		out.belongs = append(out.belongs, v.belonging(m))
	}
	out.problem.members, out.problem.Uncounted, out.problem.Sources = nil, nil, nil
	return out
}
