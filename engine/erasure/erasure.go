// Package erasure removes the feedback of one person, or one feedback, from all that an
// installation has: texts and who wrote them at once, then vectors, sums, issues, records
// of what was sent, and what runs of the agent had of it, which are all derived anew or
// forgotten by those whose they are.
//
// The order is durable work and goes through all of the installation's feedback, a page
// at a time. While it lasts, it holds the hashes that the person is known by; then it
// goes, and the audit says that something was erased, by whom and when, and not whose.
//
// # Keys
//
// In an installation's space:
//
//	erasure/<id>   order: what is being erased, and how far that is
//
// Due work there is "erasure/<id>".
package erasure

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/action"
	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/fix"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Work is the kind of the work.
const Work = "erasure"

const prefix = "erasure/"

const (
	// MaxOrders is how many may be under way in an installation.
	MaxOrders = 20
	// MaxName is how long the name of a person may be, in bytes.
	MaxName = 300

	pages    = 200 // of feedback, in a turn
	turnTime = 30 * time.Second
	// importPause is how long is waited for what imports have read to go.
	importPause = 10 * time.Second
	maxTouched  = 2000 // clusters whose ids are kept; with more, all runs forget
)

var (
	// ErrMany says that too many erasures are under way.
	ErrMany = fmt.Errorf("%d erasures are under way in this installation: come again when one has ended; nothing was ordered", MaxOrders)
	// ErrNobody says that an order names neither a person nor a feedback, or both.
	ErrNobody = errors.New("name a person as the source knows them, or the id of one report; nothing was ordered")
)

// order is an erasure under way.
type order struct {
	By        string       `json:"by"`
	RequestID string       `json:"request_id,omitempty"`
	At        time.Time    `json:"at"`
	Which     intake.Which `json:"which"`

	Space   string   `json:"space,omitempty"` // that is gone through; "" before the first
	After   string   `json:"after,omitempty"` // the last feedback there that was looked at
	Touched []string `json:"touched,omitempty"`
	Many    bool     `json:"many,omitempty"` // more clusters of the space than Touched holds

	Reports int `json:"reports"`
	Groups  int `json:"groups"`
	Runs    int `json:"runs"`
}

