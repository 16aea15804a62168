package fix

import (
	"context"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Offers returns the names of the commands that would change something about a cluster's
// newest run now, or begin one: what [Runs.Order] refuses is not among them. fix and retry
// are meant for the pull request where there is an open one. GitHub is not asked, so an
// order can still be refused for what only GitHub knows.
func (r *Runs) Offers(ctx context.Context, space storage.Space, cluster string) (names []string, err error) {
	o, err := r.order(ctx, space, run.Order{Cluster: cluster, At: r.Now()})
	if err != nil {
		return nil, err
	}
	last := o.last
	if r.Launcher != nil {
		switch {
		case o.open():
			why, err := o.mayRound(ctx, space, o.project, o.policy, last)
			if err != nil {
				return nil, err
			}
			if why == "" {
				names = append(names, "fix")
				if last.Round().Commit == "" {
					names = append(names, "retry")
				}
			}
		case last == nil || !last.State.Alive() || o.rehearsed():
			_, why, err := o.mayBegin(ctx)
			if err != nil {
				return nil, err
			}
			if why == "" {
				names = append(names, "fix")
				if last != nil && !last.State.Alive() && last.State != run.Merged {
					names = append(names, "retry")
				}
			}
		}
	}
	if last == nil || !last.State.Alive() {
		return names, nil
	}
	if last.Wish == nil {
		names = append(names, "cancel")
	}
	if last.State == run.Proposed && last.Pull != nil && last.Let == nil && o.policy.Fix.Checks != policy.Run && mayWrite(o.project, o.policy) == "" {
		names = append(names, "checks")
	}
	return names, nil
}
