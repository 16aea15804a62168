package issue

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/markdown"
)

// watch looks after an issue that was closed as fixed, or is to be: it sees that
// the issue is closed after a merge, that it is reopened when the problem is back,
// and that people are told when the fix is proven.
func (s *sitting) watch(ctx context.Context) (again time.Time, err error) {
	k := &s.kept
	if again, err = s.closeFixed(ctx); err != nil || !k.Watched() {
		return again, err
	}
	a := s.aftermath()
	if len(a.Ask) > 0 {
		again = s.ask(ctx, a.Ask)
		a = s.aftermath()
	}
	if a.Back.Count > 0 {
		if until := k.RegressedAt.Add(RegressionInterval); !k.RegressedAt.IsZero() && until.After(s.now) {
			return earliest(again, until), nil // people were told today
		}
		// Noted first and told in the next look, so that what a crash interrupts is
		// taken up where it was.
		k.Back = &Regression{At: s.now, Text: a.Back.Comment()}
		return s.now, nil
	}
	if !k.Fix.holds() || !k.Fix.Proven.IsZero() {
		return again, nil
	}
	until := s.soaked()
	switch {
	case until.After(s.now):
		return earliest(again, until), nil
	case len(a.Ask) > 0:
		return again, nil // one of them may show that it is back
	}
	return again, s.prove(ctx, a)
}

func (s *sitting) aftermath() Aftermath {
	return After(s.problem, s.kept.Record, s.policy.Watch.Deploy, s.now)
}

// quiet is since when it has been quiet, if it is; soaked is when that will have
// been for long enough.
func (s *sitting) quiet() time.Time {
	return latest(s.kept.Fix.Merge.At, s.kept.ClosedAt).Add(s.policy.Watch.Deploy)
}

func (s *sitting) soaked() time.Time { return s.quiet().Add(s.policy.Watch.Soak) }

// prove says on the closed issue, once for a merge, that the fix holds. Only a
// merge of ours is proven: what a person closed without one claims nothing that
// could be, and a comment on every closed issue would be noise.
func (s *sitting) prove(ctx context.Context, a Aftermath) error {
	k := &s.kept
	i, err := s.get(ctx)
	if err != nil || i == nil || !k.Watched() {
		return err // a person reopened it, or took it away, and nobody heard of it
	}
	if s.soaked().After(s.now) {
		return nil // or closed it anew: the next look is at its time
	}
	release, err := s.released(ctx)
	if err != nil {
		zerolog.Ctx(ctx).Info().Err(err).Msg("GitHub did not say which release contains a fix; the proof does not name one")
	}
	text := s.proof(a, release)
	if err := s.comment(ctx, "issue.proof/"+s.id+"/"+k.Fix.Merge.Run, "issue.proof", By, "a quiet soak", text); err != nil {
		return err
	}
	k.Fix.Proven = s.now
	return nil
}

// proof is the comment.
func (s *sitting) proof(a Aftermath, release string) string {
	f := s.kept.Fix
	days := int(s.now.Sub(s.quiet()) / (24 * time.Hour))
	text := fmt.Sprintf("**Proven.** #%d, merged on %s, fixed this: it has been quiet for %s, counted from %s, when the fix had had %s to reach everyone.",
		f.Merge.Pull, moment(f.Merge.At), count(days, "day"), moment(s.quiet()), count(int(s.policy.Watch.Deploy/time.Hour), "hour"))
	if name := markdown.Code(release, maxName); name != "" {
		text += " Release " + name + " contains it."
	}
	var not []string
	if a.Older > 0 {
		not = append(not, count(a.Older, "report")+" from older releases")
	}
	if a.Early > 0 {
		not = append(not, count(a.Early, "report")+" from before then")
	}
	if len(not) > 0 {
		text += " Not counted: " + strings.Join(not, ", and ") + "."
	}
	return text + " It stays watched."
}
