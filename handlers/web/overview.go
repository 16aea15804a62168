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
	"github.com/soulcaster/soulcaster/handlers"
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
	Homes    []link // installations that the viewer sees as a whole
	Next     string // the next page, "" if there is none
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
	from, _ := parseSpot(r.URL.Query().Get("from")) // else the beginning
	homes, places, next, err := p.places(r.Context(), who, from)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	if next != nil {
		v.Next = "/?" + url.Values{"from": {next.String()}}.Encode()
	}
	if err := p.wholes(r, homes, v); err != nil {
		p.broken(w, r, err)
		return
	}
	all, err := p.summaries(r.Context(), places)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	for _, s := range all {
		found, err := s.all.Find(issue.Query{Limit: perTop})
		if err != nil {
			p.broken(w, r, err)
			return
		}
		v.Needs = append(v.Needs, s.Needs...)
		v.Projects = append(v.Projects, overviewProject{s, found.Lines})
	}
	p.write(w, r, http.StatusOK, p.overviewPage, v)
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

// places finds, of one page, the installations of which somebody may see something and
// the projects that they may see, and where the next page begins, if there is one.
func (p *Pages) places(ctx context.Context, who *viewer, from spot) (homes, found []*place, next *spot, err error) {
	ids, err := p.projects.Installations(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	ids = slices.DeleteFunc(who.installations(ids), func(id int64) bool { return id < from.installation })
	slices.Sort(ids)
	if len(ids) > maxHomes {
		next = &spot{installation: ids[maxHomes]}
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
		return nil, nil, nil, err
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
	found, seen, err := p.look(ctx, of, looks)
	if seen < len(looks) {
		next = &looks[seen]
	}
	for _, at := range here {
		switch {
		case at == nil, at.installation == from.installation && from.project != "": // on the page before
		case next == nil, at.installation < next.installation, at.installation == next.installation && next.project != "":
			homes = append(homes, at)
		}
	}
	return homes, found, next, err
}

// look opens projects in turn until a page is full, and says how many it looked at.
func (p *Pages) look(ctx context.Context, of map[int64]*place, looks []spot) (found []*place, seen int, err error) {
	for most := min(len(looks), maxLooks); seen < most && len(found) < maxProjects; {
		some := looks[seen:min(most, seen+maxProjects-len(found))]
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

// wholes adds the installations that the viewer may see as a whole, and what of them needs
// a person: what they hold, and the sources that fell silent.
func (p *Pages) wholes(r *http.Request, homes []*place, v *overviewView) error {
	homes = slices.DeleteFunc(homes, func(at *place) bool { return !at.whole() })
	needs := make([][]need, len(homes))
	err := each(len(homes), func(i int) (err error) {
		needs[i], err = p.needsOfWhole(r, homes[i])
		if absent(err) {
			return nil
		}
		return err
	})
	for i, at := range homes {
		v.Needs = append(v.Needs, needs[i]...)
		if p.cfg.Sources != nil {
			v.Homes = append(v.Homes, link{at.Account(), installationPath(at.installation)})
		}
	}
	return err
}

func (p *Pages) needsOfWhole(r *http.Request, at *place) (needs []need, err error) {
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
		many := plural(n, "report is", "reports are")
		if n > perList {
			many = fmt.Sprintf("more than %d reports are", perList)
		}
		needs = append(needs, need{Kind: "held", Of: at.Account(), Text: many + " held: no route names a repository", Href: installationPath(at.installation) + "#held"})
	}
	if p.cfg.Sources == nil {
		return needs, nil
	}
	list, err := p.sourcesOf(r, at)
	for _, t := range list {
		switch t.State {
		case silent:
			needs = append(needs, need{Kind: "silent", Of: at.Account(), Text: t.Name + " used to speak, and fell silent", Href: sourcePath(at, t.ID)})
		}
	}
	return needs, err
}

// apiProject is a project as the API tells of it.
type apiProject struct {
	ID           string         `json:"id"`
	Installation int64          `json:"installation"`
	Repository   string         `json:"repository"`
	Mode         string         `json:"mode"`
	Notice       string         `json:"notice,omitempty"` // what is wrong with the repository or its settings
	Problems     int            `json:"problems"`
	States       map[string]int `json:"states"` // problems, by group
	Reports      int            `json:"reports"`
	Waiting      int            `json:"waiting"` // reports that are not grouped yet, at most 50
	Arrived      []int          `json:"arrived"` // reports taken in, by day (UTC), oldest first, the last is today
	Opened       []int          `json:"opened"`  // problems, the same
	Needs        []apiNeed      `json:"needs"`   // what needs a person
}

type apiNeed struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	Href string `json:"href"` // the page
}

func (s *summary) api(at *place) apiProject {
	a := apiProject{
		ID: at.project.ID, Installation: at.installation, Repository: s.Name, Mode: s.Mode, Notice: s.Notice,
		Problems: s.Counts.Problems, States: make(map[string]int), Reports: s.Counts.Reports, Waiting: len(s.Waiting),
		Arrived: s.Arrived, Opened: s.Counts.Opened[:], Needs: []apiNeed{},
	}
	for g, n := range s.Counts.Groups {
		a.States[string(g)] = n
	}
	for _, n := range s.Needs {
		a.Needs = append(a.Needs, apiNeed{n.Kind, n.Text, n.Href})
	}
	return a
}

// tellOverview answers with the projects that the viewer may see.
func (p *Pages) tellOverview(w http.ResponseWriter, r *http.Request, who *viewer) {
	var from spot
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		ok := false
		if from, ok = parseSpot(cursor); !ok {
			p.badCursor(w, r)
			return
		}
	}
	_, places, next, err := p.places(r.Context(), who, from)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	answer := struct {
		Projects []apiProject `json:"projects"`
		Next     string       `json:"next,omitempty"` // the next cursor
	}{Projects: []apiProject{}}
	if next != nil {
		answer.Next = next.String()
	}
	made := make([]*apiProject, len(places))
	err = each(len(places), func(i int) error {
		s, err := p.summarise(r.Context(), places[i])
		if err == nil {
			a := s.api(places[i])
			made[i] = &a
		}
		if absent(err) {
			return nil
		}
		return err
	})
	if err != nil {
		p.broken(w, r, err)
		return
	}
	for _, a := range made {
		if a != nil {
			answer.Projects = append(answer.Projects, *a)
		}
	}
	handlers.JSON(w, http.StatusOK, answer)
}

// apiInstallation is an installation as the API tells of it.
type apiInstallation struct {
	ID      int64  `json:"id"`
	Account string `json:"account"`
	Whole   bool   `json:"whole"` // who asks sees what belongs to it as a whole, and may connect sources
}

// tellInstallations answers with the installations that the viewer may see something of,
// in order of their ids.
func (p *Pages) tellInstallations(w http.ResponseWriter, r *http.Request, who *viewer) {
	q := r.URL.Query()
	limit, err := limitOf(q)
	if err != nil {
		handlers.Error(w, r, http.StatusBadRequest, err.Error())
		return
	}
	after := int64(0)
	if cursor := q.Get("cursor"); cursor != "" {
		if after, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			p.badCursor(w, r)
			return
		}
	}
	all, err := p.projects.Installations(r.Context())
	if err != nil {
		p.broken(w, r, err)
		return
	}
	answer := struct {
		Installations []apiInstallation `json:"installations"`
		Next          string            `json:"next,omitempty"` // the next cursor
	}{Installations: []apiInstallation{}}
	ids := slices.DeleteFunc(who.installations(all), func(id int64) bool { return id <= after })
	slices.Sort(ids)
	if len(ids) > limit {
		ids = ids[:limit]
		answer.Next = strconv.FormatInt(ids[limit-1], 10)
	}
	for _, id := range ids {
		at, err := p.at(r.Context(), who, strconv.FormatInt(id, 10))
		if absent(err) {
			continue
		}
		if err != nil {
			p.broken(w, r, err)
			return
		}
		answer.Installations = append(answer.Installations, apiInstallation{id, at.Account(), at.whole()})
	}
	handlers.JSON(w, http.StatusOK, answer)
}

// tellProject answers with one project.
func (p *Pages) tellProject(w http.ResponseWriter, r *http.Request, at *place) {
	s, err := p.summarise(r.Context(), at)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	handlers.JSON(w, http.StatusOK, s.api(at))
}
