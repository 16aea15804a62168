package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"time"

	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/handlers"
)

// registerImports adds what is about imports.
func (p *Pages) registerImports(in ways, base string) {
	at := p.inProject
	in.page(base+"/imports", at(needs.configure, p.imports))
	in.file(base+"/imports", at(needs.configure, p.beginImport))
	in.page(base+"/imports/{import}", at(needs.configure, p.showImport))
	in.form(base+"/imports/{import}/agree", at(needs.configure, p.importForm(p.agreeImport)))
	in.form(base+"/imports/{import}/again", at(needs.configure, p.importForm(p.importAgain)))
	in.form(base+"/imports/{import}/drop", at(needs.configure, p.importForm(p.dropImport)))

	in.page(api+base+"/imports", at(needs.configure, p.tellImports))
	in.file(api+base+"/imports", at(needs.configure, p.beginTold))
	in.page(api+base+"/imports/{import}", at(needs.configure, p.tellImport))
	in.stream(api+base+"/imports/{import}/events", at(needs.configure, p.importEvents))
	in.form(api+base+"/imports/{import}/agree", at(needs.configure, p.importTold(p.agreeImport)))
	in.form(api+base+"/imports/{import}/again", at(needs.configure, p.importTold(p.importAgain)))
	in.form(api+base+"/imports/{import}/drop", at(needs.configure, p.importTold(p.dropImport)))
}

// toldImport is what the API tells of an import.
type toldImport struct {
	ID      string        `json:"id"`
	Page    string        `json:"page"` // its path
	Kind    backfill.Kind `json:"kind"`
	Source  string        `json:"source,omitempty"`
	Name    string        `json:"name"`
	By      string        `json:"by"`
	Agreed  string        `json:"agreed_by,omitempty"`
	Started time.Time     `json:"started"`
	Changed time.Time     `json:"changed"`
	Expires time.Time     `json:"expires"` // what was read is deleted then

	State   backfill.State `json:"state"`
	Trouble string         `json:"trouble,omitempty"` // what holds it up, or why it failed
	Done    int            `json:"done"`              // of the present step
	Of      int            `json:"of"`
	Behind  bool           `json:"behind"` // something arrived since: the result may be another now

	Read    int            `json:"read"`
	Cut     bool           `json:"cut"` // there was more
	Skipped []string       `json:"skipped"`
	Bad     int            `json:"bad"` // lines or elements that could not be read
	Lines   []backfill.Bad `json:"lines"`

	Accepted   int `json:"accepted"`
	Duplicates int `json:"duplicates"`

	Result *backfill.Result `json:"result,omitempty"`
}

func (p *Pages) toldImport(ctx context.Context, at *place, i backfill.Import) (toldImport, error) {
	t := toldImport{
		ID: i.ID, Page: importPath(at, i.ID), Kind: i.Kind, Source: i.Source, Name: i.Name, By: i.By, Agreed: i.Agreed,
		Started: i.Started, Changed: i.Changed, Expires: i.Expires, State: i.State, Trouble: i.Trouble, Done: i.Done, Of: i.Of,
		Read: i.Read, Cut: i.Cut, Skipped: append([]string{}, i.Skipped...), Bad: i.Bad, Lines: append([]backfill.Bad{}, i.Lines...), Accepted: i.Accepted, Duplicates: i.Duplicates,
	}
	if i.State == backfill.Ready {
		revision, err := cluster.Revision(ctx, at.space)
		if err != nil {
			return t, err
		}
		t.Behind = backfill.Behind(i, revision)
	}
	return t, nil
}

// toldResult is that with what the preview found.
func (p *Pages) toldResult(ctx context.Context, at *place, id string) (toldImport, error) {
	i, err := backfill.Get(ctx, at.space, id)
	if err != nil {
		return toldImport{}, noImport(err)
	}
	t, err := p.toldImport(ctx, at, i)
	if err == nil && (i.State == backfill.Ready || i.State == backfill.Importing || i.State == backfill.Done) {
		t.Result, err = backfill.ResultOf(ctx, at.space, id)
	}
	return t, err
}

// noImport is an error for an address: one that names no import names nothing.
func noImport(err error) error {
	if errors.Is(err, backfill.ErrNone) {
		return errNone
	}
	return err
}

func importPath(at *place, id string) string { return projectPath(at.project) + "/imports/" + id }

// importsView is what the page of a project's imports shows.
type importsView struct {
	frame
	Project project.Project
	Imports []toldImport
	Sources []askable
	MaxRows int
	MaxMB   int
}

// askable is a source that can be asked for what was before.
type askable struct {
	ID    string      `json:"id"`
	Label string      `json:"label"`
	Kind  source.Kind `json:"kind"`
}

// askables are the sources of the installation that feed the project and can be asked.
func (p *Pages) askables(ctx context.Context, at *place) ([]askable, error) {
	if p.cfg.Sources == nil {
		return nil, nil
	}
	list, err := p.cfg.Sources.List(ctx, at.installation)
	if err != nil {
		return nil, err
	}
	var all []askable
	for _, s := range list {
		if backfill.Asks(&s.Source, at.project) == nil {
			all = append(all, askable{s.ID, s.Label(), s.Kind})
		}
	}
	return all, nil
}

