package web

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/quota"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/handlers"
)

// sourcesView is what the page of an installation shows.
type sourcesView struct {
	frame
	At           *place
	Sources      []sourceLine
	Held         []heldGroup
	MoreHeld     bool
	MayConnect   bool
	Repositories []string // that who looks administers
	Quotas       []quota.Use
}

// sourceLine is a source on that page.
type sourceLine struct {
	sourceTold
	Href string
	Feed []string // where its feedback goes, in words
}

// sourceTold is what is told of a source.
type sourceTold struct {
	ID    string      `json:"id"`
	Kind  source.Kind `json:"kind"`
	Name  string      `json:"name"`
	Fixed bool        `json:"fixed"` // the server's file names it, and it is changed there
	URL   string      `json:"url"`   // where its feedback is sent to

	Repository string            `json:"repository,omitempty"`
	Routes     map[string]string `json:"routes,omitempty"` // Sentry project → repository
	Public     bool              `json:"public"`
	Subreddits []string          `json:"subreddits,omitempty"`

	sourceHealth

	MadeBy string    `json:"made_by,omitempty"` // who connected it
	Made   time.Time `json:"made,omitzero"`

	Version uint64          `json:"version,omitempty"` // changes with every change of what is set
	Secrets []source.Secret `json:"secrets,omitempty"` // what they are told by, not they themselves
	Client  *clientTold     `json:"client,omitempty"`  // of Reddit's OAuth
	API     *sentryTold     `json:"api,omitempty"`     // of Sentry, for which there is a token
}

// clientTold and sentryTold are what a source's other credentials are told by, not they
// themselves.
type clientTold struct {
	ID   string    `json:"id"`
	Made time.Time `json:"made,omitzero"` // when it was given
}

type sentryTold struct {
	Organisation string    `json:"organisation"`
	URL          string    `json:"url"`
	Made         time.Time `json:"made,omitzero"`
}

// sourceHealth is how a source is doing.
type sourceHealth struct {
	State       sourceState         `json:"state"`
	First       time.Time           `json:"first,omitzero"`         // when something was taken in first
	Last        time.Time           `json:"last,omitzero"`          // and last
	SilentAfter int                 `json:"silent_after,omitempty"` // hours without a word after which it is missed; 0 if it never is
	Days        []dayTold           `json:"days"`                   // the last fourteen of UTC, today last
	Rejections  []traffic.Rejection `json:"rejections"`             // newest first
}

// dayTold is how many reports of a day came to what.
type dayTold struct {
	Accepted   int64 `json:"accepted"`
	Duplicates int64 `json:"duplicates"`
	Rejected   int64 `json:"rejected"`
}

// sourceState is how a source is doing, in a word.
type sourceState string

const (
	waits   sourceState = "waiting"  // nothing came of it yet
	speaks  sourceState = "speaking" // something did
	silent  sourceState = "silent"   // it used to speak, and does not any more
	rejects sourceState = "refused"  // nothing came but what was refused
)

// perSpark is how many days are drawn.
const perSpark = 14

func (p *Pages) health(r traffic.Record) sourceHealth {
	now := p.now()
	h := sourceHealth{State: speaks, First: r.First, Last: r.Last, Days: make([]dayTold, 0, perSpark), Rejections: append([]traffic.Rejection{}, r.Rejections...)}
	for _, d := range r.LastDays(now, perSpark) {
		h.Days = append(h.Days, dayTold(d))
	}
	after, missed := r.Silent(now)
	h.SilentAfter = int(after / time.Hour)
	switch {
	case r.Last.IsZero() && h.Refused() != nil:
		h.State = rejects
	case r.Last.IsZero():
		h.State = waits
	case missed:
		h.State = silent
	}
	return h
}

// Refused is why what came last was refused, nil if it was not. It says nothing of who
// sent it: strangers may.
func (h sourceHealth) Refused() *traffic.Rejection {
	// A request of which a part was refused is both: it spoke.
	if len(h.Rejections) == 0 || !h.Rejections[0].Last.After(h.Last) {
		return nil
	}
	return &h.Rejections[0]
}

// Spoke is what was taken in, by day.
func (h sourceHealth) Spoke() []int {
	list := make([]int, len(h.Days))
	for i, d := range h.Days {
		list[i] = int(traffic.Counts(d).Spoke())
	}
	return list
}

// Missed is after how long without a word a source is missed, in words.
func (h sourceHealth) Missed() string {
	if h.SilentAfter <= 24 {
		return "a day"
	}
	return plural(h.SilentAfter/24, "day", "days")
}

// Text says the state to people.
func (s sourceState) Text() string {
	return map[sourceState]string{waits: "waiting for the first event", speaks: "speaks", silent: "fell silent", rejects: "everything was refused"}[s]
}

// Tone is how good that is.
func (s sourceState) Tone() string {
	return map[sourceState]string{waits: "hold", speaks: "good", silent: "bad", rejects: "bad"}[s]
}

// heldGroup is what is held of one source, of one of its projects.
type heldGroup struct {
	Source  string // id
	Label   string
	Project string
	Reports int
	Titles  []string // of some
	Why     string   // why it cannot be routed here, "" if it can
	Version uint64   // of the source
}

const (
	// perHeldLook is how much of what is held is looked through.
	perHeldLook = 200
	perHeldTile = 3
)

// told returns what is told of a source that who asks may see; ok is false if they may not.
func (p *Pages) told(r *http.Request, at *place, src *source.Source, by source.By, rec traffic.Record) (t sourceTold, ok bool) {
	_, _, stored := source.Owner(src.ID)
	t = sourceTold{
		ID: src.ID, Kind: src.Kind, Name: src.Label(), Fixed: !stored, URL: p.base(r) + "/ingest/" + string(src.Kind) + "/" + src.ID,
		Public: src.Public, Subreddits: src.Subreddits, sourceHealth: p.health(rec),
	}
	ok = at.made(by)
	if at.sees(src.Repository) {
		t.Repository, ok = src.Repository, true
	}
	for slug, repo := range src.Routes {
		if at.sees(repo) {
			if t.Routes == nil {
				t.Routes = make(map[string]string)
			}
			t.Routes[slug], ok = repo, true
		}
	}
	return t, ok
}

// whole reports whether who asks administers all of the installation, and so may see what
// belongs to no repository, or to anybody's.
func (at *place) whole() bool { return at.all() }

// made reports whether who asks connected something themselves, or may see what belongs to
// anybody's. What a key connected its maker may see, and not what they did by another way
// the key.
func (at *place) made(by source.By) bool {
	who := at.who
	return who.who.ID != 0 && by.ID == who.who.ID && (!who.key || by.Who == who.name()) || at.whole()
}

// sees reports whether who asks may know that something belongs to a repository.
func (at *place) sees(name string) bool {
	return name != "" && (at.whole() || at.permissionOn(name) >= github.Read)
}

// permissionOn is what who asks may do in the repository of that name, as GitHub lists it.
func (at *place) permissionOn(name string) github.Permission {
	reach := at.who.reach[at.installation]
	for id, called := range reach.Names {
		if strings.EqualFold(called, name) {
			return reach.Repositories[id]
		}
	}
	return github.None
}

// mayConfigure reports whether who asks administers all of the repositories that a source
// feeds or, if it feeds none, connected it or administers all of the installation.
func (p *Pages) mayConfigure(ctx context.Context, at *place, repositories []string, by source.By) (bool, error) {
	switch {
	case at.who.operator:
		return true, nil
	case !at.may(needs.configure):
		return false, nil
	case len(repositories) == 0:
		return at.made(by), nil
	}
	for _, name := range repositories {
		// What counts is the project that the name means here: its repository may be called
		// otherwise by now, and another one so. Where GitHub shows it to nobody any more,
		// nobody's word is needed.
		var known project.Project
		space, err := p.projects.Find(ctx, at.installation, 0, name)
		if err == nil {
			known, _, err = project.Load(ctx, space)
		}
		may := at.who.may(known, needs.configure) || known.Gone
		if absent(err) || err == nil && known.Repo.ID == 0 { // nothing is known of it yet
			may, err = at.permissionOn(name) >= needs.configure, nil
		}
		if err != nil || !may {
			return false, err
		}
	}
	return true, nil
}

// base is where people reach the app.
func (p *Pages) base(r *http.Request) string {
	if p.cfg.PublicURL != "" {
		return p.cfg.PublicURL
	}
	return "http://" + r.Host // in preview
}

