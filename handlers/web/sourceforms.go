package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/soulcaster/soulcaster/engine/source"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

var (
	// errMayNot says that who asks may see a source and may not change it.
	errMayNot = errors.New("this needs admin permission on every repository that the source feeds, and GitHub says that you do not have it: nothing was changed")
	// errStale says that what somebody decided on is not so any more.
	errStale = errors.New("somebody else changed this source meanwhile: nothing was changed. Look at it again")
	// errFixed says that a source is changed elsewhere.
	errFixed = errors.New("the server's file sets this source up: whoever runs the server changes it there. Nothing was changed")
	// errUnsure says that a removal was not confirmed.
	errUnsure = errors.New("say that you are sure: nothing was removed")
)

// by is who changes a source.
func (at *place) by(r *http.Request) source.By {
	return source.By{Who: at.who.name(), ID: at.who.who.ID, RequestID: handlers.RequestID(r.Context())}
}

// changing finds the source that the address, or a form, names for a change of it.
// version is the one that the change was decided on, 0 if that does not matter.
func (p *Pages) changing(r *http.Request, at *place, id string, version uint64) (source.Stored, error) {
	t, stored, err := p.findSource(r, at, id)
	if err != nil {
		return stored, err
	}
	if t.Fixed {
		return stored, errFixed
	}
	set := stored.Setting()
	may, err := p.mayConfigure(r.Context(), at, set.Repositories(), stored.Maker())
	switch {
	case err != nil:
		return stored, err
	case !may:
		return stored, errMayNot
	case version != 0 && version != stored.Version():
		return stored, errStale
	}
	return stored, nil
}

// versionOf is the version that a form was decided on. What is no number is that of no
// source.
func versionOf(r *http.Request) uint64 {
	text := r.PostFormValue("version")
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return ^uint64(0)
	}
	return n
}

// feeds says whether who asks may have a source feed the repositories that a setting
// names; field is the one of the form that names them.
func (p *Pages) feeds(ctx context.Context, at *place, set source.Setting, field string) error {
	for _, name := range set.Repositories() {
		may, err := p.mayConfigure(ctx, at, []string{name}, source.By{})
		if err != nil {
			return err
		}
		if !may {
			return &source.FieldError{Field: field, Message: "choose a repository that the App is installed on and that you administer"}
		}
	}
	return nil
}

// notDone answers a change that was not made.
func (p *Pages) notDone(w http.ResponseWriter, r *http.Request, err error) {
	err = gone(err)
	status, text := 0, err.Error()
	var limit *source.LimitError
	switch wrong := asField(err); {
	case wrong != nil:
		status, text = http.StatusUnprocessableEntity, wrong.Field+": "+wrong.Message+". Nothing was changed."
	case errors.As(err, &limit):
		status = http.StatusUnprocessableEntity
	case errors.Is(err, errMayNot):
		status = http.StatusForbidden
	case errors.Is(err, errStale), errors.Is(err, errFixed):
		status = http.StatusConflict
	case errors.Is(err, storage.ErrConflict):
		status, text = http.StatusConflict, errStale.Error()
	case errors.Is(err, errUnsure):
		status = http.StatusBadRequest
	default:
		p.fail(w, r, err)
		return
	}
	p.refuse(w, r, status, text)
}

// changed answers a form about a source: with its page, or why nothing was changed.
func (p *Pages) changed(w http.ResponseWriter, r *http.Request, at *place, id, word string, err error) {
	if err == nil {
		http.Redirect(w, r, sourcePath(at, id)+"?done="+word, http.StatusSeeOther)
		return
	}
	problem := ""
	var limit *source.LimitError
	switch wrong := asField(err); {
	case wrong != nil:
		problem = "Nothing was changed. " + fieldName(wrong.Field) + ": " + wrong.Message + "."
	case errors.As(err, &limit):
		problem = "Nothing was changed: " + limit.Message + "."
	}
	if problem == "" || !wantsPage(r) {
		p.notDone(w, r, err)
		return
	}
	v, viewErr := p.sourceView(r, at, id)
	if viewErr != nil {
		p.fail(w, r, viewErr)
		return
	}
	v.Problem = problem
	p.write(w, r, http.StatusUnprocessableEntity, p.sourcePage, v)
}

// fieldName is what people call a field of a form.
func fieldName(field string) string {
	return cmp.Or(map[string]string{
		"name": "The name", "repository": "The repository", "routes": "The route", "subreddits": "The subreddits",
		"secret": "The secret", "client": "The client's id", "kind": "The kind",
	}[field], field)
}

// connect connects a source.
func (p *Pages) connect(r *http.Request, at *place, kind source.Kind, set source.Setting) (id, key string, err error) {
	if err := p.feeds(r.Context(), at, set, "repository"); err != nil {
		return "", "", err
	}
	return p.cfg.Sources.Create(r.Context(), at.installation, kind, set, at.by(r))
}

