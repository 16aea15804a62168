package handlers

import (
	"net/http"
	"slices"
	"strings"
)

// Route is one way in.
type Route struct {
	Method string // "" for every method
	Path   string // a pattern of net/http
}

// Router serves routes, and knows which it has: what holds for each of them can be
// tried for each of them. Routes are added before it serves.
type Router struct {
	mux     *http.ServeMux
	routes  []Route
	methods map[string][]string // that a path answers to
}

// NewRouter returns a router without routes.
func NewRouter() *Router {
	return &Router{mux: http.NewServeMux(), methods: make(map[string][]string)}
}

// Handle adds a route that answers to one method. The path answers 405 to methods that
// none of its routes answers to.
func (r *Router) Handle(method, path string, handler http.Handler) {
	r.mux.Handle(method+" "+path, handler)
	r.routes = append(r.routes, Route{method, path})
	if r.methods[path] == nil {
		r.mux.HandleFunc(path, func(w http.ResponseWriter, req *http.Request) { r.refuse(w, req, path) })
	}
	r.methods[path] = append(r.methods[path], method)
	if method == http.MethodGet {
		r.methods[path] = append(r.methods[path], http.MethodHead) // net/http's mux has it answer both
	}
}

func (r *Router) refuse(w http.ResponseWriter, req *http.Request, path string) {
	allow := strings.Join(r.methods[path], ", ")
	w.Header().Set("Allow", allow)
	Error(w, req, http.StatusMethodNotAllowed, "use "+allow+" here")
}

// All adds a route that answers to every method.
func (r *Router) All(path string, handler http.Handler) {
	r.mux.Handle(path, handler)
	r.routes = append(r.routes, Route{"", path})
}

// Routes returns the routes, in the order in which they were added.
func (r *Router) Routes() []Route { return slices.Clone(r.routes) }

// ServeHTTP answers.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }
