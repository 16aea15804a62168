package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Keys in a project's space:
//
//	command/<comment id>                  Comment: a comment that may be a command
//	command-turn/<author>/<comment id>    waiting: that it is still to be carried out
//	command-crowd                         crowd: answers of an hour
const (
	commentPrefix = "command/"
	turnPrefix    = "command-turn/"
	crowdKey      = "command-crowd"
)

// Comment is what a delivery says of a comment whose first line is meant for us.
type Comment struct {
	ID        int64     `json:"id"`
	Number    int       `json:"number"`         // of the issue that it is on
	Author    string    `json:"author"`         // login
	Pull      bool      `json:"pull,omitempty"` // it is on a pull request, which has that number
	Line      string    `json:"line"`           // its first line, at most MaxText runes
	Rest      string    `json:"rest,omitempty"` // what stands below, at most MaxText runes
	URL       string    `json:"url"`
	CreatedAt time.Time `json:"created_at"`
	Taken     time.Time `json:"taken"` // when the app was told
	RequestID string    `json:"request_id"`

	// Decided is the answer to what was carried out already: it is still to be
	// written.
	Decided string `json:"decided,omitempty"`
}

// MaxWords is how long the words after a command may be, in runes; MaxText is how
// much of a comment is kept for that: more, so that a longer one is seen to be.
const (
	MaxWords = 4000
	MaxText  = MaxWords + 500
)

// Add adds to the batch that a comment waits to be answered.
func Add(b *storage.Batch, c Comment) {
	key := fmt.Sprintf("%s%d", commentPrefix, c.ID)
	b.SetJSON(key, c)
	b.SetJSON(turnKey(c), waiting{Number: c.Number, Since: c.Taken})
	work.Add(b, key)
}

// waiting is a command that is not carried out yet.
type waiting struct {
	Number int       `json:"number"`
	Since  time.Time `json:"since"`
}

// turnKey puts the commands of one author in the order in which they were written.
func turnKey(c Comment) string {
	return fmt.Sprintf("%s%s/%020d", turnPrefix, strings.ToLower(c.Author), c.ID)
}

// Host is what a command needs of GitHub.
type Host interface {
	issue.Comments
	React(ctx context.Context, at github.At, comment int64, content string) error
	GetComment(ctx context.Context, at github.At, id int64) (github.Comment, error)
	Permission(ctx context.Context, at github.At, login string) (github.Permission, error)
}

// Worker carries commands out.
type Worker struct {
	host     Host
	runs     Runs
	projects *project.Registry
	log      *action.Log
	mac      func(space, key string) string
	wake     func(spaces ...string)
	now      func() time.Time
}

// NewWorker returns a worker. mac makes the keyed hash by which an answer is found
// again; wake is told of spaces that have work due.
func NewWorker(host Host, runs Runs, projects *project.Registry, log *action.Log,
	mac func(space, key string) string, wake func(spaces ...string), now func() time.Time) *Worker {
	return &Worker{host: host, runs: runs, projects: projects, log: log, mac: mac, wake: wake, now: now}
}

// order is one comment that is being answered.
type order struct {
	*Worker
	space   storage.Space
	comment Comment
	entry   storage.Entry
	at      github.At
	live    bool
	may     github.Permission // what the author may do, once it was asked
}

// maxAge is how old a comment may be to be obeyed: what was written long before
// the app could answer is no longer meant.
const maxAge = 24 * time.Hour

// settled is how old a comment is that is looked for before it is obeyed: who deletes
// it has thought better of it.
const settled = time.Minute

// Handle is the handler of the work of one comment: ask what its author may do, react,
// do it, answer. Every step can be done twice.
func (w *Worker) Handle(ctx context.Context, it work.Item) (time.Time, error) {
	entries, err := it.Space.Get(ctx, it.Key)
	if err != nil {
		return time.Time{}, fmt.Errorf("read %s: %w", it.Key, err)
	}
	if !entries[0].Exists() {
		return time.Time{}, nil // answered already
	}
	o := &order{Worker: w, space: it.Space, entry: entries[0]}
	if err := storage.GetJSON(entries[0], &o.comment); err != nil {
		return time.Time{}, work.Dead(err)
	}
	p, _, err := project.Load(ctx, it.Space)
	if err != nil {
		return time.Time{}, err
	}
	o.at = github.At{Installation: p.Installation, Repo: p.Repo}
	o.live = w.projects.Policy(p).Mode == policy.Live

	err = o.carryOut(ctx)
	switch {
	case errors.Is(err, github.ErrForbidden), errors.Is(err, github.ErrNotFound), errors.Is(err, github.ErrGone), errors.Is(err, github.ErrMoved):
		// GitHub will never let us answer, so there is nobody to tell but the log.
		zerolog.Ctx(ctx).Error().Err(err).Str("comment", o.comment.URL).Msg("a command cannot be answered")
		return time.Time{}, o.done(ctx, nil)
	case errors.Is(err, storage.ErrConflict):
		return w.now(), nil
	case errors.Is(err, errTurn):
		return w.now().Add(turn), nil
	case errors.Is(err, github.ErrSuspended), errors.Is(err, github.ErrUninstalled):
		return time.Time{}, &work.Later{Until: w.now().Add(10 * time.Minute), Err: err}
	}
	return time.Time{}, err
}

