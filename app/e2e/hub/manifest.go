package hub

import (
	"crypto/rand"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

// manifest is what GitHub keeps of one until its App is made.
type manifest struct {
	Name     string `json:"name"`
	URL      string `json:"url"`
	Redirect string `json:"redirect_url"`
	Setup    string `json:"setup_url"`
	Hook     struct {
		URL string `json:"url"`
	} `json:"hook_attributes"`
	Permissions map[string]string `json:"default_permissions"`
	Events      []string          `json:"default_events"`

	owner string
}

// manifestPage is where a person sees what a manifest asks for, and agrees.
var manifestPage = template.Must(template.New("").Parse(`<!doctype html><title>Create GitHub App</title><h1>Create {{.Name}} for {{.Owner}}</h1>
<form method="post" action="/settings/apps/agree"><input type="hidden" name="owner" value="{{.Owner}}"><input type="hidden" name="state" value="{{.State}}">
<input type="hidden" name="manifest" value="{{.Manifest}}"><button id="agree">Create GitHub App</button></form>`))

// servePage serves the pages that people see; false if the path is none of them.
func (h *Hub) servePage(w http.ResponseWriter, r *http.Request, body []byte) bool {
	owner, form := "", url.Values{}
	if r.Method == http.MethodPost {
		form, _ = url.ParseQuery(string(body))
	}
	switch parts := strings.Split(r.URL.Path, "/"); {
	case r.URL.Path == "/login/oauth/authorize" && r.Method == http.MethodGet:
		h.authorize(w, r)
		return true
	case len(parts) == 5 && parts[1] == "apps" && parts[3] == "installations" && parts[4] == "new":
		h.serveInstall(w, r, form)
		return true
	case r.Method != http.MethodPost:
		return false
	case r.URL.Path == "/login/oauth/access_token":
		h.exchange(w, form)
		return true
	case r.URL.Path == "/settings/apps/new":
		owner = "you"
	case len(parts) == 6 && parts[1] == "organizations" && strings.HasSuffix(r.URL.Path, "/settings/apps/new"):
		owner = parts[2]
	case r.URL.Path == "/settings/apps/agree":
		h.agree(w, r, form)
		return true
	default:
		return false
	}
	m, problem := readManifest(form.Get("manifest"))
	if problem != "" {
		http.Error(w, problem, http.StatusUnprocessableEntity)
		return true
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = manifestPage.Execute(w, struct{ Name, Owner, State, Manifest string }{m.Name, owner, r.URL.Query().Get("state"), form.Get("manifest")})
	return true
}

func readManifest(text string) (m manifest, problem string) {
	switch err := json.Unmarshal([]byte(text), &m); {
	case err != nil:
		return m, "the manifest is no JSON"
	case m.Name == "" || len([]rune(m.Name)) > 34:
		return m, "name is missing or too long"
	case m.URL == "" || m.Redirect == "" || m.Hook.URL == "":
		return m, "url, redirect_url and hook_attributes.url are needed"
	}
	return m, ""
}

// agree makes a code for a manifest and sends the browser back with it.
func (h *Hub) agree(w http.ResponseWriter, r *http.Request, form url.Values) {
	m, problem := readManifest(form.Get("manifest"))
	if problem != "" {
		http.Error(w, problem, http.StatusUnprocessableEntity)
		return
	}
	m.owner = form.Get("owner")
	code := rand.Text()
	h.mu.Lock()
	h.codes[code] = m
	h.mu.Unlock()
	http.Redirect(w, r, m.Redirect+"?"+url.Values{"code": {code}, "state": {form.Get("state")}}.Encode(), http.StatusFound)
}

// convert is POST /app-manifests/{code}/conversions: the App is made, with the id, the
// key and the secret that the hub was started with.
func (c *call) convert() (any, error) {
	m, known := c.hub.codes[c.param("code")]
	delete(c.hub.codes, c.param("code"))
	if !known {
		return nil, notFound
	}
	c.hub.o.Permissions, c.hub.o.Events, c.hub.hook, c.hub.setup = m.Permissions, m.Events, m.Hook.URL, m.Setup
	app := c.hub.app()
	app["name"], app["pem"], app["webhook_secret"], app["owner"] = m.Name, string(c.hub.o.Key), c.hub.o.WebhookSecret, object{"login": m.owner}
	app["client_id"], app["client_secret"] = ClientID, ClientSecret
	return app, nil
}
