package bolt

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// bell rings between the goroutines of this process; no other process can have
// the file open.
type bell struct {
	mu        sync.Mutex
	listeners []*listener
	closed    bool
}

// listener holds the spaces that rang and were not yet heard. A space that rings
// again before it is heard is heard once, so the set is no larger than the number
// of spaces.
type listener struct {
	pending map[string]bool
	wake    chan struct{} // has room for one
}

// Ring implements [storage.Bell].
func (d *DB) Ring(_ context.Context, spaces ...string) error {
	b := &d.bell
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return fmt.Errorf("ring: %w: store is closed", storage.ErrUnavailable)
	}
	for _, l := range b.listeners {
		for _, s := range spaces {
			l.pending[s] = true
		}
		l.alert()
	}
	return nil
}

// Listen implements [storage.Bell].
func (d *DB) Listen(ctx context.Context, heard func(space string)) error {
	b := &d.bell
	l := &listener{pending: make(map[string]bool), wake: make(chan struct{}, 1)}
	b.mu.Lock()
	b.listeners = append(b.listeners, l)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.listeners = slices.DeleteFunc(b.listeners, func(o *listener) bool { return o == l })
	}()
	for {
		b.mu.Lock()
		pending, closed := l.pending, b.closed
		l.pending = make(map[string]bool)
		b.mu.Unlock()
		for s := range pending {
			if ctx.Err() == nil {
				heard(s)
			}
		}
		if closed {
			return fmt.Errorf("listen: %w: store is closed", storage.ErrUnavailable)
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

func (l *listener) alert() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (b *bell) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, l := range b.listeners {
		l.alert()
	}
}