func (o *order) carryOut(ctx context.Context) error {
	if o.comment.Decided != "" {
		o.may = github.Write // or nothing would have been decided
		return o.answer(ctx, o.comment.Decided)
	}
	command, result := Parse(o.comment.Line)
	if result.Kind == Ignore || o.now().Sub(o.comment.CreatedAt) > maxAge {
		return o.done(ctx, nil)
	}
	if o.now().Sub(o.comment.CreatedAt) > settled && o.live {
		if _, err := o.host.GetComment(ctx, o.at, o.comment.ID); err != nil {
			return fmt.Errorf("look for comment %d: %w", o.comment.ID, err)
		}
	}
	var err error
	if o.may, err = o.host.Permission(ctx, o.at, o.comment.Author); err != nil {
		return fmt.Errorf("ask what %s may do: %w", o.comment.Author, err)
	}
	if o.may >= github.Write { // a crowd must not take the turns at GitHub of those
		if err := o.react(ctx); err != nil {
			return err
		}
		if before, err := o.before(ctx); err != nil || before {
			return cmp.Or(err, errTurn)
		}
	}
	switch {
	case o.may < github.Read:
		return o.done(ctx, nil) // a stranger is not answered
	case result.Kind == Reply:
		return o.answer(ctx, result.Reply)
	case o.may < command.Who:
		return o.answer(ctx, fmt.Sprintf("%s needs %s permission on this repository.", command.Usage(), command.Who))
	case command.Name == "help":
		return o.answer(ctx, Help())
	case o.comment.Pull:
		return o.onPull(ctx, command)
	}

	cluster, err := issue.ClusterOf(ctx, o.space, o.comment.Number)
	if err != nil {
		return err
	}
	if cluster == "" {
		return o.answer(ctx, "This issue is not one that Soulcaster keeps: it was filed by somebody else.")
	}
	switch command.Name {
	case "undo":
		return o.undo(ctx, cluster)
	case "status":
		return o.status(ctx, cluster)
	}
	return o.ask(ctx, command, cluster)
}

// What somebody orders on one issue is carried out in the order of their comments, as
// far as they have arrived. One that cannot be carried out holds up those behind it for
// patience. Nobody holds up anybody else.
const (
	turn     = 2 * time.Second // between two looks whether it is its turn
	patience = 10 * time.Minute
	maxTurns = 100 // of one author that are looked at
)

var errTurn = errors.New("an earlier command on the issue is not carried out yet")

// before reports whether a command that its author wrote before, on the same issue or
// the same pull request, is still to be carried out.
func (o *order) before(ctx context.Context) (bool, error) {
	own := turnKey(o.comment)
	entries, err := o.space.Scan(ctx, own[:strings.LastIndexByte(own, '/')+1], "", maxTurns)
	if err != nil {
		return false, fmt.Errorf("list commands: %w", err)
	}
	for _, e := range entries {
		if e.Key >= own {
			break
		}
		var other waiting
		if err := storage.GetJSON(e, &other); err != nil {
			return false, err
		}
		if other.Number == o.comment.Number && o.now().Sub(other.Since) < patience {
			return true, nil
		}
	}
	return false, nil
}

// maxAnswers is how many commands on one issue are answered in an hour: whoever
// may read a public repository can ask, and answers are notifications. Those who
// may write are answered after that still, so that nobody else can keep them from
// it. What they order is carried out, answered or not. On all issues of a repository
// together, those who may not write are answered maxCrowd times in an hour.
const (
	maxAnswers        = 20
	maxAnswersToWrite = 60
	maxCrowd          = 60
)

