package tasktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// hub is what the processes of tasks talk to.
type hub struct {
	url string

	mu       sync.Mutex
	manners  manners // of processes that come
	visitors []*visitor
	children chan struct{} // one for each child that came
	orphans  chan struct{} // one for each child that went
}

// visitor is a process that said hello.
type visitor struct {
	hello
	exit       chan int      // what it is to exit with
	terminated chan struct{} // one for each SIGTERM that it got
	gone       chan struct{} // closed when it ended without being told to
}

func newHub(t *testing.T) *hub {
	h := &hub{children: make(chan struct{}, 10), orphans: make(chan struct{}, 10)}
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", h.hello)
	mux.HandleFunc("/wait", h.wait)
	mux.HandleFunc("/terminated", func(_ http.ResponseWriter, r *http.Request) {
		if v := h.of(r); v != nil {
			v.terminated <- struct{}{}
		}
	})
	mux.HandleFunc("/child", func(_ http.ResponseWriter, r *http.Request) {
		h.children <- struct{}{}
		<-r.Context().Done()
		h.orphans <- struct{}{}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	h.url = server.URL
	return h
}

// behave says how processes are to behave that come from now on.
func (h *hub) behave(m manners) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.manners = m
}

func (h *hub) hello(w http.ResponseWriter, r *http.Request) {
	v := &visitor{exit: make(chan int, 1), terminated: make(chan struct{}, 10), gone: make(chan struct{})}
	if err := json.NewDecoder(r.Body).Decode(&v.hello); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	m := h.manners
	m.Visit = len(h.visitors)
	h.visitors = append(h.visitors, v)
	h.mu.Unlock()
	_ = json.NewEncoder(w).Encode(m) // a process that is gone does not mind
}

func (h *hub) wait(w http.ResponseWriter, r *http.Request) {
	v := h.of(r)
	if v == nil {
		http.NotFound(w, r)
		return
	}
	select {
	case n := <-v.exit:
		fmt.Fprint(w, n)
	case <-r.Context().Done():
		close(v.gone)
	}
}

func (h *hub) of(r *http.Request) *visitor {
	n, err := strconv.Atoi(r.FormValue("visit"))
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil || n < 0 || n >= len(h.visitors) {
		return nil
	}
	return h.visitors[n]
}

// visitor waits for the nth process of a run.
func (h *hub) visitor(t *testing.T, run string, n int) (v *visitor) {
	t.Helper()
	eventually(t, fmt.Sprintf("process %d of run %s says hello", n, run), func() bool {
		all := h.visits(run)
		if len(all) >= n {
			v = all[n-1]
		}
		return v != nil
	})
	return v
}

// visits are all processes of a run that ever said hello.
func (h *hub) visits(run string) (all []*visitor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.visitors {
		if v.Run == run {
			all = append(all, v)
		}
	}
	return all
}