func (p *Pages) importsView(r *http.Request, at *place) (*importsView, error) {
	v := &importsView{frame: p.inside(r, at, "Imports", link{Text: "Imports"}), Project: at.project, MaxRows: backfill.MaxRows, MaxMB: backfill.MaxBytes >> 20}
	var err error
	if v.Imports, err = p.toldImports(r.Context(), at); err != nil {
		return nil, err
	}
	v.Sources, err = p.askables(r.Context(), at)
	return v, err
}

func (p *Pages) toldImports(ctx context.Context, at *place) ([]toldImport, error) {
	list, err := backfill.List(ctx, at.space)
	if err != nil {
		return nil, err
	}
	all := []toldImport{}
	for _, i := range list {
		t, err := p.toldImport(ctx, at, i)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// imports serves what was imported, and how to begin another.
func (p *Pages) imports(w http.ResponseWriter, r *http.Request, at *place) {
	v, err := p.importsView(r, at)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.write(w, r, http.StatusOK, p.importsPage, v)
}

// notBegun says on that page why an import was not begun.
func (p *Pages) notBegun(w http.ResponseWriter, r *http.Request, at *place, status int, why string) {
	if !wantsPage(r) {
		handlers.Error(w, r, status, why)
		return
	}
	v, err := p.importsView(r, at)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v.Problem = why
	p.write(w, r, status, p.importsPage, v)
}

// tellImports is the API's way to the list.
func (p *Pages) tellImports(w http.ResponseWriter, r *http.Request, at *place) {
	all, err := p.toldImports(r.Context(), at)
	var sources []askable
	if err == nil {
		sources, err = p.askables(r.Context(), at)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if sources == nil {
		sources = []askable{}
	}
	handlers.JSON(w, http.StatusOK, struct {
		Imports []toldImport `json:"imports"`
		Sources []askable    `json:"sources"` // that can be asked
	}{all, sources})
}

// beginFrom begins an import from a source. One that is not the installation's, or
// not connected on the pages, is not there.
func (p *Pages) beginFrom(r *http.Request, at *place, id string) (backfill.Import, error) {
	if _, owner, ok := source.Owner(id); p.cfg.Sources == nil || !ok || owner != at.installation {
		return backfill.Import{}, errNone
	}
	src, err := p.cfg.Sources.Source(r.Context(), id)
	if errors.Is(err, source.ErrNone) {
		return backfill.Import{}, errNone
	}
	if err != nil {
		return backfill.Import{}, err
	}
	return p.cfg.Imports.From(r.Context(), at.space, src, importBy(r, at))
}

func importBy(r *http.Request, at *place) backfill.By {
	return backfill.By{Who: at.who.name(), RequestID: handlers.RequestID(r.Context())}
}

// begun answers who began an import, or says why it was not.
func (p *Pages) begun(w http.ResponseWriter, r *http.Request, at *place, i backfill.Import, err error) {
	var limit *backfill.LimitError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		p.notBegun(w, r, at, http.StatusRequestEntityTooLarge, fmt.Sprintf("The file is larger than %d MB: split it. Nothing of it was kept.", backfill.MaxBytes>>20))
	case errors.As(err, &limit):
		p.notBegun(w, r, at, http.StatusBadRequest, "Nothing was begun: "+limit.Message+".")
	case errors.Is(err, errBusy):
		handlers.RetryAfter(w, 10*time.Second)
		p.notBegun(w, r, at, http.StatusTooManyRequests, "Other files are being read just now: send it again in a moment. Nothing of it was kept.")
	case errors.Is(err, errNoFile), errors.Is(err, errCut):
		p.notBegun(w, r, at, http.StatusBadRequest, "Nothing was begun: "+err.Error()+".")
	case err != nil:
		p.fail(w, r, err)
	case wantsPage(r):
		http.Redirect(w, r, importPath(at, i.ID), http.StatusSeeOther)
	default:
		w.Header().Set("Location", api+importPath(at, i.ID))
		p.answerImport(w, r, at, http.StatusCreated, i)
	}
}

func (p *Pages) answerImport(w http.ResponseWriter, r *http.Request, at *place, status int, i backfill.Import) {
	t, err := p.toldImport(r.Context(), at, i)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	handlers.JSON(w, status, t)
}

// beginImport begins one as a form says: from a source that it names, or from the file
// that comes with it.
func (p *Pages) beginImport(w http.ResponseWriter, r *http.Request, at *place) {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == "multipart/form-data" {
		p.uploadImport(w, r, at)
		return
	}
	id := r.PostFormValue("source")
	if id == "" {
		p.begun(w, r, at, backfill.Import{}, errNoFile)
		return
	}
	i, err := p.beginFrom(r, at, id)
	p.begun(w, r, at, i, err)
}

// beginTold is the API's way to that: JSON names a source, anything else is a file.
func (p *Pages) beginTold(w http.ResponseWriter, r *http.Request, at *place) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	ending, ok := map[string]string{"application/x-ndjson": ".jsonl", "application/jsonl": ".jsonl", "text/csv": ".csv"}[media]
	if ok {
		// The type says what it is, whatever its name is.
		i, err := p.understand(r, at, cmp.Or(r.URL.Query().Get("name"), "upload")+ending, r.Body)
		p.begun(w, r, at, i, err)
		return
	}
	var wanted struct {
		Source string `json:"source"`
	}
	if !decode(w, r, &wanted) {
		return
	}
	if wanted.Source == "" {
		handlers.Error(w, r, http.StatusBadRequest, "name a source, or send a file as application/x-ndjson or text/csv; nothing was begun")
		return
	}
	i, err := p.beginFrom(r, at, wanted.Source)
	p.begun(w, r, at, i, err)
}