// settingOf reads what a form says of a source, over what is set.
func settingOf(r *http.Request, set source.Setting) source.Setting {
	set.Name, set.Repository = r.PostFormValue("name"), r.PostFormValue("repository")
	set.Public = r.PostFormValue("public") != ""
	set.Subreddits = strings.FieldsFunc(r.PostFormValue("subreddits"), func(c rune) bool { return strings.ContainsRune(" ,;\r\n\t", c) })
	return set
}

// connectSource connects a source as a form says. Its first key is shown, once.
func (p *Pages) connectSource(w http.ResponseWriter, r *http.Request, at *place) {
	kind, set := source.Kind(r.PostFormValue("kind")), settingOf(r, source.Setting{})
	id, key, err := p.connect(r, at, kind, set)
	var limit *source.LimitError
	switch wrong := asField(err); {
	case err == nil && key == "":
		http.Redirect(w, r, sourcePath(at, id)+"?done=connected", http.StatusSeeOther)
	case err == nil:
		p.showKey(w, r, at, id, key)
	case (wrong != nil || errors.As(err, &limit)) && wantsPage(r):
		v := p.newSourceView(r, at, kind)
		if v.Set, v.Subreddits, v.Wrong = set, strings.Join(set.Subreddits, " "), wrong; limit != nil {
			v.Problem = "Nothing was connected: " + limit.Message + "."
		} else {
			v.Problem = "Nothing was connected. " + fieldName(wrong.Field) + ": " + wrong.Message + "."
		}
		p.write(w, r, http.StatusUnprocessableEntity, p.newSourcePage, v)
	default:
		p.notDone(w, r, err)
	}
}

// showKey serves a source's page with a key that is never shown again.
func (p *Pages) showKey(w http.ResponseWriter, r *http.Request, at *place, id, key string) {
	v, err := p.sourceView(r, at, id)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v.Key, v.Curl, v.Live = key, curl(v.sourceTold, key), ""
	p.write(w, r, http.StatusOK, p.sourcePage, v)
}

// curl is a line that sends something to a source.
func curl(t sourceTold, key string) string {
	line := "curl " + t.URL + " -H 'X-API-Key: " + key + "' -H 'Content-Type: application/json' -d "
	if t.Kind == source.Reddit {
		return line + "@post.json"
	}
	return line + `'{"title": "The export never ends", "body": "It says 99 % since this morning.", "author": "somebody@example.com"}'`
}

// setSource changes what is set of a source.
func (p *Pages) setSource(w http.ResponseWriter, r *http.Request, at *place) {
	id := r.PathValue("source")
	err := p.update(r, at, id, versionOf(r), "repository", func(set *source.Setting) { *set = settingOf(r, *set) })
	p.changed(w, r, at, id, "saved", err)
}

// setRoute adds a route to a source, changes one, or takes it out where no repository is
// named.
func (p *Pages) setRoute(w http.ResponseWriter, r *http.Request, at *place) {
	id := r.PathValue("source")
	err := p.update(r, at, id, versionOf(r), "routes", func(set *source.Setting) { route(set, r.PostFormValue("project"), r.PostFormValue("repository")) })
	p.changed(w, r, at, id, "saved", err)
}

// routeHeld names the repository of what is held.
func (p *Pages) routeHeld(w http.ResponseWriter, r *http.Request, at *place) {
	slug, repo := r.PostFormValue("project"), strings.TrimSpace(r.PostFormValue("repository"))
	err := p.update(r, at, r.PostFormValue("source"), versionOf(r), "repository", func(set *source.Setting) {
		if slug == "" {
			set.Repository = repo
			return
		}
		route(set, slug, repo)
	})
	if err == nil && repo == "" {
		err = &source.FieldError{Field: "repository", Message: "name one"}
	}
	if err != nil {
		p.notDone(w, r, err)
		return
	}
	http.Redirect(w, r, installationPath(at.installation)+"?done=routed#held", http.StatusSeeOther)
}

// route sets the route of a Sentry project; an empty repository takes it out.
func route(set *source.Setting, slug, repo string) {
	slug, repo = strings.TrimSpace(slug), strings.TrimSpace(repo)
	if repo == "" {
		delete(set.Routes, slug)
		return
	}
	if set.Routes == nil {
		set.Routes = make(map[string]string)
	}
	set.Routes[slug] = repo
}

// update changes what is set of a source.
func (p *Pages) update(r *http.Request, at *place, id string, version uint64, field string, change func(set *source.Setting)) error {
	was, err := p.changing(r, at, id, version)
	if err != nil {
		return err
	}
	set := was.Setting()
	change(&set)
	if err := p.feeds(r.Context(), at, set, field); err != nil {
		return err
	}
	return p.cfg.Sources.Update(r.Context(), was, set, at.by(r))
}

