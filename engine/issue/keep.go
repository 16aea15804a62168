package issue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/github"
)

// keep sees to a cluster that has an issue.
func (s *sitting) keep(ctx context.Context) (time.Time, error) {
	again, err := s.attend(ctx)
	s.describe()
	return again, err
}

// describe says where a cluster stands that has an issue.
func (s *sitting) describe() {
	k := &s.kept
	switch {
	case k.Gone != "":
		s.say(Blocked, "issue #%d is not kept any more: %s", k.Number, k.Gone)
	case k.Muted && !notPlanned(k.StateReason):
		s.say(Muted, "issue #%d, closed, and muted by %s until somebody reopens it", k.Number, k.MutedBy)
	case k.Muted:
		s.say(Muted, "issue #%d, closed as not planned: muted until somebody reopens it", k.Number)
	case k.State == "closed":
		s.say(Closed, "issue #%d, %s", k.Number, s.describeClosed())
	case k.Fix != nil && !k.Fix.Failed.IsZero():
		s.say(Filed, "issue #%d: back since %s, although %s, was to fix it", k.Number, date(k.Fix.Failed), k.Fix.pull())
	case k.Fix != nil:
		s.say(Filed, "issue #%d: open, although %s, was to fix it", k.Number, k.Fix.pull())
	default:
		s.say(Filed, "issue #%d", k.Number)
	}
}

// describeClosed says how an issue stands that was closed as fixed.
func (s *sitting) describeClosed() string {
	f := s.kept.Fix
	if !f.holds() {
		return "closed: watched for its return"
	}
	text := "fixed by " + f.pull() + ": "
	if f.Proven.IsZero() {
		text += "not yet proven, watched for its return"
	} else {
		text += "proven on " + date(f.Proven) + ", watched for its return"
	}
	if older := s.aftermath().Older; older > 0 {
		text += "; " + count(older, "report") + " since from older releases"
	}
	return text
}

// attend does what the issue needs now: the telling of a regression, an edit, a
// comment, or nothing.
func (s *sitting) attend(ctx context.Context) (time.Time, error) {
	k := &s.kept
	if k.Gone != "" {
		return time.Time{}, nil
	}
	takenBack := k.Told.TakenBack(s.problem, s.policy)
	if !s.live {
		return s.rehearse(ctx, takenBack)
	}
	if k.Back != nil {
		return s.tellRegression(ctx)
	}
	watched, err := s.watch(ctx)
	if err != nil || k.Back != nil || k.Gone != "" {
		return watched, err
	}
	due, why, again := EditDue(s.problem, k.Record, s.now)
	again = earliest(again, watched)
	switch {
	case takenBack:
		return s.now, s.takeOut(ctx)
	case k.State == "closed":
		// What is closed is left alone, but for how its fix stands.
		if !due || k.Muted || k.Told.Fix == k.Fix.told() {
			return watched, nil
		}
		return watched, s.edit(ctx, "fix", evenClosed)
	case due:
		if err := s.edit(ctx, why, asUsual); err != nil {
			return time.Time{}, err
		}
	}
	return again, s.tellTenfold(ctx)
}

// rehearse records what would be written, in a project that was live and is a
// preview now: beside the record of the last edit, which undo needs.
func (s *sitting) rehearse(ctx context.Context, takenBack bool) (time.Time, error) {
	due, why, again := EditDue(s.problem, s.kept.Record, s.now)
	if takenBack { // the issue is not written while this is a preview, but nothing is kept of it here
		if err := s.forget(ctx); err != nil {
			return time.Time{}, err
		}
		s.kept.Title = ""
	}
	if s.kept.State == "closed" || !due && !takenBack {
		return again, nil
	}
	request, err := encode(editRequest{Number: s.kept.Number, Section: s.section(Publish(s.problem, s.policy), MaxBody)})
	if err != nil {
		return time.Time{}, err
	}
	_, err = s.log.Converge(ctx, s.space, action.Action{
		Key: "preview/" + EditKey(s.id), Kind: "issue.edit", Subject: s.id, By: By, Why: why, Request: request,
	}, false, action.Effect{Do: func(context.Context) (any, error) { return nil, errors.New("a preview does nothing") }})
	return again, err
}

