package web

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// place is what a request is about, and who asks.
type place struct {
	who          *viewer
	installation int64
	home         storage.Space             // of the installation
	state        project.InstallationState // what is remembered of it
	project      project.Project           // zero unless the request is about a project
	space        storage.Space             // of the project

	// all says whether who asks administers all of the installation, once it was asked.
	all func() bool

	// narrow says whether who asks may see what is meant of the place, where not all who
	// see the place may; nil if they may. A stream asks it again and again.
	narrow func(ctx context.Context, now *place) (bool, error)
}

// may reports whether who asks may do as much here as a permission says: in the project
// or, where there is none, in some repository of the installation: what is about all of it
// asks [place.whole] besides.
func (at *place) may(what github.Permission) bool {
	switch {
	case at.space != nil:
		return at.who.may(at.project, what)
	case what > github.Read:
		return at.who.administers(at.installation)
	}
	return true // or they would not be here
}

// at finds the installation that the address names. Whoever may see nothing of it is
// told what they would be told if it were not there.
func (p *Pages) at(ctx context.Context, who *viewer, installation string) (*place, error) {
	id, err := strconv.ParseInt(installation, 10, 64)
	if err != nil || id <= 0 || len(who.installations([]int64{id})) == 0 {
		return nil, storage.ErrNoSpace
	}
	at := &place{who: who, installation: id}
	if at.home, err = p.projects.Space(ctx, id); err != nil {
		return nil, err
	}
	at.all = sync.OnceValue(func() bool {
		all, err := p.governs(ctx, at)
		if err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Int64("installation", id).Msg("it is not known whether somebody administers all of an installation")
		}
		return err == nil && all
	})
	at.state, _, err = project.LoadInstallation(ctx, at.home)
	at.state.Account = cmp.Or(at.state.Account, p.ownerOf(id))
	return at, err
}

// ownerOf is the account whose repositories the server's file feeds: where GitHub is not
// asked, all that is known of an installation.
func (p *Pages) ownerOf(installation int64) string {
	if p.cfg.Sources == nil {
		return ""
	}
	for _, s := range p.cfg.Sources.Fixed(installation) {
		for _, name := range append(slices.Sorted(maps.Values(s.Routes)), s.Repository) {
			if owner, _, ok := strings.Cut(name, "/"); ok {
				return owner
			}
		}
	}
	return ""
}

// atProject finds the project that the address names.
func (p *Pages) atProject(ctx context.Context, who *viewer, installation, id string) (*place, error) {
	home, err := p.at(ctx, who, installation)
	if err != nil {
		return nil, err
	}
	return p.inHome(ctx, home, id)
}

// inHome finds a project of an installation.
func (p *Pages) inHome(ctx context.Context, home *place, id string) (*place, error) {
	at := *home
	var err error
	if at.space, err = p.projects.Open(ctx, project.Space(at.installation, id)); err != nil {
		return nil, err
	}
	if at.project, _, err = project.Load(ctx, at.space); err != nil {
		return nil, err
	}
	if !at.may(github.Read) {
		return nil, project.ErrNoProject
	}
	return &at, nil
}

// inProject serves what is about the project in the address to whoever may do as much in
// it as a permission says: who may not see it is told that it is not there, who may see
// it that more is needed.
func (p *Pages) inProject(need github.Permission, do func(w http.ResponseWriter, r *http.Request, at *place)) http.Handler {
	return p.guard(func(w http.ResponseWriter, r *http.Request, who *viewer) {
		at, err := p.atProject(r.Context(), who, r.PathValue("installation"), r.PathValue("project"))
		p.let(w, r, at, err, need, do)
	})
}

// inInstallation is inProject for what is about an installation as a whole.
func (p *Pages) inInstallation(need github.Permission, do func(w http.ResponseWriter, r *http.Request, at *place)) http.Handler {
	return p.guard(func(w http.ResponseWriter, r *http.Request, who *viewer) {
		at, err := p.at(r.Context(), who, r.PathValue("installation"))
		p.let(w, r, at, err, need, do)
	})
}

func (p *Pages) let(w http.ResponseWriter, r *http.Request, at *place, err error, need github.Permission, do func(http.ResponseWriter, *http.Request, *place)) {
	switch {
	case absent(err):
		p.nothing(w, r)
	case err != nil:
		p.broken(w, r, err)
	case !at.may(need):
		p.refuse(w, r, http.StatusForbidden, "This needs "+need.String()+" permission on "+cmp.Or(at.project.Repo.Name, "a repository of this installation")+", and GitHub says that you do not have it.")
	default:
		do(w, r, at)
	}
}

// absent reports whether an error says that what an address names is not there.
func absent(err error) bool {
	return errors.Is(err, storage.ErrNoSpace) || errors.Is(err, storage.ErrInvalid) || errors.Is(err, project.ErrNoProject) || errors.Is(err, errNone)
}

// errNone says that what an address names is not there.
var errNone = errors.New("there is nothing at this address")

// nothing says so: of what is another tenant's as of what never was.
func (p *Pages) nothing(w http.ResponseWriter, r *http.Request) {
	p.refuse(w, r, http.StatusNotFound, "There is nothing at this address, or nothing that you may see.")
}

// fail answers an error of what an address names.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	if absent(err) {
		p.nothing(w, r)
		return
	}
	p.broken(w, r, err)
}

// refuse says no: to a person on a page, to a program in JSON.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	if wantsPage(r) {
		p.notice(w, r, status, text)
		return
	}
	handlers.Error(w, r, status, text)
}

// wantsPage reports whether a browser asks, for its window.
func wantsPage(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Path, "/api/") && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// The addresses of pages.

func installationPath(id int64) string { return "/installations/" + strconv.FormatInt(id, 10) }

func projectPath(p project.Project) string {
	return "/projects/" + strings.TrimPrefix(project.Space(p.Installation, p.ID), "p/")
}

// Account is what an installation is called.
func (at *place) Account() string {
	return cmp.Or(at.state.Account, at.who.reach[at.installation].Account, "installation "+strconv.FormatInt(at.installation, 10))
}

// repositories are the names of those of the installation in which who asks may do as
// much as a permission says, as far as GitHub lists them: to the operator it lists none.
func (at *place) repositories(need github.Permission) (names []string) {
	reach := at.who.reach[at.installation]
	for id, may := range reach.Repositories {
		if may >= need {
			names = append(names, reach.Names[id])
		}
	}
	slices.Sort(names)
	return names
}
