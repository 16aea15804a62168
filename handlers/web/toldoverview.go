package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/soulcaster/soulcaster/handlers"
)

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
		Arrived: s.Arrived, Opened: s.Counts.Opened[:],
	}
	for g, n := range s.Counts.Groups {
		a.States[string(g)] = n
	}
	a.Needs = told(s.Needs)
	return a
}

func told(all []need) []apiNeed {
	list := []apiNeed{}
	for _, n := range all {
		list = append(list, apiNeed{n.Kind, n.Text, n.Href})
	}
	return list
}

// overviewNow is what a stream tells of the overview: a change of any of it is a reason to
// look again.
type overviewNow struct {
	Projects int    `json:"projects"`
	Problems int    `json:"problems"`
	Reports  int    `json:"reports"`
	Waiting  int    `json:"waiting"`
	Needs    int    `json:"needs"`
	Revision string `json:"revision"` // is another whenever anything is that the overview shows of them
}

// aSecond is how many projects a stream about the overview looks at in a second, at most:
// of more it tells later.
const aSecond = 10

// overviewEvents serves a stream about the projects of one page of the overview.
func (p *Pages) overviewEvents(w http.ResponseWriter, r *http.Request, who *viewer) {
	from, ok := p.cursor(w, r)
	if !ok {
		return
	}
	var last overviewNow
	rest := 0 // looks that are left out
	p.follow(w, r, who, func(ctx context.Context) (bool, error) {
		now, err := p.who(r.WithContext(ctx))
		if errors.Is(err, errSignIn) || errors.Is(err, errWorthless) {
			return false, nil
		}
		if err == nil {
			who = now // who may see more, or less, than before
		}
		return err == nil, err
	}, func(ctx context.Context) (any, bool, error) {
		if rest > 0 {
			rest--
			return last, false, nil
		}
		on, err := p.places(ctx, who, from, maxProjects)
		if err != nil {
			return nil, false, err
		}
		all, err := p.summaries(ctx, on.projects)
		if err != nil {
			return nil, false, err
		}
		rest = on.looked / aSecond
		last, err = sumUp(all)
		return last, false, err
	})
}

// sumUp is what the overview shows of projects, in short.
func sumUp(all []*summary) (now overviewNow, err error) {
	sum := sha256.New()
	for _, s := range all {
		now.Projects++
		now.Problems += s.Counts.Problems
		now.Reports += s.Counts.Reports
		now.Waiting += len(s.Waiting)
		now.Needs += len(s.Needs)
		top, err := topOf(s.all)
		if err == nil {
			err = json.NewEncoder(sum).Encode([]any{s.Href, s.Mode, s.Notice, s.Arrived, s.Counts, s.Waiting, s.Needs, top})
		}
		if err != nil {
			return now, err
		}
	}
	now.Revision = hex.EncodeToString(sum.Sum(nil)[:8])
	return now, nil
}

// cursor is where a page of projects is to begin; false if what is asked for is no cursor,
// and that was answered.
func (p *Pages) cursor(w http.ResponseWriter, r *http.Request) (from spot, ok bool) {
	text := r.URL.Query().Get("cursor")
	if text == "" {
		return spot{}, true
	}
	if from, ok = parseSpot(text); !ok {
		p.badCursor(w, r)
	}
	return from, ok
}

// tellOverview answers with the projects that the viewer may see.
func (p *Pages) tellOverview(w http.ResponseWriter, r *http.Request, who *viewer) {
	limit, err := limitOf(r.URL.Query())
	if err != nil {
		handlers.Error(w, r, http.StatusBadRequest, err.Error())
		return
	}
	from, ok := p.cursor(w, r)
	if !ok {
		return
	}
	on, err := p.places(r.Context(), who, from, limit)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	answer := struct {
		Projects []apiProject `json:"projects"`
		Next     string       `json:"next,omitempty"` // the next cursor
	}{Projects: []apiProject{}}
	if on.next != nil {
		answer.Next = on.next.String()
	}
	made := make([]*apiProject, len(on.projects))
	err = each(len(on.projects), func(i int) error {
		s, err := p.summarise(r.Context(), on.projects[i])
		if err == nil {
			a := s.api(on.projects[i])
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
	ID      int64     `json:"id"`
	Account string    `json:"account"`
	Whole   bool      `json:"whole"` // who asks sees what belongs to it as a whole, and may connect sources
	Needs   []apiNeed `json:"needs"` // what of it, beside its projects, needs a person
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
	made := make([]*apiInstallation, len(ids))
	err = each(len(ids), func(i int) error {
		at, err := p.at(r.Context(), who, strconv.FormatInt(ids[i], 10))
		var found []need
		if err == nil {
			found, err = p.needsOfInstallation(r, at)
		}
		if absent(err) {
			return nil
		}
		if err == nil {
			made[i] = &apiInstallation{ids[i], at.Account(), at.whole(), told(found)}
		}
		return err
	})
	if err != nil {
		p.broken(w, r, err)
		return
	}
	for _, in := range made {
		if in != nil {
			answer.Installations = append(answer.Installations, *in)
		}
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
