package source_test

import (
	"errors"
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
	if s, err := table.Source(t.Context(), "b"); err != nil || s.Installation != 2 {
		t.Errorf("b is %v %v", s, err)
	}
	if s, err := table.Source(t.Context(), "c"); !errors.Is(err, source.ErrNone) || s != nil {
		t.Errorf("c is %v %v", s, err)
	}
}

// However a source is printed, its secrets are not.
func TestSecretsAreNotPrinted(t *testing.T) {
	s := source.Source{ID: "acme-api", Kind: source.Feedback, Secrets: []string{"hunter2"}, Client: &source.Client{Secret: "hunter2"}, API: &source.API{Token: "hunter2"}}
	for _, part := range []any{s.Client, *s.Client, s.API, *s.API} {
		if got := fmt.Sprintf("%v %+v %#v %s", part, part, part, part); strings.Contains(got, "hunter2") {
			t.Errorf("a %T: %s", part, got)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{s, &s, []source.Source{s}} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "hunter2") || strings.Contains(got, "68756e74657232") || !strings.Contains(got, "acme-api") {
				t.Errorf("%s of a %T: %s", verb, v, got)
			}
		}
	}
}