// addSecret gives a source a secret. A key that is made is shown, once.
func (p *Pages) addSecret(w http.ResponseWriter, r *http.Request, at *place) {
	id := r.PathValue("source")
	key, err := p.newSecret(r, at, id, r.PostFormValue("secret"), r.PostFormValue("overlap"))
	if err == nil && key != "" {
		p.showKey(w, r, at, id, key)
		return
	}
	p.changed(w, r, at, id, "secret", err)
}

func (p *Pages) newSecret(r *http.Request, at *place, id, value, after string) (key string, err error) {
	was, err := p.changing(r, at, id, 0)
	if err != nil {
		return "", err
	}
	known := overlaps()
	if after == "" && len(was.Keys) == 0 {
		after = known[0].Value // there are none that could go on
	}
	i := slices.IndexFunc(known, func(o overlap) bool { return o.Value == after })
	if i < 0 {
		return "", &source.FieldError{Field: "overlap", Message: "say how long older secrets go on: 0h, 1h, 24h or 168h"}
	}
	return p.cfg.Sources.AddSecret(r.Context(), was, value, known[i].After, at.by(r))
}

// endSecret ends a secret of a source at once.
func (p *Pages) endSecret(w http.ResponseWriter, r *http.Request, at *place) {
	id := r.PathValue("source")
	p.changed(w, r, at, id, "ended", p.noSecret(r, at, id, r.PostFormValue("id")))
}

func (p *Pages) noSecret(r *http.Request, at *place, id, secretID string) error {
	was, err := p.changing(r, at, id, 0)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(was.Keys, func(k source.Secret) bool { return k.ID == secretID }) {
		return errNone
	}
	return p.cfg.Sources.EndSecret(r.Context(), was, secretID, at.by(r))
}

// setClient gives a source of Reddit its OAuth client, or takes it away.
func (p *Pages) setClient(w http.ResponseWriter, r *http.Request, at *place) {
	id := r.PathValue("source")
	c := source.Client{ID: r.PostFormValue("client"), Secret: r.PostFormValue("secret")}
	if r.PostFormValue("remove") != "" {
		c = source.Client{}
	} else if c == (source.Client{}) {
		p.changed(w, r, at, id, "", &source.FieldError{Field: "client", Message: "enter the id and the secret"})
		return
	}
	p.changed(w, r, at, id, "saved", p.newClient(r, at, id, c))
}

func (p *Pages) newClient(r *http.Request, at *place, id string, c source.Client) error {
	was, err := p.changing(r, at, id, 0)
	if err != nil {
		return err
	}
	return p.cfg.Sources.SetClient(r.Context(), was, c, at.by(r))
}

// removeSource takes a source out, once who asks is sure.
func (p *Pages) removeSource(w http.ResponseWriter, r *http.Request, at *place) {
	err := p.remove(r, at, r.PathValue("source"), r.PostFormValue("sure") != "")
	if err != nil {
		p.notDone(w, r, err)
		return
	}
	http.Redirect(w, r, installationPath(at.installation)+"?done=removed", http.StatusSeeOther)
}

func (p *Pages) remove(r *http.Request, at *place, id string, sure bool) error {
	was, err := p.changing(r, at, id, 0)
	if err != nil {
		return err
	}
	if !sure {
		return errUnsure
	}
	return p.cfg.Sources.Remove(r.Context(), was, at.by(r))
}

// The API's ways to the same.

// wants reads what a program wants changed of a source. Whoever may not change it is told
// so before what they sent is looked at. Where there is nothing to do, that was answered.
func (p *Pages) wants(w http.ResponseWriter, r *http.Request, at *place, id string, wanted any) bool {
	if _, err := p.changing(r, at, id, 0); err != nil {
		p.notDone(w, r, err)
		return false
	}
	return decode(w, r, wanted)
}

// changedTold answers a change with the source as it is now, or why it was not made.
func (p *Pages) changedTold(w http.ResponseWriter, r *http.Request, at *place, err error) {
	if err != nil {
		p.notDone(w, r, err)
		return
	}
	p.tellSource(w, r, at)
}

// sourceMade is what the API answers when it made a source or a key.
type sourceMade struct {
	ID  string `json:"id"`            // of the source
	URL string `json:"url"`           // where its feedback is sent to
	Key string `json:"key,omitempty"` // an API key; it is told this once
}

func (p *Pages) made(w http.ResponseWriter, r *http.Request, at *place, id, key string) {
	t, _, err := p.findSource(r, at, id)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	handlers.JSON(w, http.StatusCreated, sourceMade{id, t.URL, key})
}

