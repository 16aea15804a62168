package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// project shows a project with the clusters that come after one, at most most.
func (p *Pages) project(ctx context.Context, space storage.Space, after string, most int) (projectView, error) {
	known, _, err := project.Load(ctx, space)
	if err != nil {
		return projectView{}, err
	}
	v := projectView{Name: known.Repo.String(), ID: space.Name(), Mode: string(p.projects.Policy(known).Mode)}
	if p.cfg.Preview {
		v.Mode = string(policy.Preview)
	}
	v.Notice = strings.Join(nonEmpty(known.Unavailable, known.FileError), "; ")

	lines, cut, err := lines(ctx, space)
	if err != nil {
		return v, err
	}
	v.Total, v.Cut = len(lines), cut
	for _, l := range lines {
		v.Reports += l.Reports
	}
	if at := slices.IndexFunc(lines, func(l issue.Line) bool { return l.Cluster == after }); after != "" && at >= 0 {
		lines = lines[at+1:]
	}
	if len(lines) > most {
		lines = lines[:most]
		v.Next = lines[most-1].Cluster
	}
	for _, l := range lines {
		c, err := p.cluster(ctx, space, l)
		if err != nil {
			return v, err
		}
		v.Clusters = append(v.Clusters, c)
	}
	if v.Waiting, v.MoreWaiting, err = waiting(ctx, space); err != nil {
		return v, err
	}
	if v.Dead, err = work.ListDead(ctx, space, "", perList); err != nil {
		return v, err
	}
	if v.Runs, err = p.runs(ctx, space); err != nil {
		return v, err
	}
	v.Acts, err = p.acts(ctx, space, "")
	return v, err
}

// lines returns where the clusters of a project stand, those that hurt most
// first, and whether there are more than can be sorted here.
func lines(ctx context.Context, space storage.Space) (all []issue.Line, cut bool, err error) {
	const page = 500
	after := ""
	for {
		some, err := issue.Lines(ctx, space, after, page)
		if err != nil {
			return nil, false, err
		}
		for _, l := range some {
			after = l.Cluster
			if l.Reports > 0 || l.Number > 0 || l.State != issue.Ignored { // else nothing is left in it
				all = append(all, l)
			}
		}
		if len(some) < page {
			break
		}
		if len(all) >= maxClusters {
			cut = true
			break
		}
	}
	slices.SortFunc(all, func(a, b issue.Line) int {
		return cmp.Or(b.Hurt.Compare(a.Hurt), strings.Compare(a.Cluster, b.Cluster))
	})
	return all, cut, nil
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

// waiting returns the titles of what waits to be grouped, and whether there is
// more of it.
func waiting(ctx context.Context, space storage.Space) (titles []string, more bool, err error) {
	todo, err := intake.Waiting(ctx, space, perList+1)
	if err != nil {
		return nil, false, err
	}
	if len(todo) > perList {
		todo, more = todo[:perList], true
	}
	var ids []string
	for _, t := range todo {
		if !slices.Contains(ids, t.Feedback) {
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

// acts is what was done lately for a subject, or for everything.
func (p *Pages) acts(ctx context.Context, space storage.Space, subject string) ([]actView, error) {
	entries, err := p.actions.List(ctx, space, subject, "", perList)
	if err != nil {
		return nil, err
	}
	acts := make([]actView, len(entries))
	for i, e := range entries {
		acts[i] = actView{At: e.At, What: e.What, Kind: e.Kind, By: e.By, Why: e.Why, For: e.Subject}
	}
	return acts, nil
}
