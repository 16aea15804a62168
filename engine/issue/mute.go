package issue

import (
	"context"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/github"
)

// chooseMuting notes what muting, or the end of it, comes to.
func (s *sitting) chooseMuting(ctx context.Context, w *Wish) error {
	switch {
	case s.kept.Number == 0:
	case !s.live:
		w.Says = inPreview
		return nil
	default:
		i, err := s.get(ctx)
		if err != nil {
			return err
		}
		if i == nil {
			w.Says = s.gone()
			return nil
		}
	}
	switch {
	case w.Do == Mute && s.kept.Muted:
		w.Says = "This is muted already."
	case w.Do == Unmute && !s.kept.Muted:
		w.Says = "This is not muted."
	default:
		w.Target = fmt.Sprintf("issue.%s/%s/%s", w.Do, s.id, w.Order)
	}
	return nil
}

// gone answers what is asked of an issue that cannot be kept any more.
func (s *sitting) gone() string {
	return fmt.Sprintf("Nothing was done: issue #%d is not kept any more, because %s.", s.kept.Number, s.kept.Gone)
}

// mute closes an open issue as not planned; one that is closed stays as it is, and one
// that there is not is never filed. It is done once under the action's key: who reopens
// the issue means it.
func (s *sitting) mute(ctx context.Context, by string, a action.Action) (answer string, err error) {
	k := &s.kept
	did, err := s.turn(ctx, a, "open", "closed", "not_planned")
	if err != nil {
		return "", err
	}
	answer = "Closed as not planned, and muted: its reports are still counted, and nothing is written until somebody reopens it or says `/soulcaster unmute`."
	switch {
	case did:
		k.Close("not_planned", s.now)
	case k.Number == 0:
		answer = "Muted: its reports are still counted, and no issue is filed until somebody says `unmute`."
	case k.State == "closed" && !notPlanned(k.StateReason):
		answer = "Muted: it stays closed, its reports are still counted, and it is not reopened until somebody does or says `/soulcaster unmute`."
	}
	if k.Number == 0 || k.State == "closed" {
		k.MutedBy, k.Muted = by, true
	}
	return answer, nil
}

// unmute reopens an issue that was closed as not planned; one that was closed as
// completed is watched again, and one that there is not may be filed. It is done once
// under the action's key.
func (s *sitting) unmute(ctx context.Context, a action.Action) (answer string, err error) {
	k := &s.kept
	from := "" // nothing is to be done on GitHub
	if k.Number != 0 {
		if err := s.see(ctx); err != nil {
			return "", err
		}
		if k.State == "closed" && notPlanned(k.StateReason) {
			from = "closed"
		}
	}
	did, err := s.turn(ctx, a, from, "open", "reopened")
	if err != nil {
		return "", err
	}
	switch {
	case did:
		k.Reopen()
	case k.Number == 0 || k.State == "closed":
		k.MutedBy, k.Muted = "", k.Number != 0 && notPlanned(k.StateReason)
	}
	switch {
	case k.Number == 0:
		return "No longer muted: its issue is filed as soon as it is enough for one.", nil
	case k.State == "closed":
		return "No longer muted: it stays closed, and is watched for its return.", nil
	}
	return "Open again, and kept as before.", nil
}

// turn opens or closes the issue if it is in the state from, once under the action's
// key, and reports whether that was now. Where there is no issue, and where it is in
// another state, that somebody asked is all that is recorded.
func (s *sitting) turn(ctx context.Context, a action.Action, from, state, reason string) (now bool, err error) {
	request := struct {
		Number int    `json:"number,omitempty"`
		State  string `json:"state,omitempty"`
		Reason string `json:"reason,omitempty"`
	}{}
	if s.kept.Number != 0 {
		i, err := s.get(ctx)
		if err != nil {
			return false, err
		}
		if i == nil {
			return false, github.ErrGone
		}
		request.Number = s.kept.Number
		if s.kept.State == from {
			request.State, request.Reason = state, reason
		}
	}
	if a.Request, err = encode(request); err != nil {
		return false, err
	}
	_, err = s.log.Once(ctx, s.space, a, true, action.Effect{
		Idempotent: true,
		Do: func(ctx context.Context) (any, error) {
			if request.State == "" {
				return nil, nil
			}
			_, err := s.host.Revise(ctx, s.at(), request.Number, func(i github.Issue) (github.Edit, error) {
				if i.State != from {
					return github.Edit{}, nil
				}
				return github.Edit{State: &state, StateReason: &reason}, nil
			})
			now = err == nil
			return nil, err
		},
	})
	if err != nil {
		return false, s.refused(err)
	}
	return now, nil
}

// sayMuted says where a cluster stands that is muted without an issue.
func (s *sitting) sayMuted() {
	s.say(Muted, "muted by %s: no issue is filed until somebody says unmute", s.kept.MutedBy)
}
