package issue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Undo is somebody's wish to take back what the app did last on an issue.
type Undo struct {
	By      string `json:"by"` // "@login"
	Comment int64  `json:"comment"`
	Reply   string `json:"reply"` // key of the action that answers
	Request string `json:"request_id,omitempty"`

	// What is taken back is chosen once, so that a crash does not make two of it.
	Chosen bool   `json:"chosen,omitempty"`
	Target string `json:"target,omitempty"` // key of the action; empty: there is none
}

// AskUndo adds to the batch that the last act on a cluster's issue is to be
// taken back. The worker of the issue does it, and answers: there is one writer
// per issue.
func AskUndo(b *storage.Batch, cluster string, u Undo) {
	b.SetJSON(fmt.Sprintf("%s%s/%020d", undoPrefix, cluster, u.Comment), u)
	work.Add(b, intake.IssueWork(cluster))
}

// undoAsked returns the oldest wish to take something back, nil if there is none.
func (s *sitting) undoAsked(ctx context.Context) (*Undo, storage.Entry, error) {
	entries, err := s.space.Scan(ctx, undoPrefix+s.id+"/", "", 1)
	if err != nil {
		return nil, storage.Entry{}, fmt.Errorf("read undo of cluster %s: %w", s.id, err)
	}
	if len(entries) == 0 {
		return nil, storage.Entry{}, nil
	}
	u := new(Undo)
	return u, entries[0], storage.GetJSON(entries[0], u)
}

// undo takes back the last act on the issue that was not taken back yet, and
// answers who asked.
func (s *sitting) undo(ctx context.Context, u *Undo, asked storage.Entry) error {
	s.describe()
	s.batch.RequireEntry(asked)
	if s.kept.Number == 0 {
		s.batch.Delete(asked.Key)
		return nil
	}
	if !u.Chosen {
		last, err := s.lastAct(ctx)
		if err != nil {
			return err
		}
		u.Chosen = true
		if last != nil {
			u.Target = last.Key
		}
		s.batch.SetJSON(asked.Key, u)
		return nil
	}
	answer := "There is nothing left to take back on this issue."
	switch {
	case !s.live:
		answer = "This repository is in preview: nothing is written, and so nothing is taken back."
	case u.Target != "":
		rec, _, err := s.log.Get(ctx, s.space, u.Target)
		if err == nil {
			answer, err = s.takeBack(ctx, &rec, u)
		}
		if final(err) {
			answer, err = "This could not be taken back: GitHub did not allow it.", nil
		}
		if err != nil {
			return err
		}
	}
	s.batch.Delete(asked.Key)
	return s.comment(ctx, u.Reply, "command.reply", u.By, "undo", answer)
}

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
	"issue.create": true, "issue.edit": true, "issue.reopen": true,
	"issue.regressed": true, "issue.tenfold": true,
	"issue.close": true, "issue.proof": true,
}

// lastAct returns the newest act on the issue that stands, nil if there is none.
func (s *sitting) lastAct(ctx context.Context) (*action.Record, error) {
	before := ""
	for {
		entries, err := s.log.List(ctx, s.space, s.id, before, 100)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			before = e.ID
			if !acts[e.Kind] || e.What != string(action.Done) && e.What != "found" {
				continue
			}
			rec, ok, err := s.log.Get(ctx, s.space, e.Key)
			if err != nil {
				return nil, err
			}
			if ok && rec.State == action.Done && !rec.Undone {
				return &rec, nil
			}
		}
		if len(entries) < 100 {
			return nil, nil
		}
	}
}

// takeBack takes one act back and says what was done, in the words of the
// answer. What was taken back already, before a crash, is not taken back again:
// somebody may have changed it since.
func (s *sitting) takeBack(ctx context.Context, rec *action.Record, u *Undo) (answer string, err error) {
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
			err := s.write(ctx, "undo/"+rec.Key, "undo", u.By, why, editRequest{Number: k.Number, Section: e.Before})
			if err == nil {
				k.SectionHash = Hash(e.Before)
			}
			return err
		})
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
func (s *sitting) uncomment(ctx context.Context, rec *action.Record, u *Undo, why string) error {
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
