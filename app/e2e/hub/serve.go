package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// maxBody is the longest request that is read.
const maxBody = 64 << 20

// ServeHTTP is GitHub: its API, also below /api/v3 where an Enterprise Server has
// it, and git.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "body", http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/api/v3")
	note := Call{Method: r.Method, Path: path, Began: time.Now(), Who: h.who(r), Body: string(body)}

	fault := h.broken(note)
	if fault != nil {
		fault.wait(r, h.closed)
		if fault.Status != 0 {
			fault.answer(w)
			note.Status = fault.Status
			h.note(note)
			return
		}
	}
	answer := httptest.NewRecorder()
	if h.servePage(answer, r, body) {
		note.Body = ""
	} else if service, ok := gitService(r); ok {
		note.Git, note.Body = true, ""
		h.serveGit(answer, r, service, body)
	} else {
		h.serveAPI(answer, r, path, body)
	}
	if fault != nil && fault.Lost {
		h.note(note)
		panic(http.ErrAbortHandler)
	}
	note.Status = answer.Code
	h.note(note)
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

func (h *Hub) serveAPI(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &call{hub: h, r: r, body: body, header: w.Header()}
	status, result, err := h.do(c, path)
	var no *refusal
	switch {
	case errors.As(err, &no):
		status = no.status
		answer := object{"message": no.message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(no.status)}
		if no.errors != nil {
			answer["errors"] = no.errors
		}
		result = answer
	case err != nil: // the hub's own, or git's: a test must see it
		h.t.Errorf("hub: %s %s: %v", r.Method, path, err)
		status, result = 500, object{"message": "Server Error"}
	}
	if a, ok := result.(answered); ok {
		if a.raw != nil {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Write(a.raw)
			return
		}
		status, result = a.status, a.body
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if status == http.StatusNoContent {
		return
	}
	if err := json.NewEncoder(w).Encode(result); err != nil {
		h.t.Errorf("hub: %s %s: %v", r.Method, path, err)
	}
}

// do finds out whether a call may be made, and makes it.
func (h *Hub) do(c *call, path string) (status int, result any, err error) {
	value := bearer(c.r)
	isApp := strings.Count(value, ".") == 2 && !strings.HasPrefix(value, "ghs_")
	route, params := h.match(c.r.Method, path)
	switch {
	case route == nil && isApp:
		err = h.checkApp(value)
	case route == nil:
		_, err = h.caller(value)
	}
	if route == nil {
		if err == nil {
			err = notFound
		}
		return 0, nil, err
	}
	c.params = params
	if route.needs == "nothing" {
		result, err = route.do(c)
		return route.status, result, err
	}
	if route.needs == "app" {
		if err := h.checkApp(value); err != nil {
			return 0, nil, err
		}
		result, err = route.do(c)
		return route.status, result, err
	}
	if isApp {
		if err := h.checkApp(value); err != nil {
			return 0, nil, err
		}
		return 0, nil, refuse(403, "Resource not accessible by integration: this route is not for the App's JWT")
	}
	if c.token, err = h.caller(value); err != nil {
		return 0, nil, err
	}
	if route.needs != "" {
		c.repo = h.find(params["owner"] + "/" + params["repo"])
		if id := params["repository"]; id != "" {
			for _, r := range h.repositories {
				if strconv.FormatInt(r.id, 10) == id {
					c.repo = r
				}
			}
		}
		if !c.token.sees(c.repo) {
			return 0, nil, notFound
		}
		if !c.token.allows(route.needs) {
			return 0, nil, notAccessible
		}
	}
	result, err = route.do(c)
	return route.status, result, err
}
