package intake

import (
	"context"
	"slices"
	"sync"
)

// turns lets goroutines that change the same feedback do so one after another.
// The store would refuse all but one of them at a time anyway, and each would
// have to read and try again; a flood of events of one Sentry group would then
// exhaust its tries. It is an economy and no more: what keeps two writers apart
// is the batch's precondition, for there may be other processes.
//
// The zero value is ready for use.
type turns struct {
	mu  sync.Mutex
	ids map[string]*turn
}

// turn is whose turn it is: a value in now is somebody at work.
type turn struct {
	now   chan struct{}
	users int // at work and waiting
}

// take waits until it is the caller's turn at all of the ids, which done ends.
// They are taken in order, so that two callers never wait for each other.
func (t *turns) take(ctx context.Context, ids []string) (done func(), err error) {
	ids = slices.Sorted(slices.Values(ids))
	mine := make([]*turn, 0, len(ids))
	done = func() {
		for i, turn := range mine {
			<-turn.now
			t.leave(ids[i], turn)
		}
	}
	for _, id := range ids {
		turn := t.join(id)
		select {
		case turn.now <- struct{}{}:
			mine = append(mine, turn)
		case <-ctx.Done():
			t.leave(id, turn)
			done()
			return nil, ctx.Err()
		}
	}
	return done, nil
}

func (t *turns) join(id string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ids == nil {
		t.ids = make(map[string]*turn)
	}
	if t.ids[id] == nil {
		t.ids[id] = &turn{now: make(chan struct{}, 1)}
	}
	t.ids[id].users++
	return t.ids[id]
}

func (t *turns) leave(id string, turn *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if turn.users--; turn.users == 0 {
		delete(t.ids, id)
	}
}
