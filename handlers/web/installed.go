package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/upkeep"
	"github.com/soulcaster/soulcaster/engine/work"
)

// InstalledReturn is where GitHub sends the browser to once the App was installed.
const InstalledReturn = "/installed"

// installedView is what is told of an installation to who has made it.
type installedView struct {
	frame
	Account      string
	Installation int64
	Repositories int
	Sources      string // the page of its sources, "" if whoever looks may not connect one
}

// installed serves what is next after an installation. The number in the address is
// anybody's to write: it counts for those alone of whom GitHub says that they may see
// that installation.
func (p *Pages) installed(w http.ResponseWriter, r *http.Request) {
	if s := p.cfg.SignIn; s != nil { // what was known a moment ago was before it
		if found, err := s.Sessions.Find(r.Context(), s.brought(r, sessionCookie)); err == nil {
			s.Access.forget(found.Who.ID)
		}
	}
	p.guard(func(w http.ResponseWriter, r *http.Request, who *viewer) {
		id, err := strconv.ParseInt(r.URL.Query().Get("installation_id"), 10, 64)
		reach, may := who.reach[id]
		if err != nil || !may {
			p.notice(w, r, http.StatusNotFound, "GitHub does not say that you may see this installation. If somebody has to approve it first, you will see it after that.")
			return
		}
		if err := p.welcome(r.Context(), id); err != nil {
			p.broken(w, r, err)
			return
		}
		v := installedView{frame: p.frame(r, who), Account: reach.Account, Installation: id, Repositories: len(reach.Repositories)}
		if p.cfg.Sources != nil && who.administers(id) {
			v.Sources = installationPath(id)
		}
		p.write(w, r, http.StatusOK, p.installedPage, v)
	})(w, r)
}

// welcome makes the space of an installation, of which GitHub's delivery may not have come
// yet.
func (p *Pages) welcome(ctx context.Context, id int64) error {
	if _, err := p.projects.Space(ctx, id); !errors.Is(err, storage.ErrNoSpace) {
		return err
	}
	home, err := p.projects.Install(ctx, id)
	if err != nil {
		return err
	}
	var b storage.Batch
	work.Add(&b, upkeep.InstallationWork)
	if err := home.Apply(ctx, &b); err != nil {
		return err
	}
	p.wake(home.Name())
	return nil
}
