// Package draft lets work be tried: a draft is a space that reads as another does,
// but what is written to it stays apart.
//
// What is written is kept in the space beneath it, below a prefix that is the
// draft's own, so that it lives as long and where the space does. A draft has one
// writer at a time.
package draft

import (
	"context"
	"fmt"
	"strings"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// Root is what the prefixes of all drafts begin with. A draft shows nothing of
// another.
const Root = "draft/"

// The forms of a written value.
const (
	there = 'v' // the value follows
	gone  = 'x' // the key was deleted
)

// stateKey holds whether the last batch was written as a whole. It sorts before all
// keys that a draft is asked for.
const stateKey = "\x01"

// Space is a draft.
type Space struct {
	base   storage.Space
	prefix string
}

// On returns the draft of a name on a space.
func On(base storage.Space, name string) *Space {
	return &Space{base: base, prefix: Root + name + "/"}
}

// Name is the name of the space beneath: who works on a draft works as if on that.
func (s *Space) Name() string { return s.base.Name() }

// Get returns the entries of keys as the draft has them.
func (s *Space) Get(ctx context.Context, keys ...string) ([]storage.Entry, error) {
	if err := storage.CheckKeys(keys); err != nil {
		return nil, err
	}
	out := make([]storage.Entry, 0, len(keys))
	for len(keys) > 0 {
		some := keys[:min(len(keys), storage.MaxOps/2)]
		keys = keys[len(some):]
		both := make([]string, 0, 2*len(some))
		for _, k := range some {
			both = append(both, s.prefix+k, k)
		}
		entries, err := s.base.Get(ctx, both...)
		if err != nil {
			return nil, err
		}
		for i := range some {
			out = append(out, s.over(entries[2*i], entries[2*i+1]))
		}
	}
	return out, nil
}

// over is the entry that results from one of the draft's own and one beneath it.
func (s *Space) over(own, base storage.Entry) storage.Entry {
	switch {
	case !own.Exists():
		return base
	case len(own.Value) > 0 && own.Value[0] == there:
		return storage.Entry{Key: strings.TrimPrefix(own.Key, s.prefix), Value: own.Value[1:], Version: own.Version}
	}
	return storage.Entry{Key: strings.TrimPrefix(own.Key, s.prefix)}
}

// Scan returns the entries below a prefix as the draft has them.
func (s *Space) Scan(ctx context.Context, prefix, after string, limit int) ([]storage.Entry, error) {
	own := &pages{space: s.base, prefix: s.prefix + prefix, limit: max(1, limit)}
	base := &pages{space: s.base, prefix: prefix, after: after, limit: max(1, limit)}
	if after != "" {
		own.after = s.prefix + after
	}
	var out []storage.Entry
	for len(out) < limit {
		a, err := own.peek(ctx)
		if err != nil {
			return nil, err
		}
		b, err := base.peek(ctx)
		if err != nil {
			return nil, err
		}
		if a == nil && b == nil {
			break
		}
		if b != nil && strings.HasPrefix(b.Key, Root) {
			base.skip()
			continue
		}
		if a == nil || b != nil && b.Key < strings.TrimPrefix(a.Key, s.prefix) {
			out = append(out, *b)
			base.skip()
			continue
		}
		if b != nil && s.prefix+b.Key == a.Key {
			base.skip()
		}
		if e := s.over(*a, storage.Entry{}); e.Exists() && e.Key != stateKey {
			out = append(out, e)
		}
		own.skip()
	}
	return out, nil
}

// pages reads entries one by one.
type pages struct {
	space  storage.Space
	prefix string
	after  string
	limit  int
	read   []storage.Entry
	end    bool
}

// peek returns the next entry, nil at the end.
func (p *pages) peek(ctx context.Context) (*storage.Entry, error) {
	if len(p.read) == 0 && !p.end {
		n := min(p.limit+1, 500)
		entries, err := p.space.Scan(ctx, p.prefix, p.after, n)
		if err != nil {
			return nil, err
		}
		p.read, p.end = entries, len(entries) < n
	}
	if len(p.read) == 0 {
		return nil, nil
	}
	return &p.read[0], nil
}

func (p *pages) skip() {
	p.after = p.read[0].Key
	p.read = p.read[1:]
}

// Apply writes a batch to the draft, if its preconditions hold there.
func (s *Space) Apply(ctx context.Context, b *storage.Batch) error {
	if err := b.Check(); err != nil {
		return err
	}
	if err := s.holds(ctx, b); err != nil {
		return err
	}
	var parts []*storage.Batch
	part := new(storage.Batch)
	for _, op := range b.Ops {
		// The longer keys may make two batches of one.
		if len(part.Ops) >= storage.MaxOps-1 || part.Bytes()+len(op.Key)+len(op.Value)+2*storage.MaxKeyBytes > storage.MaxBytes {
			parts = append(parts, part)
			part = new(storage.Batch)
		}
		switch op.Kind {
		case storage.Set:
			part.Set(s.prefix+op.Key, append([]byte{there}, op.Value...))
		case storage.Delete:
			part.Set(s.prefix+op.Key, []byte{gone})
		}
	}
	parts = append(parts, part)
	for i, part := range parts {
		if len(parts) > 1 {
			part.Set(s.prefix+stateKey, []byte{there, byte(min(len(parts)-1-i, 255))})
		}
		if err := s.base.Apply(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// holds checks the preconditions of a batch.
func (s *Space) holds(ctx context.Context, b *storage.Batch) error {
	var keys []string
	var versions []uint64
	for _, op := range b.Ops {
		if op.Kind == storage.Require {
			keys, versions = append(keys, op.Key), append(versions, op.Version)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	entries, err := s.Get(ctx, keys...)
	if err != nil {
		return err
	}
	for i, e := range entries {
		if e.Version != versions[i] {
			return fmt.Errorf("key %s of a draft: %w", e.Key, storage.ErrConflict)
		}
	}
	return nil
}

// Whole reports whether all batches were written as wholes. One that was cut short,
// by a crash, spoils the draft.
func (s *Space) Whole(ctx context.Context) (bool, error) {
	entries, err := s.base.Get(ctx, s.prefix+stateKey)
	if err != nil {
		return false, err
	}
	return !entries[0].Exists() || string(entries[0].Value) == string([]byte{there, 0}), nil
}

// Written returns what was written below a prefix and is still there, as Scan does.
func (s *Space) Written(ctx context.Context, prefix, after string, limit int) ([]storage.Entry, error) {
	if after != "" {
		after = s.prefix + after
	}
	own := &pages{space: s.base, prefix: s.prefix + prefix, after: after, limit: max(1, limit)}
	var out []storage.Entry
	for len(out) < limit {
		a, err := own.peek(ctx)
		if err != nil || a == nil {
			return out, err
		}
		if e := s.over(*a, storage.Entry{}); e.Exists() && e.Key != stateKey {
			out = append(out, e)
		}
		own.skip()
	}
	return out, nil
}

// Discard deletes the draft, or as much of it as one batch may delete, and reports
// whether it is gone.
func (s *Space) Discard(ctx context.Context) (gone bool, err error) {
	// What goes last says that it is not whole.
	entries, err := s.base.Scan(ctx, s.prefix, "", 400)
	if err != nil {
		return false, err
	}
	var b storage.Batch
	for _, e := range entries {
		if len(entries) == 400 && e.Key == s.prefix+stateKey {
			continue
		}
		b.Delete(e.Key)
	}
	if len(entries) == 400 {
		b.Set(s.prefix+stateKey, []byte{there, 255})
	}
	if err := s.base.Apply(ctx, &b); err != nil {
		return false, err
	}
	return len(entries) < 400, nil
}
