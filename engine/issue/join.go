package issue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// A problem may have an issue before the app knows of it: somebody opened one. It is the
// problem's if it says so itself, by a link to where the problem is told of (the group at
// Sentry, as Sentry's own integration writes it, or the post on Reddit), and links no other
// such place: who collects ten errors in one issue plans work. That words are alike is not
// enough to write into what somebody wrote.
//
// Who opened it must be allowed to sort issues, or be a program that was installed: in a
// public repository a stranger who guesses links could otherwise take a problem over, and
// close it.

// joinKind is the kind of the action that makes somebody's issue a cluster's.
const joinKind = "issue.join"

// JoinKey is the key of that action.
func JoinKey(cluster string) string { return joinKind + "/" + cluster }

// counterpart returns the oldest open issue that somebody opened for the problem already,
// nil if there is none, as far as was known so long ago at most. A preview does without
// where GitHub does not tell.
func (s *sitting) counterpart(ctx context.Context, age time.Duration) (*linking, error) {
	own := s.problem.origins()
	if s.people == nil || len(own) == 0 {
		return nil, nil
	}
	issues, err := s.linkingIssues(ctx, age)
	for i := 0; err == nil && i < len(issues); i++ {
		var is bool
		if is, err = s.standsFor(ctx, own, &issues[i]); is {
			return &issues[i], nil
		}
	}
	if err != nil && !s.live && ctx.Err() == nil && !ofStore(err) {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("whether an open issue names the problem already is not known; the preview says that a new one would be filed")
		return nil, nil
	}
	if err != nil {
		return nil, s.refused(err)
	}
	return nil, nil
}

