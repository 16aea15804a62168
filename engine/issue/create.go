package issue

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/cluster"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// CreateKey is the key of the action that files a cluster's issue; its request
// is a github.NewIssue.
func CreateKey(cluster string) string { return "issue.create/" + cluster }

// asked is how soon to look again while GitHub has not told of a repository yet.
const asked = 5 * time.Second

// file sees to a cluster that has no issue.
func (s *sitting) file(ctx context.Context) (time.Time, error) {
	s.standing.Joins, s.standing.JoinsURL = 0, ""
	// What was begun is ended first, whatever is thought of the problem by now.
	begun, ok, err := s.begun(ctx)
	switch {
	case err != nil:
		return time.Time{}, err
	case ok && begun.State == action.Done:
		return s.adopt(begun)
	case ok && begun.Kind == joinKind:
		return s.joinAgain(ctx, begun)
	case ok:
		return s.create(ctx)
	}
	if len(s.problem.all) == 0 {
		// Its members were removed, or belong elsewhere now.
		s.say(Ignored, "ignored: nothing is left in it")
		s.batch.Delete(candidatePrefix + s.id)
		s.forgotten = true
		return time.Time{}, s.forgetPreview(ctx)
	}
	if k := &s.kept; k.Muted {
		s.sayMuted()
		s.batch.Delete(candidatePrefix + s.id)
		k.Ready, k.Granted, k.GrantLive = time.Time{}, time.Time{}, false
		return time.Time{}, s.forgetPreview(ctx)
	}
	verdict, err := s.verdict(ctx)
	if err != nil {
		return time.Time{}, err
	}
	standing := Eligible(s.problem, s.policy, verdict)
	s.say(standing.State, "%s", standing.Reason)
	if standing.State != Ready && standing.State != Preview {
		s.batch.Delete(candidatePrefix + s.id)
		s.kept.Ready = time.Time{}
		return time.Time{}, s.forgetPreview(ctx)
	}
	if s.host != nil {
		if s.project.Looked.IsZero() {
			s.say(Held, "held: GitHub has not told about the repository yet")
			return s.now.Add(asked), nil
		}
		if s.project.Unavailable != "" {
			s.say(Blocked, "held: the repository cannot be written to: %s", s.project.Unavailable)
			return time.Time{}, nil
		}
	}
	if i, err := s.counterpart(ctx, listingKept); err != nil {
		return time.Time{}, err
	} else if i != nil {
		return s.join(ctx, i)
	}
	if err := s.log.Forget(ctx, s.space, JoinKey(s.id)); err != nil {
		return time.Time{}, err // what it would have joined, or could not
	}
	if s.kept.Granted.IsZero() || s.live && !s.kept.GrantLive {
		if s.kept.Ready.IsZero() {
			s.kept.Ready = s.now
		}
		s.say(Held, "held: waiting for a place among today's issues")
		s.batch.SetJSON(candidatePrefix+s.id, Candidate{Hurt: s.problem.Hurt(), Live: s.live, Since: s.kept.Ready})
		work.Add(&s.batch, "file")
		return time.Time{}, nil
	}
	if s.live {
		// Whoever heard of the problem elsewhere may have been quicker by a moment.
		if i, err := s.counterpart(ctx, 0); err != nil {
			return time.Time{}, err
		} else if i != nil {
			return s.join(ctx, i)
		}
	}
	return s.create(ctx)
}

// forgetPreview forgets what would have been written of a problem that is not to have an
// issue any more.
func (s *sitting) forgetPreview(ctx context.Context) error {
	return errors.Join(s.log.Forget(ctx, s.space, CreateKey(s.id)), s.log.Forget(ctx, s.space, JoinKey(s.id)))
}

