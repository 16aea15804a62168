package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/github"
)

// PullKey is the key of the action that opens a run's pull request; its request is a
// github.NewPull.
func PullKey(run string) string { return "pull.create/" + run }

// PullEditKey is the key of the action that brings its body up to date.
func PullEditKey(run string) string { return "pull.edit/" + run }

// PullEditRequest is what the action log holds of that: our part of the body.
type PullEditRequest struct {
	Number int    `json:"number"`
	Body   string `json:"body"`
}

// opened is what is remembered of a pull request.
type opened struct {
	Number int    `json:"number"`
	URL    string `json:"url"`
}

// Propose opens the run's pull request for its branch, which is at sha, or brings the
// description of the one that is open up to date. Our part of the description ends
// with a hidden marker: what people write below it stays, and where they took the
// marker out, all of it is theirs. The title is given once.
//
// ErrClosed if it was closed or merged, ErrTaken if the branch has one that is not
// ours, ErrEmpty if GitHub finds nothing in it. In preview the pull request that is
// returned has no number.
func (p *Publisher) Propose(ctx context.Context, c Change, sha string) (run.Pull, error) {
	proposal, err := p.described(ctx, c)
	if err != nil {
		return run.Pull{}, err
	}
	body := tell.PullBody(proposal) + "\n" + p.marker(c)

	if !c.Live && c.Run.Pull != nil {
		return *c.Run.Pull, p.edit(ctx, c, sha, c.Run.Pull.Number, body, nil)
	}
	request := github.NewPull{Title: tell.PullTitle(proposal), Body: body, Head: c.Run.Branch, Base: c.DefaultBranch, Draft: true}
	data, err := encode(request)
	if err != nil {
		return run.Pull{}, fmt.Errorf("encode pull request of run %s: %w", c.Run.ID, err)
	}
	fresh := false
	rec, err := p.log.Once(ctx, c.Space, p.action(c, PullKey(c.Run.ID), "pull.create", "to propose commit "+sha, data), c.Live,
		action.Effect{
			Do: func(ctx context.Context) (any, error) {
				pull, found, err := p.find(ctx, c)
				if err == nil && !found {
					fresh = true
					pull, err = p.open(ctx, c, request)
				}
				return opened{pull.Number, pull.URL}, err
			},
			Find: func(ctx context.Context, _ time.Time) (any, bool, error) {
				pull, found, err := p.find(ctx, c)
				return opened{pull.Number, pull.URL}, found, err
			},
		})
	if err != nil || !c.Live {
		return run.Pull{}, plain(err)
	}
	var o opened
	if err := json.Unmarshal(rec.Result, &o); err != nil {
		return run.Pull{}, fmt.Errorf("read pull request of run %s: %w", c.Run.ID, err)
	}
	if fresh {
		return runPull(o), nil
	}
	return p.update(ctx, c, sha, o, body)
}

// described is the change as people are told of it, with the files that its commit was
// made of.
func (p *Publisher) described(ctx context.Context, c Change) (tell.Proposal, error) {
	told := p.proposal(ctx, c)
	rec, known, err := p.log.Get(ctx, c.Space, CommitKey(c.Run.ID, c.Run.Round().N))
	if err != nil || !known {
		return told, err
	}
	var made CommitRequest
	if err := json.Unmarshal(rec.Request, &made); err != nil {
		return told, fmt.Errorf("read commit of run %s: %w", c.Run.ID, err)
	}
	told.Diff = made.Diff
	for _, f := range made.Files {
		told.Files = append(told.Files, tell.File{Path: f.Path, Note: f.Note, Lines: f.Lines})
	}
	return told, nil
}

func runPull(o opened) run.Pull { return run.Pull{Number: o.Number, URL: o.URL} }

// plain takes the wrapping off the errors that a caller decides by.
func plain(err error) error {
	for _, known := range []error{ErrClosed, ErrTaken, ErrEmpty} {
		if errors.Is(err, known) {
			return known
		}
	}
	return err
}

// open opens the pull request, as a draft where the repository has drafts.
func (p *Publisher) open(ctx context.Context, c Change, n github.NewPull) (github.Pull, error) {
	pull, err := p.host.CreatePull(ctx, c.At, n)
	if errors.Is(err, github.ErrNoDrafts) {
		n.Draft = false
		pull, err = p.host.CreatePull(ctx, c.At, n)
	}
	var invalid *github.ValidationError
	switch {
	case errors.Is(err, github.ErrExists):
		return pull, ErrTaken // ours would have been found before
	case errors.As(err, &invalid) && strings.Contains(invalid.Error(), "No commits between"):
		return pull, ErrEmpty
	}
	return pull, err
}

// find looks for the pull request of the run's branch, in any state. The newest that
// is ours counts.
func (p *Publisher) find(ctx context.Context, c Change) (github.Pull, bool, error) {
	list, err := p.host.PullsByHead(ctx, c.At, c.Run.Branch)
	if err != nil {
		return github.Pull{}, false, err
	}
	taken := false
	for _, pull := range list {
		switch {
		case pull.HeadRepo != 0 && c.At.Repo.ID != 0 && pull.HeadRepo != c.At.Repo.ID:
		case strings.Contains(pull.Body, p.marker(c)):
			return pull, true, nil
		case pull.State == "open":
			taken = true
		}
	}
	if taken {
		return github.Pull{}, false, ErrTaken
	}
	return github.Pull{}, false, nil
}

// update brings the description up to date.
func (p *Publisher) update(ctx context.Context, c Change, sha string, o opened, body string) (run.Pull, error) {
	pull, err := p.host.GetPull(ctx, c.At, o.Number)
	if err != nil {
		return run.Pull{}, fmt.Errorf("update pull request of run %s: %w", c.Run.ID, err)
	}
	if pull.State != "open" {
		return runPull(o), ErrClosed
	}
	now := strings.ReplaceAll(pull.Body, "\r\n", "\n")
	_, theirs, ours := strings.Cut(now, p.marker(c))
	if !ours || now == body+theirs {
		return runPull(o), nil
	}
	return runPull(o), p.edit(ctx, c, sha, o.Number, body, func(ctx context.Context) error {
		whole := body + theirs
		_, err := p.host.EditPull(ctx, c.At, o.Number, nil, &whole)
		return err
	})
}

func (p *Publisher) edit(ctx context.Context, c Change, sha string, number int, body string, do func(context.Context) error) error {
	data, err := encode(PullEditRequest{number, body})
	if err != nil {
		return fmt.Errorf("encode pull request of run %s: %w", c.Run.ID, err)
	}
	_, err = p.log.Converge(ctx, c.Space, p.action(c, PullEditKey(c.Run.ID), "pull.edit", "to describe commit "+sha, data), c.Live,
		action.Effect{Do: func(ctx context.Context) (any, error) { return nil, do(ctx) }})
	return err
}

// marker proves that a pull request is ours: only we can make the mac.
func (p *Publisher) marker(c Change) string {
	return "<!-- soulcaster:pull run=" + c.Run.ID + " mac=" + p.mac(c.Space.Name(), "pull/"+c.Run.ID) + " -->"
}
