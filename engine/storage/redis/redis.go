// Package redis keeps storage spaces in a Redis, for an app of several replicas.
//
// A space is three keys under one hash tag, and so in one slot of a cluster
// (TAG is the space's name with %, { and } escaped):
//
//	soulcaster:{TAG}:meta     hash: generation, version (the last given out), listed
//	soulcaster:{TAG}:keys     sorted set of the keys, all with score 0: their order
//	soulcaster:{TAG}:values   hash: key → VERSION:VALUE
//	soulcaster:{TAG}:done:ID  what became of the batch ID, kept for two minutes
//
// Two more keys, in a slot of their own, hold the names for List; another one
// holds the format:
//
//	soulcaster:registry:{registry}:names    sorted set of names
//	soulcaster:registry:{registry}:nonces   hash: name → random, new at each registration
//	soulcaster:format                       storage.Format
//
// Everything that reads or changes a space is one Lua script, which Redis runs
// alone: it first compares the generation, so a space that was dropped takes no
// more writes, however late they come, and nothing of it can come back.
//
// What is acknowledged is as durable as this Redis is set up to be: with
// appendonly and "appendfsync always" it survives any crash; with "everysec" any
// crash of the app, while a power cut can cost a second; a failover can cost what
// had not yet reached the replica.
//
// An ACL user needs the rights that the constant of this name lists; in a cluster
// also +cluster, +readonly and +command, and for a database other than 0 +select.
package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/soulcaster/soulcaster/engine/storage"
)

const formatKey = "soulcaster:format"

// rights are what a user of the Redis must have, as ACL SETUSER takes them.
const rights = "~soulcaster:* &soulcaster:* +evalsha +eval +get +set +exists +del +unlink +hget +hset +hsetnx +hmget +hdel " +
	"+hincrby +zadd +zrem +zrangebylex +publish +subscribe +unsubscribe +ping +info +hello +auth"

// Options change how Open judges a Redis.
type Options struct {
	// AllowVolatile accepts a Redis that may forget what it acknowledged:
	// without an append-only file, or with eviction.
	AllowVolatile bool
}

// DB is a store in a Redis. It implements [storage.DB] and, between all that
// share the Redis, [storage.Bell].
type DB struct {
	client  redis.UniversalClient
	secrets []string // never to be seen in an error

	closeOnce sync.Once
	closeErr  error
}

var (
	_ storage.DB   = (*DB)(nil)
	_ storage.Bell = (*DB)(nil)
)

// Open connects to the Redis at url: redis://[user:password@]host:port[/db], or
// rediss:// for TLS. With ?master_name=NAME it asks the Sentinel there (and those
// of further &addr=host:port) for the master, as go-redis's ParseFailoverURL
// says: the user and password of the URL are then the Sentinel's, the Redis's own
// are &username= and &password=. With ?addr=host:port, which may repeat the first
// one, it is a cluster. Timeouts and pool sizes may be set as go-redis's ParseURL
// says.
//
// It checks that the store can be used: ErrUnavailable if it cannot be reached or
// the user may not do what is needed, a [*storage.FormatError] for another
// format, and unless that is allowed a [*VolatileError] for a Redis that does not
// keep what it is told. No error holds a password.
func Open(ctx context.Context, url string, o Options) (*DB, error) {
	// go-redis prints what it also returns, on a logger of the whole process
	// and not in the app's form.
	logging.Disable()
	client, secrets, err := connect(url)
	if err != nil {
		return nil, err
	}
	d := &DB{client: client, secrets: secrets}
	if err := d.check(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("open Redis store: %w", err), d.Close())
	}
	return d, nil
}

func (d *DB) check(ctx context.Context, o Options) (err error) {
	defer func() {
		if err != nil && lacksRights(err) {
			err = fmt.Errorf("%w: the user of the URL needs the rights %s", err, rights)
		}
	}()
	if !o.AllowVolatile {
		if err := d.checkDurable(ctx); err != nil {
			return err
		}
	}
	if err := d.checkFormat(ctx); err != nil {
		return err
	}
	return d.rehearse(ctx)
}

// checkFormat records the format the first time and compares it ever after.
func (d *DB) checkFormat(ctx context.Context) error {
	var found string
	err := d.try(ctx, func(ctx context.Context) (err error) {
		if err = d.client.SetNX(ctx, formatKey, storage.Format, 0).Err(); err == nil {
			found, err = d.client.Get(ctx, formatKey).Result()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read format: %w", err)
	}
	format, err := strconv.Atoi(found)
	if err != nil {
		return fmt.Errorf("read format: %s holds %.20q", formatKey, found)
	}
	if format != storage.Format {
		return &storage.FormatError{Found: format, Want: storage.Format}
	}
	return nil
}

// rehearse does everything once, in a space that nobody else can see. A user who
// lacks the right to one command is found out now, and not in the middle of a
// batch, which would then be left half done.
func (d *DB) rehearse(ctx context.Context) (err error) {
	s := d.space("rehearsal/" + newID())
	if err := d.make(ctx, s); err != nil {
		return err
	}
	defer func() {
		// Last, since it takes the name off again however far the rest came.
		if dropErr := d.Drop(ctx, s.name); err == nil {
			err = dropErr
		}
	}()
	var first, second storage.Batch
	first.Set("k", []byte("v"))
	first.Require("k", 0)
	second.Delete("k")
	for _, step := range []func() error{
		func() error { return s.Apply(ctx, &first) },
		func() error { return s.Apply(ctx, &second) },
		func() error { _, err := s.Get(ctx, "k"); return err },
		func() error { _, err := s.Scan(ctx, "", "", 1); return err },
		func() error { return d.remove(ctx, s) },
		func() error { return d.enlist(ctx, s) },
		func() error { _, err := d.alive(ctx, []string{s.name}); return err },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// lacksRights reports whether an error says that the user may not do something.
// Redis 7.0 words that differently for a command in a script.
func lacksRights(err error) bool {
	text := err.Error()
	return strings.Contains(text, "permission") || strings.Contains(text, "can't run this command")
}

// Ping implements [storage.DB].
func (d *DB) Ping(ctx context.Context) error {
	err := d.try(ctx, func(ctx context.Context) error { return d.client.Ping(ctx).Err() })
	if err != nil {
		return fmt.Errorf("ping store: %w", err)
	}
	return nil
}

// Close closes all connections. Closing again does nothing.
func (d *DB) Close() error {
	d.closeOnce.Do(func() {
		if err := d.client.Close(); err != nil {
			d.closeErr = fmt.Errorf("close store: %s", d.clean(err))
		}
	})
	return d.closeErr
}
