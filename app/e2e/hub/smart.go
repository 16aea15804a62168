package hub

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// gitPath is what git clients ask for.
var gitPath = regexp.MustCompile(`^/([^/]+)/([^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)$`)

// gitService says which of git's two services a request is about, if it is one of a
// git client.
func gitService(r *http.Request) (service string, ok bool) {
	m := gitPath.FindStringSubmatch(r.URL.Path)
	if m == nil {
		return "", false
	}
	if m[3] == "info/refs" {
		return r.URL.Query().Get("service"), true
	}
	return m[3], true
}

// serveGit is smart HTTP: git's own http-backend, after the token was checked.
func (h *Hub) serveGit(w http.ResponseWriter, r *http.Request, service string, body []byte) {
	m := gitPath.FindStringSubmatch(r.URL.Path)
	needs := map[string]string{"git-upload-pack": "contents:read", "git-receive-pack": "contents:write"}[service]
	if needs == "" {
		http.Error(w, "Please upgrade your git client.", http.StatusForbidden) // the dumb protocol
		return
	}
	repo, t, status := h.enter(r, m[1]+"/"+m[2], needs)
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		http.Error(w, "Invalid username or token.", status)
		return
	case http.StatusNotFound:
		http.Error(w, "Repository not found.", status)
		return
	case http.StatusForbidden:
		http.Error(w, "Write access to repository not granted.", status)
		return
	}
	path, err := exec.LookPath("git")
	if err != nil {
		http.Error(w, "git", http.StatusInternalServerError)
		return
	}
	may := ""
	if t.allows("workflows:write") {
		may = "workflows"
	}
	// A CGI program is told the length of a body, which a chunked one does not say.
	r = r.Clone(r.Context())
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	r.URL.Path = "/" + filepath.Base(string(repo.git)) + "/" + m[3]
	r.Header.Del("Authorization")
	backend := &cgi.Handler{
		Path: path, Args: []string{"http-backend"}, Dir: string(repo.git), Root: "/",
		Env: append(environ(), "GIT_PROJECT_ROOT="+filepath.Dir(string(repo.git)), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER="+h.login(),
			"HUB_MAY="+may, "GIT_PROTOCOL="+r.Header.Get("Git-Protocol")),
		Stderr: io.Discard,
	}
	backend.ServeHTTP(w, r)
	if strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.pushed(repo, h.bot())
	}
}

// enter checks the token of a git client.
func (h *Hub) enter(r *http.Request, fullName, needs string) (*repository, *token, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, err := h.caller(bearer(r))
	if err != nil {
		return nil, nil, http.StatusUnauthorized
	}
	repo := h.find(fullName)
	switch {
	case !t.sees(repo) || !t.allows("contents:read"):
		return nil, nil, http.StatusNotFound
	case !t.allows(needs):
		return nil, nil, http.StatusForbidden
	}
	return repo, t, http.StatusOK
}
