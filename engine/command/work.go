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
//	command/<cluster>/<order>             Comment: a command from a page; kept for a day
//	command-said/<cluster>/<order>        text: the answer to it, Markdown of ours
//	command-turn/<author>/<comment id>    waiting: that it is still to be carried out
//	command-turn/<author>/p<time>-<order> waiting: the same of one from a page
//	command-crowd                         crowd: answers of an hour
const (
	commentPrefix = "command/"
	saidPrefix    = "command-said/"
	turnPrefix    = "command-turn/"
	crowdKey      = "command-crowd"
)

// Comment is what a delivery says of a comment whose first line is meant for us, or
// what somebody ordered on a page, as if in a comment.
type Comment struct {
	ID        int64     `json:"id,omitempty"`   // 0 of what was ordered on a page
	Number    int       `json:"number"`         // of the issue that it is on; 0 on a page of a cluster without one
	Author    string    `json:"author"`         // login
	AuthorID  int64     `json:"author_id"`      // GitHub's id of the same, which decides
	Pull      bool      `json:"pull,omitempty"` // it is on a pull request, which has that number
	Line      string    `json:"line"`           // its first line, at most MaxText runes
	Rest      string    `json:"rest,omitempty"` // what stands below, at most MaxText runes
	URL       string    `json:"url"`
	CreatedAt time.Time `json:"created_at"`
	Taken     time.Time `json:"taken"` // when the app was told
	RequestID string    `json:"request_id"`

	Through string    `json:"through,omitempty"` // what a program brought that ordered it, in words
	Order   string    `json:"order,omitempty"`   // id of what was ordered on a page
	Cluster string    `json:"cluster,omitempty"` // that it is about, the same
	Ended   time.Time `json:"ended,omitzero"`    // when it was carried out, or handed over, the same

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
	key := commentPrefix + c.id()
	if c.Order != "" {
		key = orderPrefix(c.Cluster) + c.Order
	}
	b.SetJSON(key, c)
	b.SetJSON(turnKey(c), waiting{Number: c.Number, Cluster: c.Cluster, Since: c.Taken})
	work.Add(b, key)
}

// id names a comment or an order among all of its project.
func (c Comment) id() string { return cmp.Or(c.Order, strconv.FormatInt(c.ID, 10)) }

// waiting is a command that is not carried out yet.
type waiting struct {
	Number  int       `json:"number"`
	Cluster string    `json:"cluster,omitempty"`
	Since   time.Time `json:"since"`
}

// turnKey puts the comments of one author in the order in which they were written, and
// what they ordered on pages too.
func turnKey(c Comment) string {
	if c.Order != "" {
		return fmt.Sprintf("%s%s/p%020d-%s", turnPrefix, strings.ToLower(c.Author), c.Taken.UnixNano(), c.Order)
	}
	return fmt.Sprintf("%s%s/%020d", turnPrefix, strings.ToLower(c.Author), c.ID)
}

// Host is what a command needs of GitHub. Where there is none, in a preview, only pages
// give commands, and whoever is at the machine may give them all.
type Host interface {
	issue.Comments
	React(ctx context.Context, at github.At, comment int64, content string) error
	GetComment(ctx context.Context, at github.At, id int64) (github.Comment, error)
	Permission(ctx context.Context, at github.At, who github.Person) (github.Permission, error)
}

// Worker carries commands out.
type Worker struct {
	host     Host // nil: a preview without GitHub
	runs     Runs // nil: there are none
	projects *project.Registry
	log      *action.Log
	mac      func(space, key string) string
	wake     func(spaces ...string)
	now      func() time.Time
}

// NewWorker returns a worker. Without a host it carries out what pages order; without
// runs no command about them is offered. mac makes the keyed hash by which an answer is found
// again; wake is told of spaces that have work due.
func NewWorker(host Host, runs Runs, projects *project.Registry, log *action.Log,
	mac func(space, key string) string, wake func(spaces ...string), now func() time.Time) *Worker {
	return &Worker{host: host, runs: runs, projects: projects, log: log, mac: mac, wake: wake, now: now}
}

