package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/handlers"
)

// problemsView is the page of a project: its problems.
type problemsView struct {
	frame
	*summary
	Words        string
	States       []choice
	Kinds        []choice
	Sorts        []choice
	Lines        []problemLine
	Total        int // that match
	Page, Pages  int
	Before, Next string // addresses of pages, "" where there is none
	Asked        bool   // something was looked for
}

// choice is an option of a form.
type choice struct {
	Value, Text string
	Here        bool
}

// problemLine is a problem in a list.
type problemLine struct {
	issue.Line
	Href string
}

var sortNames = map[issue.Sort]string{
	issue.HurtsMost: "hurts most", issue.Newest: "newest", issue.LastSeen: "last seen", issue.MostReports: "most reports", issue.LeastAlike: "least alike",
}

// unknown says that a filter has a value that it does not know.
func unknown[T ~string](name string, all ...T) error {
	text := make([]string, len(all))
	for i, one := range all {
		text[i] = string(one)
	}
	return fmt.Errorf("%s has to be %s or %s", name, strings.Join(text[:len(text)-1], ", "), text[len(text)-1])
}

// asked reads what is looked for from an address: q, state, kind and sort.
func asked(q url.Values) (query issue.Query, err error) {
	query.Words = q.Get("q")
	if g := issue.Group(q.Get("state")); g != "" {
		if query.Group = g; !slices.Contains(issue.Groups(), g) {
			return query, unknown("state", issue.Groups()...)
		}
	}
	if name := q.Get("kind"); name != "" {
		i := slices.IndexFunc(kinds, func(k kindOf) bool { return k.name == name })
		if i < 0 {
			return query, unknown("kind", "sentry", "reddit", "feedback")
		}
		query.Kind = kinds[i].kind
	}
	if s := issue.Sort(q.Get("sort")); s != "" {
		if query.Sort = s; !slices.Contains(issue.Sorts(), s) {
			return query, unknown("sort", issue.Sorts()...)
		}
	}
	return query, nil
}

