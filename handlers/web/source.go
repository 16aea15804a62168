package web

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/handlers"
)

// sourceView is what the page of one source shows.
type sourceView struct {
	frame
	sourceTold
	At           *place
	Path         string
	RouteList    []routeLine
	MayConfigure bool
	Repositories []string // that who looks administers
	Overlaps     []overlap
	MaxSecrets   int
	Key          string     // that was made a moment ago, and will never be shown again
	Curl         string     // a line that uses it
	Asked        *askedView // nil: it is not asked from here
}

type routeLine struct{ Project, Repository string }

// overlap is how long an older secret may go on.
type overlap struct {
	Value, Text string
	After       time.Duration
}

func overlaps() []overlap {
	names := map[time.Duration][2]string{
		0: {"0h", "end at once"}, time.Hour: {"1h", "end in an hour"},
		24 * time.Hour: {"24h", "end in a day"}, 7 * 24 * time.Hour: {"168h", "end in a week"},
	}
	var list []overlap
	for _, after := range source.Overlaps() {
		list = append(list, overlap{names[after][0], names[after][1], after})
	}
	return list
}

// findSource finds the source that the address names, if who asks may see it. stored is
// zero where the server's file names it.
func (p *Pages) findSource(r *http.Request, at *place, id string) (t sourceTold, stored source.Stored, err error) {
	ctx := r.Context()
	var src *source.Source
	if _, _, connected := source.Owner(id); connected {
		if stored, err = p.cfg.Sources.Get(ctx, at.installation, id); err == nil {
			src = &stored.Source
		}
	} else if src, err = p.cfg.Sources.Source(ctx, id); err == nil && src.Installation != at.installation {
		err = errNone
	}
	if err != nil {
		return t, stored, gone(err)
	}
	records, err := traffic.OfSource(ctx, at.home, id)
	if err != nil {
		return t, stored, err
	}
	t, ok := p.told(r, at, src, stored.Maker(), records[0])
	if !ok {
		return t, stored, errNone
	}
	if !t.Fixed {
		t.Version = stored.Version()
	}
	return t, stored, nil
}

// sourceView gathers what the page shows.
func (p *Pages) sourceView(r *http.Request, at *place, id string) (*sourceView, error) {
	t, stored, err := p.findSource(r, at, id)
	if err != nil {
		return nil, err
	}
	v := &sourceView{frame: p.inside(r, at, "Sources", link{Text: t.Name}), sourceTold: t, At: at, Path: sourcePath(at, id), Overlaps: overlaps(), MaxSecrets: source.MaxSecrets}
	v.Live = api + v.Path + "/events"
	for _, slug := range slices.Sorted(maps.Keys(t.Routes)) {
		v.RouteList = append(v.RouteList, routeLine{slug, t.Routes[slug]})
	}
	if t.Fixed {
		return v, nil
	}
	v.MadeBy, v.Made = stored.By, stored.Made
	set := stored.Setting()
	if v.MayConfigure, err = p.mayConfigure(r.Context(), at, set.Repositories(), stored.Maker()); err != nil || !v.MayConfigure {
		return v, err
	}
	v.Repositories, v.Secrets = at.repositories(needs.configure), stored.Keys
	if c := stored.Client; c != nil {
		v.Client = &clientTold{c.ID, stored.ClientMade}
	}
	if a := stored.API; a != nil {
		v.API = &sentryTold{a.Organisation, a.URL, stored.APIMade}
	}
	v.Asked, err = p.askedOf(r.Context(), at, stored)
	return v, err
}

// source serves the page of one source.
func (p *Pages) source(w http.ResponseWriter, r *http.Request, at *place) {
	v, err := p.sourceView(r, at, r.PathValue("source"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.write(w, r, http.StatusOK, p.sourcePage, v)
}

// tellSource is the API's way to that.
func (p *Pages) tellSource(w http.ResponseWriter, r *http.Request, at *place) {
	v, err := p.sourceView(r, at, r.PathValue("source"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	handlers.JSON(w, http.StatusOK, v.sourceTold)
}

// sourceEvents is a stream of how a source is doing.
func (p *Pages) sourceEvents(w http.ResponseWriter, r *http.Request, at *place) {
	id := r.PathValue("source")
	type seenNow struct {
		sourceHealth
		Asked any `json:"asked,omitempty"` // how far it is asked from here
	}
	seen := func(ctx context.Context, at *place) (now seenNow, err error) {
		t, stored, err := p.findSource(r.WithContext(ctx), at, id)
		if err != nil {
			return now, err
		}
		asked, err := p.askedOf(ctx, at, stored)
		return seenNow{t.sourceHealth, asked.asked()}, err
	}
	at.narrow = func(ctx context.Context, now *place) (bool, error) {
		_, err := seen(ctx, now)
		if absent(err) {
			return false, nil
		}
		return err == nil, err
	}
	p.events(w, r, at, needs.see, func(ctx context.Context) (any, bool, error) {
		now, err := seen(ctx, at)
		return now, false, err
	})
}

// newSourceView is what the page shows on which a source is connected.
type newSourceView struct {
	frame
	At           *place
	Kind         source.Kind // "" while none is chosen
	Kinds        []sourceKind
	Set          source.Setting // as it was entered
	Subreddits   string
	Repositories []string
	Wrong        *source.FieldError
}

type sourceKind struct {
	Kind       source.Kind
	Name, Text string
}

func sourceKinds() []sourceKind {
	return []sourceKind{
		{source.Sentry, "Sentry", "Errors, as an internal integration of Sentry's sends them"},
		{source.Reddit, "Reddit", "Posts and comments of subreddits, with an OAuth client of your own, or pushed by a tool of yours"},
		{source.Feedback, "API", "Reports of any program: a form, a help desk, a script"},
	}
}

func sourceKindName(kind source.Kind) string {
	for _, k := range sourceKinds() {
		if k.Kind == kind {
			return k.Name
		}
	}
	return string(kind)
}

func (p *Pages) newSourceView(r *http.Request, at *place, kind source.Kind) newSourceView {
	v := newSourceView{frame: p.inside(r, at, "Sources", link{Text: "Connect a source"}), At: at, Kinds: sourceKinds(), Repositories: at.repositories(needs.configure)}
	for _, k := range v.Kinds {
		if k.Kind == kind {
			v.Kind, v.Set.Name = kind, k.Name
		}
	}
	return v
}

// newSource serves the page on which a source is connected.
func (p *Pages) newSource(w http.ResponseWriter, r *http.Request, at *place) {
	p.write(w, r, http.StatusOK, p.newSourcePage, p.newSourceView(r, at, source.Kind(r.URL.Query().Get("kind"))))
}

// asField is err if it says which field of a form is wrong.
func asField(err error) *source.FieldError {
	var wrong *source.FieldError
	errors.As(err, &wrong)
	return wrong
}