// order is one comment, or one order of a page, that is being answered.
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
		return time.Time{}, forgotten(ctx, it) // answered already
	}
	o := &order{Worker: w, space: it.Space, entry: entries[0]}
	if err := storage.GetJSON(entries[0], &o.comment); err != nil {
		return time.Time{}, work.Dead(err)
	}
	if o.page() && !o.comment.Ended.IsZero() {
		return o.expire(ctx)
	}
	p, _, err := project.Load(ctx, it.Space)
	if err != nil {
		return time.Time{}, err
	}
	o.at = github.At{Installation: p.Installation, Repo: p.Repo}
	o.live = w.projects.Policy(p).Mode == policy.Live

	err = o.carryOut(ctx)
	switch {
	case err == nil && o.page():
		return o.comment.Ended.Add(keepOrders), nil // and forget it then
	case errors.Is(err, github.ErrForbidden), errors.Is(err, github.ErrNotFound), errors.Is(err, github.ErrGone), errors.Is(err, github.ErrMoved):
		if o.page() {
			return w.now(), o.answer(ctx, "This could not be done: GitHub did not allow it. Is the repository still there, and the App still allowed to work on it?")
		}
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

// forgotten sees to it that nothing is left of an order that made room for others: it may
// have been answered since.
func forgotten(ctx context.Context, it work.Item) error {
	if !strings.Contains(it.Subject, "/") {
		return nil
	}
	var b storage.Batch
	b.Delete(saidPrefix + it.Subject)
	if err := it.Space.Apply(ctx, &b); err != nil {
		return fmt.Errorf("forget the answer to %s: %w", it.Key, err)
	}
	return nil
}

func (o *order) carryOut(ctx context.Context) error {
	if o.comment.Decided != "" {
		o.may = github.Write // or nothing would have been decided
		return o.answer(ctx, o.comment.Decided)
	}
	command, result := Parse(o.comment.Line)
	age := o.now().Sub(o.comment.CreatedAt)
	switch {
	case o.page() && age > maxAge:
		return o.answer(ctx, "Nothing was done: this could not be carried out within a day.")
	case result.Kind == Ignore || age > maxAge:
		return o.done(ctx, nil)
	case age > settled && o.live && !o.page():
		if _, err := o.host.GetComment(ctx, o.at, o.comment.ID); err != nil {
			return fmt.Errorf("look for comment %d: %w", o.comment.ID, err)
		}
	}
	var err error
	if o.may, err = o.permission(ctx); err != nil {
		return err
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
	case o.may < github.Read && !o.page():
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

	cluster := o.comment.Cluster
	if !o.page() {
		if cluster, err = issue.ClusterOf(ctx, o.space, o.comment.Number); err != nil {
			return err
		}
	}
	if cluster == "" {
		return o.answer(ctx, "This issue is not one that Soulcaster keeps: it was filed by somebody else.")
	}
	switch command.Name {
	case issue.Undo, issue.Mute, issue.Unmute:
		return o.wish(ctx, command.Name, cluster)
	case "status":
		return o.status(ctx, cluster)
	}
	return o.ask(ctx, command, cluster)
}

// permission asks what the author may do now.
func (o *order) permission(ctx context.Context) (github.Permission, error) {
	if o.host == nil {
		return github.Admin, nil
	}
	may, err := o.host.Permission(ctx, o.at, github.Person{ID: o.comment.AuthorID, Login: o.comment.Author})
	if err != nil {
		return may, fmt.Errorf("ask what %s may do: %w", o.comment.Author, err)
	}
	return may, nil
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

// before reports whether a command that its author gave before, on the same issue, the
// same pull request or the same cluster's page, is still to be carried out.
func (o *order) before(ctx context.Context) (bool, error) {
	own := turnKey(o.comment)
	entries, err := o.space.Scan(ctx, own[:strings.LastIndexByte(own, '/')+1], "", maxTurns)
	if err != nil {
		return false, fmt.Errorf("list commands: %w", err)
	}
	for _, e := range entries {
		var other waiting
		if err := storage.GetJSON(e, &other); err != nil {
			return false, err
		}
		earlier := e.Key < own
		if page := strings.HasPrefix(e.Key[strings.LastIndexByte(e.Key, '/')+1:], "p"); page != o.page() {
			earlier = other.Since.Before(o.comment.Taken)
		}
		same := other.Number != 0 && other.Number == o.comment.Number || other.Cluster != "" && other.Cluster == o.comment.Cluster
		if e.Key != own && earlier && same && o.now().Sub(other.Since) < patience {
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
	if o.page() {
		return nil
	}
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

// wish hands over to the one writer of the issue what is to be done to it, which also
// answers.
func (o *order) wish(ctx context.Context, name, cluster string) error {
	w := issue.Wish{Do: name, By: o.by(), Through: o.comment.Through, Order: o.comment.id(), At: o.comment.Taken, Request: o.comment.RequestID}
	if o.page() {
		w.Answer = o.saidKey()
	} else {
		w.Reply, w.Number = o.replyKey(), o.comment.Number
	}
	return o.done(ctx, func(b *storage.Batch) { issue.Ask(b, cluster, w) })
}

// answer comments on the issue, once, unless it had its answers, and ends the order. On
// a page the answer is kept.
func (o *order) answer(ctx context.Context, text string) error {
	if o.page() {
		return o.done(ctx, func(b *storage.Batch) { b.Set(o.saidKey(), []byte(text)) })
	}
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

// done forgets the comment, with whatever else is to happen in the same batch. What was
// ordered on a page is kept for the page.
func (o *order) done(ctx context.Context, also func(*storage.Batch)) error {
	var b storage.Batch
	b.RequireEntry(o.entry)
	if o.page() {
		o.comment.Ended = o.now().UTC()
		b.SetJSON(o.entry.Key, o.comment)
	} else {
		b.Delete(o.entry.Key)
	}
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

func (o *order) page() bool       { return o.comment.Order != "" }
func (o *order) id() string       { return o.comment.id() }
func (o *order) replyKey() string { return "command.reply/" + o.id() }
func (o *order) saidKey() string  { return saidPrefix + o.comment.Cluster + "/" + o.comment.Order }
func (o *order) subject() string  { return fmt.Sprintf("#%d", o.comment.Number) }

// by names the author. Who is at the machine of a preview has no login.
func (o *order) by() string {
	if o.host == nil {
		return o.comment.Author
	}
	return "@" + o.comment.Author
}
