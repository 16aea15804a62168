package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/erasure"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/transfer"
	"github.com/soulcaster/soulcaster/handlers"
)

// dataView is what the page of an installation's data shows.
type dataView struct {
	frame
	At     *place
	All    bool // who looks administers all of it
	Under  []erasure.Status
	Person string // what was entered, if it was not taken
	Report string
}

// governs reports whether who asks administers every repository of the installation, those
// of which the app has nothing yet too: what is about all of it is for them alone.
func (p *Pages) governs(ctx context.Context, at *place) (bool, error) {
	if at.who.operator {
		return true, nil
	}
	if len(at.state.Covers) == 0 {
		return false, nil // nobody knows yet
	}
	for _, id := range at.state.Covers {
		if at.who.reach[at.installation].Repositories[id] < needs.configure {
			return false, nil
		}
	}
	names, err := p.projects.Projects(ctx, at.installation)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		space, err := p.projects.Open(ctx, name)
		var of project.Project
		if err == nil {
			of, _, err = project.Load(ctx, space)
		}
		switch {
		case errors.Is(err, storage.ErrNoSpace), errors.Is(err, project.ErrNoProject):
		case err != nil:
			return false, err
		case of.Gone: // GitHub shows it to nobody any more
		case !at.who.may(of, needs.configure):
			return false, nil
		}
	}
	return true, nil
}

// governing lets through who administers all of an installation.
func (p *Pages) governing(do func(w http.ResponseWriter, r *http.Request, at *place)) func(http.ResponseWriter, *http.Request, *place) {
	return func(w http.ResponseWriter, r *http.Request, at *place) {
		all, err := p.governs(r.Context(), at)
		switch {
		case err != nil:
			p.fail(w, r, err)
		case !all:
			p.refuse(w, r, http.StatusForbidden, "This is about the data of all repositories of the installation, and GitHub does not say that you administer every one of them.")
		default:
			do(w, r, at)
		}
	}
}

// data serves the page from which all that an installation has can be downloaded, and
// somebody's feedback erased.
func (p *Pages) data(w http.ResponseWriter, r *http.Request, at *place) {
	p.showData(w, r, at, http.StatusOK, dataView{})
}

func (p *Pages) showData(w http.ResponseWriter, r *http.Request, at *place, status int, v dataView) {
	problem := v.Problem
	v.frame, v.At = p.inside(r, at, "Data", link{Text: "Data"}), at
	v.Problem = problem
	var err error
	if v.All, err = p.governs(r.Context(), at); err == nil {
		v.Under, err = erasure.List(r.Context(), at.home)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.write(w, r, status, p.dataPage, v)
}

// erase orders that somebody's feedback is erased, as a form says.
func (p *Pages) erase(w http.ResponseWriter, r *http.Request, at *place) {
	person, report := r.PostFormValue("person"), r.PostFormValue("report")
	_, err := p.cfg.Eraser.Order(r.Context(), at.home, person, report, at.who.name(), handlers.RequestID(r.Context()))
	switch {
	case errors.Is(err, erasure.ErrNobody), errors.Is(err, erasure.ErrMany):
		p.showData(w, r, at, http.StatusUnprocessableEntity, dataView{frame: frame{Problem: spoken(err)}, Person: person, Report: report})
	case err != nil:
		p.fail(w, r, err)
	default:
		http.Redirect(w, r, installationPath(at.installation)+"/data?done=erase", http.StatusSeeOther)
	}
}

// erasures is the API's way to see what is being erased.
func (p *Pages) erasures(w http.ResponseWriter, r *http.Request, at *place) {
	under, err := erasure.List(r.Context(), at.home)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	handlers.JSON(w, http.StatusOK, map[string]any{"erasures": append([]erasure.Status{}, under...)})
}

// eraseTold is the API's way to order it.
func (p *Pages) eraseTold(w http.ResponseWriter, r *http.Request, at *place) {
	var wanted struct {
		Person string `json:"person"`
		Report string `json:"report"`
	}
	if !decode(w, r, &wanted) {
		return
	}
	id, err := p.cfg.Eraser.Order(r.Context(), at.home, wanted.Person, wanted.Report, at.who.name(), handlers.RequestID(r.Context()))
	switch {
	case errors.Is(err, erasure.ErrNobody):
		handlers.Error(w, r, http.StatusUnprocessableEntity, spoken(err))
	case errors.Is(err, erasure.ErrMany):
		handlers.RetryAfter(w, time.Minute)
		handlers.Error(w, r, http.StatusTooManyRequests, spoken(err))
	case err != nil:
		p.fail(w, r, err)
	default:
		handlers.JSON(w, http.StatusAccepted, map[string]string{"id": id})
	}
}

const (
	// maxExports is how many downloads may be under way, and how many of one installation:
	// each reads its whole store.
	maxExports, maxExportsEach = 8, 1
	// exportStall is how long a download may stand still, because who asked does not read,
	// and exportWithin how long it may take in all.
	exportStall  = 30 * time.Second
	exportWithin = time.Hour
)

// export serves all that an installation has, line by line. It is a form's, because it is
// noted.
func (p *Pages) export(w http.ResponseWriter, r *http.Request, at *place) {
	leave, ok := p.exporting.take(at.installation)
	if !ok {
		handlers.RetryAfter(w, time.Minute)
		p.refuse(w, r, http.StatusTooManyRequests, "A download of this installation is under way, or too many of others are. Nothing was begun: come again in a minute.")
		return
	}
	defer leave()
	var b storage.Batch
	err := p.actions.Note(&b, action.Action{
		Key: "export", Kind: "export", Subject: "data", By: at.who.name(), Why: "all data was downloaded", RequestID: handlers.RequestID(r.Context()),
	})
	if err == nil {
		err = at.home.Apply(r.Context(), &b)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="soulcaster-%d.jsonl"`, at.installation))
	out := http.NewResponseController(w)
	on := func(int) error { return out.SetWriteDeadline(time.Now().Add(p.stall)) }
	if err := on(0); err != nil && !errors.Is(err, http.ErrNotSupported) {
		p.fail(w, r, err)
		return
	}
	err = transfer.Export(r.Context(), p.projects, at.installation, w, transfer.Options{Now: p.now(), Progress: func(n int) error {
		if err := on(n); !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		return nil
	}, Without: func(of project.Project) bool {
		// GitHub shows it to nobody any more, so nobody can be asked who might read it.
		return of.Gone && !at.who.operator && !at.who.reach[at.installation].Owner
	}})
	if err != nil {
		// The last line is missing, and so is the end of the answer: nobody takes it for whole.
		zerolog.Ctx(r.Context()).Warn().Err(err).Int64("installation", at.installation).Msg("a download of all data was cut short")
		panic(http.ErrAbortHandler)
	}
}

// exportTold is the API's way to that.
func (p *Pages) exportTold(w http.ResponseWriter, r *http.Request, at *place) {
	if decode(w, r, &struct{}{}) {
		p.export(w, r, at)
	}
}

// spoken is an error as a page says it.
func spoken(err error) string {
	text := err.Error()
	return string(text[0]-'a'+'A') + text[1:] + "."
}
