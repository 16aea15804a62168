package fix

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

const (
	headKey      = "run-head"
	ticketPrefix = "run-ticket/"
	slotPrefix   = "run-slot/"

	page       = 500
	maxTickets = 10_000 // that are looked at in one pass; the rest waits behind them
)

// Admission gives out places to runs.
type Admission struct {
	app      storage.Space
	projects *project.Registry
	caps     Caps
	wake     func(spaces ...string)
	now      func() time.Time
}

// Ticket is a round that waits for a place.
type Ticket struct {
	Run          string    `json:"run"`
	Round        int       `json:"round"`
	Space        string    `json:"space"`
	Installation int64     `json:"installation"`
	PerDay       int       `json:"per_day"` // runs that the repository allows in a day
	Micros       int64     `json:"micros"`  // what the run had cost before the round
	Since        time.Time `json:"since"`

	Place int       `json:"place,omitempty"` // among those that wait for the same, from 1
	Waits string    `json:"waits,omitempty"` // for what, in words
	Told  time.Time `json:"told,omitzero"`   // when these two were written
}

// key puts tickets in the order of their time.
func (t Ticket) key() string {
	return fmt.Sprintf("%s%016x-%s", ticketPrefix, t.Since.UnixNano(), t.Run)
}

// Slot is the place that a round has.
type Slot struct {
	Run          string    `json:"run"`
	Round        int       `json:"round"`
	Space        string    `json:"space"`
	Installation int64     `json:"installation"`
	Since        time.Time `json:"since"`
	Micros       int64     `json:"micros"`         // what the run had cost before the round
	Reserved     int64     `json:"reserved"`       // of the installation's month
	Task         string    `json:"task,omitempty"` // the present one, once it is known
	Lost         time.Time `json:"lost,omitzero"`  // since when the run is known to be gone
}

func slotKey(id string) string { return slotPrefix + id }

// ask returns the slot of a round, or the ticket that it waits with, which is put
// in line if there is none yet.
func (a *Admission) ask(ctx context.Context, t Ticket) (*Slot, *Ticket, error) {
	entries, err := a.app.Get(ctx, slotKey(t.Run), t.key())
	if err != nil {
		return nil, nil, fmt.Errorf("read place of run %s: %w", t.Run, err)
	}
	var s Slot
	perDay := t.PerDay // as the repository says now
	if err := errors.Join(storage.GetJSON(entries[0], &s), storage.GetJSON(entries[1], &t)); err != nil {
		return nil, nil, err
	}
	switch {
	case entries[0].Exists():
		return &s, nil, nil
	case entries[1].Exists() && t.PerDay == perDay:
		return nil, &t, nil
	}
	t.PerDay = perDay
	var b storage.Batch
	b.RequireEntry(entries[0])
	b.RequireEntry(entries[1])
	b.SetJSON(t.key(), t)
	work.Add(&b, RunsWork)
	if err := a.app.Apply(ctx, &b); err != nil {
		return nil, nil, fmt.Errorf("put run %s in line: %w", t.Run, err)
	}
	a.wake(a.app.Name())
	return nil, &t, nil
}

// bind writes down which task has a run's place, and has the tasks looked at.
func (a *Admission) bind(ctx context.Context, id, task string) error {
	s, entry, err := a.slot(ctx, id)
	if err != nil || s == nil {
		return err
	}
	s.Task = task
	var b storage.Batch
	b.RequireEntry(entry)
	b.SetJSON(entry.Key, s)
	work.Add(&b, TasksWork)
	if err := a.app.Apply(ctx, &b); err != nil {
		return fmt.Errorf("write down task of run %s: %w", id, err)
	}
	a.wake(a.app.Name())
	return nil
}

func (a *Admission) slot(ctx context.Context, id string) (*Slot, storage.Entry, error) {
	entries, err := a.app.Get(ctx, slotKey(id))
	if err != nil {
		return nil, storage.Entry{}, fmt.Errorf("read place of run %s: %w", id, err)
	}
	if !entries[0].Exists() {
		return nil, entries[0], nil
	}
	s := new(Slot)
	return s, entries[0], storage.GetJSON(entries[0], s)
}

