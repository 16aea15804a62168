package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/source"
)

func TestRoute(t *testing.T) {
	routes := map[string]string{"api": "acme/api"}
	for _, c := range []struct {
		name    string
		s       source.Source
		project string
		want    string
		ok      bool
	}{
		{"its repository", source.Source{Repository: "acme/web"}, "", "acme/web", true},
		{"a route", source.Source{Routes: routes}, "api", "acme/api", true},
		{"a route before its repository", source.Source{Repository: "acme/web", Routes: routes}, "api", "acme/api", true},
		{"its repository where no route is", source.Source{Repository: "acme/web", Routes: routes}, "cron", "acme/web", true},
		{"no route", source.Source{Routes: routes}, "cron", "", false},
		{"nothing", source.Source{}, "", "", false},
	} {
		if got, ok := c.s.Route(c.project); got != c.want || ok != c.ok {
			t.Errorf("%s: %q %v", c.name, got, ok)
		}
	}
}

func TestTable(t *testing.T) {
	table := source.NewTable([]source.Source{{ID: "a", Installation: 1}, {ID: "b", Installation: 2}})
	if s, ok := table.Source(t.Context(), "b"); !ok || s.Installation != 2 {
		t.Errorf("b is %v", s)
	}
	if s, ok := table.Source(t.Context(), "c"); ok || s != nil {
		t.Errorf("c is %v", s)
	}
}

// However a source is printed, its secrets are not.
func TestSecretsAreNotPrinted(t *testing.T) {
	s := source.Source{ID: "acme-api", Kind: source.Feedback, Secrets: []string{"hunter2"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{s, &s, []source.Source{s}} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "hunter2") || strings.Contains(got, "68756e74657232") || !strings.Contains(got, "acme-api") {
				t.Errorf("%s of a %T: %s", verb, v, got)
			}
		}
	}
}