// origins are the places where the problem is told of, by what counts in it.
func (p Problem) origins() []feedback.Origin {
	var all []feedback.Origin
	for _, m := range p.members {
		if o := m.Feedback.Origin(); o != "" {
			all = append(all, o)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// linksTo reports whether the places that a text links are the problem's: at least one, and
// no other.
func linksTo(linked, own []feedback.Origin) bool {
	return len(linked) > 0 && !slices.ContainsFunc(linked, func(o feedback.Origin) bool {
		_, is := slices.BinarySearch(own, o)
		return !is
	})
}

// errOther says that the issue is not, or no longer, one for the problem.
var errOther = errors.New("issue: it does not stand for the problem")

// joinable reports whether an issue as it is now is one for the problem, but for who opened
// it, and what its body would be.
func (s *sitting) joinable(own []feedback.Origin, i github.Issue, section string) (body string, ok bool) {
	if i.State != "open" || i.PullRequest || !linksTo(feedback.Origins(i.Body), own) {
		return "", false
	}
	// What looks like a section and is not this cluster's is somebody else's: nothing is
	// put in its place.
	if len(layout(i.Body).ours) > 0 && !s.marked(i.Body) {
		return "", false
	}
	body, _, err := Splice(i.Body, section)
	return body, err == nil
}

// standsFor reports whether an issue is the problem's.
func (s *sitting) standsFor(ctx context.Context, own []feedback.Origin, i *linking) (bool, error) {
	if !linksTo(i.origins, own) || i.taken && i.of != s.id || slices.Contains(s.kept.Apart, i.number) {
		return false, nil
	}
	if len(s.section(Publish(s.problem, s.policy), i.room)) > i.room {
		return false, nil
	}
	if of, err := ClusterOf(ctx, s.space, i.number); err != nil || of != "" && of != s.id {
		return false, err
	}
	if i.bot {
		return true, nil
	}
	may, err := s.permission(ctx, i.author)
	return may >= github.Triage, err
}

// join makes an open issue the cluster's: our section comes to the end of what people wrote
// there. In a preview it is noted that it would be.
func (s *sitting) join(ctx context.Context, i *linking) (time.Time, error) {
	section := s.section(Publish(s.problem, s.policy), i.room)
	return s.addTo(ctx, editRequest{Number: i.number, Section: section, URL: i.url}, func(now github.Issue) (string, bool) {
		return s.joinable(s.problem.origins(), now, section)
	})
}

// joinAgain ends what a crash, or a time-out, left unknown: the section may stand there.
func (s *sitting) joinAgain(ctx context.Context, begun action.Record) (time.Time, error) {
	var e editRequest
	if err := json.Unmarshal(begun.Request, &e); err != nil {
		return time.Time{}, work.Dead(fmt.Errorf("read the record of %s: %w", begun.Key, err))
	}
	of, err := ClusterOf(ctx, s.space, e.Number)
	if err != nil {
		return time.Time{}, err
	}
	// As it is now, for what was begun may say what was taken back since; and no longer than
	// there was room for.
	e.Section = s.section(Publish(s.problem, s.policy), len(e.Section))
	return s.addTo(ctx, e, func(now github.Issue) (string, bool) {
		if of != "" && of != s.id {
			return "", false
		}
		if !s.marked(now.Body) {
			return s.joinable(s.problem.origins(), now, e.Section)
		}
		body, _, err := Splice(now.Body, e.Section)
		return body, err == nil
	})
}

// addTo adds the section to an issue that with says is the one, and makes it the cluster's.
func (s *sitting) addTo(ctx context.Context, e editRequest, with func(now github.Issue) (body string, ok bool)) (time.Time, error) {
	request, err := encode(e)
	if err != nil {
		return time.Time{}, err
	}
	rec, err := s.log.Converge(ctx, s.space, action.Action{
		Key: JoinKey(s.id), Kind: joinKind, Subject: s.id, By: By,
		Why: fmt.Sprintf("issue #%d is open already, and links the same group or post", e.Number), Request: request,
	}, s.live, action.Effect{Do: func(ctx context.Context) (any, error) {
		i, err := s.host.Revise(ctx, s.at(), e.Number, func(now github.Issue) (github.Edit, error) {
			body, ok := with(now)
			switch {
			case !ok:
				return github.Edit{}, errOther
			case body == now.Body:
				return github.Edit{}, nil
			}
			return github.Edit{Body: &body}, nil
		})
		return filed{e.Number, i.NodeID, i.URL}, err
	}})
	switch {
	case errors.Is(err, errOther), errors.Is(err, github.ErrGone), errors.Is(err, github.ErrMoved), errors.Is(err, github.ErrNotFound):
		s.forgetListing()
		s.say(Held, "held: issue #%d changed while the problem was joining it", e.Number)
		return s.now.Add(asked), nil
	case unwritable(err):
		s.setApart(e.Number)
		s.say(Held, "held: issue #%d, which somebody opened for it, cannot be written", e.Number)
		return s.now, nil
	case err != nil:
		return time.Time{}, s.refused(err)
	case rec.State != action.Done:
		s.batch.Delete(candidatePrefix + s.id) // it waits for no place: nothing new would be filed
		s.kept.Ready = time.Time{}
		s.say(Preview, "preview: it would join issue #%d", e.Number)
		s.standing.Joins, s.standing.JoinsURL = e.Number, e.URL
		return time.Time{}, s.log.Forget(ctx, s.space, CreateKey(s.id))
	}
	s.tell()
	return s.adopt(rec)
}

// unwritable reports whether GitHub does not take what is written in one issue.
func unwritable(err error) bool {
	var invalid *github.ValidationError
	return errors.As(err, &invalid) || errors.Is(err, github.ErrNotKept) || errors.Is(err, github.ErrLocked)
}

// leave takes our section out of the issue.
func (s *sitting) leave(ctx context.Context, key, by, why string) error {
	return s.converge(ctx, "undo/"+key, "undo", by, why, editRequest{Number: s.kept.Number}, func(now github.Issue) (github.Edit, error) {
		body := Without(now.Body)
		if body == now.Body {
			return github.Edit{}, nil
		}
		return github.Edit{Body: &body}, nil
	})
}

// part makes the cluster one without an issue, that does not join this one again. Who closed
// it meant the problem, which is muted then.
func (s *sitting) part(by string) {
	k := &s.kept
	s.setApart(k.Number)
	s.batch.Delete(fmt.Sprintf("%s%d", ofPrefix, k.Number))
	cluster.MarkUnfiled(&s.batch, s.id)
	now := Record{Cluster: k.Cluster, Seen: k.Seen}
	if k.State == "closed" {
		now.Muted, now.MutedBy = true, cmp.Or(k.MutedBy, by)
	}
	k.Record = now
	k.Title, k.Loud, k.Back, k.Gone, k.Locked, k.Joined = "", Hurt{}, nil, "", false, false
	s.standing.Regressed = time.Time{}
	s.say(Held, "held: whether it gets an issue is being worked out")
}

// setApart notes an issue that the cluster does not join.
func (s *sitting) setApart(number int) {
	k := &s.kept
	if k.Apart = append(k.Apart, number); len(k.Apart) > maxApart {
		k.Apart = k.Apart[1:]
	}
}

// maxApart is how many issues a cluster remembers that it does not join.
const maxApart = 20

// ofStore reports whether an error is the store's.
func ofStore(err error) bool {
	return errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrNoSpace)
}
