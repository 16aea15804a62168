package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// Drafts works out what an issue would say now.
type Drafts interface {
	Draft(ctx context.Context, space storage.Space, cluster string) (issue.Draft, error)
}

const (
	// smallCluster is how many reports are read to say what an issue would say whenever
	// the page is looked at. Of a bigger cluster that is said when it is asked for, of so
	// many at once.
	smallCluster = 100
	maxDrafts    = 2

	perRunsOf = 20 // runs of a problem in its story
)

// clusterView is the page of a problem.
type clusterView struct {
	frame
	issue.Line
	Path, Audit    string // of this page, and of all that was done
	Size           int    // members, those that count for nothing too
	Story          []storyLine
	Reports        []reportView
	More           string     // address of the next reports, "" if there are no more
	Later          bool       // these are not the first reports
	Sorted         bool       // the newest is the first
	Issue          *issueNow  // the issue as it is on GitHub
	Unknown        string     // why that is not known
	Written, Noted *issueView // what the app wrote on GitHub, and what it would have since
	Draft          *draftView // nil: it is not worked out
	DraftHref      string     // where it is, if it is not here
	Busy           bool       // others have theirs worked out just now
	Acts           []actView  // what was done, the newest
	Commands       *commandsView
}

// storyLine is a moment of a problem's story.
type storyLine struct {
	At         time.Time
	Text, Name string // Name is foreign: a release
	Href       string // a page of ours or GitHub's
}

// reportView is a report of a problem.
type reportView struct {
	ID, Title, Source, URL string
	Kind                   feedback.Kind
	Reason                 string
	Near                   *float64 // to the others now
	Joined                 time.Time
	JoinedNear             *float64 // to those that were there when it joined
	First, Last            time.Time
	Count, Users           int
	Culprit, Level         string
	Removed                bool
}

type issueView struct {
	Title  string
	Labels []string
	Body   template.HTML
	At     time.Time
	Filed  bool // it is on GitHub
	Added  bool // to an issue that has its own title
	Edited bool // since it was filed
	URL    string
}

// draftView is what an issue would say, and what it would not.
type draftView struct {
	Standing  string
	Now, Safe issueView
	Full      bool // Now shows more than Safe
	Withheld  []string
	Uncounted []uncountedView
	More      int // that are not shown
}

type uncountedView struct{ ID, Why string }

type actView struct {
	At                                time.Time
	What, Kind, By, Why, For, Request string
}

func clusterPath(p project.Project, id string) string {
	return projectPath(p) + "/clusters/" + url.PathEscape(id)
}

// clusterForm is what the id of a cluster may look like in an address.
var clusterForm = regexp.MustCompile(`^[A-Za-z0-9]{1,40}$`)

// found is a problem that an address names.
type found struct {
	line  issue.Line
	known cluster.Cluster // zero if nothing is left of it but its issue
}

// find finds it; errNone if there is none.
func (p *Pages) find(ctx context.Context, at *place, id string) (f found, err error) {
	if !clusterForm.MatchString(id) {
		return f, errNone
	}
	said := false
	if f.line, said, err = issue.LineOf(ctx, at.space, id); err != nil {
		return f, err
	}
	known := false
	if f.known, known, err = cluster.Get(ctx, at.space, id); err != nil {
		return f, err
	}
	if !said && !known {
		return f, errNone
	}
	if !said {
		f.line = issue.Line{Cluster: id, Title: "Problem " + id, State: issue.Held, Text: "grouped: whether it gets an issue is being worked out", Reports: f.known.Size}
	}
	return f, nil
}