// Status is an erasure under way, without whose.
type Status struct {
	ID      string    `json:"id"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Reports int       `json:"reports"` // so far
}

// Eraser erases.
type Eraser struct {
	Projects *project.Registry
	Intake   *intake.Intake
	Log      *action.Log
	Hash     func(installation int64, author string) string // that of the door
	// Imports drops what imports of a project have read, and reports whether some of it is
	// still there. Nil: there are none.
	Imports func(ctx context.Context, space storage.Space, by, requestID string) (left bool, err error)
	Wake    func(spaces ...string)
	Now     func() time.Time
}

// Order makes it due that all feedback of a person is erased, named as a source knows
// them, or one feedback by its id, and returns the order's id.
func (e *Eraser) Order(ctx context.Context, home storage.Space, person, id, by, requestID string) (string, error) {
	person, id = strings.TrimSpace(person), strings.TrimSpace(id)
	if (person == "") == (id == "") || len(person) > MaxName || len(id) > MaxName {
		return "", ErrNobody
	}
	under, err := List(ctx, home)
	if err != nil {
		return "", err
	}
	if len(under) >= MaxOrders {
		return "", ErrMany
	}
	o := order{By: by, RequestID: requestID, At: e.Now().UTC(), Which: intake.Which{Feedback: id}}
	if person != "" {
		installation := project.Installation(home.Name())
		o.Which.Authors = feedback.AuthorsNamed(func(author string) string { return e.Hash(installation, author) }, person)
	}
	name := strings.ToLower(rand.Text()[:12])
	var b storage.Batch
	b.Require(prefix+name, 0)
	b.SetJSON(prefix+name, o)
	work.Add(&b, Work+"/"+name)
	if err := e.note(&b, name, o, "asked for: "+what(o)); err != nil {
		return "", err
	}
	if err := home.Apply(ctx, &b); err != nil {
		return "", fmt.Errorf("order an erasure: %w", err)
	}
	e.Wake(home.Name())
	return name, nil
}

// what says what is erased, and not whose.
func what(o order) string {
	if o.Which.Feedback != "" {
		return "one report"
	}
	return "all that one person wrote"
}

func (e *Eraser) note(b *storage.Batch, name string, o order, why string) error {
	return e.Log.Note(b, action.Action{Key: "erase", Kind: "erase", Subject: "erasure " + name, By: o.By, Why: why, RequestID: o.RequestID})
}

// List returns the erasures of an installation that are under way.
func List(ctx context.Context, home storage.Space) ([]Status, error) {
	entries, err := home.Scan(ctx, prefix, "", MaxOrders)
	if err != nil {
		return nil, fmt.Errorf("list erasures: %w", err)
	}
	list := make([]Status, len(entries))
	for i, entry := range entries {
		var o order
		if err := storage.GetJSON(entry, &o); err != nil {
			return nil, err
		}
		list[i] = Status{ID: strings.TrimPrefix(entry.Key, prefix), By: o.By, At: o.At, Reports: o.Reports}
	}
	return list, nil
}

// sitting is one turn of an erasure.
type sitting struct {
	*Eraser
	home  storage.Space
	name  string
	entry storage.Entry // that order was read from
	order
	began time.Time
	pages int
}

// Handle is the handler of the work.
func (e *Eraser) Handle(ctx context.Context, it work.Item) (time.Time, error) {
	s := &sitting{Eraser: e, home: it.Space, name: it.Subject, began: e.Now()}
	if err := s.read(ctx); err != nil || !s.entry.Exists() {
		return time.Time{}, err
	}
	names, err := e.Projects.Projects(ctx, project.Installation(it.Space.Name()))
	if err != nil {
		return time.Time{}, err
	}
	again, err := s.through(ctx, append([]string{it.Space.Name()}, names...))
	if err != nil {
		return time.Time{}, err
	}
	if !again.IsZero() {
		return again, s.save(ctx)
	}
	var b storage.Batch
	b.RequireEntry(s.entry)
	b.Delete(s.entry.Key)
	why := fmt.Sprintf("done: %s; reports: %d, error groups that they were taken out of: %d, runs that forget: %d", what(s.order), s.Reports, s.Groups, s.Runs)
	if err := e.note(&b, s.name, s.order, why); err != nil {
		return time.Time{}, err
	}
	if err := it.Space.Apply(ctx, &b); err != nil {
		return time.Time{}, fmt.Errorf("end an erasure: %w", err)
	}
	return time.Time{}, nil
}

func (s *sitting) read(ctx context.Context) error {
	entries, err := s.home.Get(ctx, prefix+s.name)
	if err != nil {
		return fmt.Errorf("read an erasure: %w", err)
	}
	s.entry, s.order = entries[0], order{}
	return storage.GetJSON(entries[0], &s.order)
}

// save writes how far the erasure is.
func (s *sitting) save(ctx context.Context) error {
	var b storage.Batch
	b.RequireEntry(s.entry)
	b.SetJSON(s.entry.Key, s.order)
	if err := s.home.Apply(ctx, &b); err != nil {
		return fmt.Errorf("write how far an erasure is: %w", err)
	}
	return s.read(ctx)
}

// through goes on through the spaces, in their order, and returns when to go on from
// there; the zero time at the end.
func (s *sitting) through(ctx context.Context, names []string) (time.Time, error) {
	for _, name := range names {
		if name < s.Space {
			continue
		}
		if name > s.Space {
			s.Space, s.After, s.Touched, s.Many = name, "", nil, false
		}
		space, err := s.Projects.Open(ctx, name)
		if errors.Is(err, storage.ErrNoSpace) {
			continue
		}
		left := false
		if err == nil && s.Imports != nil && name != s.home.Name() {
			left, err = s.Imports(ctx, space, s.By, s.RequestID)
		}
		if err != nil {
			return time.Time{}, err
		}
		for more := true; more; {
			if s.pages++; s.pages > pages || s.Now().Sub(s.began) > turnTime {
				return s.Now(), nil
			}
			if more, err = s.page(ctx, space); err != nil {
				return time.Time{}, err
			}
		}
		if err := s.runs(ctx, space); err != nil {
			return time.Time{}, err
		}
		if left { // it may be taken in until it has gone
			return s.Now().Add(importPause), nil
		}
	}
	return time.Time{}, nil
}

// page erases what is meant of the next page of a space's feedback. What is erased is not
// found again, so that which clusters it was in is written down before.
func (s *sitting) page(ctx context.Context, space storage.Space) (more bool, err error) {
	held := space.Name() == s.home.Name()
	found, err := s.Intake.Find(ctx, space, held, s.Which, s.After)
	if err != nil {
		return false, err
	}
	if len(found.Reports)+len(found.Groups) > 0 {
		s.Reports, s.Groups = s.Reports+len(found.Reports), s.Groups+len(found.Groups)
		for _, c := range found.Clusters {
			switch {
			case slices.Contains(s.Touched, c):
			case len(s.Touched) < maxTouched:
				s.Touched = append(s.Touched, c)
			default:
				s.Many = true
			}
		}
		if err := s.save(ctx); err != nil {
			return false, err
		}
		if err := s.Intake.Erase(ctx, space, held, s.Which, found); err != nil {
			return false, err
		}
	}
	s.After = found.After
	return s.After != "", nil
}

// runs has the runs of the clusters that something was erased from forget it.
func (s *sitting) runs(ctx context.Context, space storage.Space) error {
	if len(s.Touched) == 0 {
		return nil
	}
	n, err := fix.Withdraw(ctx, space, func(id string) bool { return s.Many || slices.Contains(s.Touched, id) })
	if err != nil {
		return err
	}
	s.Runs += n
	s.Wake(space.Name())
	return nil
}
