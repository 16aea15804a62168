package storage

import "context"

// Bell tells the processes that share a store that something happened in a
// space. It only hurries up what polling would find anyway, so a ring that is
// lost does no harm.
type Bell interface {
	// Ring tells everyone who listens, in this process and in others.
	Ring(ctx context.Context, spaces ...string) error
	// Listen calls heard, from one goroutine, for every space that rings, until
	// ctx is done, and then returns nil; ErrUnavailable when the store is closed
	// first. It reconnects by itself. A space that rings often may be heard once.
	Listen(ctx context.Context, heard func(space string)) error
}
