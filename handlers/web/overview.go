package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/work"
)

// How much a page of the overview shows, and looks at for that.
const (
	maxProjects = 100
	maxHomes    = 100 // installations
	maxLooks    = 500 // projects, of which not all may be theirs to see
	atOnce      = 8
)

// overviewView is what the overview shows.
type overviewView struct {
	frame
	Needs    []need
	Projects []overviewProject
	Homes    []link // installations that the viewer may connect a source to
	Next     string // the next page, "" if there is none
	Install  string // where the App is installed, "" if that is not known
}

// overviewProject is a project on the overview.
type overviewProject struct {
	*summary
	Top []issue.Line // what hurts most
}

// overview serves the page: of all that the viewer may see, what arrived, what became
// of it, and what needs a person.
func (p *Pages) overview(w http.ResponseWriter, r *http.Request, who *viewer) {
	v := &overviewView{frame: p.frame(r, who)}
	if p.cfg.InstallURL != nil {
		v.Install = p.cfg.InstallURL()
	}
	from, _ := parseSpot(r.URL.Query().Get("from")) // else the beginning
	v.Live = api + "/projects/events"
	if from != (spot{}) {
		v.Live += "?" + url.Values{"cursor": {from.String()}}.Encode()
	}
	on, err := p.places(r.Context(), who, from, maxProjects)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	if on.next != nil {
		v.Next = "/?" + url.Values{"from": {on.next.String()}}.Encode()
	}
	if n := p.failed.Load(); who.operator && n > 0 {
		v.Needs = append(v.Needs, need{Kind: "checks", Of: "this server", Text: plural(int(n), "check", "checks") + " failed at the last look", Href: "/checks"})
	}
	if err := p.wholes(r, on.homes, v); err != nil {
		p.broken(w, r, err)
		return
	}
	all, err := p.summaries(r.Context(), on.projects)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	for _, s := range all {
		top, err := topOf(s.all)
		if err != nil {
			p.broken(w, r, err)
			return
		}
		v.Needs = append(v.Needs, s.Needs...)
		v.Projects = append(v.Projects, overviewProject{s, top})
	}
	p.write(w, r, http.StatusOK, p.overviewPage, v)
}

// topOf are the problems of a project that hurt most: those that have an issue, or would,
// before those that wait for more. What nobody has to look at is not among them.
func topOf(all *issue.Catalogue) (top []issue.Line, err error) {
	for _, g := range []issue.Group{issue.Open, issue.WouldFile, issue.Stuck, issue.Waits} {
		if g == issue.Waits {
			slices.SortStableFunc(top, func(a, b issue.Line) int { return b.Hurt.Compare(a.Hurt) })
		}
		found, err := all.Find(issue.Query{Group: g, Limit: perTop})
		if err != nil {
			return nil, err
		}
		top = append(top, found.Lines...)
	}
	return top[:min(len(top), perTop)], nil
}

// spot is where a page of the overview begins: with an installation, or within one with a
// project. Installations are in order of their ids, the projects of each in that of theirs.
type spot struct {
	installation int64
	project      string // id; "" for the installation itself
}

func (s spot) String() string { return strconv.FormatInt(s.installation, 10) + "/" + s.project }

func parseSpot(text string) (s spot, ok bool) {
	installation, id, ok := strings.Cut(text, "/")
	n, err := strconv.ParseInt(installation, 10, 64)
	if !ok || err != nil || n <= 0 || len(id) > 300 {
		return spot{}, false
	}
	return spot{n, id}, true
}

// part is what is on one page of the overview.
type part struct {
	homes    []*place // installations of which somebody may see something
	projects []*place // that they may see
	next     *spot    // where the next page begins, if there is one
	looked   int      // how many of both were opened to find these
}

// places finds what is on one page, with at most so many projects.
func (p *Pages) places(ctx context.Context, who *viewer, from spot, limit int) (on part, err error) {
	ids, err := p.projects.Installations(ctx)
	if err != nil {
		return on, err
	}
	ids = slices.DeleteFunc(who.installations(ids), func(id int64) bool { return id < from.installation })
	slices.Sort(ids)
	if len(ids) > maxHomes {
		on.next = &spot{installation: ids[maxHomes]}
		ids = ids[:maxHomes]
	}
	here, names := make([]*place, len(ids)), make([][]string, len(ids))
	err = each(len(ids), func(i int) error {
		at, err := p.at(ctx, who, strconv.FormatInt(ids[i], 10))
		if err == nil {
			names[i], err = p.projects.Projects(ctx, ids[i])
		}
		if absent(err) { // it was uninstalled a moment ago
			return nil
		}
		here[i] = at
		return err
	})
	if err != nil {
		return on, err
	}
	var looks []spot
	of := make(map[int64]*place)
	for i, id := range ids {
		for _, name := range names[i] {
			if s := (spot{id, name[len(project.Space(id, "")):]}); id > from.installation || s.project >= from.project {
				looks = append(looks, s)
			}
		}
		of[id] = here[i]
	}
	seen := 0
	on.projects, seen, err = p.look(ctx, of, looks, limit)
	if on.looked = len(ids) + seen; seen < len(looks) {
		on.next = &looks[seen]
	}
	next := on.next
	for _, at := range here {
		switch {
		case at == nil, at.installation == from.installation && from.project != "": // on the page before
		case next == nil, at.installation < next.installation, at.installation == next.installation && next.project != "":
			on.homes = append(on.homes, at)
		}
	}
	return on, err
}

