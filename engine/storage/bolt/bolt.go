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
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// lockWait is how long Open waits for another process to let go of the file: a
// little, so that a restart that overlaps with a shutdown works.
const lockWait = time.Second

var (
	aboutBucket  = []byte("about")
	formatKey    = []byte("format")
	spacesBucket = []byte("spaces")
	dataBucket   = []byte("data")
)

// DB is a store in a file. It implements [storage.DB] and, between goroutines of
// this process, [storage.Bell].
type DB struct {
	file *bbolt.DB
	jobs chan *job
	bell bell

	closing sync.RWMutex // held for reading while a job is handed over
	closed  bool
	written chan struct{} // closed when the writer has ended
}

var (
	_ storage.DB   = (*DB)(nil)
	_ storage.Bell = (*DB)(nil)
)

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
	file, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:      lockWait,
		FreelistType: bbolt.FreelistMapType,
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("open store %s: %w: another process has the file open: stop that process, or choose another file",
			path, storage.ErrUnavailable)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return nil, fmt.Errorf("open store %s: the file is no store, or is damaged (%w): restore it from a copy, or choose another file", path, err)
	case err != nil:
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err := prepare(file, folder); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), file.Close())
	}
	d := &DB{file: file, jobs: make(chan *job, maxGroup), written: make(chan struct{})}
	go d.write()
	return d, nil
}

// prepare makes the buckets of a new file, and refuses a file that is not ours.
func prepare(file *bbolt.DB, folder string) error {
	fresh := false
	err := file.View(func(tx *bbolt.Tx) error {
		about := tx.Bucket(aboutBucket)
		if about == nil {
			if first, _ := tx.Cursor().First(); first != nil {
				return errors.New("the file belongs to another program: choose another file")
			}
			fresh = true
			return nil
		}
		found, err := strconv.Atoi(string(about.Get(formatKey)))
		if err != nil {
			return fmt.Errorf("read format: %w", err)
		}
		if found != storage.Format {
			return &storage.FormatError{Found: found, Want: storage.Format}
		}
		return nil
	})
	if err != nil || !fresh {
		return err
	}
	err = file.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{aboutBucket, spacesBucket, dataBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(aboutBucket).Put(formatKey, []byte(strconv.Itoa(storage.Format)))
	})
	if err != nil {
		return fmt.Errorf("lay out new store: %w", err)
	}
	return syncFolder(folder)
}

// syncFolder makes a new file's name survive a power cut; bbolt syncs only what
// is in the file.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return fmt.Errorf("sync folder of store: %w", err)
	}
	if err := f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync folder of store: %w", err), f.Close())
	}
	return f.Close()
}

// Create implements [storage.DB].
func (d *DB) Create(ctx context.Context, name string) (storage.Space, error) {
	s, err := d.Open(ctx, name)
	if !errors.Is(err, storage.ErrNoSpace) {
		return s, err
	}
	var generation []byte
	err = d.submit(ctx, len(name), func(tx *bbolt.Tx) error {
		spaces := tx.Bucket(spacesBucket)
		if g := spaces.Get([]byte(name)); g != nil {
			generation = bytes.Clone(g)
			return nil
		}
		next, err := spaces.NextSequence()
		if err != nil {
			return fmt.Errorf("take generation: %w", err)
		}
		generation = binary.BigEndian.AppendUint64(nil, next)
		if err := spaces.Put([]byte(name), generation); err != nil {
			return fmt.Errorf("register space: %w", err)
		}
		_, err = tx.Bucket(dataBucket).CreateBucket(generation)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("create space %s: %w", name, err)
	}
	return &space{db: d, name: name, generation: generation}, nil
}

// Open implements [storage.DB].
func (d *DB) Open(ctx context.Context, name string) (storage.Space, error) {
	if err := storage.CheckKey(name); err != nil {
		return nil, fmt.Errorf("open space: %w", err)
	}
	s := &space{db: d, name: name}
	err := d.view(ctx, func(tx *bbolt.Tx) error {
		s.generation = bytes.Clone(tx.Bucket(spacesBucket).Get([]byte(name)))
		if s.generation == nil {
			return storage.ErrNoSpace
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open space %s: %w", name, err)
	}
	return s, nil
}

// List implements [storage.DB].
func (d *DB) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	var names []string
	err := d.view(ctx, func(tx *bbolt.Tx) error {
		each(tx.Bucket(spacesBucket), prefix, after, limit, func(k, _ []byte) {
			names = append(names, string(k))
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list spaces: %w", err)
	}
	return names, nil
}

// Drop implements [storage.DB].
func (d *DB) Drop(ctx context.Context, name string) error {
	if err := storage.CheckKey(name); err != nil {
		return fmt.Errorf("drop space: %w", err)
	}
	err := d.submit(ctx, len(name), func(tx *bbolt.Tx) error {
		spaces := tx.Bucket(spacesBucket)
		generation := bytes.Clone(spaces.Get([]byte(name)))
		if generation == nil {
			return nil
		}
		if err := spaces.Delete([]byte(name)); err != nil {
			return err
		}
		return tx.Bucket(dataBucket).DeleteBucket(generation)
	})
	if err != nil {
		return fmt.Errorf("drop space %s: %w", name, err)
	}
	return nil
}

// Ping implements [storage.DB]: it reads from the file.
func (d *DB) Ping(ctx context.Context) error {
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

// each walks the keys of a bucket that begin with prefix and come after `after`,
// at most limit of them. Keys and values are only lent.
func each(b *bbolt.Bucket, prefix, after string, limit int, do func(k, v []byte)) {
	c := b.Cursor()
	k, v := c.Seek([]byte(max(prefix, after)))
	if after != "" && string(k) == after {
		k, v = c.Next()
	}
	for ; limit > 0 && bytes.HasPrefix(k, []byte(prefix)) && k != nil; limit-- {
		do(k, v)
		k, v = c.Next()
	}
}
