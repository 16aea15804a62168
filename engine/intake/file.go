package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/traffic"
	"github.com/soulcaster/soulcaster/engine/work"
)

// Grouping is the state of feedback that was stored a moment ago.
const Grouping = "stored: it will be grouped with what describes the same problem"

// What is answered where there is nothing to store.
const (
	nothingToChange = "noted: nothing is known of it, so there is nothing to change"
	nothingToRemove = "noted: it was deleted at its source, and nothing of it is stored"
	takenOut        = "taken out: it was deleted at its source, and its text is not stored any more"
)

// file stores readings in their project.
func (in *Intake) file(ctx context.Context, installation int64, repo string, readings []feedback.Reading, at []int, answers []Answer) error {
	r, err := project.ParseRepo(repo)
	if err != nil {
		return err
	}
	// The handle that the registry knows may be on a space that was erased and
	// made again since; the second look finds what is there now.
	for range 2 {
		var space storage.Space
		if space, err = in.projects.Ensure(ctx, installation, r); err != nil {
			return fmt.Errorf("open project %s: %w", repo, err)
		}
		if err = in.into(ctx, space, readings, at, answers); err == nil {
			in.count(space.Name(), at, answers)
		}
		if !errors.Is(err, storage.ErrNoSpace) {
			return err
		}
		in.projects.Forget(installation, r)
	}
	return err
}

// count counts what came to a project.
func (in *Intake) count(space string, at []int, answers []Answer) {
	var c traffic.Counts
	for _, i := range at {
		if answers[i].Status == Accepted {
			c.Accepted++
		} else {
			c.Duplicates++
		}
	}
	in.traffic.Project(space, c)
}

// into folds the readings into what a project knows of them.
func (in *Intake) into(ctx context.Context, space storage.Space, readings []feedback.Reading, at []int, answers []Answer) error {
	ids := distinct(readings, at)
	known, entries, err := Load(ctx, space, ids...)
	if err != nil {
		return err
	}
	places, err := in.where.Where(ctx, space, ids...)
	if err != nil {
		return fmt.Errorf("see where feedback is: %w", err)
	}
	all := make(map[string]*piece, len(ids))
	for i, id := range ids {
		all[id] = &piece{f: known[i], entry: entries[i], place: places[i], fresh: Grouping}
	}
	for _, i := range at {
		p := all[readings[i].Feedback.ID]
		p.order = max(p.order, i)
		p.fold(readings[i], &answers[i])
	}
	b, err := batch(ids, all, in.now().UTC())
	if err != nil {
		return err
	}
	if err := space.Apply(ctx, b); err != nil {
		return fmt.Errorf("store feedback: %w", err)
	}
	if len(b.Ops) > 0 {
		in.wake(space.Name())
	}
	return nil
}

// piece is one feedback of a project while readings are folded into it.
type piece struct {
	f     *feedback.Feedback // nil while nothing is known
	entry storage.Entry      // that it was read from
	place Place
	fresh string // where it is if it is new
	order int    // of its last reading in the request

	changed, assign bool
}

// fold folds one reading in and says what became of it.
func (p *piece) fold(r feedback.Reading, a *Answer) {
	a.ID = r.Feedback.ID
	if p.f == nil {
		a.Status = Accepted
		switch {
		case r.StateOnly:
			a.State = nothingToChange
		case r.Removed:
			a.State = nothingToRemove
		default:
			f := *r.Feedback
			p.f, p.changed, p.assign = &f, true, true
			a.State = p.fresh
		}
		return
	}
	change := p.f.Merge(r)
	p.changed = p.changed || change.Any()
	p.assign = p.assign || change.Enriched || change.Removed
	a.Status, a.State = Duplicate, p.place.Line
	if p.f.Removed {
		a.State = takenOut
	}
}

// batch is what there is to write of the pieces, and the work that is due then.
func batch(ids []string, all map[string]*piece, now time.Time) (*storage.Batch, error) {
	b := new(storage.Batch)
	clusters := make(map[string]bool)
	assign := false
	for _, id := range ids {
		p := all[id]
		if !p.changed {
			continue
		}
		value, err := Encode(p.f)
		if err != nil {
			return nil, err
		}
		b.RequireEntry(p.entry)
		b.Set(p.entry.Key, value)
		if p.assign {
			// A nanosecond for each keeps those of one request in their order.
			wait(b, now.Add(time.Duration(p.order)), id)
			assign = true
		}
		// A cluster that it is put into meanwhile would not hear of this.
		b.RequireEntry(p.place.Entry)
		if p.place.Cluster != "" {
			clusters[p.place.Cluster] = true
		}
	}
	if len(b.Ops) == 0 {
		return b, nil
	}
	b.SetJSON(arrivedKey, now)
	if assign {
		work.Add(b, AssignWork)
	}
	for cluster := range clusters {
		work.Add(b, IssueWork(cluster))
	}
	return b, fits(b)
}
