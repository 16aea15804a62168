package github

import (
	"context"
	"errors"
	"regexp"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// checkSuite hears that checks failed on a branch of the agent's. Whether they are
// those of the agent's own commit, and whether anything comes of it, is the
// worker's to find out.
type checkSuite struct {
	door
	note func(b *storage.Batch, runID, sha string) // nil: there are no runs
}

func (*checkSuite) Handles() []string { return []string{"check_suite"} }

var (
	// branchOfRun is a branch of the agent's: soulcaster/issue-<number>-<run>.
	branchOfRun = regexp.MustCompile(`^soulcaster/issue-[1-9][0-9]{0,9}-([a-z0-9]{1,20})$`)
	// commitForm is a commit's name, SHA-1 or SHA-256.
	commitForm = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
)

func (h *checkSuite) Handle(ctx context.Context, event, id string, payload []byte) error {
	p, err := decode[struct {
		about
		Suite struct {
			Conclusion string `json:"conclusion"`
			Branch     string `json:"head_branch"`
			SHA        string `json:"head_sha"`
		} `json:"check_suite"`
	}](event, payload)
	if err != nil {
		return err
	}
	branch := branchOfRun.FindStringSubmatch(p.Suite.Branch)
	switch {
	case h.note == nil:
		return nothing(ctx, "there is no agent here")
	case p.Action != "completed" || p.Suite.Conclusion != "failure" && p.Suite.Conclusion != "timed_out":
		return nothing(ctx, "only checks that failed have an effect")
	case branch == nil:
		return nothing(ctx, "the branch is none of ours")
	}
	return h.inProject(ctx, event, p.about, func(ctx context.Context, space storage.Space) error {
		if !commitForm.MatchString(p.Suite.SHA) {
			return &malformedError{event, errors.New("check_suite.head_sha: want a commit")}
		}
		r, _, err := run.Load(ctx, space, branch[1])
		if errors.Is(err, run.ErrNone) || err == nil && r.Branch != p.Suite.Branch {
			return nothing(ctx, "the branch is none of ours")
		}
		if err != nil {
			return err
		}
		return h.take(ctx, space, event, p.Action, id, func(b *storage.Batch) {
			h.note(b, r.ID, p.Suite.SHA)
			work.Add(b, run.Work(r.ID))
		})
	})
}
