package issue

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/markdown"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// MaxEvidence is how much the agent gets to read of a problem, in bytes of text.
const MaxEvidence = 30_000

// Limits of one piece of it, in bytes, and of how many there are.
const (
	maxEvidenceLine    = 1_000 // a title, a list of names
	maxEvidenceMessage = 2_000
	maxEvidenceStack   = 8_000
	maxEvidenceText    = 4_000
	minEvidence        = 200 // less room than this is not worth a piece
	maxEvidenceFrames  = 50  // of the app's own, of one error group
	maxEvidenceErrors  = 8
	maxEvidenceTexts   = 20
	firstTexts         = 3 // that come before other error groups
)

// Evidence is what the agent gets to read of a cluster, see [Testimony], under
// the policy that holds now.
func (k *Keeper) Evidence(ctx context.Context, space storage.Space, cluster string) ([]brief.Evidence, error) {
	p, _, err := project.Load(ctx, space)
	if err != nil {
		return nil, err
	}
	pol := k.projects.Policy(p)
	problem, err := k.problem(ctx, space, cluster, pol)
	if err != nil {
		return nil, err
	}
	return Testimony(problem, pol), nil
}

// Testimony is what may be shown of a problem on its repository, in pieces, for
// the agent and for the maintainer who sees first what the agent will get: the
// most telling error group, what people wrote, how many, when and where, then
// other error groups and texts; at most [MaxEvidence] bytes of text. It shows what
// [Publish] lets stand and nothing else, only more of it: longer stacks, more
// texts. The text is foreign, without characters that are not seen; whoever shows
// it on GitHub puts it into a fence. Equal problems make equal pieces.
func Testimony(p Problem, pol policy.Policy) []brief.Evidence {
	v := view{full: pol.Publish == policy.Full}
	published := Publish(p, pol)
	var errs []*feedback.Feedback
	for _, m := range p.members {
		if m.Feedback.Kind == feedback.Sentry && len(errs) < maxEvidenceErrors {
			errs = append(errs, m.Feedback)
		}
	}
	texts := v.texts(p.members, maxEvidenceTexts)

	t := testimony{room: MaxEvidence, said: make(map[string]bool)}
	if len(errs) == 0 && len(texts) == 0 {
		t.title(published, p.members)
	}
	for _, f := range errs[:min(1, len(errs))] {
		t.failure(v, f)
	}
	first := min(firstTexts, len(texts))
	for _, f := range texts[:first] {
		t.add(f.Kind, "text", words(f), maxEvidenceText, f.First)
	}
	t.facts(published)
	for _, f := range errs[min(1, len(errs)):] {
		t.failure(v, f)
	}
	for _, f := range texts[first:] {
		t.add(f.Kind, "text", words(f), maxEvidenceText, f.First)
	}
	return t.pieces
}

// testimony gathers pieces while there is room.
type testimony struct {
	pieces []brief.Evidence
	room   int
	said   map[string]bool
}

func (t *testimony) add(source feedback.Kind, field, text string, most int, at time.Time) {
	if t.room < minEvidence {
		return
	}
	text = markdown.Plain(text, min(most, t.room))
	if text == "" || t.said[text] {
		return
	}
	t.said[text] = true
	t.room -= len(text)
	t.pieces = append(t.pieces, brief.Evidence{Source: string(source), Field: field, Text: text, At: at})
}

// title is the one line that may be said of reports that are not public.
func (t *testimony) title(p Published, members []Member) {
	for _, m := range members {
		t.add(m.Feedback.Kind, "title", p.title, maxEvidenceLine, time.Time{})
		return
	}
}

// failure is what an error group says.
func (t *testimony) failure(v view, f *feedback.Feedback) {
	at := f.Last
	if !f.First.Equal(f.Last) {
		at = time.Time{} // more than one moment
	}
	title, message := v.title([]Member{{Feedback: f}}), v.messages(f)
	t.add(f.Kind, "title", title, maxEvidenceLine, at)
	if !strings.Contains(title, message) {
		t.add(f.Kind, "message", message, maxEvidenceMessage, at)
	}
	t.add(f.Kind, "stack", v.stacks(f), maxEvidenceStack, at)
}

// facts are how many, when and where.
func (t *testimony) facts(p Published) {
	q := p.problem
	if len(q.Kinds) == 0 {
		return
	}
	t.add(q.Kinds[0], "counts", p.reports()+"; seen "+p.seen(), maxEvidenceLine, time.Time{})
	t.add(q.Kinds[0], "releases", strings.Join(q.Releases[max(0, len(q.Releases)-maxReleases):], "\n"), maxEvidenceLine, time.Time{})
	t.add(q.Kinds[0], "environments", strings.Join(q.Environments, "\n"), maxEvidenceLine, time.Time{})
}

// messages are what the exceptions of a chain say, root cause first, where
// messages may be shown.
func (v view) messages(f *feedback.Feedback) string {
	if !v.full {
		return ""
	}
	var lines []string
	for _, x := range f.Exceptions {
		if x.Value != "" {
			lines = append(lines, x.Type+between(": ", x.Value, ""))
		}
	}
	if len(f.Exceptions) == 0 {
		lines = append(lines, v.failure(f).message)
	}
	return strings.Join(lines, "\n")
}

// stacks are the stacks of a chain of exceptions, root cause first, each below
// its exception's type, newest call first.
func (v view) stacks(f *feedback.Feedback) string {
	var b strings.Builder
	left := maxEvidenceFrames
	for _, x := range f.Exceptions {
		frames := v.frames(x)
		if len(frames) == 0 || left == 0 {
			continue
		}
		kind := v.name(x.Type)
		if !v.full && !isType(x.Type) {
			kind = ""
		}
		b.WriteString(cmp.Or(kind, "Error") + "\n")
		for _, frame := range frames[:min(len(frames), left)] {
			left--
			b.WriteString("  " + v.call(frame, strconv.Itoa) + "\n")
		}
	}
	return b.String()
}