// takeOut writes the issue without what must not stand there any more, open or
// closed, and forgets what is kept of earlier versions.
func (s *sitting) takeOut(ctx context.Context) error {
	if err := s.edit(ctx, "taken back at its source, or not to be published any more", takingOut); err != nil {
		return err
	}
	return s.forget(ctx)
}

// forget forgets what was sent, and would be sent, of the issue's text.
func (s *sitting) forget(ctx context.Context) error {
	for _, key := range []string{CreateKey(s.id), JoinKey(s.id), EditKey(s.id), "undo/" + EditKey(s.id), "preview/" + EditKey(s.id)} {
		if err := s.log.Forget(ctx, s.space, key); err != nil {
			return err
		}
	}
	return nil
}

// EditKey is the key of the action that edits a cluster's issue.
func EditKey(cluster string) string { return "issue.edit/" + cluster }

// editRequest is what the record of an edit holds: our part of the body. What
// people wrote around it is theirs, and is not kept.
type editRequest struct {
	Number  int    `json:"number"`
	Title   string `json:"title,omitempty"` // if it changes
	Section string `json:"section"`
	Before  string `json:"before,omitempty"` // our part as it was, for undo
	URL     string `json:"url,omitempty"`    // of an issue that is joined
}

// manner is how an issue is edited.
type manner int

const (
	asUsual    manner = iota // if it is open
	evenClosed               // or closed
	takingOut                // the same, its title too if that is still ours, and nothing is kept of what it said
)

// edit brings the issue's section in line with the problem.
func (s *sitting) edit(ctx context.Context, why string, how manner) error {
	k, must := &s.kept, how == takingOut
	i, err := s.get(ctx)
	if err != nil || i == nil || k.State == "closed" && how == asUsual {
		return err
	}
	published := Publish(s.problem, s.policy)
	section := s.section(published, Room(i.Body))
	_, changed, err := Splice(i.Body, section)
	if errors.Is(err, ErrTooLong) && !must {
		// People filled the body: there is no room, and what they wrote stays.
		s.tell()
		return nil
	}
	if err != nil {
		return err
	}
	e := editRequest{Number: k.Number, Section: section}
	if title := Title(published); must && i.Title == k.Title && title != k.Title {
		e.Title = title
	}
	if !must {
		e.Before = extract(i.Body)
	}
	if changed || e.Title != "" {
		if err := s.write(ctx, EditKey(s.id), "issue.edit", By, why, e); err != nil {
			return err
		}
		if e.Title != "" {
			k.Title = e.Title
		}
	}
	if must && k.Title != Title(published) {
		k.Title = "" // a person has given it another one, and what ours said is not kept
	}
	k.SectionHash = Hash(section)
	s.tell()
	return nil
}

// tell notes what people are told from now on.
func (s *sitting) tell() {
	s.kept.Told = Tell(s.problem, s.policy, s.now)
	s.kept.Told.Fix = s.kept.Fix.told()
}

// write replaces our part of the body, and the title if one is given.
func (s *sitting) write(ctx context.Context, key, kind, by, why string, e editRequest) error {
	return s.converge(ctx, key, kind, by, why, e, func(now github.Issue) (github.Edit, error) {
		body, changed, err := Splice(now.Body, e.Section)
		var edit github.Edit
		if changed {
			edit.Body = &body
		}
		if e.Title != "" && e.Title != now.Title {
			edit.Title = &e.Title
		}
		return edit, err
	})
}

// set opens or closes the issue, if it is not so already.
func (s *sitting) set(ctx context.Context, key, kind, by, why, state, reason string) error {
	return s.converge(ctx, key, kind, by, why, struct {
		Number int    `json:"number"`
		State  string `json:"state"`
		Reason string `json:"reason"`
	}{s.kept.Number, state, reason}, func(now github.Issue) (github.Edit, error) {
		if now.State == state && (state == "open" || now.StateReason == reason) {
			return github.Edit{}, nil
		}
		return github.Edit{State: &state, StateReason: &reason}, nil
	})
}

// converge changes the issue as revise says, and records it.
func (s *sitting) converge(ctx context.Context, key, kind, by, why string, request any,
	revise func(now github.Issue) (github.Edit, error)) error {
	data, err := encode(request)
	if err != nil {
		return err
	}
	_, err = s.log.Converge(ctx, s.space, action.Action{
		Key: key, Kind: kind, Subject: s.id, By: by, Why: why, Request: data,
	}, s.live, action.Effect{Do: func(ctx context.Context) (any, error) {
		_, err := s.host.Revise(ctx, s.at(), s.kept.Number, revise)
		return nil, err
	}})
	if err != nil {
		return s.refused(err)
	}
	return nil
}

// ReopenKey is the key of the action that reopens a cluster's issue.
func ReopenKey(cluster string) string { return "issue.reopen/" + cluster }

// tellRegression reopens the issue and says why, then writes the section anew.
func (s *sitting) tellRegression(ctx context.Context) (time.Time, error) {
	k := &s.kept
	i, err := s.get(ctx)
	if err != nil || i == nil {
		return time.Time{}, err
	}
	if k.Muted { // somebody closed it as not planned meanwhile
		k.Back = nil
		return time.Time{}, nil
	}
	if i.State == "closed" {
		if err := s.set(ctx, ReopenKey(s.id), "issue.reopen", By, "regression", "open", "reopened"); err != nil {
			return time.Time{}, err
		}
	}
	if err := s.comment(ctx, fmt.Sprintf("issue.regressed/%s/%d", s.id, k.Back.At.Unix()), "issue.regressed", By, "regression", k.Back.Text); err != nil {
		return time.Time{}, err
	}
	k.Reopen()
	if k.Fix.holds() {
		k.Fix.Failed = k.Back.At
	}
	k.RegressedAt, k.Back = k.Back.At, nil
	return s.now, nil
}

// tenfold is how many times as many people (or events, from a hundred on) as
// people were told of make a comment.
const tenfold = 10

// tellTenfold tells people when a problem hurts ten times as many as they know.
func (s *sitting) tellTenfold(ctx context.Context) error {
	k, h := &s.kept, s.problem.Hurt()
	if k.State == "closed" || k.Gone != "" {
		return nil
	}
	var text string
	switch {
	case h.People >= tenfold*max(1, k.Loud.People):
		text = fmt.Sprintf("This now affects %s; it was %s when you were last told.", people(h.People), number(k.Loud.People))
	case h.Events >= 10*tenfold && h.Events >= tenfold*max(1, k.Loud.Events):
		text = fmt.Sprintf("This has now happened %s times; it was %s when you were last told.", number(h.Events), number(k.Loud.Events))
	default:
		return nil
	}
	key := fmt.Sprintf("issue.tenfold/%s/%d-%d", s.id, k.Loud.People, k.Loud.Events)
	if err := s.comment(ctx, key, "issue.tenfold", By, "ten times as many", text); err != nil {
		return err
	}
	k.Loud = h
	return nil
}

// comment says something on the issue, once under its key. Where nobody can
// comment, it is left unsaid.
func (s *sitting) comment(ctx context.Context, key, kind, by, why, text string) error {
	return s.commentOn(ctx, s.kept.Number, key, kind, by, why, text)
}

func (s *sitting) commentOn(ctx context.Context, number int, key, kind, by, why, text string) error {
	if s.kept.Locked {
		return nil
	}
	return Comment(ctx, s.log, s.host, s.space, s.at(), number, s.live, action.Action{
		Key: key, Kind: kind, Subject: s.id, By: by, Why: why,
	}, text, s.mac(s.space.Name(), key))
}