// leave takes a round out of the line and frees its place; cost is what the run has
// cost by now. To leave twice is to leave once.
func (a *Admission) leave(ctx context.Context, t Ticket, cost int64) error {
	s, entry, err := a.slot(ctx, t.Run)
	if err != nil {
		return err
	}
	var b storage.Batch
	b.Delete(t.key())
	b.RequireEntry(entry)
	if s != nil && s.Round <= t.Round {
		b.Delete(entry.Key)
		if err := a.charge(ctx, &b, cost-s.Micros, project.InstallationSpace(s.Installation)); err != nil {
			return err
		}
	}
	work.Add(&b, RunsWork)
	if err := a.app.Apply(ctx, &b); err != nil {
		return fmt.Errorf("free place of run %s: %w", t.Run, err)
	}
	a.wake(a.app.Name())
	return nil
}

// charge adds to the batch what the months of all, and of whose spaces are named, have
// cost.
func (a *Admission) charge(ctx context.Context, b *storage.Batch, micros int64, whose ...string) error {
	if micros <= 0 {
		return nil
	}
	keys := []string{monthKey(everybody, a.now())}
	for _, name := range whose {
		keys = append(keys, monthKey(name, a.now()))
	}
	months, err := tallies(ctx, a.app, keys...)
	if err != nil {
		return err
	}
	for _, month := range months {
		month.Micros += micros
		month.save(b)
	}
	return nil
}

// handle is the handler of the work that gives out places.
func (a *Admission) handle(ctx context.Context, _ work.Item) (time.Time, error) {
	again, err := a.pass(ctx)
	if errors.Is(err, storage.ErrConflict) {
		return a.now(), nil
	}
	return again, err
}

// slots returns all slots: as many as Caps.All.AtOnce.
func (a *Admission) slots(ctx context.Context, do func(s Slot, e storage.Entry)) error {
	for after := ""; ; {
		entries, err := a.app.Scan(ctx, slotPrefix, after, page)
		if err != nil {
			return fmt.Errorf("list places: %w", err)
		}
		for _, e := range entries {
			var s Slot
			if err := storage.GetJSON(e, &s); err != nil {
				return err
			}
			do(s, e)
			after = e.Key
		}
		if len(entries) < page {
			return nil
		}
	}
}

func (a *Admission) tickets(ctx context.Context) (list []Ticket, entries []storage.Entry, err error) {
	for after := ""; len(list) < maxTickets; {
		some, err := a.app.Scan(ctx, ticketPrefix, after, page)
		if err != nil {
			return nil, nil, fmt.Errorf("list tickets: %w", err)
		}
		for _, e := range some {
			var t Ticket
			if err := storage.GetJSON(e, &t); err != nil {
				return nil, nil, err
			}
			list, entries, after = append(list, t), append(entries, e), e.Key
		}
		if len(some) < page {
			break
		}
	}
	return list, entries, nil
}

// Load says how many rounds have a place and how many wait for one; of those that
// wait, as many are counted as are looked at in one pass.
func (r *Runs) Load(ctx context.Context) (busy, waiting int, err error) {
	if err := r.admission.slots(ctx, func(Slot, storage.Entry) { busy++ }); err != nil {
		return 0, 0, err
	}
	list, _, err := r.admission.tickets(ctx)
	return busy, len(list), err
}

// queued reports whether the round of a ticket still waits for a place.
func (p *pass) queued(ctx context.Context, t Ticket) (storage.Space, bool, error) {
	space, known := p.spaces[t.Space]
	if !known {
		var err error
		if space, err = p.projects.Open(ctx, t.Space); err != nil && !errors.Is(err, storage.ErrNoSpace) {
			return nil, false, err
		}
		p.spaces[t.Space] = space
	}
	if space == nil {
		return nil, false, nil
	}
	r, _, err := run.Load(ctx, space, t.Run)
	if errors.Is(err, run.ErrNone) || errors.Is(err, storage.ErrNoSpace) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return space, r.State == run.Queued && r.Round().N == t.Round && r.Wish == nil, nil
}
