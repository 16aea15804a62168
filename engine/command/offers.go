package command

import (
	"context"
	"fmt"
	"slices"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Offer is a command that would do something about a cluster now.
type Offer struct {
	Spec
	Does string // what it would do, in a few words, as it stands on a button
}

// Words reports whether it takes words.
func (o Offer) Words() bool { return o.Max == Free }

// lookBack is how many entries of a cluster's audit are gone through for an act that could
// be taken back.
const lookBack = 200

// Offers returns the commands that would do something about a cluster in its present state
// and that whoever has the permission may give, in the order of the help. It is what pages
// and the API show; GitHub is not asked, and whether one is obeyed is decided when it is
// carried out.
func (w *Worker) Offers(ctx context.Context, space storage.Space, cluster string, may github.Permission) ([]Offer, error) {
	line, ok, err := issue.LineOf(ctx, space, cluster)
	if err != nil || !ok {
		return nil, err
	}
	p, _, err := project.Load(ctx, space)
	if err != nil {
		return nil, err
	}
	does := make(map[string]string)
	if err := w.offerRuns(ctx, space, cluster, does); err != nil {
		return nil, err
	}
	// Of an issue that cannot be written to, nothing is taken back and nothing closed.
	live := w.host != nil && w.projects.Policy(p).Mode == policy.Live && p.Unavailable == ""
	if line.Number == 0 || live && line.State != issue.Blocked {
		switch {
		case line.State == issue.Muted && line.Number == 0:
			does[issue.Unmute] = "Unmute: let its issue be filed"
		case line.State == issue.Muted:
			does[issue.Unmute] = "Unmute the issue"
		case line.Number == 0:
			does[issue.Mute] = "Mute: never file its issue"
		case line.State == issue.Closed:
			does[issue.Mute] = "Mute: do not watch for its return"
		default:
			does[issue.Mute] = "Mute: close the issue as not planned"
		}
		last, err := issue.LastAct(ctx, w.log, space, cluster, lookBack)
		if err != nil {
			return nil, err
		}
		if last != nil {
			does[issue.Undo] = "Undo " + issue.ActName(last.Kind)
		}
	}
	var offers []Offer
	for _, s := range Table() {
		if text := does[s.Name]; text != "" && may >= s.Who {
			offers = append(offers, Offer{s, text})
		}
	}
	return offers, nil
}

// offerRuns notes what the commands about runs would do.
func (w *Worker) offerRuns(ctx context.Context, space storage.Space, cluster string, does map[string]string) error {
	if w.runs == nil {
		return nil
	}
	names, err := w.runs.Offers(ctx, space, cluster)
	if err != nil || len(names) == 0 {
		return err
	}
	r, _, err := run.Of(ctx, space, cluster)
	if err != nil {
		return err
	}
	for _, name := range names {
		does[name] = map[string]string{
			"fix": "Fix: ask the agent", "retry": "Try again", "cancel": "Cancel the run", "checks": "Let the checks run",
		}[name]
	}
	if proposed(r) {
		again := map[string]string{
			"fix": fmt.Sprintf("Take #%d back to the agent", r.Pull.Number), "retry": "Try the last round again",
			"cancel": fmt.Sprintf("Close #%d", r.Pull.Number),
		}
		for name, text := range again {
			if slices.Contains(names, name) {
				does[name] = text
			}
		}
	}
	return nil
}
