package command

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/tell"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Runs decides what becomes of a command about a run; package fix does. It
// changes nothing itself, so that it can be asked again.
type Runs interface {
	Order(ctx context.Context, space storage.Space, o run.Order) (run.Answer, error)
	// Offers returns the names of the commands that would change something now.
	Offers(ctx context.Context, space storage.Space, cluster string) ([]string, error)
}

// ask has a command about a run carried out. Who gave it has write permission.
func (o *order) ask(ctx context.Context, c Command, cluster string) error {
	if o.runs == nil {
		return o.answer(ctx, "Nothing was done: there are no runs in this preview.")
	}
	words := ""
	if c.Max == Free {
		words = strings.Trim(c.Words+"\n"+o.comment.Rest, "\n")
	}
	if utf8.RuneCountInString(words) > MaxWords {
		return o.answer(ctx, fmt.Sprintf("Nothing was done: the words after %s may be %d characters long, and these are longer.", c.Usage(), MaxWords))
	}
	answer, err := o.runs.Order(ctx, o.space, run.Order{
		Name: c.Name, Cluster: cluster, Number: o.comment.Number, Pull: o.comment.Pull, By: o.comment.Author, ByID: o.comment.AuthorID, Through: o.comment.Through,
		Comment: o.comment.ID, Order: o.comment.Order, URL: o.comment.URL, Words: words, At: o.comment.CreatedAt, RequestID: o.comment.RequestID,
	})
	switch {
	case err != nil:
		return fmt.Errorf("decide on %s: %w", c.Name, err)
	case answer.Change == nil && answer.Reply != "":
		return o.answer(ctx, answer.Reply)
	case o.page():
		return o.done(ctx, func(b *storage.Batch) {
			if answer.Change != nil {
				answer.Change(b)
			}
			b.Set(o.saidKey(), []byte(cmp.Or(answer.Reply, obeyed[c.Name])))
		})
	case answer.Reply != "":
		// The change comes first: should it conflict, nothing wrong was said. That it
		// was made is remembered, so that a crash before the answer does not make two.
		return o.decided(ctx, answer)
	}
	return o.done(ctx, answer.Change)
}

// obeyed answers on a page what a run's status comment tells in a conversation.
var obeyed = map[string]string{
	"fix":    "The agent was asked. The run's page shows how it goes.",
	"retry":  "The agent was asked again. The run's page shows how it goes.",
	"cancel": "It is being stopped.",
	"checks": "The checks are let run.",
}

// decided makes a change together with the note that only its answer is left.
func (o *order) decided(ctx context.Context, answer run.Answer) error {
	var b storage.Batch
	b.RequireEntry(o.entry)
	o.comment.Decided = answer.Reply
	b.SetJSON(o.entry.Key, o.comment)
	b.Delete(turnKey(o.comment))
	answer.Change(&b)
	if err := o.space.Apply(ctx, &b); err != nil {
		return fmt.Errorf("carry out command %s: %w", o.id(), err)
	}
	o.wake(o.space.Name())
	entries, err := o.space.Get(ctx, o.entry.Key)
	if err != nil {
		return fmt.Errorf("read %s: %w", o.entry.Key, err)
	}
	o.entry = entries[0]
	return o.answer(ctx, answer.Reply)
}

// onPull carries out a command on a pull request, if that is the agent's.
func (o *order) onPull(ctx context.Context, c Command) error {
	r, err := run.OfPull(ctx, o.space, o.comment.Number)
	if err != nil {
		return err
	}
	switch {
	case r == nil:
		return o.answer(ctx, tell.NotOurs)
	case c.Name == "status":
		return o.status(ctx, r.Cluster)
	case c.Name == issue.Undo, c.Name == issue.Mute, c.Name == issue.Unmute:
		return o.answer(ctx, fmt.Sprintf("%s belongs on the issue, #%d.", c.Usage(), r.Issue))
	}
	return o.ask(ctx, c, "")
}

// status says what is known of a cluster, and how far its newest run is.
func (o *order) status(ctx context.Context, cluster string) error {
	text, err := issue.Status(ctx, o.space, cluster)
	if err != nil {
		return err
	}
	r, _, err := run.Of(ctx, o.space, cluster)
	if err != nil {
		return err
	}
	if r != nil {
		line, _, err := issue.LineOf(ctx, o.space, cluster)
		if err != nil {
			return err
		}
		text += "\n\n" + told(r, line.URL)
	}
	return o.answer(ctx, text)
}

// told says how far a run is, in our own words; issueURL is its issue's.
func told(r *run.Run, issueURL string) string {
	s := "**Fix**: " + map[run.State]string{
		run.Queued:     "waits for its turn",
		run.Launching:  "the agent is being started",
		run.Working:    "the agent is at work",
		run.Publishing: "the agent's change is being checked",
		run.Proposed:   "proposed",
		run.Merged:     "merged",
		run.NoChange:   "the agent found nothing to change",
		run.Failed:     "the last try failed",
		run.Cancelled:  "the last try was cancelled",
		run.TimedOut:   "the last try ran out of time",
	}[r.State] + fmt.Sprintf(" (`%s`)", r.State)
	if n := r.Round().N; n > 1 {
		s += fmt.Sprintf(", round %d", n)
	}
	if r.Pull != nil {
		s += fmt.Sprintf(" · pull request #%d", r.Pull.Number)
	}
	if r.Status != 0 && issueURL != "" {
		s += fmt.Sprintf(" · [more](%s#issuecomment-%d)", issueURL, r.Status)
	}
	return s
}
