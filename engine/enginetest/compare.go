package enginetest

import (
	"context"

	"github.com/soulcaster/soulcaster/engine/github"
)

// Commits is what a [GitHub] knows of the commits of its repositories.
type Commits struct {
	// Status says how a head (a commit or a tag) stands to any base: identical,
	// ahead, behind or diverged. What is not there is not found.
	Status map[string]string
	// Fault is what asking fails with; it may be nil.
	Fault error
	Asked []string // "base...head", in order
}

// Compare says how head stands to base.
func (g *GitHub) Compare(_ context.Context, at github.At, base, head string) (github.Comparison, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := g.at(at); err != nil {
		return github.Comparison{}, false, err
	}
	g.Commits.Asked = append(g.Commits.Asked, base+"..."+head)
	if g.Commits.Fault != nil {
		return github.Comparison{}, false, g.Commits.Fault
	}
	status, found := g.Commits.Status[head]
	return github.Comparison{Status: status}, found, nil
}
