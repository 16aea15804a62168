//go:build e2e

package e2e

import (
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What of the pages is looked at.
var (
	allPages     = regexp.MustCompile(`^/(projects|runs|installations)/`)
	projectPages = regexp.MustCompile(`^/projects/[^/]+/[^/]+$`)
	auditPages   = regexp.MustCompile(`^/projects/[^/]+/[^/]+(/audit)?$`)
)

// pages is the overview and what is linked from it, for the operator; see pagesOf.
func (w *world) pages(which *regexp.Regexp) string {
	w.t.Helper()
	return pagesOf(w.t, w.address(), map[string]string{"Authorization": "Bearer " + adminToken}, which)
}

var localLink = regexp.MustCompile(`href="(/[^"#]*)`)

// pagesOf is all that is on the overview and on the pages that are linked from it, and
// from those, whose paths match; at most 200 of them, and of lists that are narrowed down
// only the whole.
func pagesOf(t testing.TB, home string, header map[string]string, which *regexp.Regexp) string {
	t.Helper()
	var all strings.Builder
	asked := []string{"/"}
	for i := 0; i < len(asked) && i < 200; i++ {
		r := ask(t, http.MethodGet, home+asked[i], header, nil)
		if r.status == http.StatusNotFound && i > 0 {
			continue // it went meanwhile
		}
		if r.status != http.StatusOK {
			t.Logf("%s: %d %s", asked[i], r.status, r.body)
		}
		all.WriteString(r.body)
		for _, m := range localLink.FindAllStringSubmatch(r.body, -1) {
			address := html.UnescapeString(m[1])
			path, query, _ := strings.Cut(address, "?")
			if which.MatchString(path) && (query == "" || strings.HasPrefix(query, "page=") || strings.HasPrefix(query, "after=")) && !slices.Contains(asked, address) {
				asked = append(asked, address)
			}
		}
	}
	return all.String()
}
