package hub

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
)

// Fault is something that goes wrong with some requests.
type Fault struct {
	Method string // "" for any
	Path   string // regular expression; "" for any
	After  string // regular expression of "METHOD path": only once such a request was heeded since; "" for at once
	Times  int    // how often; 0 for until it is mended

	Hold   <-chan struct{} // slow: the request waits until it is closed
	Status int             // answered instead of doing it
	Header http.Header     // of that answer
	Body   string          // of that answer; a message that says that it is made up if empty
	Lost   bool            // it is done, and the connection breaks instead of an answer

	path, after *regexp.Regexp
	since       int // how many calls there had been
	left        int
}

// RateLimited is what GitHub answers to who asks too much: come back after some
// seconds.
func RateLimited(method, path string, times, seconds int) Fault {
	return Fault{Method: method, Path: path, Times: times, Status: http.StatusForbidden,
		Header: http.Header{"Retry-After": {fmt.Sprint(seconds)}},
		Body:   `{"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}`}
}

// Break makes requests that fit go wrong from now on. Of several faults that fit,
// the first counts.
func (h *Hub) Break(f Fault) {
	f.path, f.after, f.left = regexp.MustCompile(f.Path), regexp.MustCompile(f.After), f.Times
	h.mu.Lock()
	defer h.mu.Unlock()
	f.since = len(h.calls)
	h.faults = append(h.faults, &f)
}

// Mend takes all faults away.
func (h *Hub) Mend() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = nil
}

func (h *Hub) broken(c Call) *Fault {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.faults {
		if (f.Method != "" && f.Method != c.Method) || !f.path.MatchString(c.Path) || (f.Times > 0 && f.left == 0) || !f.begun(h.calls) {
			continue
		}
		f.left--
		return f
	}
	return nil
}

// begun reports whether what the fault waits for was done.
func (f *Fault) begun(calls []Call) bool {
	return f.After == "" || slices.ContainsFunc(calls[f.since:], func(c Call) bool {
		return c.Status/100 == 2 && f.after.MatchString(c.Method+" "+c.Path)
	})
}

func (f *Fault) wait(r *http.Request, closed <-chan struct{}) {
	if f.Hold == nil {
		return
	}
	select {
	case <-f.Hold:
	case <-r.Context().Done():
	case <-closed:
	}
}

func (f *Fault) answer(w http.ResponseWriter) {
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(f.Status)
	body := f.Body
	if body == "" {
		body = `{"message": "made up by the test"}`
	}
	fmt.Fprint(w, body)
}
