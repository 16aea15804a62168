package backfill

import (
	"testing"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/source"
)

// A source's token fetches nothing into a repository that is only called as another one was
// when the source was set up.
func TestAsksForWhatIsMeant(t *testing.T) {
	src := &source.Source{Kind: source.Sentry, Repository: "Acme/Web", API: &source.API{Organisation: "acme", Token: "t"}}
	web := project.Repo{Owner: "acme", Name: "web"}
	for name, c := range map[string]struct {
		p    project.Project
		asks bool
	}{
		"the same":                   {project.Project{Alias: "acme/web", Repo: web}, true},
		"renamed":                    {project.Project{Alias: "acme/web", Repo: project.Repo{Owner: "acme", Name: "site"}}, true},
		"under its newer name":       {project.Project{Alias: "acme/old", Repo: web}, true},
		"another, which borrowed it": {project.Project{Alias: "acme/api", Repo: web, Borrowed: true}, false},
		"another":                    {project.Project{Alias: "acme/api", Repo: project.Repo{Owner: "acme", Name: "api"}}, false},
	} {
		if got := Asks(src, c.p) == nil; got != c.asks {
			t.Errorf("%s: %v", name, got)
		}
	}
}