// crowd is how many of those who may not write were answered in an hour.
type crowd struct {
	Hour    time.Time `json:"hour"`
	Answers int       `json:"answers"`
}

// crowded returns how many of them were answered in this hour.
func (o *order) crowded(ctx context.Context) (crowd, error) {
	entries, err := o.space.Get(ctx, crowdKey)
	if err != nil {
		return crowd{}, fmt.Errorf("read %s: %w", crowdKey, err)
	}
	var c crowd
	err = storage.GetJSON(entries[0], &c)
	if hour := o.now().UTC().Truncate(time.Hour); !c.Hour.Equal(hour) {
		c = crowd{Hour: hour}
	}
	return c, err
}

// chatty reports whether this issue, or a crowd, had its answers for the hour.
func (o *order) chatty(ctx context.Context) bool {
	most := maxAnswers
	if o.may >= github.Write {
		most = maxAnswersToWrite
	} else if c, err := o.crowded(ctx); err == nil && c.Answers >= maxCrowd {
		return true
	}
	entries, err := o.log.List(ctx, o.space, o.subject(), "", 8*most)
	if err != nil {
		return false // what is wrong shows in the next step
	}
	answers := 0
	for _, e := range entries {
		if e.Kind == "command.reply" && e.What == string(action.Done) && o.now().Sub(e.At) < time.Hour {
			answers++
		}
	}
	return answers >= most
}

// react shows that the command was seen, before anything else is done.
func (o *order) react(ctx context.Context) error {
	rec, err := o.log.Once(ctx, o.space, action.Action{
		Key: "command.seen/" + o.id(), Kind: "reaction", Subject: o.subject(), By: o.by(), Why: "a command", RequestID: o.comment.RequestID,
		Request: []byte(`{"content":"eyes"}`),
	}, o.live, action.Effect{
		Do:         func(ctx context.Context) (any, error) { return nil, o.host.React(ctx, o.at, o.comment.ID, "eyes") },
		Idempotent: true,
	})
	var later *work.Later
	switch {
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrNoSpace):
		return err
	case errors.As(err, &later) && rec.State == action.Failed:
		return err // it was not our turn, and would not be for the answer either
	case err != nil:
		zerolog.Ctx(ctx).Info().Err(err).Msg("no reaction; the answer does not wait for it")
	}
	return nil
}

// undo hands the wish over to the one writer of the issue, which also answers.
func (o *order) undo(ctx context.Context, cluster string) error {
	return o.done(ctx, func(b *storage.Batch) {
		issue.AskUndo(b, cluster, issue.Undo{By: o.by(), Comment: o.comment.ID, Reply: o.replyKey(), Request: o.comment.RequestID})
	})
}

// answer comments on the issue, once, unless it had its answers, and ends the order.
func (o *order) answer(ctx context.Context, text string) error {
	if o.chatty(ctx) {
		zerolog.Ctx(ctx).Warn().Str("comment", o.comment.URL).Msg("too many commands on one issue in an hour: not answered")
		return o.done(ctx, nil)
	}
	err := issue.Comment(ctx, o.log, o.host, o.space, o.at, o.comment.Number, o.live, action.Action{
		Key: o.replyKey(), Kind: "command.reply", Subject: o.subject(), By: o.by(), Why: "answer to a command", RequestID: o.comment.RequestID,
	}, text, o.mac(o.space.Name(), o.replyKey()))
	if err != nil {
		return err
	}
	if o.may >= github.Write {
		return o.done(ctx, nil)
	}
	c, err := o.crowded(ctx)
	if err != nil {
		return err
	}
	c.Answers++
	return o.done(ctx, func(b *storage.Batch) { b.SetJSON(crowdKey, c) })
}

// done forgets the comment, with whatever else is to happen in the same batch.
func (o *order) done(ctx context.Context, also func(*storage.Batch)) error {
	var b storage.Batch
	b.RequireEntry(o.entry)
	b.Delete(o.entry.Key)
	b.Delete(turnKey(o.comment))
	if also != nil {
		also(&b)
	}
	if err := o.space.Apply(ctx, &b); err != nil {
		return fmt.Errorf("end command %s: %w", o.id(), err)
	}
	o.wake(o.space.Name())
	return nil
}

func (o *order) id() string       { return strconv.FormatInt(o.comment.ID, 10) }
func (o *order) by() string       { return "@" + o.comment.Author }
func (o *order) replyKey() string { return "command.reply/" + o.id() }
func (o *order) subject() string  { return fmt.Sprintf("#%d", o.comment.Number) }
