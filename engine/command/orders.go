package command

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// What is kept of what was ordered on pages.
const (
	maxOrders  = 20             // of a cluster
	keepOrders = 24 * time.Hour // once they were carried out
)

// Given is a command as a page or a program gives it.
type Given struct {
	Name      string        // of the command
	Words     string        // that follow it
	By        github.Person // who gives it; in a preview a name for whoever is there
	Through   string        // what a program brought that gives it in their name, in words; "" if it is themselves
	RequestID string
}

// Order is a command that was given on a page or by a program, and what became of it.
type Order struct {
	ID      string     `json:"id"`
	Command string     `json:"command"`         // its name
	Words   string     `json:"words,omitempty"` // that followed it
	By      string     `json:"by"`              // login
	Through string     `json:"through,omitempty"`
	At      time.Time  `json:"at"`
	State   OrderState `json:"state"`
	Answer  string     `json:"answer,omitempty"` // Markdown, of ours
}

// OrderState says how far an order is.
type OrderState string

// The states of an order.
const (
	Waiting  OrderState = "waiting"  // for its turn
	Doing    OrderState = "doing"    // it was handed over to whoever does it
	Answered OrderState = "answered" // see Answer
)

// Errors of [Worker.Give].
var (
	// ErrNoCluster says that there is no such cluster.
	ErrNoCluster = errors.New("there is no such cluster")
	// ErrTooMany says that so many orders about a cluster wait that another one is not
	// taken.
	ErrTooMany = errors.New("too many commands about this problem wait to be carried out: nothing was ordered, try again in a moment")
)

// NotUnderstood says why what was given is no command.
type NotUnderstood struct{ Reply string } // in Markdown

func (e *NotUnderstood) Error() string { return e.Reply }

// Give takes a command about a cluster. It is carried out by the same work as one in a
// comment, and whoever gives it is asked after at GitHub then; its answer is kept for a
// day, see [Worker.Orders]. Errors are *NotUnderstood, ErrNoCluster, ErrTooMany and
// those of the store.
func (w *Worker) Give(ctx context.Context, space storage.Space, cluster string, g Given) (Order, error) {
	line, ok, err := issue.LineOf(ctx, space, cluster)
	if err != nil {
		return Order{}, err
	}
	if !ok {
		return Order{}, ErrNoCluster
	}
	c, name, err := g.comment(cluster, w.now().UTC())
	if err != nil {
		return Order{}, err
	}
	c.Number = line.Number
	if slices.Contains(aboutRuns, name) {
		r, _, err := run.Of(ctx, space, cluster)
		if err != nil {
			return Order{}, err
		}
		if proposed(r) {
			c.Number, c.Pull = r.Pull.Number, true
		}
	}
	var b storage.Batch
	if err := makeRoom(ctx, space, cluster, c.Taken, &b); err != nil {
		return Order{}, err
	}
	Add(&b, c)
	if err := space.Apply(ctx, &b); err != nil {
		return Order{}, fmt.Errorf("take a command: %w", err)
	}
	w.wake(space.Name())
	return c.order(""), nil
}

// aboutRuns are the commands that mean the open pull request where there is one.
var aboutRuns = []string{"fix", "retry", "cancel", "checks"}

// proposed reports whether a run's pull request waits for people.
func proposed(r *run.Run) bool {
	return r != nil && r.State == run.Proposed && r.Pull != nil
}

