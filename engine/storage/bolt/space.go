package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// versionBytes is what stands in front of every value.
const versionBytes = 8

// space is a handle on one generation of a space.
type space struct {
	db         *DB
	name       string
	generation []byte
}

var _ storage.Space = (*space)(nil)

func (s *space) Name() string { return s.name }

func (s *space) Get(ctx context.Context, keys ...string) ([]storage.Entry, error) {
	if err := storage.CheckKeys(keys); err != nil {
		return nil, fmt.Errorf("get from space %s: %w", s.name, err)
	}
	entries := make([]storage.Entry, len(keys))
	err := s.view(ctx, func(b *bbolt.Bucket) error {
		for i, key := range keys {
			var err error
			if entries[i], err = entry([]byte(key), b.Get([]byte(key))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("get from space %s: %w", s.name, err)
	}
	return entries, nil
}

func (s *space) Scan(ctx context.Context, prefix, after string, limit int) ([]storage.Entry, error) {
	var entries []storage.Entry
	err := s.view(ctx, func(b *bbolt.Bucket) (err error) {
		each(b, prefix, after, limit, func(k, v []byte) {
			e, bad := entry(k, v)
			if bad != nil {
				err = bad
			}
			entries = append(entries, e)
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("scan space %s: %w", s.name, err)
	}
	return entries, nil
}

// Apply implements [storage.Space]. A ctx that ends while the batch waits for
// the disk makes an error that is both ErrUnavailable and ctx's: what became of
// the batch is then not known.
func (s *space) Apply(ctx context.Context, b *storage.Batch) error {
	if err := b.Check(); err != nil {
		return fmt.Errorf("apply to space %s: %w", s.name, err)
	}
	ops := prepareOps(b.Ops)
	err := s.db.submit(ctx, b.Bytes(), func(tx *bbolt.Tx) error {
		bucket := s.bucket(tx)
		if bucket == nil {
			return storage.ErrNoSpace
		}
		return apply(bucket, ops)
	})
	if err != nil {
		return fmt.Errorf("apply to space %s: %w", s.name, err)
	}
	return nil
}

func (s *space) view(ctx context.Context, do func(b *bbolt.Bucket) error) error {
	return s.db.view(ctx, func(tx *bbolt.Tx) error {
		b := s.bucket(tx)
		if b == nil {
			return storage.ErrNoSpace
		}
		return do(b)
	})
}

// bucket returns the bucket of this generation, nil if it was dropped.
func (s *space) bucket(tx *bbolt.Tx) *bbolt.Bucket {
	return tx.Bucket(dataBucket).Bucket(s.generation)
}

// op is a storage.Op in the form that goes into the file. It is made before the
// batch is queued and shares nothing with it, since a caller that stops waiting
// may use its batch again while the writer is still at work.
type op struct {
	kind    storage.Kind
	key     []byte
	value   []byte // with room for the version in front
	version uint64
}

func prepareOps(from []storage.Op) []op {
	ops := make([]op, len(from))
	for i, o := range from {
		ops[i] = op{kind: o.Kind, key: []byte(o.Key), version: o.Version}
		if o.Kind == storage.Set {
			ops[i].value = append(make([]byte, versionBytes, versionBytes+len(o.Value)), o.Value...)
		}
	}
	return ops
}

// apply checks all preconditions before it changes anything, so that a conflict
// leaves the transaction as it was for the batches that share it.
func apply(b *bbolt.Bucket, ops []op) error {
	writes := false
	for _, o := range ops {
		switch o.kind {
		case storage.Set:
			writes = true
		case storage.Require:
			e, err := entry(o.key, b.Get(o.key))
			if err != nil {
				return err
			}
			if e.Version != o.version {
				return fmt.Errorf("%w: key %q has version %d, not %d", storage.ErrConflict, o.key, e.Version, o.version)
			}
		}
	}
	var version uint64
	if writes {
		var err error
		if version, err = b.NextSequence(); err != nil {
			return fmt.Errorf("take version: %w", err)
		}
	}
	for _, o := range ops {
		switch o.kind {
		case storage.Set:
			binary.BigEndian.PutUint64(o.value, version)
			if err := b.Put(o.key, o.value); err != nil {
				return fmt.Errorf("set %q: %w", o.key, err)
			}
		case storage.Delete:
			if err := b.Delete(o.key); err != nil {
				return fmt.Errorf("delete %q: %w", o.key, err)
			}
		}
	}
	return nil
}

// entry decodes what the file holds under a key, copying it out of the
// transaction; nil is a key that is not there.
func entry(key, stored []byte) (storage.Entry, error) {
	if stored == nil {
		return storage.Entry{Key: string(key)}, nil
	}
	if len(stored) < versionBytes {
		return storage.Entry{}, fmt.Errorf("read %q: %d bytes are no version", key, len(stored))
	}
	return storage.Entry{
		Key:     string(key),
		Value:   bytes.Clone(stored[versionBytes:]),
		Version: binary.BigEndian.Uint64(stored),
	}, nil
}
