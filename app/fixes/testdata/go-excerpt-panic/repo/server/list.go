// Package server shows lists of posts.
package server

import (
	"fmt"
	"net/http"

	"example.com/feed/feed"
)

// Server shows what Items returns.
type Server struct {
	Items func() []feed.Item
}

// ServeHTTP answers every request with the list.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.list(w) }

func (s *Server) list(w http.ResponseWriter) {
	for _, line := range feed.Titles(s.Items()) {
		fmt.Fprintln(w, line)
	}
}
