package issue

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/markdown"
)

// How many characters of what are shown.
const (
	maxName      = 120
	maxMessage   = 300
	maxQuoteText = 600
	maxReason    = 200
	maxStack     = 6000 // bytes
	minTrend     = 3    // sightings that make a trend
)

// Title is the title of the problem's issue.
func Title(p Published) string {
	if t := markdown.Title(p.title); t != "" {
		return t
	}
	return "A problem that people report"
}

// part is a piece of a section. When there is too little room, parts go in the
// order of their use, the least useful first; those of use 0 stay.
type part struct {
	text string
	use  int
}

// parts is what a section says, in the order in which it says it.
func (p Published) parts() []part {
	parts := []part{
		{p.fix.section(), 0},
		{p.headline(), 9},
		{p.facts(), 0},
		{p.calls(), 8},
	}
	for i, q := range p.quotes {
		heading := ""
		if i == 0 {
			heading = "**What people say**\n\n"
		}
		parts = append(parts, part{heading + q.render(), 7 - i})
	}
	return append(parts, part{p.grouping(), 3}, part{footer, 0})
}

// headline says what is wrong.
func (p Published) headline() string {
	f := p.top
	if f == nil {
		return between("**", markdown.Inline(p.title, maxMessage), "**")
	}
	s := "**" + markdown.Code(f.kind, maxName) + "**"
	if f.message != "" {
		s += ": " + markdown.Inline(f.message, maxMessage)
	}
	s += between(" · in ", markdown.Code(f.function, maxName), "")
	s += between(" · ", markdown.Code(f.file, maxName), "")
	if f.link != "" {
		s += " · " + markdown.Link("newest in Sentry", f.link)
	}
	return s
}

// facts is the list of who, how many, when and where.
func (p Published) facts() string {
	var lines []string
	fact := func(name, text string) {
		if text != "" {
			lines = append(lines, "- **"+name+"** "+text)
		}
	}
	q := p.problem
	if q.Reports == 0 {
		return "Nothing that counts is left of what was reported: it was deleted at its source, belongs elsewhere, or does not count any more."
	}
	fact("Reports", p.reports())
	fact("Seen", p.seen())
	if last, before := q.Trend.Weeks(); last+before >= minTrend {
		fact("Trend", fmt.Sprintf("`%s` in the %d days up to the last report; %d in the first week, %d in the second",
			q.Trend, trendDays, before, last))
	}
	fact("Releases", names(q.Releases, true))
	fact("Environments", names(q.Environments, false))
	fact("Sources", names(p.sources, false))
	return strings.Join(lines, "\n")
}

func (p Published) reports() string {
	q := p.problem
	var of []string
	if q.ErrorGroups > 0 {
		of = append(of, count(q.ErrorGroups, "error group"))
	}
	if q.Resolved > 0 {
		of = append(of, count(q.Resolved, "resolved error group"))
	}
	if q.Reporters > 0 {
		of = append(of, people(q.Reporters)+" reporting")
	}
	if q.Posters > 0 {
		of = append(of, people(q.Posters)+" posting")
	}
	s := strings.Join(of, ", ") + ", from " + count(p.from, "source")
	if q.Reports != q.ErrorGroups+q.Resolved+q.Reporters+q.Posters || len(of) > 1 {
		return number(q.Reports) + " in all: " + s
	}
	return s
}

func (p Published) seen() string {
	q := p.problem
	s := count(q.Events, "time")
	if q.Users > 0 {
		s += " by " + count(q.Users, "user")
	}
	if q.First.IsZero() {
		return s
	}
	if q.First.Equal(q.Last) {
		return s + ", on " + moment(q.First)
	}
	return s + ", first on " + moment(q.First) + ", last on " + moment(q.Last)
}

// names lists names as code; the newest of a long list if it is in order of age.
func names(list []string, byAge bool) string {
	cut, more := list, 0
	if more = len(list) - maxReleases; more > 0 {
		cut = list[:maxReleases]
		if byAge {
			cut = list[more:]
		}
	}
	var out []string
	for _, name := range cut {
		if c := markdown.Code(name, maxName); c != "" {
			out = append(out, c)
		}
	}
	s := strings.Join(out, ", ")
	switch {
	case s == "" || more <= 0:
		return s
	case byAge:
		return count(more, "older one") + ", " + s
	}
	return s + " and " + count(more, "other")
}

func (p Published) calls() string {
	if len(p.stack) == 0 {
		return ""
	}
	return "**Stack**, newest call first\n\n" + markdown.Fence(strings.Join(p.stack, "\n"), maxStack)
}

func (q quote) render() string {
	by := "a report"
	if q.kind == feedback.Reddit {
		by = "a post"
	}
	by += " of " + date(q.at)
	if q.link != "" {
		by = markdown.Link(by, q.link)
	}
	return markdown.Quote(q.text, maxQuoteText) + "\n\n— " + by
}

// grouping says how sure it is that these belong together, and why.
func (p Published) grouping() string {
	q := p.problem
	if q.Reports < 2 {
		return ""
	}
	var b strings.Builder
	b.WriteString("<details><summary>Why these belong together")
	if q.Cohesion != nil {
		fmt.Fprintf(&b, ": they are %s alike on average", percent(*q.Cohesion))
	}
	b.WriteString("</summary>\n\n")
	for _, m := range p.belongs {
		b.WriteString("- " + m.render() + "\n")
	}
	if more := q.Reports - len(p.belongs); more > 0 {
		b.WriteString("- and " + number(more) + " more\n")
	}
	b.WriteString("\n</details>")
	return b.String()
}

func (m belonging) render() string {
	var s string
	switch {
	case m.error != nil:
		s = "error " + markdown.Code(m.error.kind, maxName)
		if m.error.function != "" {
			s += " in " + markdown.Code(m.error.function, maxName)
		}
	case m.kind == feedback.Reddit:
		s = "post"
	default:
		s = "report"
	}
	if m.title != "" {
		s += " “" + markdown.Inline(m.title, maxName) + "”"
	}
	if !m.at.IsZero() {
		s += " of " + date(m.at)
	}
	if m.link != "" {
		s += " " + markdown.Link("", m.link)
	}
	switch {
	case m.reason != "":
		s += ": " + markdown.Inline(m.reason, maxReason)
	case m.alike != nil:
		s += ": " + percent(*m.alike) + " alike"
	}
	return s
}

// footer names the commands that there are; never at the start of a line, where
// they would be obeyed.
const footer = "<sub>Soulcaster keeps this part up to date; what you write outside of it stays. " +
	"In a comment, `/soulcaster status` says more, `/soulcaster undo` takes back what Soulcaster did last, " +
	"and `/soulcaster help` lists the commands.</sub>"

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return number(n) + " people"
}

// number writes a number with its thousands apart.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func percent(share float64) string {
	return strconv.Itoa(int(100*min(max(share, 0), 1)+0.5)) + " %"
}

func date(t time.Time) string { return t.UTC().Format("2 January 2006") }

func moment(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }
