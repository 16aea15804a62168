package web

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/reddit"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/handlers"
)

// registerLacking adds what is about asking sources from here.
func (p *Pages) registerLacking(in ways, installation string) {
	change := func(do func(http.ResponseWriter, *http.Request, *place)) http.Handler {
		return p.inInstallation(needs.configure, do)
	}
	one := installation + "/sources/{source}"
	in.form(one+"/api", change(p.setAPI))
	in.form(one+"/lacking", change(p.lackingForm(p.compareSource)))
	in.form(one+"/lacking/fetch", change(p.lackingForm(p.fetchLacking)))
	in.form(api+one+"/api", change(p.setAPITold))
	in.page(api+one+"/lacking", change(p.tellLacking))
	in.form(api+one+"/lacking", change(p.lackingTold(p.compareSource)))
	in.form(api+one+"/lacking/fetch", change(p.lackingTold(p.fetchLacking)))
}

// askedView is what the page of a source shows of its being asked from here.
type askedView struct {
	Organisation, Where string // of Sentry's API
	TokenMade           time.Time
	Lacking             backfill.Lacking
	Reddit              reddit.State
	Subreddits          []subredditView
}

type subredditView struct {
	Name    string    `json:"name"`
	Looked  time.Time `json:"looked,omitzero"`
	Trouble string    `json:"trouble,omitempty"`
}

// askedOf gathers that; nil where nothing is asked from here.
func (p *Pages) askedOf(ctx context.Context, at *place, stored source.Stored) (*askedView, error) {
	if p.cfg.Imports == nil {
		return nil, nil
	}
	v := &askedView{TokenMade: stored.APIMade}
	var err error
	switch {
	case stored.Kind == source.Sentry:
		if stored.API != nil {
			v.Organisation, v.Where = stored.API.Organisation, stored.API.URL
		}
		v.Lacking, err = backfill.LackingOf(ctx, at.home, stored.ID)
	case stored.Kind == source.Reddit && stored.Client != nil:
		v.Reddit, err = reddit.StateOf(ctx, at.home, stored.ID)
		for _, name := range stored.Subreddits {
			if s := v.Reddit.Of(name); s != nil {
				v.Subreddits = append(v.Subreddits, subredditView{name, s.Looked, s.Trouble})
			}
		}
	case stored.Kind == source.Reddit:
	default:
		return nil, nil
	}
	return v, err
}

// trouble is what holds up the asking, "" if nothing does.
func (v *askedView) trouble() string {
	if v == nil {
		return ""
	}
	text := cmp.Or(v.Lacking.Trouble, v.Reddit.Trouble)
	for _, s := range v.Subreddits {
		text = cmp.Or(text, s.Trouble)
	}
	return text
}

// asked is what a stream tells of it: that it changed.
func (v *askedView) asked() any {
	if v == nil {
		return nil
	}
	return struct {
		Busy     bool            `json:"busy"`
		Fetching bool            `json:"fetching"`
		Compared int             `json:"compared"`
		Lacking  int             `json:"lacking"`
		Fetched  int             `json:"fetched"`
		Trouble  string          `json:"trouble,omitempty"`
		Reading  []subredditView `json:"subreddits"`
	}{v.Lacking.Busy, v.Lacking.Fetch, v.Lacking.Compared, len(v.Lacking.Groups), v.Lacking.Fetched, v.Lacking.Trouble + v.Reddit.Trouble, append([]subredditView{}, v.Subreddits...)}
}

// setAPI gives a source of Sentry's a token for its API, or takes it away.
func (p *Pages) setAPI(w http.ResponseWriter, r *http.Request, at *place) {
	id := r.PathValue("source")
	a := source.API{URL: r.PostFormValue("url"), Organisation: r.PostFormValue("organisation"), Token: r.PostFormValue("token")}
	if r.PostFormValue("remove") != "" {
		a = source.API{}
	} else if a.Token == "" {
		p.changed(w, r, at, id, "", &source.FieldError{Field: "token", Message: "enter the token"})
		return
	}
	p.changed(w, r, at, id, "saved", p.newAPI(r, at, id, a))
}

func (p *Pages) newAPI(r *http.Request, at *place, id string, a source.API) error {
	was, err := p.changing(r, at, id, 0)
	if err != nil {
		return err
	}
	return p.cfg.Sources.SetAPI(r.Context(), was, a, at.by(r))
}

// setAPITold is the API's way to that.
func (p *Pages) setAPITold(w http.ResponseWriter, r *http.Request, at *place) {
	var wanted struct {
		URL          string `json:"url"` // empty: Sentry's own
		Organisation string `json:"organisation"`
		Token        string `json:"token"` // all empty: none any more
	}
	id := r.PathValue("source")
	if !p.wants(w, r, at, id, &wanted) {
		return
	}
	p.changedTold(w, r, at, p.newAPI(r, at, id, source.API(wanted)))
}

type lackingOrder func(r *http.Request, at *place, id string) error

// compareSource has a source compared with its Sentry.
func (p *Pages) compareSource(r *http.Request, at *place, id string) error {
	if err := p.asksSentry(r, at, id); err != nil {
		return err
	}
	return p.cfg.Imports.Compare(r.Context(), at.home, id, importBy(r, at))
}

// fetchLacking has fetched what it lacks.
func (p *Pages) fetchLacking(r *http.Request, at *place, id string) error {
	if err := p.asksSentry(r, at, id); err != nil {
		return err
	}
	return p.cfg.Imports.FetchLacking(r.Context(), at.home, id, importBy(r, at))
}

// asksSentry says whether who asks may have a source's Sentry asked.
func (p *Pages) asksSentry(r *http.Request, at *place, id string) error {
	stored, err := p.changing(r, at, id, 0)
	if err != nil {
		return err
	}
	if stored.API == nil {
		return &source.FieldError{Field: "token", Message: "there is no token for Sentry's API"}
	}
	return nil
}

// lackingForm carries out what a button says.
func (p *Pages) lackingForm(order lackingOrder) func(http.ResponseWriter, *http.Request, *place) {
	return func(w http.ResponseWriter, r *http.Request, at *place) {
		id := r.PathValue("source")
		p.changed(w, r, at, id, "asked", order(r, at, id))
	}
}

// lackingTold is the API's way to that.
func (p *Pages) lackingTold(order lackingOrder) func(http.ResponseWriter, *http.Request, *place) {
	return func(w http.ResponseWriter, r *http.Request, at *place) {
		if err := order(r, at, r.PathValue("source")); err != nil {
			p.notDone(w, r, err)
			return
		}
		p.tellLacking(w, r, at)
	}
}

// tellLacking tells what a source lacks.
func (p *Pages) tellLacking(w http.ResponseWriter, r *http.Request, at *place) {
	id := r.PathValue("source")
	if _, err := p.changing(r, at, id, 0); err != nil {
		p.notDone(w, r, err)
		return
	}
	l, err := backfill.LackingOf(r.Context(), at.home, id)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	handlers.JSON(w, http.StatusOK, toldLacking{
		l.Asked, l.Looked, l.By, l.Compared, l.Unrouted, l.More, append([]backfill.Group{}, l.Groups...), l.Trouble, l.Busy, l.Fetch, l.Fetched, l.Failed,
	})
}

// toldLacking is what the API tells of it.
type toldLacking struct {
	Asked    time.Time        `json:"asked,omitzero"`  // when somebody asked to compare
	Looked   time.Time        `json:"looked,omitzero"` // when that was done
	By       string           `json:"by,omitempty"`
	Compared int              `json:"compared"` // groups that Sentry has
	Unrouted int              `json:"unrouted"` // of them, of projects that no route names
	More     bool             `json:"more"`     // Sentry has more than are compared
	Groups   []backfill.Group `json:"groups"`   // that are lacking, the newest first
	Trouble  string           `json:"trouble,omitempty"`
	Busy     bool             `json:"busy"`
	Fetching bool             `json:"fetching"` // somebody wants them
	Fetched  int              `json:"fetched"`
	Failed   int              `json:"failed"`
}
