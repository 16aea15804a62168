package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/soulcaster/soulcaster/engine/backfill"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/handlers"
)

const (
	// uploadWithin bounds how long a file is read and understood.
	uploadWithin = 45 * time.Second
	// maxUpload is what a request with a file may hold: a little more than the file, so
	// that it is the file that is too large and not the request.
	maxUpload = backfill.MaxBytes + 256<<10
	// maxUploads is how many files are understood at once.
	maxUploads = 2
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

// file is form for what may carry a file.
func (in ways) file(path string, h http.Handler) {
	in.router.Handle(http.MethodPost, path, in.own.Handler(within(uploadWithin, http.MaxBytesHandler(h, maxUpload))))
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

var (
	errBusy   = errors.New("too many files at once")
	errNoFile = errors.New("no file came with the form: choose one")
	errCut    = errors.New("the file did not arrive as a whole: send it again")
)

// understand begins an import of a file. Few are read at a time: each takes some memory.
func (p *Pages) understand(r *http.Request, at *place, name string, file io.Reader) (backfill.Import, error) {
	select {
	case p.uploading <- struct{}{}:
		defer func() { <-p.uploading }()
	default:
		return backfill.Import{}, errBusy
	}
	body := &watchedBody{Reader: file}
	i, err := p.cfg.Imports.FromFile(r.Context(), at.space, name, body, importBy(r, at))
	if err != nil && body.err != nil { // it is the request that failed, not what is in it
		return i, cmp.Or(large(body.err), errCut)
	}
	return i, err
}

// watchedBody remembers why it could not be read.
type watchedBody struct {
	io.Reader
	err error
}

func (b *watchedBody) Read(data []byte) (int, error) {
	n, err := b.Reader.Read(data)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// uploadImport takes a file that a form sends.
func (p *Pages) uploadImport(w http.ResponseWriter, r *http.Request, at *place) {
	parts, err := r.MultipartReader()
	if err != nil {
		p.begun(w, r, at, backfill.Import{}, errNoFile)
		return
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) || err == nil && part.FormName() == "file" && part.FileName() == "" {
			err = errNoFile
		}
		if err != nil {
			p.begun(w, r, at, backfill.Import{}, cmp.Or(large(err), error(errNoFile)))
			return
		}
		if part.FormName() != "file" {
			continue
		}
		i, err := p.understand(r, at, part.FileName(), part)
		p.begun(w, r, at, i, err)
		return
	}
}

// large is an error that says that a request is too large; nil if it is another.
func large(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return large
	}
	return nil
}

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
	{backfill.HasIssue, "good", "has an issue already", "have an issue already"},
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
	s := fmt.Sprintf("These %s %s %s: %s", plural(r.Reports, "report", "reports"), verb, plural(r.Clusters, "problem", "problems"), count(r.New, "new", "new"))
	if old := r.Clusters - r.New; old > 0 {
		s += ", " + count(old, "that is known", "that are known")
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

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
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
	i, err := p.cfg.Imports.Again(r.Context(), at.space, id)
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