// begun returns the record of the action that gives the cluster its issue, and whether
// that was begun: it is on GitHub, or may be, and the cluster does not know yet.
func (s *sitting) begun(ctx context.Context) (action.Record, bool, error) {
	if s.kept.Number != 0 {
		return action.Record{}, false, nil
	}
	for _, key := range []string{CreateKey(s.id), JoinKey(s.id)} {
		rec, ok, err := s.log.Get(ctx, s.space, key)
		if err != nil {
			return rec, false, err
		}
		if ok && !rec.Undone && (rec.State == action.Done || s.live && (rec.State == action.Intended || rec.State == action.Undecided)) {
			return rec, true, nil
		}
	}
	return action.Record{}, false, nil
}

// verdict asks the model about posts that no error and no report goes with. It
// is asked again when there are twice as many.
func (s *sitting) verdict(ctx context.Context) (*Verdict, error) {
	p := s.problem
	if s.judge == nil || p.ErrorGroups > 0 || p.Reporters > 0 || p.Posters < s.policy.FileAfter.Posts {
		return nil, nil
	}
	if s.kept.Verdict == "" || p.Reports >= 2*s.kept.VerdictOn {
		var posts []string
		for _, m := range p.members[:min(len(p.members), 8)] {
			posts = append(posts, m.Feedback.Title+"\n"+m.Feedback.Body)
		}
		v, err := s.judge.Verdict(ctx, posts)
		if err != nil {
			// Without the model's word, the number of people decides.
			zerolog.Ctx(ctx).Warn().Err(err).Msg("the model did not say what posts are")
			return nil, nil
		}
		s.kept.Verdict, s.kept.VerdictOn = v, p.Reports
	}
	return &s.kept.Verdict, nil
}

// filed is what is remembered of an issue that was created.
type filed struct {
	Number int    `json:"number"`
	NodeID string `json:"node_id"`
	URL    string `json:"url"`
}

// create files the issue, or records what would be filed.
func (s *sitting) create(ctx context.Context) (time.Time, error) {
	published := Publish(s.problem, s.policy)
	section := s.section(published, MaxBody)
	n := github.NewIssue{Title: Title(published), Body: section, Labels: s.policy.Labels}
	request, err := encode(n)
	if err != nil {
		return time.Time{}, err
	}
	rec, err := s.log.Once(ctx, s.space, action.Action{
		Key: CreateKey(s.id), Kind: "issue.create", Subject: s.id, By: By,
		Why: "one issue per problem: " + s.problem.why(), Request: request,
	}, s.live, action.Effect{
		Do: func(ctx context.Context) (any, error) {
			i, err := s.host.CreateIssue(ctx, s.at(), n)
			return filed{i.Number, i.NodeID, i.URL}, err
		},
		Find: func(ctx context.Context, since time.Time) (any, bool, error) {
			own, err := s.host.OwnIssuesSince(ctx, s.at(), since)
			if err != nil {
				return nil, false, err
			}
			for _, i := range own {
				if s.marked(i.Body) {
					return filed{i.Number, i.NodeID, i.URL}, true, nil
				}
			}
			return nil, false, nil
		},
	})
	if err != nil {
		return time.Time{}, s.refused(err)
	}
	if rec.State != action.Done {
		s.say(Preview, "preview: its issue would be filed")
		return time.Time{}, nil
	}
	if Hash(section) == hashOf(rec) {
		s.kept.Told = Tell(s.problem, s.policy, s.now)
	}
	return s.adopt(rec)
}

// adopt makes the issue that an action created, or joined, the cluster's.
func (s *sitting) adopt(rec action.Record) (time.Time, error) {
	var f filed
	if err := json.Unmarshal(rec.Result, &f); err != nil || f.Number == 0 {
		return time.Time{}, work.Dead(fmt.Errorf("the record of %s names no issue", rec.Key))
	}
	k := &s.kept
	k.Number, k.NodeID, k.URL, k.FiledAt, k.State = f.Number, f.NodeID, f.URL, rec.Ended, "open"
	k.SectionHash, k.Joined = hashOf(rec), rec.Kind == joinKind
	if k.Joined { // which takes no place
		k.Ready, k.Granted, k.GrantLive = time.Time{}, time.Time{}, false
	}
	k.Title = sentBy(rec).Title
	k.Loud = s.problem.Hurt()
	s.batch.SetJSON(fmt.Sprintf("%s%d", ofPrefix, k.Number), s.id)
	s.batch.Delete(candidatePrefix + s.id)
	cluster.MarkFiled(&s.batch, s.id)
	// Deliveries about it that came before we knew it were nobody's.
	work.Add(&s.batch, LookWork(s.id))
	s.say(Filed, "issue #%d", k.Number)
	return s.now, nil // what changed meanwhile is told by an edit
}

