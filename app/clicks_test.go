package main

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var leads = regexp.MustCompile(`<a [^>]*href="(/[^"#]*)`)

// TestThreeClicks: whatever page there is of a tenant, whoever may see it gets to it from
// the overview by three links at most. The pages are those that the router knows.
func TestThreeClicks(t *testing.T) {
	s := newStreet(t)
	s.send("acme-api", "acme-key-0123456789", `{"title": "The export of invoices fails at night", "author": "mona"}`)
	ids := map[string]string{"{installation}": "101"}
	s.hub.Allow("acme/web", "reader-of-acme", "read")
	s.signs("admin-of-acme").fill("acme", 1, ids)
	for _, login := range []string{"admin-of-acme", "reader-of-acme"} {
		t.Run(login, func(t *testing.T) { s.signs(login).clicks(t, ids) })
	}
}

// clicks follows links, and looks for the pages that it may see.
func (p *passer) clicks(t *testing.T, ids map[string]string) {
	s := p.street
	pages := make(map[string]*regexp.Regexp)
	for _, route := range s.machine.routes {
		if route.Method != http.MethodGet || !strings.Contains(route.Path, "{installation}") || strings.HasPrefix(route.Path, "/api/") {
			continue
		}
		if status, _ := p.asks(http.MethodGet, put(route.Path, ids), ""); status == http.StatusOK {
			pages[route.Path] = regexp.MustCompile("^" + placeholder.ReplaceAllString(route.Path, "[^/]+") + "$")
		}
	}
	if len(pages) < 5 {
		t.Fatalf("there is next to nothing to see: %d pages", len(pages))
	}
	seen := map[string]bool{"/": true}
	for clicks, here := 0, []string{"/"}; clicks <= 3; clicks++ {
		var next []string
		for _, at := range here {
			path, _, _ := strings.Cut(at, "?")
			for page, form := range pages {
				if form.MatchString(path) {
					delete(pages, page)
				}
			}
			if clicks == 3 {
				continue
			}
			status, text := p.asks(http.MethodGet, at, "")
			if status != http.StatusOK {
				t.Errorf("a link leads to %s: %d", at, status)
			}
			for _, found := range leads.FindAllStringSubmatch(text, -1) {
				if to := html.UnescapeString(found[1]); !seen[to] {
					seen[to] = true
					next = append(next, to)
				}
			}
		}
		here = next
	}
	for page := range pages {
		t.Errorf("three clicks lead to no %s", page)
	}
}
