package issue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// final reports whether GitHub refused something for good.
func final(err error) bool {
	var invalid *github.ValidationError
	for _, refusal := range []error{github.ErrForbidden, github.ErrNotFound, github.ErrGone, github.ErrMoved, github.ErrLocked, github.ErrNotKept, ErrTooLong} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return errors.As(err, &invalid)
}

// acts are the kinds of actions that can be taken back.
var acts = map[string]bool{
	"issue.create": true, joinKind: true, "issue.edit": true, "issue.reopen": true,
	"issue.regressed": true, "issue.tenfold": true,
	"issue.close": true, "issue.proof": true,
	"issue.mute": true, "issue.unmute": true,
}

// LastAct returns the newest act on a cluster's issue that stands, which is what
// an undo would take back; nil if there is none among the newest entries of its audit,
// at most most of them.
func LastAct(ctx context.Context, log *action.Log, space storage.Space, cluster string, most int) (*action.Record, error) {
	const page = 100
	before := ""
	for ; most > 0; most -= page {
		entries, err := log.List(ctx, space, cluster, before, page)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			before = e.ID
			if !acts[e.Kind] || e.What != string(action.Done) && e.What != "found" {
				continue
			}
			rec, ok, err := log.Get(ctx, space, e.Key)
			if err != nil {
				return nil, err
			}
			if ok && rec.State == action.Done && !rec.Undone {
				return &rec, nil
			}
		}
		if len(entries) < page {
			break
		}
	}
	return nil, nil
}

// takeBack takes one act back and says what was done, in the words of the
// answer. What was taken back already, before a crash, is not taken back again:
// somebody may have changed it since.
func (s *sitting) takeBack(ctx context.Context, rec *action.Record, u *Wish) (answer string, err error) {
	k := &s.kept
	why := "undo of " + rec.Kind
	do := func(undo func() error) {
		if !rec.Undone {
			err = undo()
		}
	}
	switch rec.Kind {
	case "issue.create":
		answer = "Closed as not planned, and muted: filing this issue was taken back. Reopen it to have it kept again."
		do(func() error {
			err := s.set(ctx, "undo/"+rec.Key, "undo", u.By, why, "closed", "not_planned")
			if err == nil {
				k.Close("not_planned", s.now)
			}
			return err
		})
	case joinKind:
		answer = "Taken out of this issue again, which is left alone from now on. The problem gets another one."
		if err = s.see(ctx); err == nil { // it may have been closed a moment ago
			do(func() error { return s.leave(ctx, rec.Key, u.By, why) })
		}
		if err == nil {
			err = s.forget(ctx) // nothing of it is there any more
		}
		if err != nil {
			break
		}
		if s.part(u.By); k.Muted {
			answer = "Taken out of this issue again, which is left alone from now on. It was closed, so the problem is muted: no issue is filed for it until somebody says unmute on its page."
		}
	case "issue.edit":
		answer = "The last edit of the description was taken back. It is written again when there is something new to say."
		var e editRequest
		if len(rec.Request) > 0 {
			if err := json.Unmarshal(rec.Request, &e); err != nil {
				return "", work.Dead(fmt.Errorf("read the record of %s: %w", rec.Key, err))
			}
		}
		if e.Before == "" {
			answer = "The description as it was before the last edit is not kept any more, so it stays. Ask again to take back what came before."
			break
		}
		do(func() error {
			return s.write(ctx, "undo/"+rec.Key, "undo", u.By, why, editRequest{Number: k.Number, Section: e.Before})
		})
		if err != nil {
			break
		}
		if k.SectionHash != Hash(e.Section) {
			// The edit was made, and somebody changed the record before it was noted there:
			// what it told is not to be told anew.
			s.tell()
		}
		k.SectionHash = Hash(e.Before)
	case "issue.reopen":
		answer = "Closed again: reopening it was taken back. It is watched for its return from now on."
		do(func() error {
			err := s.set(ctx, "undo/"+rec.Key, "undo", u.By, why, "closed", "completed")
			if err == nil {
				k.Close("completed", s.now)
			}
			return err
		})
	case "issue.close":
		answer = "Open again: closing it after the merge was taken back. It stays open until a person closes it."
		do(func() error {
			err := s.set(ctx, "undo/"+rec.Key, "undo", u.By, why, "open", "reopened")
			if err == nil {
				k.Reopen()
			}
			return err
		})
	case "issue.mute":
		answer, err = s.unmute(ctx, s.wishAction(u, "undo/"+rec.Key, "undo", why))
		answer = "Muting was taken back. " + answer
	case "issue.unmute":
		answer, err = s.mute(ctx, u.By, s.wishAction(u, "undo/"+rec.Key, "undo", why))
		answer = "The end of muting was taken back. " + answer
	default: // comments
		answer = "The last comment was taken back."
		do(func() error { return s.uncomment(ctx, rec, u, why) })
	}
	if err != nil {
		return "", err
	}
	if _, err := s.log.MarkUndone(ctx, s.space, rec.Key, u.By, why, u.Request); err != nil {
		return "", err
	}
	if rec.Kind == "issue.regressed" {
		// A regression is one act for those who read it: the comment and the
		// reopening go together.
		reopened, ok, err := s.log.Get(ctx, s.space, ReopenKey(s.id))
		if err != nil || !ok || reopened.State != action.Done {
			return answer, err
		}
		return s.takeBack(ctx, &reopened, u)
	}
	return answer, nil
}

// uncomment deletes a comment.
func (s *sitting) uncomment(ctx context.Context, rec *action.Record, u *Wish, why string) error {
	var c Posted
	if err := json.Unmarshal(rec.Result, &c); err != nil {
		return work.Dead(fmt.Errorf("read the record of %s: %w", rec.Key, err))
	}
	_, err := s.log.Converge(ctx, s.space, action.Action{
		Key: "undo/" + rec.Key, Kind: "undo", Subject: s.id, By: u.By, Why: why, RequestID: u.Request,
	}, s.live, action.Effect{Do: func(ctx context.Context) (any, error) {
		return nil, s.host.DeleteComment(ctx, s.at(), c.ID)
	}})
	return err
}

// hasMarker reports whether a comment carries the marker with the mac.
func hasMarker(body, mac string) bool {
	return strings.Contains(body, "<!-- soulcaster:comment mac="+mac+" -->")
}

// extract returns the app's section of a body, "" if there is none.
func extract(body string) string {
	for _, r := range layout(body).ours {
		return strings.ReplaceAll(body[r.from:r.to], "\r\n", "\n")
	}
	return ""
}

// ActName names a kind of act that can be taken back, in a few words.
func ActName(kind string) string {
	switch kind {
	case "issue.create":
		return "the filing"
	case joinKind:
		return "the joining"
	case "issue.edit":
		return "the last edit"
	case "issue.reopen", "issue.regressed":
		return "the reopening"
	case "issue.close":
		return "the closing"
	case "issue.mute":
		return "the muting"
	case "issue.unmute":
		return "the unmuting"
	}
	return "the last comment"
}
