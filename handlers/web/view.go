package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// How much a page shows.
const (
	perPage     = 25   // clusters of a project
	perCluster  = 20   // reports of a cluster
	perList     = 50   // waiting, held, acts
	maxClusters = 1000 // that are sorted by whom they hurt
)

// view is what the page shows.
type view struct {
	Preview, Demo bool
	Projects      []projectView
	Held          []heldView
	Now           time.Time
}

type projectView struct {
	Name, ID, Mode, Notice string
	Total, Reports         int
	Clusters               []clusterView
	Next                   string // where the next page begins, "" if there is none
	Waiting                []string
	Acts                   []actView
}

type clusterView struct {
	issue.Line
	Cohesion  *float64
	Members   []memberView
	More      int // members that are not shown
	Issue     *issueView
	Uncounted bool
}

type memberView struct {
	Title, Kind, Source, URL, Reason string
	Last                             time.Time
	Count                            int
}

type issueView struct {
	Title  string
	Labels []string
	Body   template.HTML
	Filed  bool // it is on GitHub; this is what it began as
	URL    string
}

type heldView struct{ Title, Source, Why string }

type actView struct {
	At                       time.Time
	What, Kind, By, Why, For string
}

// look gathers what the page shows: everything, or one project from a cluster on.
func (p *Pages) look(ctx context.Context, only, after string) (*view, error) {
	v := &view{Preview: p.cfg.Preview, Demo: p.cfg.Demo, Now: p.now().UTC()}
	for _, id := range p.cfg.Installations {
		home, err := p.projects.Space(ctx, id)
		if errors.Is(err, storage.ErrNoSpace) {
			continue
		}
		if err != nil {
			return nil, err
		}
		err = intake.EachHeld(ctx, home, perList, func(h intake.Held) {
			v.Held = append(v.Held, heldView{h.Feedback.Title, h.Feedback.Source, intake.Unrouted(h.Feedback.Project)})
		})
		if err != nil {
			return nil, err
		}
		names, err := p.projects.Projects(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if only != "" && only != name {
				continue
			}
			space, err := p.projects.Open(ctx, name)
			if errors.Is(err, storage.ErrNoSpace) {
				continue
			}
			if err != nil {
				return nil, err
			}
			pv, err := p.project(ctx, space, after)
			if err != nil {
				return nil, err
			}
			v.Projects = append(v.Projects, pv)
		}
	}
	return v, nil
}

func (p *Pages) project(ctx context.Context, space storage.Space, after string) (projectView, error) {
	known, _, err := project.Load(ctx, space)
	if err != nil {
		return projectView{}, err
	}
	v := projectView{Name: known.Repo.String(), ID: space.Name(), Mode: string(p.projects.Policy(known).Mode)}
	if p.cfg.Preview {
		v.Mode = string(policy.Preview)
	}
	v.Notice = strings.Join(nonEmpty(known.Unavailable, known.FileError), "; ")

	lines, err := issue.Lines(ctx, space, "", 500)
	for err == nil && len(lines) < maxClusters && len(lines) > 0 && len(lines)%500 == 0 {
		var more []issue.Line
		more, err = issue.Lines(ctx, space, lines[len(lines)-1].Cluster, 500)
		if len(more) == 0 {
			break
		}
		lines = append(lines, more...)
	}
	if err != nil {
		return v, err
	}
	lines = slices.DeleteFunc(lines, func(l issue.Line) bool { return l.Reports == 0 && l.Number == 0 && l.State == issue.Ignored })
	slices.SortFunc(lines, func(a, b issue.Line) int {
		return cmp.Or(b.Hurt.Compare(a.Hurt), strings.Compare(a.Cluster, b.Cluster))
	})
	v.Total = len(lines)
	for _, l := range lines {
		v.Reports += l.Reports
	}
	if at := slices.IndexFunc(lines, func(l issue.Line) bool { return l.Cluster == after }); after != "" && at >= 0 {
		lines = lines[at+1:]
	}
	if len(lines) > perPage {
		lines = lines[:perPage]
		v.Next = lines[perPage-1].Cluster
	}
	for _, l := range lines {
		c, err := p.cluster(ctx, space, l)
		if err != nil {
			return v, err
		}
		v.Clusters = append(v.Clusters, c)
	}
	if v.Waiting, err = waiting(ctx, space); err != nil {
		return v, err
	}
	v.Acts, err = p.acts(ctx, space)
	return v, err
}

