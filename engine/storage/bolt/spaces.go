package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/soulcaster/soulcaster/engine/storage"
)

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