// comment makes of what was given what the worker reads, and returns the command's name.
func (g Given) comment(cluster string, now time.Time) (c Comment, name string, err error) {
	words := strings.TrimSpace(g.Words)
	if strings.ContainsFunc(g.Name, invisible) || g.By.Login == "" || !utf8.ValidString(words) {
		return c, "", &NotUnderstood{"There is no such command."}
	}
	c.Line, c.Rest = Split(Word + " " + g.Name + " " + words)
	said, result := Parse(c.Line)
	switch {
	case result.Kind == Reply:
		why, _, _ := strings.Cut(result.Reply, "\n\n") // what follows is for comments
		return c, "", &NotUnderstood{why}
	case result.Kind != Run, said.Name != g.Name:
		return c, "", &NotUnderstood{"There is no such command."}
	case said.Max != Free && c.Rest != "":
		return c, "", &NotUnderstood{said.wrongArguments()}
	case utf8.RuneCountInString(words) > MaxWords:
		return c, "", &NotUnderstood{fmt.Sprintf("Nothing was done: the words after %s may be %d characters long, and these are longer.", said.Usage(), MaxWords)}
	}
	c.Author, c.AuthorID, c.Through, c.RequestID, c.Cluster = g.By.Login, g.By.ID, g.Through, g.RequestID, cluster
	c.CreatedAt, c.Taken = now, now
	c.Order = fmt.Sprintf("%016x-%08x", math.MaxInt64-now.UnixNano(), rand.Uint32())
	return c, said.Name, nil
}

func orderPrefix(cluster string) string { return commentPrefix + cluster + "/" }

// makeRoom adds to the batch that old orders of a cluster go, so that there is room for
// one more.
func makeRoom(ctx context.Context, space storage.Space, cluster string, now time.Time, b *storage.Batch) error {
	entries, err := space.Scan(ctx, orderPrefix(cluster), "", storage.MaxOps/4)
	if err != nil {
		return fmt.Errorf("list commands: %w", err)
	}
	left := len(entries)
	for _, e := range slices.Backward(entries) { // the oldest is the last
		if left < maxOrders {
			return nil
		}
		var c Comment
		if err := storage.GetJSON(e, &c); err != nil {
			return err
		}
		if c.Ended.IsZero() && now.Sub(c.Taken) < maxAge {
			continue // it is still to be carried out
		}
		b.Delete(e.Key)
		b.Delete(saidPrefix + cluster + "/" + c.Order)
		b.Delete(turnKey(c))
		left--
	}
	if left >= maxOrders {
		return ErrTooMany
	}
	return nil
}

// Orders returns what was ordered about a cluster on pages and is not carried out for
// longer than a day, newest first, at most 20.
func (w *Worker) Orders(ctx context.Context, space storage.Space, cluster string) ([]Order, error) {
	entries, err := space.Scan(ctx, orderPrefix(cluster), "", maxOrders)
	if err != nil {
		return nil, fmt.Errorf("list commands: %w", err)
	}
	if len(entries) == 0 {
		return nil, nil
	}
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = saidPrefix + e.Key[len(commentPrefix):]
	}
	said, err := space.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("read answers to commands: %w", err)
	}
	var orders []Order
	for i, e := range entries {
		var c Comment
		if err := storage.GetJSON(e, &c); err != nil {
			return nil, err
		}
		if c.Ended.IsZero() || w.now().Sub(c.Ended) < keepOrders {
			orders = append(orders, c.order(string(said[i].Value)))
		}
	}
	return orders, nil
}

// order is what people are shown of an order, with the answer to it.
func (c Comment) order(answer string) Order {
	said, _ := Parse(c.Line)
	o := Order{ID: c.Order, Command: said.Name, Words: strings.Trim(said.Words+"\n"+c.Rest, "\n"), By: c.Author, Through: c.Through, At: c.Taken, State: Waiting, Answer: answer}
	switch {
	case answer != "":
		o.State = Answered
	case !c.Ended.IsZero():
		o.State = Doing
	}
	return o
}

// expire forgets an order that was carried out, when it is old enough.
func (o *order) expire(ctx context.Context) (time.Time, error) {
	if until := o.comment.Ended.Add(keepOrders); until.After(o.now()) {
		return until, nil
	}
	var b storage.Batch
	b.RequireEntry(o.entry)
	b.Delete(o.entry.Key)
	b.Delete(o.saidKey())
	if err := o.space.Apply(ctx, &b); err != nil {
		return time.Time{}, fmt.Errorf("forget command %s: %w", o.id(), err)
	}
	return time.Time{}, nil
}
