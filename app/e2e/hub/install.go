package hub

import (
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// installPage is where a person chooses on which account the App is installed.
var installPage = template.Must(template.New("").Parse(`<!doctype html><title>Install</title><h1>Install {{.App}}</h1>
{{range .Accounts}}<form method="post"><input type="hidden" name="account" value="{{.}}"><button>Install on {{.}}</button></form>{{end}}`))

// serveInstall is the page on which a person installs the App, on all repositories of an
// account whose repositories they administer.
func (h *Hub) serveInstall(w http.ResponseWriter, r *http.Request, form url.Values) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var free []string
	for _, a := range h.accounts {
		if h.mayInstall(a) {
			free = append(free, a.login)
		}
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = installPage.Execute(w, struct {
			App      string
			Accounts []string
		}{h.o.Slug, free})
		return
	}
	a := h.accounts[strings.ToLower(form.Get("account"))]
	if a == nil || !h.mayInstall(a) {
		http.Error(w, "not yours to install it on", http.StatusForbidden)
		return
	}
	in := h.install(h.id(), a, h.browsing)
	http.Redirect(w, r, h.setup+"?"+url.Values{"installation_id": {strconv.FormatInt(in.id, 10)}, "setup_action": {"install"}}.Encode(), http.StatusFound)
}

// mayInstall reports whether who looks at the hub's pages may install the App on an
// account that has it not yet.
func (h *Hub) mayInstall(a *account) bool {
	for _, in := range h.installations {
		if in.account == a {
			return false
		}
	}
	for _, r := range h.repositories {
		if h.browsing != nil && r.owner == a && r.permission(h.browsing.login) == "admin" {
			return true
		}
	}
	return false
}