func (p *Pages) cluster(ctx context.Context, space storage.Space, l issue.Line) (clusterView, error) {
	v := clusterView{Line: l}
	c, ok, err := cluster.Get(ctx, space, l.Cluster)
	if err != nil {
		return v, err
	}
	if ok && c.Size > 1 {
		v.Cohesion = &c.Cohesion
	}
	ids, err := cluster.Members(ctx, space, l.Cluster, "", perCluster)
	if err != nil {
		return v, err
	}
	v.More = max(0, c.Size-len(ids))
	all, _, err := intake.Load(ctx, space, ids...)
	if err != nil {
		return v, err
	}
	memberships, _, err := cluster.Memberships(ctx, space, ids...)
	if err != nil {
		return v, err
	}
	for i, f := range all {
		if f == nil || memberships[i] == nil {
			continue
		}
		v.Members = append(v.Members, memberView{
			Title: f.Title, Kind: kindName(f.Kind), Source: f.Source, URL: f.URL,
			Reason: memberships[i].Reason, Last: f.Last, Count: f.Count,
		})
	}
	slices.SortStableFunc(v.Members, func(a, b memberView) int { return b.Last.Compare(a.Last) })
	v.Issue, err = p.issue(ctx, space, l)
	return v, err
}

// issue is the issue as it was filed, or as it would be.
func (p *Pages) issue(ctx context.Context, space storage.Space, l issue.Line) (*issueView, error) {
	rec, ok, err := p.actions.Get(ctx, space, issue.CreateKey(l.Cluster))
	if err != nil || !ok {
		return nil, err
	}
	if len(rec.Request) == 0 {
		return nil, nil // forgotten: it held what somebody took back
	}
	var n github.NewIssue
	if err := json.Unmarshal(rec.Request, &n); err != nil {
		return nil, fmt.Errorf("read the record of an issue: %w", err)
	}
	return &issueView{Title: n.Title, Labels: n.Labels, Body: p.markdown.html(n.Body), Filed: rec.State == action.Done, URL: l.URL}, nil
}

func waiting(ctx context.Context, space storage.Space) ([]string, error) {
	todo, err := intake.Waiting(ctx, space, perList)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(todo))
	for i, t := range todo {
		ids[i] = t.Feedback
	}
	all, _, err := intake.Load(ctx, space, ids...)
	if err != nil {
		return nil, err
	}
	var titles []string
	for _, f := range all {
		if f != nil {
			titles = append(titles, f.Title)
		}
	}
	return titles, nil
}

func (p *Pages) acts(ctx context.Context, space storage.Space) ([]actView, error) {
	entries, err := p.actions.List(ctx, space, "", "", perList)
	if err != nil {
		return nil, err
	}
	acts := make([]actView, len(entries))
	for i, e := range entries {
		acts[i] = actView{At: e.At, What: e.What, Kind: e.Kind, By: e.By, Why: e.Why, For: e.Subject}
	}
	return acts, nil
}

func kindName(k feedback.Kind) string {
	switch k {
	case feedback.Sentry:
		return "error"
	case feedback.Reddit:
		return "post"
	}
	return "report"
}

func nonEmpty(all ...string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// functions are what the template may call.
func (p *Pages) functions() template.FuncMap {
	return template.FuncMap{
		"percent": func(x *float64) string { return fmt.Sprintf("%.0f %%", 100**x) },
		"ago": func(at time.Time) string {
			switch d := p.now().Sub(at); {
			case at.IsZero():
				return "at an unknown time"
			case d < time.Minute:
				return "just now"
			case d < time.Hour:
				return fmt.Sprintf("%d min ago", int(d.Minutes()))
			case d < 48*time.Hour:
				return fmt.Sprintf("%d h ago", int(d.Hours()))
			default:
				return fmt.Sprintf("%d days ago", int(d.Hours()/24))
			}
		},
		"stamp": func(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05") },
		"plural": func(n int, one, many string) string {
			if n == 1 {
				return "1 " + one
			}
			return fmt.Sprintf("%d %s", n, many)
		},
		"tone": func(s issue.State) string {
			switch s {
			case issue.Filed, issue.Preview, issue.Ready:
				return "good"
			case issue.Blocked:
				return "bad"
			}
			return "hold"
		},
	}
}
