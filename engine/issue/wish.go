package issue

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// What somebody with write permission can have done to an issue.
const (
	Undo   = "undo"   // take back what the app did last
	Mute   = "mute"   // close it as not planned, or never file it
	Unmute = "unmute" // reopen it, or let it be filed
)

// Wish is what somebody wants done to the issue of a cluster.
type Wish struct {
	Do      string    `json:"do,omitempty"`      // Undo if it is empty
	By      string    `json:"by"`                // "@login"
	Through string    `json:"through,omitempty"` // what a program brought that asked in their name, in words
	Order   string    `json:"order"`             // id of the command, of which this is all that is left
	Number  int       `json:"number,omitempty"`  // of the issue that it was said on; 0 on a page
	At      time.Time `json:"at"`                // when the app was told
	Reply   string    `json:"reply,omitempty"`
	Answer  string    `json:"answer,omitempty"`
	Request string    `json:"request_id,omitempty"`

	// What is done is chosen once, so that a crash does not make two of it.
	Chosen bool   `json:"chosen,omitempty"`
	Target string `json:"target,omitempty"` // key of the action that is taken back or done; empty: none
	Says   string `json:"says,omitempty"`   // the answer, where nothing is to be done
}

// Ask adds to the batch that something is to be done to a cluster's issue. The
// worker of the issue does it: there is one writer per issue. It answers in a
// comment, under the action whose key is Reply, or, if Answer is set, by storing its
// words under that key of the space.
func Ask(b *storage.Batch, cluster string, w Wish) {
	b.SetJSON(fmt.Sprintf("%s%s/%020d-%s", wishPrefix, cluster, w.At.UnixNano(), w.Order), w)
	work.Add(b, intake.IssueWork(cluster))
}

// maxWishes is how many wishes about one cluster are looked at.
const maxWishes = 50

// wished returns the wish that is next, nil if there is none: the oldest, unless it was
// begun with another one already.
func (s *sitting) wished(ctx context.Context) (next *Wish, asked storage.Entry, err error) {
	entries, err := s.space.Scan(ctx, wishPrefix+s.id+"/", "", maxWishes)
	if err != nil {
		return nil, asked, fmt.Errorf("read wishes about cluster %s: %w", s.id, err)
	}
	for _, e := range entries {
		w := new(Wish)
		if err := storage.GetJSON(e, w); err != nil {
			return nil, asked, err
		}
		if next == nil || w.Chosen {
			next, asked = w, e
		}
		if w.Chosen {
			break
		}
	}
	return next, asked, nil
}

// maxActs is how far back an undo looks for an act that stands: further than an audit is
// long.
const maxActs = 1_000_000

// inPreview answers whoever wants something done to an issue on GitHub.
const inPreview = "This repository is in preview: nothing is written, and so nothing is done to this issue."

// obey does what somebody wants, in two steps: what it is, is chosen and noted before
// it is done and answered.
func (s *sitting) obey(ctx context.Context, w *Wish, asked storage.Entry) error {
	s.batch.RequireEntry(asked)
	defer s.stands()
	if !w.Chosen {
		if err := s.choose(ctx, w); err != nil {
			return err
		}
		w.Chosen = true
		s.batch.SetJSON(asked.Key, w)
		return nil
	}
	answer, err := w.Says, error(nil)
	switch {
	case answer != "":
	case s.kept.Number != 0 && !s.live:
		answer = inPreview
	default:
		answer, err = s.fulfil(ctx, w)
		if final(err) {
			answer, err = "This could not be done: GitHub did not allow it.", nil
			if s.kept.Gone != "" {
				answer = s.gone()
			}
		}
	}
	if err != nil {
		return err
	}
	s.batch.Delete(asked.Key)
	if w.Answer != "" {
		s.batch.Set(w.Answer, []byte(answer))
		return nil
	}
	number := cmp.Or(w.Number, s.kept.Number)
	if number == 0 {
		return nil // there is nowhere to answer
	}
	return s.commentOn(ctx, number, w.Reply, "command.reply", w.By, cmp.Or(w.Do, Undo), answer)
}

// choose notes what a wish comes to: the act that is to be taken back, or the act that
// is to be done, or what is answered where there is none.
func (s *sitting) choose(ctx context.Context, w *Wish) error {
	if w.Number != 0 && w.Number != s.kept.Number {
		w.Says = "Nothing was done: the problem was taken out of this issue meanwhile."
		return nil
	}
	if w.Do == Mute || w.Do == Unmute {
		return s.chooseMuting(ctx, w)
	}
	last, err := LastAct(ctx, s.log, s.space, s.id, maxActs)
	switch {
	case err != nil:
		return err
	case last != nil:
		w.Target = last.Key
	case s.kept.Number != 0 && !s.live:
		w.Says = inPreview
	default:
		w.Says = "There is nothing left to take back on this issue."
	}
	return nil
}

// fulfil does what was chosen, and says so in the words of the answer.
func (s *sitting) fulfil(ctx context.Context, w *Wish) (answer string, err error) {
	switch w.Do {
	case Mute:
		return s.mute(ctx, w.By, s.wishAction(w, w.Target, "issue.mute", "somebody asked"))
	case Unmute:
		return s.unmute(ctx, s.wishAction(w, w.Target, "issue.unmute", "somebody asked"))
	}
	rec, _, err := s.log.Get(ctx, s.space, w.Target)
	if err != nil {
		return "", err
	}
	return s.takeBack(ctx, &rec, w)
}

func (s *sitting) wishAction(w *Wish, key, kind, why string) action.Action {
	return action.Action{Key: key, Kind: kind, Subject: s.id, By: action.By(w.By, w.Through), Why: why, RequestID: w.Request}
}

// stands says where the cluster stands after a wish; the next look says it anew.
func (s *sitting) stands() {
	switch {
	case s.kept.Number != 0:
		s.describe()
	case s.kept.Muted:
		s.sayMuted()
	case s.standing.Text == "" || s.standing.State == Muted:
		s.say(Held, "held: whether it gets an issue is being worked out")
	}
}
