package github

import (
	"context"
	"time"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Repositories says which repositories an installation was given or lost, as a
// delivery told it. It is a hint: what the installation sees is what GitHub
// answers when asked.
type Repositories struct {
	Added   []project.Repo `json:"added,omitempty"`
	Removed []project.Repo `json:"removed,omitempty"`
	At      time.Time      `json:"at"`
}

// maxListed bounds each list of Repositories, so that both fit into a batch.
const maxListed = 2000

// installationRepositories hears which repositories an installation covers.
type installationRepositories struct{ door }

func (*installationRepositories) Handles() []string { return []string{"installation_repositories"} }

func (h *installationRepositories) Handle(ctx context.Context, event, id string, payload []byte) error {
	p, err := decode[struct {
		about
		Added   []repository `json:"repositories_added"`
		Removed []repository `json:"repositories_removed"`
	}](event, payload)
	if err != nil {
		return err
	}
	if p.Action != "added" && p.Action != "removed" {
		return nothing(ctx, "the action is unknown")
	}
	return h.inInstallation(ctx, event, p.about, false, func(ctx context.Context, space storage.Space) error {
		return h.take(ctx, space, event, p.Action, id, func(b *storage.Batch) {
			b.SetJSON(repositoriesPrefix+id, Repositories{Added: listed(p.Added), Removed: listed(p.Removed), At: h.now().UTC()})
			work.Add(b, installationWork)
		})
	})
}

// listed returns the repositories that are named properly, up to a bound.
func listed(named []repository) []project.Repo {
	var repos []project.Repo
	for _, r := range named {
		if !r.good() || len(repos) == maxListed {
			continue
		}
		repo, err := project.ParseRepo(r.FullName)
		if err != nil {
			continue
		}
		repo.ID = r.ID
		repos = append(repos, repo)
	}
	return repos
}