func (p *Pages) connectTold(w http.ResponseWriter, r *http.Request, at *place) {
	var wanted struct {
		Kind source.Kind `json:"kind"`
		source.Setting
	}
	if !decode(w, r, &wanted) {
		return
	}
	id, key, err := p.connect(r, at, wanted.Kind, wanted.Setting)
	if err != nil {
		p.notDone(w, r, err)
		return
	}
	p.made(w, r, at, id, key)
}

func (p *Pages) setSourceTold(w http.ResponseWriter, r *http.Request, at *place) {
	var wanted struct {
		Version uint64 `json:"version"` // that the change was decided on; 0: whatever it is now
		source.Setting
	}
	id := r.PathValue("source")
	if !p.wants(w, r, at, id, &wanted) {
		return
	}
	p.changedTold(w, r, at, p.update(r, at, id, wanted.Version, "repository", func(set *source.Setting) { *set = wanted.Setting }))
}

func (p *Pages) addSecretTold(w http.ResponseWriter, r *http.Request, at *place) {
	var wanted struct {
		Secret  string `json:"secret"`  // Sentry's client secret; for others one is made
		Overlap string `json:"overlap"` // how long older ones go on: 0h, 1h, 24h or 168h
	}
	id := r.PathValue("source")
	if !p.wants(w, r, at, id, &wanted) {
		return
	}
	key, err := p.newSecret(r, at, id, wanted.Secret, wanted.Overlap)
	if err != nil {
		p.notDone(w, r, err)
		return
	}
	p.made(w, r, at, id, key)
}

func (p *Pages) endSecretTold(w http.ResponseWriter, r *http.Request, at *place) {
	var wanted struct {
		ID string `json:"id"` // of the secret
	}
	id := r.PathValue("source")
	if !p.wants(w, r, at, id, &wanted) {
		return
	}
	p.changedTold(w, r, at, p.noSecret(r, at, id, wanted.ID))
}

func (p *Pages) setClientTold(w http.ResponseWriter, r *http.Request, at *place) {
	var wanted struct {
		ID     string `json:"id"` // both empty: none any more
		Secret string `json:"secret"`
	}
	id := r.PathValue("source")
	if !p.wants(w, r, at, id, &wanted) {
		return
	}
	p.changedTold(w, r, at, p.newClient(r, at, id, source.Client(wanted)))
}

func (p *Pages) removeTold(w http.ResponseWriter, r *http.Request, at *place) {
	var wanted struct {
		Sure bool `json:"sure"`
	}
	id := r.PathValue("source")
	if !p.wants(w, r, at, id, &wanted) {
		return
	}
	if err := p.remove(r, at, id, wanted.Sure); err != nil {
		p.notDone(w, r, err)
		return
	}
	handlers.JSON(w, http.StatusOK, map[string]string{"removed": id})
}

// newID stands in the place of an id in the address at which a source is connected.
const newID = "new"

// registerSources adds the routes of sources.
func (p *Pages) registerSources(in ways, installation string) {
	const one = "/sources/{source}"
	see := func(do func(http.ResponseWriter, *http.Request, *place)) http.Handler {
		return p.inInstallation(needs.see, do)
	}
	change := func(do func(http.ResponseWriter, *http.Request, *place)) http.Handler {
		return p.inInstallation(needs.configure, do)
	}
	in.page(installation, see(p.sources))
	in.form(installation+"/sources", change(p.connectSource))
	in.form(installation+"/held/route", change(p.routeHeld))
	connecting, known := change(p.newSource), see(p.source)
	in.page(installation+one, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A pattern of its own would answer to other methods than this one does.
		if r.PathValue("source") == newID {
			connecting.ServeHTTP(w, r)
			return
		}
		known.ServeHTTP(w, r)
	}))
	in.form(installation+one+"/settings", change(p.setSource))
	in.form(installation+one+"/routes", change(p.setRoute))
	in.form(installation+one+"/secrets", change(p.addSecret))
	in.form(installation+one+"/secrets/end", change(p.endSecret))
	in.form(installation+one+"/client", change(p.setClient))
	in.form(installation+one+"/remove", change(p.removeSource))

	told := api + installation
	in.page(told+"/sources", see(p.tellSources))
	in.form(told+"/sources", change(p.connectTold))
	in.page(told+one, see(p.tellSource))
	in.stream(told+one+"/events", see(p.sourceEvents))
	in.form(told+one, change(p.setSourceTold))
	in.form(told+one+"/secrets", change(p.addSecretTold))
	in.form(told+one+"/secrets/end", change(p.endSecretTold))
	in.form(told+one+"/client", change(p.setClientTold))
	in.form(told+one+"/remove", change(p.removeTold))
}
