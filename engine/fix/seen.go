package fix

import (
	"context"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// checks has the repository's workflows run on the proposal as it is.
func (o *order) checks(ctx context.Context) (run.Answer, error) {
	if o.last == nil || o.last.State != run.Proposed {
		return reply(notYet), nil
	}
	r, was, err := run.Load(ctx, o.space, o.last.ID)
	if err != nil {
		return run.Answer{}, err
	}
	why := mayWrite(o.project, o.policy)
	switch {
	case r.State != run.Proposed:
		return reply(notYet), nil
	case r.Pull == nil:
		return reply(previewed), nil
	case why != "":
		return reply(why), nil
	case o.policy.Fix.Checks == policy.Run:
		return reply(checksRun), nil
	case r.Let != nil:
		return reply(checksLet), nil
	}
	at := github.At{Installation: o.project.Installation, Repo: o.project.Repo}
	head, found, err := o.Host.Ref(ctx, at, r.Branch)
	if err != nil {
		return run.Answer{}, fmt.Errorf("ask for branch %s: %w", r.Branch, err)
	}
	seen := shown(r)
	o.obey(r)
	a := run.Answer{Change: func(b *storage.Batch) {
		run.Save(b, was, r)
		work.Add(b, run.Work(r.ID))
	}}
	switch {
	case !found:
		return reply(noBranch), nil
	case !o.At.After(seen.At):
		return reply(unseen), nil
	case head != seen.Head:
		r.Shown = &run.Shown{Head: head, At: o.time}
		a.Reply = moved(head)
	default:
		r.Let = &run.Let{By: o.By, Through: o.Through, Comment: o.Comment, Order: o.Order.Order, From: head}
	}
	return a, nil
}

// shown is what whoever lets checks run has seen: our proposal, or the head that they
// were told to look at since, which holds somebody else's commit.
func shown(r *run.Run) run.Shown {
	at, commit := r.Proposal()
	if r.Shown != nil && r.Shown.At.After(at) {
		return *r.Shown
	}
	return run.Shown{Head: commit, At: at}
}

// moved says where the branch is that somebody let the checks of run.
func moved(head string) string {
	return fmt.Sprintf("The checks were not started: the branch has moved since it was proposed, to `%s`. What a person pushes starts them by itself; if that is not so, look again, then say `/soulcaster checks` again.", head[:min(len(head), 12)])
}
