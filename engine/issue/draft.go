package issue

import (
	"context"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Draft is what a cluster's issue would say if it were written now.
type Draft struct {
	Standing Standing // where it stands, but for what its issue's record says
	Labels   []string
	Now      Text // under the policy in force
	Safe     Text // as any public repository would show it
	Full     bool // more is published than that: Now and Safe may differ

	Withheld  []string    // what Safe does not show, and why: our words
	Uncounted []Uncounted // members that count for nothing, and why
}

// Text is the title and the app's part of the body of an issue: Markdown.
type Text struct{ Title, Body string }

// Draft works out what a cluster's issue would say now. It writes nothing. It reads
// the whole cluster, so it is not for big ones on every look.
func (k *Keeper) Draft(ctx context.Context, space storage.Space, cluster string) (Draft, error) {
	s := sitting{Keeper: k, space: space, id: cluster, now: k.now().UTC()}
	var err error
	if s.project, _, err = project.Load(ctx, space); err != nil {
		return Draft{}, err
	}
	s.policy = k.projects.Policy(s.project)
	entries, err := space.Get(ctx, keptPrefix+cluster)
	if err != nil {
		return Draft{}, err
	}
	if err := storage.GetJSON(entries[0], &s.kept); err != nil {
		return Draft{}, err
	}
	if s.problem, err = k.problem(ctx, space, cluster, s.policy); err != nil {
		return Draft{}, err
	}
	var verdict *Verdict
	if s.kept.Verdict != "" {
		verdict = &s.kept.Verdict
	}
	safe := s.policy
	safe.Publish = policy.Safe
	d := Draft{
		Standing:  Eligible(s.problem, s.policy, verdict),
		Labels:    s.policy.Labels,
		Now:       s.text(s.policy),
		Safe:      s.text(safe),
		Full:      s.policy.Publish == policy.Full,
		Withheld:  withheld(s.problem),
		Uncounted: s.problem.Uncounted,
	}
	return d, nil
}

func (s *sitting) text(pol policy.Policy) Text {
	p := Publish(s.problem, pol)
	return Text{Title(p), s.section(p, MaxBody)}
}

// withheld says what is not shown where a repository publishes what is safe.
func withheld(p Problem) (all []string) {
	var messages, frames, texts int
	for _, m := range p.members {
		f := m.Feedback
		if f.Kind != feedback.Sentry {
			if !(view{}).open(f) {
				texts++
			}
			continue
		}
		message, foreign := len(f.Exceptions) == 0, false
		for _, x := range f.Exceptions {
			message = message || x.Value != ""
			for _, frame := range x.Frames {
				foreign = foreign || !frame.InApp
			}
		}
		if message {
			messages++
		}
		if foreign {
			frames++
		}
	}
	if messages > 0 {
		all = append(all, "the messages of "+count(messages, "error group")+": values in them may be somebody's")
	}
	if frames > 0 {
		all = append(all, "calls in "+count(frames, "error group")+" that are not in the app's own code, and the paths of who built it")
	}
	if texts > 0 {
		all = append(all, "the text and the link of "+count(texts, "report")+": what its source gets is not public")
	}
	if len(p.Sources) > 0 {
		all = append(all, "the names of sources")
	}
	return all
}