// address is where the same is asked for, of another page.
func address(path string, query issue.Query, page int) string {
	q := url.Values{}
	for name, value := range map[string]string{"q": query.Words, "state": string(query.Group), "kind": nameOf(query.Kind), "sort": string(query.Sort)} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// problems serves the page.
func (p *Pages) problems(w http.ResponseWriter, r *http.Request, at *place) {
	query, err := asked(r.URL.Query())
	if err != nil {
		p.refuse(w, r, http.StatusBadRequest, "This address asks for something that there is not: "+err.Error())
		return
	}
	s, err := p.summarise(r.Context(), at)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v := &problemsView{frame: p.inside(r, at, "Problems"), summary: s, Words: query.Words, Page: pageOf(r)}
	v.Live = api + s.Href + "/events"
	v.Asked = query != issue.Query{Sort: query.Sort}
	query.Skip, query.Limit = (v.Page-1)*perPage, perPage
	found, err := s.all.Find(query)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	v.Total, v.Pages = found.Total, max(1, (found.Total+perPage-1)/perPage)
	for _, l := range found.Lines {
		v.Lines = append(v.Lines, problemLine{l, clusterPath(at.project, l.Cluster)})
	}
	if v.Page > 1 {
		v.Before = address(s.Href, query, min(v.Page-1, v.Pages))
	}
	if v.Page < v.Pages {
		v.Next = address(s.Href, query, v.Page+1)
	}
	for _, g := range issue.Groups() {
		if n := s.Counts.Groups[g]; n > 0 || g == query.Group {
			v.States = append(v.States, choice{string(g), fmt.Sprintf("%s (%d)", groupNames[g], n), g == query.Group})
		}
	}
	for _, k := range kinds {
		v.Kinds = append(v.Kinds, choice{k.name, k.text, k.kind == query.Kind})
	}
	for _, o := range issue.Sorts() {
		v.Sorts = append(v.Sorts, choice{string(o), sortNames[o], o == query.Sort})
	}
	p.write(w, r, http.StatusOK, p.problemsPage, v)
}

// apiCluster is a problem as the API tells of it in a list.
type apiCluster struct {
	ID        string      `json:"id"`
	Title     string      `json:"title"`
	Culprit   string      `json:"culprit,omitempty"`
	Group     issue.Group `json:"group"`
	State     issue.State `json:"state"`
	Text      string      `json:"text"` // where it stands
	Issue     *apiIssue   `json:"issue,omitempty"`
	Joins     *apiIssue   `json:"joins,omitempty"` // one that somebody opened, and that it would join
	Kinds     []string    `json:"kinds"`           // of its sources: sentry, reddit, feedback
	Reports   int         `json:"reports"`
	People    int         `json:"people"` // who reported or posted
	Users     int         `json:"users"`  // whom Sentry counted
	Events    int         `json:"events"`
	Cohesion  *float64    `json:"cohesion,omitempty"`
	Trend     issue.Trend `json:"trend"` // reports by day (UTC), up to the day of last
	Opened    *time.Time  `json:"opened,omitempty"`
	First     *time.Time  `json:"first,omitempty"`
	Last      *time.Time  `json:"last,omitempty"`
	Regressed *time.Time  `json:"regressed,omitempty"`
	At        time.Time   `json:"at"` // when this was worked out
}

type apiIssue struct {
	Number  int          `json:"number"`
	URL     string       `json:"url"`
	Now     *apiIssueNow `json:"now,omitempty"`     // as it is on GitHub, of a problem by itself
	Unknown string       `json:"unknown,omitempty"` // why that is not known
}

func apiLine(l issue.Line) apiCluster {
	a := apiCluster{
		ID: l.Cluster, Title: l.Title, Culprit: l.Culprit, Group: l.Group(), State: l.State, Text: l.Text, Kinds: []string{},
		Reports: l.Reports, People: l.People, Users: l.Users, Events: l.Events, Cohesion: l.Cohesion, Trend: l.Trend,
		Opened: moment(l.Made), First: moment(l.First), Last: moment(l.Last), Regressed: moment(l.Regressed), At: l.At,
	}
	for _, k := range l.Kinds {
		a.Kinds = append(a.Kinds, nameOf(k))
	}
	if l.Number != 0 {
		a.Issue = &apiIssue{Number: l.Number, URL: l.URL}
	}
	if l.Joins != 0 {
		a.Joins = &apiIssue{Number: l.Joins, URL: l.JoinsURL}
	}
	return a
}

// moment is a time, nil if it is not known.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Limits of what the API lists at once.
const (
	apiLimit = 50
	apiMost  = 200
)

// limitOf is how many are asked for.
func limitOf(q url.Values) (int, error) {
	s := q.Get("limit")
	if s == "" {
		return apiLimit, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > apiMost {
		return 0, fmt.Errorf("limit: a number from 1 to %d", apiMost)
	}
	return n, nil
}

// tellProblems answers with the problems of a project that are asked for.
func (p *Pages) tellProblems(w http.ResponseWriter, r *http.Request, at *place) {
	q := r.URL.Query()
	query, err := asked(q)
	if err == nil {
		query.Limit, err = limitOf(q)
	}
	if err != nil {
		handlers.Error(w, r, http.StatusBadRequest, err.Error())
		return
	}
	query.After = q.Get("cursor")
	all, err := p.catalogues.Look(r.Context(), at.space)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	found, err := all.Find(query)
	if err != nil {
		p.badCursor(w, r)
		return
	}
	answer := struct {
		Clusters []apiCluster `json:"clusters"`
		Total    int          `json:"total"`          // that match, on all pages
		Next     string       `json:"next,omitempty"` // the next cursor
	}{[]apiCluster{}, found.Total, found.Next}
	for _, l := range found.Lines {
		answer.Clusters = append(answer.Clusters, apiLine(l))
	}
	handlers.JSON(w, http.StatusOK, answer)
}

// problemsNow is what a stream about a project tells.
type problemsNow struct {
	Problems int    `json:"problems"`
	Reports  int    `json:"reports"`
	Waiting  int    `json:"waiting"`  // reports that are not grouped yet, at most 50
	Revision string `json:"revision"` // another one whenever one of the problems changed
}

// pageOf is the number of the page that is asked for, from 1.
func pageOf(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || n < 1 || n > 100_000 {
		return 1
	}
	return n
}

// problemEvents serves a stream about a project's problems.
func (p *Pages) problemEvents(w http.ResponseWriter, r *http.Request, at *place) {
	p.events(w, r, at, needs.see, func(ctx context.Context) (any, bool, error) {
		all, err := p.catalogues.Look(ctx, at.space)
		if err != nil {
			return nil, false, err
		}
		todo, err := intake.Waiting(ctx, at.space, perList)
		n := all.Count(p.now())
		return problemsNow{n.Problems, n.Reports, len(todo), all.Revision}, false, err
	})
}
