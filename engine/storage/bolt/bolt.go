// Package bolt keeps storage spaces in one embedded file, for an app of one
// process. It needs no server.
//
// All changes go through one goroutine, which puts whatever is waiting into one
// transaction and so into one fsync: a single client pays one fsync for a batch,
// many clients share it. Reads are bbolt's read transactions, each a snapshot.
//
// The file's layout, in bbolt's buckets:
//
//	about
//	    format        storage.Format in decimal
//	spaces            its sequence is the last generation given out
//	    NAME          the generation of the living space, 8 bytes, big-endian
//	data
//	    GENERATION    a bucket; its sequence is the last version given out
//	        KEY       the version, 8 bytes, big-endian, then the value
//
// A handle on a space knows its generation and looks at nothing else, so that
// dropping a space is removing its bucket: whatever comes later under the old
// generation finds nothing to write to.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// lockWait is how long Open waits for another process to let go of the file: a
// little, so that a restart that overlaps with a shutdown works.
const lockWait = time.Second

// DB is a store in a file. It implements [storage.DB] and, between goroutines of
// this process, [storage.Bell].
type DB struct {
	file *bbolt.DB
	jobs chan *job
	bell bell

	failed atomic.Bool // the last write did

	closing sync.RWMutex // held for reading while a job is handed over
	closed  bool
	written chan struct{} // closed when the writer has ended
}

var (
	_ storage.DB   = (*DB)(nil)
	_ storage.Bell = (*DB)(nil)
)

// ErrInUse says that another process has the file open.
var ErrInUse = errors.New("another process has the file open")

// Open opens the store in the file at path. A file that is not there is made,
// readable by its owner alone, and so is its folder. A file that another process
// has open, or that is no store, is an error that says so; a file in another
// format is a [*storage.FormatError].
func Open(ctx context.Context, path string) (*DB, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make folder for store: %w", err)
	}
	var file *bbolt.DB
	err := guarded(func() (err error) {
		file, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
		return err
	})
	if err == nil {
		if err = guarded(func() error { return prepare(file, folder) }); err != nil && !errors.Is(err, errDamaged) {
			return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), file.Close())
		}
	}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("open store %s: %w: %w: stop that process, or choose another file",
			path, storage.ErrUnavailable, ErrInUse)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum),
		errors.Is(err, errDamaged):
		return nil, fmt.Errorf("open store %s: the file is no store, or is damaged (%w): restore it from a copy, or choose another file", path, err)
	case err != nil:
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	d := &DB{file: file, jobs: make(chan *job, maxGroup), written: make(chan struct{})}
	go d.write()
	return d, nil
}

var errDamaged = errors.New("damaged")

// guarded makes an error of the panic, or the fault on mapped memory, with which
// bbolt answers damage that it does not look for.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return do()
}

// Ping implements [storage.DB]: it reads from the file and, if the last write
// failed, as on a full disk, writes to it.
func (d *DB) Ping(ctx context.Context) error {
	if d.failed.Load() {
		err := d.file.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket(aboutBucket).Put(probeKey, []byte(time.Now().UTC().Format(time.RFC3339)))
		})
		if err != nil {
			return fmt.Errorf("ping store: %w: write file: %w", storage.ErrUnavailable, err)
		}
		d.failed.Store(false)
	}
	if err := d.view(ctx, func(*bbolt.Tx) error { return nil }); err != nil {
		return fmt.Errorf("ping store: %w", err)
	}
	return nil
}

// Close writes what was accepted, refuses what comes later, and lets go of the
// file. Closing again does nothing.
func (d *DB) Close() error {
	d.closing.Lock()
	if d.closed {
		d.closing.Unlock()
		<-d.written
		return nil
	}
	d.closed = true
	close(d.jobs)
	d.closing.Unlock()
	<-d.written
	d.bell.close()
	if err := d.file.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// view reads from one snapshot. What do returns is returned as it is.
func (d *DB) view(ctx context.Context, do func(tx *bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	var result error
	err := d.file.View(func(tx *bbolt.Tx) error {
		result = do(tx)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: read file: %w", storage.ErrUnavailable, err)
	}
	return result
}
