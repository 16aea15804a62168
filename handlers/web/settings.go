package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/upkeep"
	"github.com/soulcaster/soulcaster/engine/work"
	"github.com/soulcaster/soulcaster/handlers"
)

// settingsView is what the page of a project's settings shows.
type settingsView struct {
	frame
	settings
	At      *place
	Project project.Project
	File    string // where the repository's own file is
	FileURL string // where it is on GitHub, "" if it says nothing there
	MayLive bool   // who looks may choose the mode
	Fixed   string // who says what the mode is, if choosing would change nothing
}

// settings is what the API tells of them.
type settings struct {
	Mode        policy.Mode `json:"mode"`
	ChosenBy    string      `json:"chosen_by,omitempty"` // the mode, on a page
	Unavailable string      `json:"unavailable,omitempty"`
	FileError   string      `json:"file_error,omitempty"`
	Settings    []setting   `json:"settings"`
}

type setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	From  string `json:"from"`
}

func (p *Pages) settingsOf(at *place) settings {
	known := at.project
	s := settings{Mode: p.projects.Policy(known).Mode, ChosenBy: known.ChosenBy, Unavailable: known.Unavailable, FileError: known.FileError}
	for _, e := range p.projects.Explain(known) {
		if e.From == "" {
			e.From = "default"
		}
		s.Settings = append(s.Settings, setting{e.Key, e.Value, e.From})
	}
	return s
}

// settings serves what the repository's file says, what is in force, and why.
func (p *Pages) settings(w http.ResponseWriter, r *http.Request, at *place) {
	v := settingsView{frame: p.inside(r, at, "Settings", link{Text: "Settings"}), settings: p.settingsOf(at), At: at, Project: at.project,
		File: upkeep.PolicyPath, MayLive: at.may(needs.configure) && !p.cfg.Preview}
	says := v.FileError != "" || slices.ContainsFunc(v.Settings, func(s setting) bool { return s.From == "the repository's file" })
	if s := p.cfg.SignIn; s != nil && says && at.project.DefaultBranch != "" {
		v.FileURL = s.WebURL + "/" + at.project.Repo.String() + "/blob/" + strings.ReplaceAll(url.PathEscape(at.project.DefaultBranch), "%2F", "/") + "/" + upkeep.PolicyPath
	}
	if at.project.File.Mode != nil {
		v.Fixed = "The repository's file"
	}
	p.write(w, r, http.StatusOK, p.settingsPage, v)
}

// tellSettings is the API's way to that.
func (p *Pages) tellSettings(w http.ResponseWriter, r *http.Request, at *place) {
	handlers.JSON(w, http.StatusOK, p.settingsOf(at))
}

// choose sets a project live, or back to its preview, as a form says.
func (p *Pages) choose(w http.ResponseWriter, r *http.Request, at *place) {
	mode := policy.Mode(r.PostFormValue("mode"))
	err := p.chooseMode(r.Context(), at, mode)
	switch {
	case errors.Is(err, errNoMode):
		p.refuse(w, r, http.StatusBadRequest, err.Error())
	case err != nil:
		p.fail(w, r, err)
	default:
		http.Redirect(w, r, projectPath(at.project)+"/settings?done="+string(mode), http.StatusSeeOther)
	}
}

// chooseSettings is the API's way to that.
func (p *Pages) chooseSettings(w http.ResponseWriter, r *http.Request, at *place) {
	var wanted struct {
		Mode policy.Mode `json:"mode"`
	}
	if !decode(w, r, &wanted) {
		return
	}
	err := p.chooseMode(r.Context(), at, wanted.Mode)
	switch {
	case errors.Is(err, errNoMode):
		handlers.Error(w, r, http.StatusBadRequest, err.Error())
		return
	case err != nil:
		p.fail(w, r, err)
		return
	}
	if at.project, _, err = project.Load(r.Context(), at.space); err != nil {
		p.fail(w, r, err)
		return
	}
	p.tellSettings(w, r, at)
}

var errNoMode = errors.New("the mode is live or preview: nothing was changed")

// chooseMode remembers what was chosen. The work of the repository brings the issues in
// line with it.
func (p *Pages) chooseMode(ctx context.Context, at *place, mode policy.Mode) error {
	if mode != policy.Live && mode != policy.Preview {
		return errNoMode
	}
	return again(func() error {
		known, entry, err := project.Load(ctx, at.space)
		if err != nil {
			return err
		}
		known.Chosen.Mode, known.ChosenBy, known.ChosenAt = &mode, at.who.name(), p.now().UTC()
		var b storage.Batch
		project.Save(&b, entry, known)
		work.Add(&b, upkeep.RepositoryWork)
		err = p.actions.Note(&b, action.Action{
			Key: "mode", Kind: "mode", Subject: "settings", By: at.who.name(), Why: string(mode), RequestID: handlers.RequestID(ctx),
		})
		if err == nil {
			err = at.space.Apply(ctx, &b)
		}
		if err == nil {
			p.wake(at.space.Name())
		}
		return err
	})
}

// again does what others may do at the same time, a few times.
func again(try func() error) (err error) {
	for range 10 {
		if err = try(); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return err
}