// sentBy is the issue as an action sent it, of one that was joined our part of its body;
// it may be from before a crash, and is empty if it was forgotten since.
func sentBy(rec action.Record) github.NewIssue {
	var n struct {
		github.NewIssue
		Section string `json:"section"`
	}
	if len(rec.Request) > 0 {
		if err := json.Unmarshal(rec.Request, &n); err != nil {
			return github.NewIssue{}
		}
	}
	n.Body = cmp.Or(n.Body, n.Section)
	return n.NewIssue
}

func hashOf(rec action.Record) string { return Hash(sentBy(rec).Body) }

// refused sees to what GitHub refuses: it may be the repository, of which there
// are news to be had, or the request itself, which can never succeed.
func (s *sitting) refused(err error) error {
	var invalid *github.ValidationError
	switch {
	case errors.Is(err, github.ErrGone), errors.Is(err, github.ErrForbidden), errors.Is(err, github.ErrNotFound), errors.Is(err, github.ErrMoved):
		s.news = true
	case errors.As(err, &invalid):
		return work.Dead(err)
	}
	return err
}

// trouble says on the cluster why its issue could not be brought up to date, and
// makes the repository due if there may be news of it. Nothing else that the
// sitting collected is kept.
func (s *sitting) trouble(ctx context.Context, err error) {
	var later *work.Later
	var invalid *github.ValidationError
	state, why := Blocked, ""
	switch {
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrConflict), errors.Is(err, storage.ErrNoSpace):
		return
	case errors.Is(err, github.ErrForbidden):
		why = "GitHub does not allow it: is the permission issues: write granted, and the repository not archived?"
	case errors.Is(err, github.ErrSuspended):
		why = "the installation is suspended"
	case errors.Is(err, github.ErrUnauthorized):
		why = "GitHub refuses the App's credentials"
	case errors.As(err, &invalid):
		why = "GitHub does not accept what it says; the log has more"
	case errors.As(err, &later) && s.kept.Number != 0:
		return // it is up to date in a moment
	case errors.As(err, &later) && errors.Is(err, github.ErrPaced):
		state, why = Held, "its turn comes: issues are filed a few seconds apart, as GitHub asks"
	case errors.As(err, &later):
		state, why = Held, "GitHub is away, or asks to go slowly; it is tried again"
	default:
		why = "something went wrong; the log says what, and it is tried again"
	}
	if s.kept.Number == 0 {
		s.say(state, "held: %s", why)
	} else {
		s.say(state, "issue #%d, not up to date: %s", s.kept.Number, why)
	}
	var b storage.Batch
	if s.news {
		work.Add(&b, "repository")
	}
	s.line(&b)
	if err := s.space.Apply(ctx, &b); err == nil {
		s.wake(s.space.Name())
	}
}

// section renders the section for a body with so much room.
func (s *sitting) section(p Published, room int) string {
	p.fix = s.kept.Fix
	return Section(p, s.macOf, room)
}

// why is the reason for the issue in a few words.
func (p Problem) why() string {
	for _, k := range p.Kinds {
		switch k {
		case feedback.Sentry:
			return count(p.ErrorGroups, "error")
		case feedback.Report:
			return people(p.Reporters) + " reported it"
		}
	}
	return people(p.Posters) + " posted it"
}

// encode returns the JSON of a request, with text as it is sent.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}
