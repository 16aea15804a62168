package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"

	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/handlers"
)

// importView is what the page of an import shows.
type importView struct {
	frame
	Import   toldImport
	Project  project.Project
	Step     string // what goes on
	Going    bool
	Ready    bool
	Sentence string // what the result is, in one
	Budget   int    // issues a day
	IsLive   bool   // the project is
	Fates    []fateView
	More     int // clusters that are not listed
}

type fateView struct {
	Tone, Text string
	N          int
}

var steps = map[backfill.State]string{
	backfill.Receiving: "The file is being stored.",
	backfill.Fetching:  "It is being read.",
	backfill.Storing:   "What was read is taken in, for the preview.",
	backfill.Grouping:  "Reports are grouped with those that describe the same problem, for the preview.",
	backfill.Judging:   "It is worked out which problems would get an issue.",
	backfill.Summing:   "The result is being put together.",
	backfill.Ready:     "Nothing was changed so far.",
	backfill.Importing: "It is being imported.",
	backfill.Done:      "It was imported. What came in is grouped now, like whatever arrives.",
	backfill.Dropped:   "It was dropped. What was read is deleted.",
	backfill.Expired:   "Nobody imported it within a week. What was read is deleted.",
	backfill.Failed:    "It came to nothing.",
}

// fateNames are the words for what becomes of a problem, in the order in which people
// are told.
var fateNames = []struct {
	fate            backfill.Fate
	tone, one, many string
}{
	{backfill.WouldFile, "good", "gets an issue", "get an issue"},
	{backfill.HasIssue, "good", "joins an issue", "join an issue"},
	{backfill.WouldHold, "hold", "waits for more", "wait for more"},
	{backfill.Ignore, "hold", "is left alone", "are left alone"},
	{backfill.IsMuted, "hold", "is muted", "are muted"},
	{backfill.IsBlocked, "bad", "is blocked", "are blocked"},
}

func fateName(f backfill.Fate) fateView {
	for _, name := range fateNames {
		if name.fate == f {
			return fateView{name.tone, name.one, 1}
		}
	}
	return fateView{"hold", string(f), 1}
}

// showImport serves the page of one import.
func (p *Pages) showImport(w http.ResponseWriter, r *http.Request, at *place) {
	t, err := p.toldResult(r.Context(), at, r.PathValue("import"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	pol := p.projects.Policy(at.project)
	v := importView{
		frame:  p.inside(r, at, "Imports", link{Text: "Imports", Href: projectPath(at.project) + "/imports"}, link{Text: t.Name}),
		Import: t, Project: at.project, Step: steps[t.State], Ready: t.State == backfill.Ready,
		Budget: pol.Budget.Issues, IsLive: pol.Mode == policy.Live,
	}
	if v.Going = !v.Ready && !t.State.Ended(); v.Going {
		v.Live = api + importPath(at, t.ID) + "/events"
	}
	if res := t.Result; res != nil {
		v.Sentence = sentence(res, t.State == backfill.Ready)
		v.More = res.Clusters - len(res.Rows)
		for _, name := range fateNames {
			if n := res.Fates[name.fate]; n > 0 {
				text := name.many
				if n == 1 {
					text = name.one
				}
				v.Fates = append(v.Fates, fateView{name.tone, text, n})
			}
		}
	}
	p.write(w, r, http.StatusOK, p.importPage, v)
}

// sentence says what a result amounts to.
func sentence(r *backfill.Result, would bool) string {
	verb := "are"
	if would {
		verb = "would be"
	}
	s := fmt.Sprintf("These %s %s %s: %s", plural(r.Reports, "report", "reports"), verb, plural(r.Clusters, "problem", "problems"), plural(r.New, "new", "new"))
	if old := r.Clusters - r.New; old > 0 {
		s += ", " + plural(old, "that is known", "that are known")
	}
	s += "."
	if r.Known > 0 {
		s += " " + plural(r.Known, "report is", "reports are") + " known already."
	}
	if r.Nowhere > 0 {
		s += " " + plural(r.Nowhere, "report", "reports") + " cannot be grouped now, and would wait."
	}
	return s
}

// tellImport is the API's way to it.
func (p *Pages) tellImport(w http.ResponseWriter, r *http.Request, at *place) {
	t, err := p.toldResult(r.Context(), at, r.PathValue("import"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	handlers.JSON(w, http.StatusOK, t)
}

// importEvents tells of an import as it goes on.
func (p *Pages) importEvents(w http.ResponseWriter, r *http.Request, at *place) {
	id := r.PathValue("import")
	p.events(w, r, at, needs.configure, func(ctx context.Context) (any, bool, error) {
		i, err := backfill.Get(ctx, at.space, id)
		if err != nil {
			return nil, false, noImport(err)
		}
		t, err := p.toldImport(ctx, at, i)
		return t, i.State.Ended() || i.State == backfill.Ready, err
	})
}

type importOrder func(r *http.Request, at *place, id string) (backfill.Import, string, error)

func (p *Pages) agreeImport(r *http.Request, at *place, id string) (backfill.Import, string, error) {
	i, err := p.cfg.Imports.Agree(r.Context(), at.space, id, importBy(r, at))
	return i, "agreed", err
}

func (p *Pages) importAgain(r *http.Request, at *place, id string) (backfill.Import, string, error) {
	i, err := p.cfg.Imports.Again(r.Context(), at.space, id, importBy(r, at))
	return i, "", err
}

func (p *Pages) dropImport(r *http.Request, at *place, id string) (backfill.Import, string, error) {
	i, err := p.cfg.Imports.Drop(r.Context(), at.space, id, importBy(r, at))
	return i, "", err
}

// importForm carries out what a button says.
func (p *Pages) importForm(order importOrder) func(http.ResponseWriter, *http.Request, *place) {
	return func(w http.ResponseWriter, r *http.Request, at *place) {
		id := r.PathValue("import")
		_, word, err := order(r, at, id)
		var wrong *backfill.StateError
		switch {
		case errors.As(err, &wrong): // it got on meanwhile: the page shows how far
		case err != nil:
			p.fail(w, r, noImport(err))
			return
		}
		to := importPath(at, id)
		if word != "" && err == nil {
			to += "?done=" + word
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}

// importTold is the API's way to that.
func (p *Pages) importTold(order importOrder) func(http.ResponseWriter, *http.Request, *place) {
	return func(w http.ResponseWriter, r *http.Request, at *place) {
		if !decode(w, r, &struct{}{}) {
			return
		}
		i, _, err := order(r, at, r.PathValue("import"))
		var wrong *backfill.StateError
		switch {
		case errors.As(err, &wrong):
			handlers.Error(w, r, http.StatusConflict, wrong.Error()+"; nothing was changed")
		case err != nil:
			p.fail(w, r, noImport(err))
		default:
			p.answerImport(w, r, at, http.StatusOK, i)
		}
	}
}

// importFunctions are what the templates of imports may call.
func importFunctions(at template.FuncMap) template.FuncMap {
	at["fate"] = fateName
	at["stateTone"] = func(s backfill.State) string {
		switch {
		case s == backfill.Done, s == backfill.Ready:
			return "good"
		case s == backfill.Failed:
			return "bad"
		}
		return "hold"
	}
	return at
}