// cluster serves the page of a problem.
func (p *Pages) cluster(w http.ResponseWriter, r *http.Request, at *place) {
	ctx, q := r.Context(), r.URL.Query()
	f, err := p.find(ctx, at, r.PathValue("cluster"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v := &clusterView{Line: f.line, Path: clusterPath(at.project, f.line.Cluster),
		Audit: projectPath(at.project) + "/audit?" + url.Values{"subject": {f.line.Cluster}}.Encode(), Size: f.known.Size, Later: q.Get("after") != "", Sorted: f.sorted()}
	v.frame = p.inside(r, at, "Problems", link{Text: v.Title})
	v.Live = clusterStream(at.project, f.line.Cluster)
	err = func() (err error) {
		if v.Commands, err = p.commands(ctx, at, f.line.Cluster, ""); err != nil {
			return err
		}
		if v.Story, err = p.story(ctx, at, f.line.Cluster); err != nil {
			return err
		}
		next := ""
		if v.Reports, next, err = p.reports(ctx, at.space, f, q.Get("after"), perPage); err != nil {
			return err
		}
		if err := p.callSources(ctx, at, v.Reports); err != nil {
			return err
		}
		if next != "" {
			v.More = v.Path + "?" + url.Values{"after": {next}}.Encode() + "#reports"
		}
		if err := p.texts(ctx, at, v, q.Has("draft")); err != nil {
			return err
		}
		v.Acts, err = p.acts(ctx, at.space, f.line.Cluster)
		return err
	}()
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.write(w, r, http.StatusOK, p.clusterPage, v)
}

// story is what happened to a problem, the newest first.
func (p *Pages) story(ctx context.Context, at *place, id string) ([]storyLine, error) {
	moments, err := issue.Story(ctx, at.space, id)
	if err != nil {
		return nil, err
	}
	var all []storyLine
	for _, m := range moments {
		all = append(all, storyLine{m.At, m.What, m.Name, m.URL})
	}
	runs, err := runsOf(ctx, at.space, id)
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		href := RunPath(at.space.Name(), r.ID)
		all = append(all, storyLine{At: r.Created, Text: "a fix was asked for by " + action.By(r.By, r.Rounds[0].Through), Href: href})
		if proposed, _ := r.Proposal(); !proposed.IsZero() {
			text := "a fix was proposed"
			if r.Pull != nil {
				text += fmt.Sprintf(": #%d", r.Pull.Number)
			}
			all = append(all, storyLine{At: proposed, Text: text, Href: href})
		}
		if !r.Ended.IsZero() && r.State != run.Merged {
			all = append(all, storyLine{At: r.Ended, Text: "the run ended: " + tell.State(r.State), Href: href})
		}
	}
	slices.SortStableFunc(all, func(a, b storyLine) int { return b.At.Compare(a.At) })
	return all, nil
}

// runsOf are the newest runs of a problem.
func runsOf(ctx context.Context, space storage.Space, id string) ([]*run.Run, error) {
	runs, _, err := run.ListFor(ctx, space, id, "", perRunsOf)
	if err != nil || len(runs) > 0 {
		return runs, err
	}
	newest, _, err := run.Of(ctx, space, id) // of an older build, which listed none
	if newest != nil {
		runs = append(runs, newest)
	}
	return runs, err
}

// reports returns reports of a problem, at most limit, from behind the one with the id
// after, and what to go on behind: see memberIDs for their order.
func (p *Pages) reports(ctx context.Context, space storage.Space, f found, after string, limit int) (list []reportView, next string, err error) {
	ids, next, err := memberIDs(ctx, space, f, after, limit)
	if err != nil || len(ids) == 0 {
		return nil, "", err
	}
	all, _, err := intake.Load(ctx, space, ids...)
	if err != nil {
		return nil, "", err
	}
	where, _, err := cluster.Memberships(ctx, space, ids...)
	if err != nil {
		return nil, "", err
	}
	near, err := cluster.Near(ctx, space, f.line.Cluster, ids...)
	if err != nil {
		return nil, "", err
	}
	for i, x := range all {
		m := where[i]
		if x == nil || m == nil || m.Cluster != f.line.Cluster {
			continue // it left a moment ago
		}
		v := reportView{
			ID: x.ID, Title: x.Title, Kind: x.Kind, Source: x.Source, URL: x.URL, Reason: m.Reason, Near: near[i],
			Joined: m.Joined, JoinedNear: m.Similarity, First: x.First, Last: x.Last, Count: x.Count, Users: x.Users,
			Culprit: x.Culprit, Level: x.Level, Removed: x.Removed,
		}
		if v.Title == "" && x.Removed {
			v.Title = "deleted at its source"
		}
		list = append(list, v)
	}
	return list, next, nil
}

// callSources has reports say what people call their sources, as far as who asks may see
// those.
func (p *Pages) callSources(ctx context.Context, at *place, reports []reportView) error {
	names := map[string]string{backfill.FileSource: "an imported file"}
	if p.cfg.Sources != nil {
		connected, err := p.cfg.Sources.List(ctx, at.installation)
		if err != nil && !errors.Is(err, source.ErrNone) {
			return err
		}
		all := slices.Clone(p.cfg.Sources.Fixed(at.installation))
		for i := range connected {
			all = append(all, &connected[i].Source)
		}
		for _, s := range all {
			if slices.ContainsFunc(append(slices.Collect(maps.Values(s.Routes)), s.Repository), at.sees) {
				names[s.ID] = s.Label()
			}
		}
	}
	for i := range reports {
		reports[i].Source = cmp.Or(names[reports[i].Source], reports[i].Source)
	}
	return nil
}

// maxSorted is how many reports a problem may have that are shown in an order of time: all
// of them are looked at for each page.
const maxSorted = 4 * storage.MaxOps

// sorted reports whether reports of a problem are in the order of time.
func (f found) sorted() bool { return f.known.Size <= maxSorted }

// memberIDs returns ids of members as reports does: who joined last comes first or, where
// there are too many to sort, in the order of their ids, which says nothing. The place of
// one is when it joined and its id, so that it stays one when the member goes.
func memberIDs(ctx context.Context, space storage.Space, f found, after string, limit int) (ids []string, next string, err error) {
	_, id, timed := strings.Cut(after, "-")
	if !f.sorted() {
		if timed {
			after = id
		}
		if ids, err = cluster.Members(ctx, space, f.line.Cluster, after, limit+1); err != nil || len(ids) <= limit {
			return ids, "", err
		}
		return ids[:limit], ids[limit-1], nil
	}
	for last := ""; len(ids) < maxSorted; {
		some, err := cluster.Members(ctx, space, f.line.Cluster, last, storage.MaxOps)
		if err != nil {
			return nil, "", err
		}
		if ids = append(ids, some...); len(some) < storage.MaxOps {
			break
		}
		last = ids[len(ids)-1]
	}
	where, _, err := cluster.Memberships(ctx, space, ids...)
	if err != nil {
		return nil, "", err
	}
	var marks []string
	for i, m := range where {
		if m == nil {
			continue
		}
		if mark := fmt.Sprintf("%016x-%s", uint64(math.MaxInt64)-uint64(m.Joined.UnixNano()), ids[i]); !timed || mark > after {
			marks = append(marks, mark)
		}
	}
	slices.Sort(marks)
	if len(marks) > limit {
		marks = marks[:limit]
		next = marks[limit-1]
	}
	ids = ids[:0]
	for _, mark := range marks {
		_, id, _ := strings.Cut(mark, "-")
		ids = append(ids, id)
	}
	return ids, next, nil
}

// texts adds what the issue says, and what it would.
func (p *Pages) texts(ctx context.Context, at *place, v *clusterView, asked bool) error {
	real, noted, err := issue.LastWritten(ctx, p.actions, at.space, v.Cluster)
	if err != nil {
		return err
	}
	show := func(w *issue.Written) *issueView {
		if w == nil {
			return nil
		}
		i := &issueView{Title: w.Title, Labels: w.Labels, Body: p.markdown.html(w.Body), At: w.At, Filed: w.Real, Added: w.Added, Edited: w.Edited}
		if i.Title == "" && !w.Added {
			i.Title = v.Title
		}
		if w.Real {
			i.URL = v.URL
		}
		return i
	}
	v.Written, v.Noted = show(real), show(noted)
	now, err := p.issueNow(ctx, at, v.Line, real)
	switch {
	case err != nil:
		return err
	case now == nil:
	case now.Unknown != "":
		v.Unknown = now.Unknown
	default:
		v.Issue, v.Written = now, nil
	}
	if p.cfg.Drafts == nil || v.Size == 0 {
		return nil
	}
	if v.Size > smallCluster {
		if !asked {
			v.DraftHref = v.Path + "?draft=1#draft"
			return nil
		}
		select {
		case p.drafting <- struct{}{}:
			defer func() { <-p.drafting }()
		default:
			v.DraftHref, v.Busy = v.Path+"?draft=1#draft", true
			return nil
		}
	}
	d, err := p.cfg.Drafts.Draft(ctx, at.space, v.Cluster)
	if err != nil {
		return err
	}
	text := func(t issue.Text) issueView {
		return issueView{Title: t.Title, Labels: d.Labels, Body: p.markdown.html(t.Body)}
	}
	v.Draft = &draftView{Standing: d.Standing.Reason, Now: text(d.Now), Safe: text(d.Safe), Full: d.Full, Withheld: d.Withheld}
	for _, u := range d.Uncounted[:min(len(d.Uncounted), perList)] {
		v.Draft.Uncounted = append(v.Draft.Uncounted, uncountedView{u.ID, u.Why})
	}
	v.Draft.More = len(d.Uncounted) - len(v.Draft.Uncounted)
	return nil
}

// apiDraft is what the API tells of what an issue would say.
type apiDraft struct {
	Standing  string       `json:"standing"`
	Now       apiText      `json:"now"`  // as the repository publishes it
	Safe      apiText      `json:"safe"` // as any public repository would show it
	Full      bool         `json:"full"` // now shows more than safe
	Withheld  []string     `json:"withheld"`
	Uncounted []apiIgnored `json:"uncounted"` // the first of the reports that count for nothing
	More      int          `json:"more"`      // of them, that are not listed
}

type apiIgnored struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// tellDraft answers with what an issue would say now, and what is withheld. All reports
// are read for that, so few are worked out at a time.
func (p *Pages) tellDraft(w http.ResponseWriter, r *http.Request, at *place) {
	f, err := p.find(r.Context(), at, r.PathValue("cluster"))
	if err == nil && (p.cfg.Drafts == nil || f.known.Size == 0) {
		err = errNone
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	select {
	case p.drafting <- struct{}{}:
		defer func() { <-p.drafting }()
	default:
		handlers.RetryAfter(w, time.Second)
		handlers.Error(w, r, http.StatusTooManyRequests, "others have theirs worked out just now: ask again in a moment")
		return
	}
	d, err := p.cfg.Drafts.Draft(r.Context(), at.space, f.line.Cluster)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	text := func(t issue.Text) apiText { return apiText{Title: t.Title, Labels: d.Labels, Body: t.Body} }
	answer := apiDraft{Standing: d.Standing.Reason, Now: text(d.Now), Safe: text(d.Safe), Full: d.Full, Withheld: append([]string{}, d.Withheld...), Uncounted: []apiIgnored{}}
	for _, u := range d.Uncounted[:min(len(d.Uncounted), perList)] {
		answer.Uncounted = append(answer.Uncounted, apiIgnored{u.ID, u.Why})
	}
	answer.More = len(d.Uncounted) - len(answer.Uncounted)
	handlers.JSON(w, http.StatusOK, answer)
}

// acts is what was done lately for a subject.
func (p *Pages) acts(ctx context.Context, space storage.Space, subject string) ([]actView, error) {
	entries, err := p.actions.List(ctx, space, subject, "", perList)
	if err != nil {
		return nil, err
	}
	acts := make([]actView, len(entries))
	for i, e := range entries {
		acts[i] = actView{At: e.At, What: e.What, Kind: e.Kind, By: e.By, Why: e.Why, For: e.Subject, Request: e.RequestID}
	}
	return acts, nil
}

// apiMoment, apiRun and apiReport are parts of what the API tells of a problem.
type apiMoment struct {
	At      time.Time `json:"at"`
	Text    string    `json:"text"`
	Release string    `json:"release,omitempty"`
	Href    string    `json:"href,omitempty"`
}

type apiReport struct {
	ID               string     `json:"id"`
	Title            string     `json:"title"`
	Kind             string     `json:"kind"` // sentry, reddit or feedback
	Source           string     `json:"source"`
	URL              string     `json:"url,omitempty"`
	Reason           string     `json:"reason"`                      // why it is here
	Similarity       *float64   `json:"similarity,omitempty"`        // to the others now, 0 to 1
	JoinedSimilarity *float64   `json:"joined_similarity,omitempty"` // to those that were there when it joined
	Joined           time.Time  `json:"joined"`
	First            *time.Time `json:"first,omitempty"`
	Last             *time.Time `json:"last,omitempty"`
	Count            int        `json:"count"`
	Users            int        `json:"users"`
	Culprit          string     `json:"culprit,omitempty"`
	Level            string     `json:"level,omitempty"`
	Removed          bool       `json:"removed"` // deleted at its source
}

// apiText is the text of an issue: Markdown.
type apiText struct {
	Title  string     `json:"title"`
	Labels []string   `json:"labels"`
	Body   string     `json:"body"`
	At     *time.Time `json:"at,omitempty"`
}

// tellCluster answers with one problem.
func (p *Pages) tellCluster(w http.ResponseWriter, r *http.Request, at *place) {
	ctx := r.Context()
	f, err := p.find(ctx, at, r.PathValue("cluster"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	answer := struct {
		apiCluster
		Size    int         `json:"size"` // members, those that count for nothing too
		Story   []apiMoment `json:"story"`
		Written *apiText    `json:"written,omitempty"` // on GitHub, by the app, last
		Noted   *apiText    `json:"noted,omitempty"`   // what would have been since then
	}{apiCluster: apiLine(f.line), Size: f.known.Size, Story: []apiMoment{}}
	story, err := p.story(ctx, at, f.line.Cluster)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	for _, m := range story {
		answer.Story = append(answer.Story, apiMoment{m.At, m.Text, m.Name, m.Href})
	}
	real, noted, err := issue.LastWritten(ctx, p.actions, at.space, f.line.Cluster)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	now, err := p.issueNow(ctx, at, f.line, real)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	now.tell(answer.Issue)
	answer.Written, answer.Noted = textOf(real, f.line.Title), textOf(noted, f.line.Title)
	handlers.JSON(w, http.StatusOK, answer)
}

func textOf(w *issue.Written, title string) *apiText {
	if w == nil {
		return nil
	}
	if w.Title != "" || w.Added {
		title = w.Title
	}
	return &apiText{title, append([]string{}, w.Labels...), w.Body, moment(w.At)}
}

// tellReports answers with the reports of a problem.
func (p *Pages) tellReports(w http.ResponseWriter, r *http.Request, at *place) {
	limit, err := limitOf(r.URL.Query())
	if err != nil {
		handlers.Error(w, r, http.StatusBadRequest, err.Error())
		return
	}
	f, err := p.find(r.Context(), at, r.PathValue("cluster"))
	var list []reportView
	next := ""
	if err == nil {
		list, next, err = p.reports(r.Context(), at.space, f, r.URL.Query().Get("cursor"), limit)
	}
	if errors.Is(err, storage.ErrInvalid) {
		p.badCursor(w, r)
		return
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	answer := struct {
		Reports []apiReport `json:"reports"`
		Next    string      `json:"next,omitempty"` // the next cursor
	}{[]apiReport{}, next}
	for _, v := range list {
		answer.Reports = append(answer.Reports, apiReport{
			v.ID, v.Title, nameOf(v.Kind), v.Source, v.URL, v.Reason, v.Near, v.JoinedNear, v.Joined, moment(v.First), moment(v.Last), v.Count, v.Users, v.Culprit, v.Level, v.Removed,
		})
	}
	handlers.JSON(w, http.StatusOK, answer)
}
