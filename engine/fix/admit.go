package fix

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// tellEvery is how often a ticket is told that its place has changed: when the line
// is long, everybody in it moves up all the time.
const tellEvery = 30 * time.Second

// recount is how often the line is looked at while nobody says that it changed: a run
// that was erased says nothing.
const recount = 5 * time.Minute

// pass is one look at the line.
type pass struct {
	*Admission
	now     time.Time
	head    storage.Entry
	all     held
	of      map[int64]*held // by installation
	spaces  map[string]storage.Space
	waiting map[string]int // tickets, by what they wait for
}

// held is what the runs of an installation have that go on.
type held struct {
	slots    int
	reserved int64
}

// pass admits whoever may be, in the order of the tickets, and tells the others
// what they wait for. It returns when time alone lets somebody in.
func (a *Admission) pass(ctx context.Context) (time.Time, error) {
	p := &pass{Admission: a, now: a.now(), of: make(map[int64]*held), spaces: make(map[string]storage.Space), waiting: make(map[string]int)}
	entries, err := a.app.Get(ctx, headKey)
	if err != nil {
		return time.Time{}, fmt.Errorf("read head of the line: %w", err)
	}
	p.head = entries[0]
	if err := a.slots(ctx, func(s Slot, _ storage.Entry) { p.take(s) }); err != nil {
		return time.Time{}, err
	}
	tickets, from, err := a.tickets(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if len(tickets) == 0 {
		return time.Time{}, nil
	}
	var told storage.Batch
	left, again := 0, earlier(midnight(p.now), p.now.Add(recount))
	for i, t := range tickets {
		waits, err := p.serve(ctx, t, from[i])
		if err != nil {
			return time.Time{}, err
		}
		if waits == nil {
			continue
		}
		left++
		p.waiting[waits.line]++
		place := p.waiting[waits.line]
		switch {
		case t.Place == place && t.Waits == waits.text:
		case t.Waits != "" && p.now.Sub(t.Told) < tellEvery:
			again = earlier(again, t.Told.Add(tellEvery))
		case len(told.Ops) >= storage.MaxOps-1:
			again = p.now // there are more to be told
		default:
			t.Place, t.Waits, t.Told = place, waits.text, p.now.UTC()
			told.RequireEntry(from[i])
			told.SetJSON(from[i].Key, t)
		}
	}
	if err := a.app.Apply(ctx, &told); err != nil || left == 0 {
		return time.Time{}, err
	}
	return again, nil
}

// take counts a slot.
func (p *pass) take(s Slot) {
	h := p.of[s.Installation]
	if h == nil {
		h = new(held)
		p.of[s.Installation] = h
	}
	for _, h := range []*held{h, &p.all} {
		h.slots++
		h.reserved += s.Reserved
	}
}

// hindrance is what a ticket waits for.
type hindrance struct{ line, text string }

// serve admits a ticket, or says what it waits for. One whose run does not wait any
// more is thrown away.
func (p *pass) serve(ctx context.Context, t Ticket, from storage.Entry) (*hindrance, error) {
	space, waits, err := p.queued(ctx, t)
	if err != nil {
		return nil, err
	}
	var b storage.Batch
	b.RequireEntry(from)
	b.Delete(from.Key)
	if !waits { // and it is in nobody's way
		return nil, p.app.Apply(ctx, &b)
	}
	own := project.InstallationSpace(t.Installation)
	counts, err := tallies(ctx, p.app, dayKey(t.Space, p.now), dayKey(own, p.now), monthKey(own, p.now), dayKey(everybody, p.now), monthKey(everybody, p.now))
	if err != nil {
		return nil, err
	}
	if why := p.hindered(t, counts); why != nil {
		return why, nil
	}
	s := Slot{Run: t.Run, Round: t.Round, Space: t.Space, Installation: t.Installation, Since: p.now.UTC(), Micros: t.Micros, Reserved: p.caps.Reserve}
	mark := []byte(rand.Text())
	b.RequireEntry(p.head)
	b.Set(headKey, mark)
	b.Require(slotKey(t.Run), 0)
	b.SetJSON(slotKey(t.Run), s)
	run.Index(&b, t.Run, t.Space)
	if t.Round == 1 {
		for _, c := range counts {
			c.Runs++
			c.save(&b)
			if err := p.trim(ctx, &b, c.entry); err != nil {
				return nil, err
			}
		}
	}
	work.Add(&b, TasksWork)
	if err := p.app.Apply(ctx, &b); err != nil {
		return nil, fmt.Errorf("admit run %s: %w", t.Run, err)
	}
	p.take(s)
	p.wake(p.app.Name())
	var due storage.Batch
	work.Add(&due, run.Work(t.Run))
	if err := space.Apply(ctx, &due); err != nil && !errors.Is(err, storage.ErrNoSpace) {
		return nil, fmt.Errorf("make run %s due: %w", t.Run, err)
	}
	p.wake(t.Space)

	entries, err := p.app.Get(ctx, headKey)
	if err != nil {
		return nil, fmt.Errorf("read head of the line: %w", err)
	}
	if !bytes.Equal(entries[0].Value, mark) {
		// Somebody else admitted since: what this pass has counted is out of date.
		return nil, fmt.Errorf("admit runs: %w", storage.ErrConflict)
	}
	p.head = entries[0]
	return nil, nil
}

// hindered says what keeps a ticket waiting, nil if nothing does. counts are those
// of the repository's day, the installation's day and its month, and the day and the
// month of all.
func (p *pass) hindered(t Ticket, counts []tally) *hindrance {
	limits, h := p.caps.of(t.Installation), p.of[t.Installation]
	if h == nil {
		h = new(held)
	}
	own := project.InstallationSpace(t.Installation)
	repository, day, month, allDay, allMonth := counts[0], counts[1], counts[2], counts[3], counts[4]
	all := p.caps.All
	next := " was begun; it goes on when the next month begins (UTC)"
	switch {
	case t.Round == 1 && repository.Runs >= t.PerDay:
		return &hindrance{t.Space, fmt.Sprintf("%d of %d runs of today in this repository were begun; it goes on after midnight UTC", repository.Runs, t.PerDay)}
	case t.Round == 1 && limits.PerDay > 0 && day.Runs >= limits.PerDay:
		return &hindrance{own, fmt.Sprintf("%d of %d runs of today were begun; it goes on after midnight UTC", day.Runs, limits.PerDay)}
	case t.Round == 1 && limits.PerMonth > 0 && month.Runs >= limits.PerMonth:
		return &hindrance{own, fmt.Sprintf("%d of %d runs of this month%s", month.Runs, limits.PerMonth, next)}
	case limits.Micros > 0 && month.Micros+h.reserved+p.caps.Reserve > limits.Micros:
		return &hindrance{own, money(month.Micros, h.reserved, p.caps.Reserve, limits.Micros)}
	case limits.AtOnce > 0 && h.slots >= limits.AtOnce:
		return &hindrance{own, fmt.Sprintf("%d of %d runs that may go on at once do", h.slots, limits.AtOnce)}
	// What others do is told to nobody in numbers.
	case t.Round == 1 && all.PerDay > 0 && allDay.Runs >= all.PerDay:
		return &hindrance{"", "all runs of today on this Soulcaster were begun; it goes on after midnight UTC"}
	case t.Round == 1 && all.PerMonth > 0 && allMonth.Runs >= all.PerMonth:
		return &hindrance{"", "all runs of this month on this Soulcaster were begun; it goes on when the next month begins (UTC)"}
	case all.Micros > 0 && allMonth.Micros+p.all.reserved+p.caps.Reserve > all.Micros:
		return &hindrance{"", "this month's money of this Soulcaster is spent or set aside; it goes on when a run ends that cost less, or when the next month begins (UTC)"}
	case all.AtOnce > 0 && p.all.slots >= all.AtOnce:
		return &hindrance{"", "all places are taken"}
	}
	return nil
}

// money says why a month's budget lets no further run begin.
func money(spent, reserved, one, limit int64) string {
	switch {
	case one > limit:
		return fmt.Sprintf("one run may cost %s, and a month's runs %s: whoever runs this Soulcaster has to change that", dollars(one), dollars(limit))
	case spent+one > limit:
		return fmt.Sprintf("%s of %s for this month is spent, and a run may cost %s; it goes on when the next month begins (UTC)", dollars(spent), dollars(limit), dollars(one))
	}
	return fmt.Sprintf("%s of %s for this month is spent and %s set aside for runs that go on", dollars(spent), dollars(limit), dollars(reserved))
}

// trim deletes the old counts of whoever gets a first one.
func (p *pass) trim(ctx context.Context, b *storage.Batch, first storage.Entry) error {
	if first.Exists() {
		return nil
	}
	prefix := first.Key[:strings.LastIndexByte(first.Key, '/')+1]
	entries, err := p.app.Scan(ctx, prefix, "", 2*int(keepCounts/(24*time.Hour)))
	if err != nil {
		return fmt.Errorf("list counts: %w", err)
	}
	before := p.now.Add(-keepCounts).UTC().Format(time.DateOnly)
	for _, e := range entries {
		if period := e.Key[len(prefix):]; period < before[:min(len(period), len(before))] {
			b.Delete(e.Key)
		}
	}
	return nil
}
