package web

import (
	"context"
	"errors"
	"html/template"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// How much a page shows.
const (
	perPage     = 25     // clusters of a project that is shown alone
	perProject  = 5      // clusters of each project where there are several
	perCluster  = 20     // reports of a cluster
	perList     = 50     // waiting, held, acts
	maxProjects = 100    // that are shown at once
	maxClusters = 20_000 // that are sorted by whom they hurt
)

// view is what the page shows.
type view struct {
	Viewer        string // who is signed in, "" if nobody is
	Preview, Demo bool
	Projects      []projectView
	Held          []heldView
	MoreHeld      bool
	MoreProjects  bool
	Now           time.Time
}

type projectView struct {
	Name, ID, Mode, Notice string
	Total, Reports         int
	Cut                    bool // there are more clusters than are counted
	Clusters               []clusterView
	Next                   string // where the next page begins, "" if there is none
	Waiting                []string
	MoreWaiting            bool
	Dead                   []work.Status // work that was given up
	Runs                   []runLine     // the newest
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

// errNoProject says that a page was asked for that is no project's.
var errNoProject = errors.New("there is no such project")

// look gathers what the page shows: everything that the viewer may see or, if only
// names one, a project from a cluster on.
func (p *Pages) look(ctx context.Context, who *viewer, only, after string) (*view, error) {
	v := &view{Viewer: who.who.Login, Preview: p.cfg.Preview, Demo: p.cfg.Demo, Now: p.now().UTC()}
	var names []string
	all, err := p.projects.Installations(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range who.installations(all) {
		home, err := p.projects.Space(ctx, id)
		if errors.Is(err, storage.ErrNoSpace) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if only == "" && who.administers(id) {
			if err := p.held(ctx, home, v); err != nil {
				return nil, err
			}
		}
		some, err := p.projects.Projects(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, name := range some {
			visible, err := p.visible(ctx, who, name)
			if err != nil {
				return nil, err
			}
			if visible {
				names = append(names, name)
			}
		}
	}
	if only != "" {
		if !slices.Contains(names, only) {
			return nil, errNoProject
		}
		names = []string{only}
	}
	if len(names) > maxProjects {
		names, v.MoreProjects = names[:maxProjects], true
	}
	most := perPage
	if len(names) > 1 {
		most = perProject
	}
	for _, name := range names {
		space, err := p.projects.Open(ctx, name)
		if err == nil {
			var pv projectView
			if pv, err = p.project(ctx, space, after, most); err == nil {
				v.Projects = append(v.Projects, pv)
			}
		}
		if err != nil && !errors.Is(err, storage.ErrNoSpace) && !errors.Is(err, project.ErrNoProject) {
			return nil, err
		}
	}
	return v, nil
}

// visible reports whether the viewer may see a project, by the name of its space.
func (p *Pages) visible(ctx context.Context, who *viewer, name string) (bool, error) {
	if who.operator {
		return true, nil
	}
	space, err := p.projects.Open(ctx, name)
	if err != nil && !errors.Is(err, storage.ErrNoSpace) {
		return false, err
	}
	if err != nil {
		return false, nil
	}
	known, _, err := project.Load(ctx, space)
	if errors.Is(err, project.ErrNoProject) || errors.Is(err, storage.ErrNoSpace) {
		return false, nil
	}
	return err == nil && who.may(known, github.Read), err
}

// held adds what an installation holds.
func (p *Pages) held(ctx context.Context, home storage.Space, v *view) error {
	n := 0
	return intake.EachHeld(ctx, home, perList+1, func(h intake.Held) {
		if n++; n > perList {
			v.MoreHeld = true
		} else if !h.Feedback.Removed {
			v.Held = append(v.Held, heldView{h.Feedback.Title, h.Feedback.Source, intake.Unrouted(h.Feedback.Project)})
		}
	})
}
