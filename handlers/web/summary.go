package web

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/engine/work"
)

// How much a page shows.
const (
	perPage  = 25 // problems
	perTop   = 3  // problems of a project on the overview
	perList  = 50 // waiting, held, given up, done
	perNeeds = 20 // runs that are looked through for what needs a person
	runsNews = 7 * 24 * time.Hour
)

// summary is what a project's feedback became, and what of it needs a person.
type summary struct {
	Name, Href, Mode, Notice string
	Arrived                  []int // reports taken in, by day (UTC), oldest first, the last is today
	Counts                   issue.Counts
	Cut                      bool // there are more problems than are counted
	Waiting                  []string
	MoreWaiting              bool
	Needs                    []need
	all                      *issue.Catalogue
}

// need is something that a person has to see to.
type need struct {
	Kind string // a word for programs
	Of   string // the repository or the account
	Text string
	Href string // where to see to it
}

// groupNames are what people read of a group, after a number.
var groupNames = map[issue.Group]string{
	issue.Open: "open", issue.Back: "came back", issue.WouldFile: "would be filed", issue.Waits: "held",
	issue.Watched: "closed and watched", issue.Quiet: "muted", issue.Stuck: "stuck", issue.Left: "ignored",
}

// groupLink leads to the problems of a group.
type groupLink struct {
	Text, Href string
	Count      int
	Here       bool
}

// Groups are the groups of which there is something.
func (s *summary) Groups() (links []groupLink) {
	for _, g := range issue.Groups() {
		if n := s.Counts.Groups[g]; n > 0 {
			links = append(links, groupLink{Text: groupNames[g], Href: s.Href + "?state=" + string(g), Count: n})
		}
	}
	return links
}

// summarise looks at a project.
func (p *Pages) summarise(ctx context.Context, at *place) (*summary, error) {
	s := &summary{Name: at.project.Repo.String(), Href: projectPath(at.project), Mode: p.mode(at)}
	s.Notice = strings.Join(nonEmpty(at.project.Unavailable, at.project.FileError), "; ")
	var err error
	if s.all, err = p.catalogues.Look(ctx, at.space); err != nil {
		return nil, err
	}
	s.Counts, s.Cut = s.all.Count(p.now()), s.all.Cut
	if s.Waiting, s.MoreWaiting, err = waiting(ctx, at.space); err != nil {
		return nil, err
	}
	came, err := traffic.OfProject(ctx, at.space)
	if err != nil {
		return nil, err
	}
	for _, day := range came.LastDays(p.now(), len(s.Counts.Opened)) {
		s.Arrived = append(s.Arrived, int(day.Spoke()))
	}
	return s, p.needs(ctx, at, s)
}

// mode is whether a project writes to GitHub, in a word.
func (p *Pages) mode(at *place) string {
	if p.cfg.Preview {
		return string(policy.Preview)
	}
	return string(p.projects.Policy(at.project).Mode)
}

// needs adds what a person has to see to.
func (p *Pages) needs(ctx context.Context, at *place, s *summary) error {
	add := func(kind, href, format string, args ...any) {
		s.Needs = append(s.Needs, need{Kind: kind, Of: s.Name, Text: fmt.Sprintf(format, args...), Href: href})
	}
	if at.project.Unavailable != "" {
		add("unavailable", s.Href+"/settings", "Nothing can be written there: %s", at.project.Unavailable)
	}
	if at.project.FileError != "" {
		add("settings", s.Href+"/settings", "Its settings cannot be used, and the last good ones hold: %s", at.project.FileError)
	}
	if n := s.Counts.Groups[issue.Back]; n > 0 {
		add("regressed", s.Href+"?state="+string(issue.Back), "%s back after the issue was closed", plural(n, "problem is", "problems are"))
	}
	if n := s.Counts.Groups[issue.Stuck]; n > 0 {
		add("blocked", s.Href+"?state="+string(issue.Stuck), "%s stuck: something outside keeps the issue from being kept", plural(n, "problem is", "problems are"))
	}
	dead, err := work.ListDead(ctx, at.space, "", perList+1)
	if err != nil {
		return err
	}
	if n := len(dead); n > 0 {
		add("dead", s.Href+"/work", "%s given up", upTo(n, "piece of work was", "pieces of work were"))
	}
	if n := s.Counts.Groups[issue.WouldFile]; n > 0 && !p.cfg.Preview && s.Mode == string(policy.Preview) {
		add("preview", s.Href+"?state="+string(issue.WouldFile), "%s, if the project were live", plural(n, "issue would be filed", "issues would be filed"))
	}
	if p.cfg.Imports != nil && at.may(needs.configure) {
		imports, err := backfill.List(ctx, at.space)
		if err != nil {
			return err
		}
		for _, i := range imports {
			if i.State == backfill.Ready {
				add("import", s.Href+"/imports/"+i.ID, "What the import of %s would become is worked out, and waits for your word", i.Name)
			}
		}
	}
	runs, _, err := run.List(ctx, at.space, "", perNeeds)
	if err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, r := range runs { // the newest first: it alone counts for its problem
		if seen[r.Cluster] {
			continue
		}
		seen[r.Cluster] = true
		of := ""
		if r.Issue != 0 {
			of = fmt.Sprintf(" for issue #%d", r.Issue)
		}
		switch {
		case (r.State == run.Failed || r.State == run.TimedOut) && p.now().Sub(r.Ended) < runsNews:
			add("run", RunPath(at.space.Name(), r.ID), "The fix%s did not come about: %s", of, tell.State(r.State))
		case r.State == run.Proposed:
			add("review", RunPath(at.space.Name(), r.ID), "A fix%s is proposed and waits for review", of)
		}
	}
	return nil
}

// waiting returns the titles of what waits to be grouped, and whether there is
// more of it.
func waiting(ctx context.Context, space storage.Space) (titles []string, more bool, err error) {
	todo, err := intake.Waiting(ctx, space, perList+1)
	if err != nil || len(todo) == 0 {
		return nil, false, err
	}
	if len(todo) > perList {
		todo, more = todo[:perList], true
	}
	var ids []string
	known := make(map[string]bool)
	for _, t := range todo {
		if !known[t.Feedback] {
			known[t.Feedback] = true
			ids = append(ids, t.Feedback)
		}
	}
	all, _, err := intake.Load(ctx, space, ids...)
	if err != nil {
		return nil, false, err
	}
	for _, f := range all {
		if f != nil && !f.Removed {
			titles = append(titles, f.Title)
		}
	}
	return titles, more, nil
}

// kinds are the kinds of sources, as addresses name them, and as people read them.
var kinds = []kindOf{
	{"sentry", "errors from Sentry", feedback.Sentry},
	{"reddit", "posts from Reddit", feedback.Reddit},
	{"feedback", "reports to the API", feedback.Report},
}

type kindOf struct {
	name, text string
	kind       feedback.Kind
}

// nameOf is the name of a kind in an address, "" if it has none.
func nameOf(kind feedback.Kind) string {
	for _, k := range kinds {
		if k.kind == kind {
			return k.name
		}
	}
	return ""
}
