package fix

import (
	"context"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// The answers to commands that change nothing.
const (
	noLauncher = "Nothing can be fixed here: whoever runs this Soulcaster has set up no launcher for the agent (`SOULCASTER_LAUNCHER`)."
	noIssue    = "There is nothing to fix here yet: this problem has no issue."
	closed     = "The issue is closed. Reopen it first, if the problem is still there."
	parted     = "The problem was taken out of the issue that this run is for, so it has no further round. Close the pull request, then comment `/soulcaster fix` on the issue that the problem has by now."
	nothing    = "There is nothing to cancel: no run goes on."
	cancelling = "This run is being cancelled already."
	noRetry    = "There is nothing to try again: say `/soulcaster fix`."
	merged     = "There is nothing to try again: the last run was merged. If the problem is still there, say `/soulcaster fix`."
	noAgain    = "There is nothing to try again: the last round brought what is proposed. Say `/soulcaster fix` with words here for another one."
	notYet     = "There is no proposal whose checks could run."
	previewed  = "This repository is in preview: nothing was pushed, so there are no checks to run."
	unseen     = "The checks were not started: what is proposed now is newer than your command. Look at it again, then say `/soulcaster checks` again."
	noBranch   = "The checks were not started: the branch is gone."
	checksRun  = "The checks of this repository run by themselves (`fix.checks: run`)."
	checksLet  = "The checks of this proposal were let run already."
)

// maxWords is how much of a maintainer's words is kept, in runes.
const maxWords = 4000

// order is one command that is decided on.
type order struct {
	*Runs
	run.Order
	space   storage.Space
	project project.Project
	policy  policy.Policy
	time    time.Time // of the decision

	last  *run.Run      // the run that it is about; nil if there is none
	entry storage.Entry // of the cluster's newest run, if the order names a cluster
}

// Order decides what becomes of a command about runs. It writes nothing: what is to
// change goes into the batch that ends the command, which conflicts if somebody
// else decided meanwhile.
func (r *Runs) Order(ctx context.Context, space storage.Space, o run.Order) (run.Answer, error) {
	x, err := r.order(ctx, space, o)
	switch {
	case err != nil:
		return run.Answer{}, err
	case o.Pull && x.last == nil:
		return reply(tell.NotOurs), nil
	}
	switch o.Name {
	case "fix":
		return x.fix(ctx)
	case "retry":
		return x.retry(ctx)
	case "cancel":
		return x.cancel(ctx)
	case "checks":
		return x.checks(ctx)
	}
	return run.Answer{}, fmt.Errorf("order %q: there is no such command about a run", o.Name)
}

// order reads what an order is about.
func (r *Runs) order(ctx context.Context, space storage.Space, o run.Order) (x *order, err error) {
	x = &order{Runs: r, Order: o, space: space, time: r.Now().UTC()}
	x.Words = clip(x.Words, maxWords)
	if x.project, _, err = project.Load(ctx, space); err != nil {
		return nil, err
	}
	x.policy = r.Projects.Policy(x.project)
	if o.Pull {
		x.last, err = run.OfPull(ctx, space, o.Number)
	} else {
		x.last, x.entry, err = run.Of(ctx, space, o.Cluster)
	}
	return x, err
}

func reply(text string) run.Answer { return run.Answer{Reply: text} }

// fix begins a run, or the next round of one whose proposal waits for people.
func (o *order) fix(ctx context.Context) (run.Answer, error) {
	switch {
	case o.Launcher == nil:
		return reply(noLauncher), nil
	case o.Pull && o.open():
		return o.round(ctx, false)
	case o.last != nil && o.last.State.Alive() && !o.rehearsed():
		return o.alive(ctx)
	case o.Pull:
		return o.over()
	}
	return o.begin(ctx, o.Words)
}

// open reports whether the last run's proposal waits for people.
func (o *order) open() bool {
	return o.last != nil && o.last.State == run.Proposed && o.last.Pull != nil && o.last.Wish == nil
}

// over says that a pull request's run has ended.
func (o *order) over() (run.Answer, error) {
	return reply(fmt.Sprintf("The run of this pull request has ended: say `/soulcaster %s` on the issue, #%d.", o.Name, o.last.Issue)), nil
}

// rehearsed reports whether the last run is a preview's that waits for nobody.
func (o *order) rehearsed() bool { return o.last.State == run.Proposed && o.last.Pull == nil }

// retry begins a run like the last one, unless that was merged; on a pull request it
// begins a round like the last one, if that came to nothing.
func (o *order) retry(ctx context.Context) (run.Answer, error) {
	last := o.last
	switch {
	case o.Launcher == nil:
		return reply(noLauncher), nil
	case last == nil:
		return reply(noRetry), nil
	case o.Pull && o.open():
		return o.round(ctx, true)
	case last.State.Alive():
		return o.alive(ctx)
	case last.State == run.Merged:
		return reply(merged), nil
	case o.Pull:
		return o.over()
	}
	words := o.Words
	if words == "" {
		said, err := run.WordsOf(ctx, o.space, last.ID, 1)
		if err != nil {
			return run.Answer{}, err
		}
		words = said.Words
	}
	return o.begin(ctx, words)
}

// alive says which run goes on.
func (o *order) alive(ctx context.Context) (run.Answer, error) {
	url := ""
	issue, err := o.Problems.Issue(ctx, o.space, o.last.Cluster)
	if err != nil {
		return run.Answer{}, err
	}
	if o.last.Status != 0 && issue.URL != "" {
		url = fmt.Sprintf("%s#issuecomment-%d", issue.URL, o.last.Status)
	}
	usage, err := o.usage(ctx, o.space, o.last.ID)
	if err != nil {
		return run.Answer{}, err
	}
	return reply(tell.Alive(tell.View{Run: o.last, Rounds: o.policy.Fix.Rounds, Usage: usage}, url)), nil
}

func (o *order) live() bool { return o.policy.Mode == policy.Live }

// mayBegin says why no run of the cluster can begin now, in words; they are empty if
// one can. It returns the cluster's issue.
func (o *order) mayBegin(ctx context.Context) (issue run.Issue, why string, err error) {
	issue, err = o.Problems.Issue(ctx, o.space, o.Cluster)
	switch {
	case err != nil:
		return issue, "", err
	case o.live() && o.project.Unavailable != "":
		return issue, mayWrite(o.project, o.policy), nil
	case o.policy.Budget.Runs == 0:
		return issue, noRuns, nil
	case issue.Number == 0 && o.live():
		return issue, noIssue, nil
	case issue.Number != 0 && !issue.Open:
		return issue, closed, nil
	}
	return issue, "", nil
}

// begin makes a new run of the cluster's, with the evidence as it is now.
func (o *order) begin(ctx context.Context, words string) (run.Answer, error) {
	issue, why, err := o.mayBegin(ctx)
	switch {
	case err != nil:
		return run.Answer{}, err
	case o.late(o.last):
		return reply(overtook), nil
	case why != "":
		return reply(why), nil
	}
	evidence, err := o.Problems.Evidence(ctx, o.space, o.Cluster)
	if err != nil {
		return run.Answer{}, err
	}
	hash, err := run.HashEvidence(evidence)
	if err != nil {
		return run.Answer{}, err
	}
	id := run.NewID()
	r := &run.Run{
		ID: id, Cluster: o.Cluster, Issue: issue.Number, State: run.Queued, Live: o.live(),
		By: o.By, ByID: o.ByID, Comment: o.Comment, CommentURL: o.URL, RequestID: o.RequestID, Created: o.time, Changed: o.time, EvidenceHash: hash,
		Rounds:    []run.Round{{N: 1, By: o.By, ByID: o.ByID, Through: o.Through, Comment: o.Comment, Order: o.Order.Order, Asked: o.time}},
		OrderedAt: o.At.UTC(),
		Branch:    fmt.Sprintf("soulcaster/issue-%d-%s", issue.Number, id),
	}
	ended, was, err := o.supersede(ctx)
	if err != nil {
		return run.Answer{}, err
	}
	return run.Answer{Change: func(b *storage.Batch) {
		run.Begin(b, o.entry, r, evidence, run.Words{By: o.By, Words: words})
		if ended != nil {
			run.Save(b, was, ended)
			work.Add(b, run.Work(ended.ID))
		}
	}}, nil
}

// supersede ends the proposal of a preview, which nobody can merge, in favour of a
// new run.
func (o *order) supersede(ctx context.Context) (*run.Run, storage.Entry, error) {
	if o.last == nil || !o.rehearsed() {
		return nil, storage.Entry{}, nil
	}
	last, was, err := run.Load(ctx, o.space, o.last.ID)
	if err != nil {
		return nil, was, err
	}
	last.State, last.Reason, last.Changed, last.Ended = run.Cancelled, run.ReasonCommand, o.time, o.time
	return last, was, nil
}

// cancel has the run end, or the round that goes on if there is a proposal.
func (o *order) cancel(ctx context.Context) (run.Answer, error) {
	if o.last == nil || !o.last.State.Alive() {
		return reply(nothing), nil
	}
	r, was, err := run.Load(ctx, o.space, o.last.ID)
	if err != nil {
		return run.Answer{}, err
	}
	switch {
	case !r.State.Alive():
		return reply(nothing), nil
	case r.Wish != nil:
		return reply(cancelling), nil
	case o.late(r), r.Round().Comment == 0 && r.Round().Order == "" && o.before(r.Round().Asked): // a review asked for it, or checks did
		return reply(outdated), nil
	case r.State == run.Proposed && r.Round().N > 1 && o.before(r.Round().Ended):
		return reply(roundOver), nil
	}
	o.obey(r)
	r.Wish = &run.Wish{Reason: run.ReasonCommand, By: o.By, Through: o.Through, At: o.time}
	return run.Answer{Change: func(b *storage.Batch) {
		run.Save(b, was, r)
		work.Add(b, run.Work(r.ID))
	}}, nil
}