// sourcesOf are the sources of an installation that who asks may see.
func (p *Pages) sourcesOf(r *http.Request, at *place) (list []sourceTold, err error) {
	var all []*source.Source
	versions, makers := make(map[string]uint64), make(map[string]source.By)
	connected, err := p.cfg.Sources.List(r.Context(), at.installation)
	if err != nil {
		return nil, gone(err)
	}
	for i := range connected {
		all = append(all, &connected[i].Source)
		versions[connected[i].ID], makers[connected[i].ID] = connected[i].Version(), connected[i].Maker()
	}
	all = append(all, p.cfg.Sources.Fixed(at.installation)...)
	ids := make([]string, len(all))
	for i, src := range all {
		ids[i] = src.ID
	}
	records, err := traffic.OfSource(r.Context(), at.home, ids...)
	if err != nil {
		return nil, err
	}
	list = []sourceTold{}
	for i, src := range all {
		if t, ok := p.told(r, at, src, makers[src.ID], records[i]); ok {
			t.Version = versions[src.ID]
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b sourceTold) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return list, nil
}

// gone is the error of what is not there, as pages know it.
func gone(err error) error {
	if errors.Is(err, source.ErrNone) {
		return errNone
	}
	return err
}

// heldOf is what an installation holds, by source and project, for who may see it.
func (p *Pages) heldOf(ctx context.Context, at *place) (groups []heldGroup, more bool, err error) {
	mine := make(map[string]bool) // sources whose held feedback who asks may see
	if !at.whole() {
		connected, err := p.cfg.Sources.List(ctx, at.installation)
		if err != nil {
			return nil, false, gone(err)
		}
		for _, s := range connected {
			mine[s.ID] = at.made(s.Maker())
		}
	}
	type key struct{ source, project string }
	of := make(map[key]int)
	seen := 0
	err = intake.EachHeld(ctx, at.home, perHeldLook, func(h intake.Held) {
		f := h.Feedback
		if seen++; f.Removed || !mine[f.Source] && !at.whole() {
			return
		}
		k := key{f.Source, f.Project}
		i, ok := of[k]
		if !ok {
			i, of[k] = len(groups), len(groups)
			groups = append(groups, heldGroup{Source: f.Source, Label: f.Source, Project: f.Project})
		}
		g := &groups[i]
		if g.Reports++; len(g.Titles) < perHeldTile {
			g.Titles = append(g.Titles, f.Title)
		}
	})
	if err != nil {
		return nil, false, err
	}
	for i := range groups {
		if err := p.routable(ctx, at, &groups[i]); err != nil {
			return nil, false, err
		}
	}
	slices.SortStableFunc(groups, func(a, b heldGroup) int { return b.Reports - a.Reports })
	return groups, seen == perHeldLook, nil
}

// routable finds out whether who asks may route what is held, and says why not.
func (p *Pages) routable(ctx context.Context, at *place, g *heldGroup) error {
	_, _, connected := source.Owner(g.Source)
	src, err := p.cfg.Sources.Source(ctx, g.Source)
	switch {
	case errors.Is(err, source.ErrNone) && connected:
		g.Why = "Its source was removed; this goes too, in a moment."
		return nil
	case errors.Is(err, source.ErrNone):
		g.Why = "The server's file does not name its source any more."
		return nil
	case err != nil:
		return err
	}
	if g.Label = src.Label(); !connected {
		g.Why = "The server's file says where this source's feedback goes: whoever runs the server can add a route there."
		return nil
	}
	stored, err := p.cfg.Sources.Get(ctx, at.installation, g.Source)
	if errors.Is(err, source.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	g.Version = stored.Version()
	set := stored.Setting()
	may, err := p.mayConfigure(ctx, at, set.Repositories(), stored.Maker())
	if err == nil && !may {
		g.Why = "Who administers every repository that this source feeds can route it."
	}
	return err
}

// tellQuotas answers with what an installation uses, and may use.
func (p *Pages) tellQuotas(w http.ResponseWriter, r *http.Request, at *place) {
	uses, err := p.cfg.Quotas(r.Context(), at.installation)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	handlers.JSON(w, http.StatusOK, struct {
		Quotas []quota.Use `json:"quotas"`
	}{append([]quota.Use{}, uses...)})
}

// sources serves the page of an installation: its sources, how they are doing, and what
// they brought that belongs nowhere yet.
func (p *Pages) sources(w http.ResponseWriter, r *http.Request, at *place) {
	v := sourcesView{frame: p.inside(r, at, "Sources"), At: at, MayConnect: at.may(needs.configure), Repositories: at.repositories(needs.configure)}
	list, err := p.sourcesOf(r, at)
	if err == nil {
		v.Held, v.MoreHeld, err = p.heldOf(r.Context(), at)
	}
	if err == nil && p.cfg.Quotas != nil && at.whole() {
		v.Quotas, err = p.cfg.Quotas(r.Context(), at.installation)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	for _, t := range list {
		v.Sources = append(v.Sources, sourceLine{t, sourcePath(at, t.ID), feed(t)})
	}
	p.write(w, r, http.StatusOK, p.sourcesPage, v)
}

// feed says where a source's feedback goes.
func feed(t sourceTold) (list []string) {
	for _, slug := range slices.Sorted(maps.Keys(t.Routes)) {
		list = append(list, slug+" → "+t.Routes[slug])
	}
	switch {
	case t.Repository != "" && len(list) > 0:
		list = append(list, "everything else → "+t.Repository)
	case t.Repository != "":
		list = append(list, "→ "+t.Repository)
	}
	const most = 5
	if n := len(list) - most; n > 0 {
		list = append(list[:most], fmt.Sprintf("and %d more", n))
	}
	return list
}

func sourcePath(at *place, id string) string {
	return installationPath(at.installation) + "/sources/" + id
}

// heldTold is what the API tells of what is held.
type heldTold struct {
	Source  string   `json:"source"`
	Project string   `json:"project"`
	Reports int      `json:"reports"`
	Titles  []string `json:"titles"`        // of some: foreign
	Why     string   `json:"why,omitempty"` // why it cannot be let in by who asks
}

// tellSources is the API's way to that.
func (p *Pages) tellSources(w http.ResponseWriter, r *http.Request, at *place) {
	answer := struct {
		Sources []sourceTold `json:"sources"`
		Held    []heldTold   `json:"held"`      // of the first that are held
		More    bool         `json:"more_held"` // there is more than was looked at
	}{Held: []heldTold{}}
	var err error
	var groups []heldGroup
	if answer.Sources, err = p.sourcesOf(r, at); err == nil {
		groups, answer.More, err = p.heldOf(r.Context(), at)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	for _, g := range groups {
		answer.Held = append(answer.Held, heldTold{g.Source, g.Project, g.Reports, append([]string{}, g.Titles...), g.Why})
	}
	handlers.JSON(w, http.StatusOK, answer)
}
