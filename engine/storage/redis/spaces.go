package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// The registry is in another slot than the spaces, so no script can change both.
// It stays right in spite of that, by this order of things:
//
// A space is made, then registered, then confirmed (its meta says "listed"), and
// nobody is given a handle on it before: whoever opens an unconfirmed space first
// registers it. So a space that holds anything is in the registry.
//
// A name is taken off only if its nonce is still the one that was read before the
// space was seen to be gone. Who makes the space again registers it after that,
// with a new nonce, so a living space is never taken off.
//
// What a crash can leave is a name whose space is gone: List does not show it,
// and takes it off.
var registry = []string{"soulcaster:registry:{registry}:names", "soulcaster:registry:{registry}:nonces"}

// listPage is how many names List reads and checks at once.
const listPage = 500

// Create implements [storage.DB].
func (d *DB) Create(ctx context.Context, name string) (storage.Space, error) {
	s, err := d.Open(ctx, name)
	if !errors.Is(err, storage.ErrNoSpace) {
		return s, err
	}
	made := d.space(name)
	if err := d.make(ctx, made); err != nil {
		return nil, fmt.Errorf("create space %s: %w", name, err)
	}
	if err := d.enlist(ctx, made); err != nil {
		return nil, fmt.Errorf("create space %s: %w", name, err)
	}
	return made, nil
}

// Open implements [storage.DB].
func (d *DB) Open(ctx context.Context, name string) (storage.Space, error) {
	if err := storage.CheckKey(name); err != nil {
		return nil, fmt.Errorf("open space: %w", err)
	}
	s := d.space(name)
	listed, err := d.lookUp(ctx, s)
	if err == nil && !listed {
		err = d.enlist(ctx, s)
	}
	if err != nil {
		return nil, fmt.Errorf("open space %s: %w", name, err)
	}
	return s, nil
}

// Drop implements [storage.DB]. Every batch compares the generation in the same
// script that applies it, so nothing can be written to the space afterwards, and
// there is nothing to sweep up.
func (d *DB) Drop(ctx context.Context, name string) error {
	if err := storage.CheckKey(name); err != nil {
		return fmt.Errorf("drop space: %w", err)
	}
	if err := d.drop(ctx, d.space(name)); err != nil {
		return fmt.Errorf("drop space %s: %w", name, err)
	}
	return nil
}

func (d *DB) drop(ctx context.Context, s *space) error {
	var nonce string
	err := d.try(ctx, func(ctx context.Context) (err error) {
		nonce, err = d.client.HGet(ctx, registry[1], s.name).Result()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	switch _, err := d.lookUp(ctx, s); {
	case errors.Is(err, storage.ErrNoSpace):
	case err != nil:
		return err
	default:
		if err := d.remove(ctx, s); err != nil {
			return err
		}
	}
	_, err = d.run(ctx, unregisterScript, registry, s.name, nonce)
	return err
}

// List implements [storage.DB].
func (d *DB) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	var names []string
	for len(names) < limit {
		page, nonces, err := d.registered(ctx, prefix, after, min(limit-len(names), listPage))
		if err != nil {
			return nil, fmt.Errorf("list spaces: %w", err)
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1]
		alive, err := d.alive(ctx, page)
		if err != nil {
			return nil, fmt.Errorf("list spaces: %w", err)
		}
		for i, name := range page {
			if alive[i] {
				names = append(names, name)
				continue
			}
			if _, err := d.run(ctx, unregisterScript, registry, name, nonces[i]); err != nil {
				return nil, fmt.Errorf("list spaces: take off %s, which is gone: %w", name, err)
			}
		}
	}
	// An asker whose context is done gets no answer, though there was nothing to ask.
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list spaces: %w: %w", storage.ErrUnavailable, err)
	}
	return names, nil
}

// registered returns names that are in the registry, each with its nonce.
func (d *DB) registered(ctx context.Context, prefix, after string, limit int) (names, nonces []string, err error) {
	from, to := lexRange(prefix, after)
	reply, err := d.run(ctx, listScript, registry, from, to, limit)
	if err != nil {
		return nil, nil, err
	}
	both, ok := pairOfLists(reply)
	if !ok {
		return nil, nil, fmt.Errorf("registry: unexpected reply of type %T", reply)
	}
	for i := range both[0] {
		name, _ := both[0][i].(string)
		nonce, _ := both[1][i].(string)
		names, nonces = append(names, name), append(nonces, nonce)
	}
	return names, nonces, nil
}

// alive reports of each name whether there is such a space.
func (d *DB) alive(ctx context.Context, names []string) ([]bool, error) {
	alive := make([]bool, len(names))
	err := d.try(ctx, func(ctx context.Context) error {
		replies, err := d.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, name := range names {
				p.Exists(ctx, d.space(name).meta)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i, reply := range replies {
			alive[i] = reply.(*redis.IntCmd).Val() > 0
		}
		return nil
	})
	return alive, err
}

// lookUp finds the generation of s and whether it is known to be registered.
func (d *DB) lookUp(ctx context.Context, s *space) (listed bool, err error) {
	var found []any
	err = d.try(ctx, func(ctx context.Context) (err error) {
		found, err = d.client.HMGet(ctx, s.meta, "generation", "listed").Result()
		return err
	})
	if err != nil {
		return false, err
	}
	generation, ok := found[0].(string)
	if !ok {
		return false, storage.ErrNoSpace
	}
	s.generation = generation
	return found[1] != nil, nil
}

// make makes the space of s if there is none, and finds its generation.
func (d *DB) make(ctx context.Context, s *space) error {
	reply, err := d.run(ctx, makeScript, []string{s.meta}, newID())
	if err != nil {
		return err
	}
	generation, ok := reply.(string)
	if !ok {
		return fmt.Errorf("generation: unexpected reply of type %T", reply)
	}
	s.generation = generation
	return nil
}

// enlist registers the name of s, then confirms that.
func (d *DB) enlist(ctx context.Context, s *space) error {
	if _, err := d.run(ctx, registerScript, registry, s.name, newID()); err != nil {
		return err
	}
	_, err := d.run(ctx, confirmScript, []string{s.meta}, s.generation)
	return err
}

// remove removes the generation of s and all that is in it.
func (d *DB) remove(ctx context.Context, s *space) error {
	_, err := d.run(ctx, removeScript, []string{s.meta, s.keys, s.values}, s.generation)
	return err
}

// lexRange returns the range of ZRANGEBYLEX for what begins with prefix and comes
// after `after`.
func lexRange(prefix, after string) (from, to string) {
	from, to = "["+prefix, "+"
	if after != "" && after >= prefix {
		from = "(" + after
	}
	// The first string that is greater than all with the prefix: the last byte
	// that can grow does, and what follows it goes.
	for end := []byte(prefix); len(end) > 0; end = end[:len(end)-1] {
		if last := len(end) - 1; end[last] < 0xff {
			end[last]++
			to = "(" + string(end)
			break
		}
	}
	return from, to
}

// tagged escapes the name of a space, so that all of it is the hash tag of a key.
func tagged(name string) string {
	return strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D").Replace(name)
}
