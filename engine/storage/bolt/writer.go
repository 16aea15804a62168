package bolt

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// A group is the jobs of one transaction. Its limits keep the first job from
// waiting for very many others, and the dirty pages in memory few.
const (
	maxGroup      = 256
	maxGroupBytes = 4 << 20
)

// errUnchanged rolls back a transaction of which every job was refused: there is
// nothing to sync.
var errUnchanged = errors.New("nothing changed")

// job is one change that waits to be written.
type job struct {
	ctx  context.Context
	size int
	// do makes the change. It returns ErrConflict or ErrNoSpace before it has
	// changed anything; any other error spoils the transaction. It may run again
	// in another transaction.
	do   func(tx *bbolt.Tx) error
	done chan error // has room for the answer, so that nobody need wait for it
}

// submit hands a change to the writer and waits until it is on disk or refused.
func (d *DB) submit(ctx context.Context, size int, do func(tx *bbolt.Tx) error) error {
	j := &job{ctx: ctx, size: size, do: do, done: make(chan error, 1)}
	if err := d.hand(j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: wait for disk: %w", storage.ErrUnavailable, ctx.Err())
	}
}

func (d *DB) hand(j *job) error {
	if err := j.ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	d.closing.RLock()
	defer d.closing.RUnlock()
	if d.closed {
		return fmt.Errorf("%w: store is closed", storage.ErrUnavailable)
	}
	select {
	case d.jobs <- j:
		return nil
	case <-j.ctx.Done():
		return fmt.Errorf("%w: wait for writer: %w", storage.ErrUnavailable, j.ctx.Err())
	}
}

// write is the writer: it ends when jobs is closed and empty.
func (d *DB) write() {
	defer close(d.written)
	for first := range d.jobs {
		d.commit(d.gather(first))
	}
}

// gather adds to first what else is waiting, without waiting for more.
func (d *DB) gather(first *job) []*job {
	group, size := []*job{first}, first.size
	for len(group) < maxGroup && size < maxGroupBytes {
		select {
		case j, ok := <-d.jobs:
			if !ok {
				return group
			}
			group = append(group, j)
			size += j.size
		default:
			return group
		}
	}
	return group
}

// commit writes the jobs in one transaction, in order, and answers each. A job
// that is refused does not touch the others. When the transaction as a whole
// cannot be done, each job gets one of its own, so that the fault of one (a
// batch for which the disk has no room) does not fail the rest.
func (d *DB) commit(group []*job) {
	answers := make([]error, len(group))
	changed := false
	var id int
	err := d.file.Update(func(tx *bbolt.Tx) error {
		id = tx.ID()
		for i, j := range group {
			if err := j.ctx.Err(); err != nil {
				answers[i] = fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
				continue
			}
			answers[i] = j.do(tx)
			if answers[i] != nil && !refused(answers[i]) {
				return answers[i]
			}
			changed = changed || answers[i] == nil
		}
		if !changed {
			return errUnchanged
		}
		return nil
	})
	if errors.Is(err, errUnchanged) {
		err = nil
	}
	if err != nil && len(group) > 1 && !d.landed(id) {
		for _, j := range group {
			d.commit([]*job{j})
		}
		return
	}
	d.failed.Store(err != nil)
	for i, j := range group {
		if err != nil {
			answers[i] = fmt.Errorf("%w: write file: %w", storage.ErrUnavailable, err)
		}
		j.done <- answers[i]
	}
}

func refused(err error) bool {
	return errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrNoSpace)
}

// landed reports whether the transaction is in the file although its commit
// failed: when only the very last fsync fails, bbolt reads it back as committed.
// Its jobs must not run again then; they would conflict with themselves.
func (d *DB) landed(id int) bool {
	landed := true
	err := d.file.View(func(tx *bbolt.Tx) error {
		landed = tx.ID() >= id
		return nil
	})
	return err != nil || landed
}