// look opens projects in turn until a page is full, and says how many it looked at.
func (p *Pages) look(ctx context.Context, of map[int64]*place, looks []spot, limit int) (found []*place, seen int, err error) {
	for most := min(len(looks), maxLooks); seen < most && len(found) < limit; {
		some := looks[seen:min(most, seen+limit-len(found))]
		places := make([]*place, len(some))
		err := each(len(some), func(i int) error {
			at, err := p.inHome(ctx, of[some[i].installation], some[i].project)
			if absent(err) { // it is not theirs to see, or a crash cut its making short
				return nil
			}
			places[i] = at
			return err
		})
		if err != nil {
			return nil, seen, err
		}
		found = append(found, slices.DeleteFunc(places, func(at *place) bool { return at == nil })...)
		seen += len(some)
	}
	return found, seen, nil
}

// summaries looks at projects. One that goes meanwhile is left out.
func (p *Pages) summaries(ctx context.Context, places []*place) ([]*summary, error) {
	made := make([]*summary, len(places))
	err := each(len(places), func(i int) (err error) {
		made[i], err = p.summarise(ctx, places[i])
		if absent(err) {
			made[i], err = nil, nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var all []*summary
	for _, s := range made {
		if s != nil {
			all = append(all, s)
		}
	}
	return all, nil
}

// each calls do for 0 to n-1, a few at once, and waits for all of them.
func each(n int, do func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	next := make(chan int)
	for range min(n, atOnce) {
		all.Go(func() {
			for i := range next {
				errs[i] = do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	return errors.Join(errs...)
}

// wholes adds the installations that the viewer may see as a whole, and what of all of
// them needs a person.
func (p *Pages) wholes(r *http.Request, homes []*place, v *overviewView) error {
	found := make([][]need, len(homes))
	err := each(len(homes), func(i int) (err error) {
		found[i], err = p.needsOfInstallation(r, homes[i])
		if absent(err) {
			return nil
		}
		return err
	})
	for i, at := range homes {
		v.Needs = append(v.Needs, found[i]...)
		if p.cfg.Sources != nil && at.may(needs.configure) {
			v.Homes = append(v.Homes, link{at.Account(), installationPath(at.installation)})
		}
	}
	return err
}

// needsOfInstallation is what of an installation needs a person: what all may know who may
// see something of it, and what only they may who see it as a whole.
func (p *Pages) needsOfInstallation(r *http.Request, at *place) (found []need, err error) {
	path := installationPath(at.installation)
	add := func(kind, href, format string, args ...any) {
		found = append(found, need{Kind: kind, Of: at.Account(), Text: fmt.Sprintf(format, args...), Href: href})
	}
	if at.state.Suspended {
		add("suspended", path, "The App is suspended there: feedback is taken in, and everything else waits until that is lifted on GitHub")
	}
	if !at.whole() {
		return found, nil
	}
	if len(at.state.Lacks) > 0 {
		add("permissions", path, "The App may not do there what it needs: somebody has to accept %s on the installation's page at GitHub", strings.Join(at.state.Lacks, ", "))
	}
	n := 0
	err = intake.EachHeld(r.Context(), at.home, perList+1, func(held intake.Held) {
		if !held.Feedback.Removed {
			n++
		}
	})
	if err != nil {
		return nil, err
	}
	if n > 0 {
		add("held", path+"#held", "%s held: no route names a repository", upTo(n, "report is", "reports are"))
	}
	dead, err := work.ListDead(r.Context(), at.home, "", perList+1)
	if err != nil {
		return nil, err
	}
	if n := len(dead); n > 0 {
		add("dead", path+"/work", "%s given up", upTo(n, "piece of work was", "pieces of work were"))
	}
	if p.cfg.NearQuotas != nil {
		near, err := p.cfg.NearQuotas(r.Context(), at.installation)
		if err != nil {
			return nil, err
		}
		for _, u := range near {
			add("quota", path+"#quotas", "%s", u.Message)
		}
	}
	if p.cfg.Sources == nil {
		return found, nil
	}
	list, err := p.sourcesOf(r, at)
	for _, t := range list {
		switch t.State {
		case silent:
			add("silent", sourcePath(at, t.ID), "%s used to speak, and fell silent", t.Name)
		case rejects:
			add("refused", sourcePath(at, t.ID), "All that came to %s was refused", t.Name)
		}
	}
	if err != nil {
		return nil, err
	}
	connected, err := p.cfg.Sources.List(r.Context(), at.installation)
	if err != nil {
		return nil, gone(err)
	}
	for _, s := range connected {
		if s.API == nil && s.Client == nil {
			continue
		}
		asked, err := p.askedOf(r.Context(), at, s)
		if err != nil {
			return nil, err
		}
		if text := asked.trouble(); text != "" {
			add("trouble", sourcePath(at, s.ID), "%s: %s", s.Name, text)
		}
	}
	return found, nil
}

// upTo is [plural] of what is counted up to [perList].
func upTo(n int, one, many string) string {
	if n > perList {
		return "more than " + plural(perList, one, many)
	}
	return plural(n, one, many)
}
