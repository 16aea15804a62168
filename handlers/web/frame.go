package web

import (
	"html/template"
	"net/http"
	"time"

	"github.com/soulcaster/soulcaster/engine/github"
)

// frame is what every page has around what it says. It is embedded in what a page shows.
type frame struct {
	Viewer        string // who is signed in, "" if nobody is
	Preview, Demo bool
	Now           time.Time
	Trail         []link // from the overview to here
	Tabs          []tab
	TabsOf        string // what the tabs are of
	Live          string // a stream of the API that says when the page is old, "" if there is none
	Done          string // what was done a moment ago
	Problem       string // why something was not done
	Suspended     bool   // the installation that the page is about is
}

// link leads to another page; without an address it is this one.
type link struct{ Text, Href string }

// tab leads to a page beside this one.
type tab struct {
	Text, Href, Note string
	Here             bool
}

// frame begins a page for who looks at it. What a form did a moment ago is said by a
// word in the address, of those that [done] knows.
func (p *Pages) frame(r *http.Request, who *viewer) frame {
	return frame{
		Viewer: who.who.Login, Preview: p.cfg.Preview, Demo: p.cfg.Demo, Now: p.now().UTC(),
		Done: done[r.URL.Query().Get("done")],
	}
}

// done is what a page says after something was done, by the word in its address.
var done = map[string]string{
	"live":    "The project is live: what is eligible is filed from now on, within the day's budget.",
	"preview": "The project is in preview: nothing more is written to GitHub.",
	"revoked": "The key opens nothing any more.",
	"retry":   "It is tried again.",
	"erase":   "It is being erased. What is made of it is worked out anew within moments.",

	"connected": "The source is connected. What is next stands below.",
	"saved":     "It is saved.",
	"secret":    "The secret is kept, sealed. What is signed with it is taken in from now on.",
	"ended":     "The secret is good for nothing any more.",
	"removed":   "The source is removed. What it brought to a repository stays there.",
	"routed":    "The route is set: what was held of it is let in within moments.",

	"agreed": "It is being imported.",
	"asked":  "Sentry is asked. What comes of it is shown here.",

	"ordered":  "It was ordered. What comes of it is shown here.",
	"answered": "The answer is below.",
}

// section is a page of a project or an installation that a tab leads to.
type section struct {
	text, below string
	need        github.Permission
	whole       bool // it is about all of an installation
}

// projectTabs and installationTabs are those pages, in the order of the tabs.
var (
	projectTabs = []section{
		{"Problems", "", needs.see, false},
		{"Runs", "/runs", needs.see, false},
		{"Work", "/work", needs.see, false},
		{"Audit", "/audit", needs.see, false},
		{"Imports", "/imports", needs.configure, false},
		{"Settings", "/settings", needs.see, false},
	}
	installationTabs = []section{
		{"Sources", "", needs.see, false},
		{"Keys", "/keys", needs.configure, false},
		{"Data", "/data", needs.configure, true},
		{"Work", "/work", needs.configure, true},
		{"Audit", "/audit", needs.configure, true},
	}
)

// inside begins the page at a place, which the tab of that name leads to; below are the
// links from there to the page.
func (p *Pages) inside(r *http.Request, at *place, here string, below ...link) frame {
	f := p.frame(r, at.who)
	f.Suspended = at.state.Suspended
	f.Trail = []link{{"Overview", "/"}, {at.Account(), installationPath(at.installation)}}
	base, tabs := installationPath(at.installation), installationTabs
	f.TabsOf = at.Account()
	if at.space != nil {
		base, tabs, f.TabsOf = projectPath(at.project), projectTabs, at.project.Repo.String()
		f.Trail = append(f.Trail, link{f.TabsOf, base})
	}
	f.Trail = append(f.Trail, below...)
	f.Trail[len(f.Trail)-1].Href = "" // this page
	missing := map[string]bool{"/imports": p.cfg.Imports == nil, "/data": p.cfg.Eraser == nil, "/keys": p.cfg.SignIn == nil}
	for _, t := range tabs {
		if at.may(t.need) && !missing[t.below] && (!t.whole || at.whole()) {
			f.Tabs = append(f.Tabs, tab{Text: t.text, Href: base + t.below, Here: t.text == here})
		}
	}
	return f
}

// parse reads the templates of a page within the layout.
func (p *Pages) parse(name string) (*template.Template, error) {
	return template.New(name).Funcs(p.functions()).ParseFS(assets, "assets/layout.html", "assets/parts.html", "assets/commands.html", "assets/findings.html", "assets/"+name)
}
