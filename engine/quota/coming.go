package quota

import (
	"context"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// coming is what is on its way into the store, and not counted yet.
type coming struct {
	reports, bytes int64
	left           chan struct{} // closed when some of it was counted; nil: nobody waits for that
}

// enter is now for readings that are about to be taken in. leave says that they were, and
// are counted. Where those before them may use a limit up, it waits for what becomes of
// them: or as much as is on its way at once would be let in beyond it.
func (m *Meter) enter(ctx context.Context, installation int64, readings []feedback.Reading) (uses []Use, suspended bool, leave func(), err error) {
	var mine coming
	for _, r := range readings {
		if !isFree(r) {
			mine.reports++
			mine.bytes += size(r.Feedback)
		}
	}
	for {
		uses, suspended, left, leave, err := m.tryEnter(ctx, installation, mine)
		if err != nil || left == nil {
			return uses, suspended, leave, err
		}
		select {
		case <-left:
		case <-ctx.Done():
			return nil, false, nil, ctx.Err()
		}
	}
}

// tryEnter is enter that does not wait; where it would, left is closed when it may be tried
// again.
func (m *Meter) tryEnter(ctx context.Context, installation int64, mine coming) (uses []Use, suspended bool, left <-chan struct{}, leave func(), err error) {
	if err := m.account(ctx, installation); err != nil {
		return nil, false, nil, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.of[installation]
	if a == nil { // it went this very moment
		return nil, false, nil, nil, fmt.Errorf("installation %d: %w", installation, storage.ErrNoSpace)
	}
	uses = m.uses(installation, a)
	c := &a.coming
	if m.over(uses) != nil || mine.reports == 0 {
		return uses, a.suspended, nil, func() {}, nil
	}
	if c.reports > 0 && c.fill(uses) {
		if c.left == nil {
			c.left = make(chan struct{})
		}
		return nil, false, c.left, nil, nil
	}
	c.reports, c.bytes = c.reports+mine.reports, c.bytes+mine.bytes
	return uses, a.suspended, nil, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		c.reports, c.bytes = c.reports-mine.reports, c.bytes-mine.bytes
		if c.left != nil {
			close(c.left)
			c.left = nil
		}
	}, nil
}

// fill reports whether what is on its way may use up a limit of the door.
func (c *coming) fill(uses []Use) bool {
	for _, u := range uses {
		with := map[string]int64{Reports: c.reports, Bytes: c.bytes}[u.Name]
		if u.Limit > 0 && with > 0 && u.Used+with >= u.Limit {
			return true
		}
	}
	return false
}
