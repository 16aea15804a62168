package hub

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Call is one request that the hub got.
type Call struct {
	Method string
	Path   string // escaped
	Who    string // "app" for its JWT, "installation 101" for a token of it, "nobody" for neither
	Body   string // not of git's
	Git    bool   // a git client's
	Status int    // of the answer; 0: it got lost

	Began, Ended time.Time // when it had come, and when it was answered
}

// who says whose request it is, good or not.
func (h *Hub) who(r *http.Request) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	value := bearer(r)
	if t := h.tokens[value]; t != nil {
		return fmt.Sprintf("installation %d", t.installation.id)
	}
	if h.checkApp(value) == nil {
		return "app"
	}
	return "nobody"
}

func (h *Hub) note(c Call) {
	c.Ended = time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, c)
}

// Calls returns the requests so far of a method ("" for any) whose path has a match
// of the regular expression, oldest first.
func (h *Hub) Calls(method, path string) (found []Call) {
	re := regexp.MustCompile(path)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.calls {
		if (method == "" || c.Method == method) && re.MatchString(c.Path) {
			found = append(found, c)
		}
	}
	return found
}

// Writes returns the requests so far that had an effect, or may have had one,
// oldest first: the App's, through the API and through git. Making and revoking
// tokens is none, nor is having a webhook sent again.
func (h *Hub) Writes() (found []Call) {
	for _, c := range h.Calls("", "") {
		read := c.Method == http.MethodGet || c.Method == http.MethodHead ||
			c.Git && !strings.HasSuffix(c.Path, "/git-receive-pack") ||
			strings.HasSuffix(c.Path, "/access_tokens") || c.Path == "/installation/token" ||
			strings.HasPrefix(c.Path, "/app/hook/deliveries/")
		if !read && c.Status < 400 {
			found = append(found, c)
		}
	}
	return slices.Clip(found)
}
