package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// space is a handle on one generation of a space.
type space struct {
	db           *DB
	name         string
	meta         string
	keys, values string
	done         string // the prefix of batches' outcomes
	generation   string
}

var _ storage.Space = (*space)(nil)

// space returns what is known of a space by its name: all but the generation.
func (d *DB) space(name string) *space {
	at := "soulcaster:{" + tagged(name) + "}:"
	return &space{db: d, name: name, meta: at + "meta", keys: at + "keys", values: at + "values", done: at + "done:"}
}

func (s *space) Name() string { return s.name }

func (s *space) Get(ctx context.Context, keys ...string) ([]storage.Entry, error) {
	if err := storage.CheckKeys(keys); err != nil {
		return nil, fmt.Errorf("get from space %s: %w", s.name, err)
	}
	args := make([]any, 0, 1+len(keys))
	args = append(args, s.generation)
	for _, key := range keys {
		args = append(args, key)
	}
	reply, err := s.db.run(ctx, getScript, []string{s.meta, s.values}, args...)
	if err == nil && reply == nil {
		err = storage.ErrNoSpace
	}
	if err != nil {
		return nil, fmt.Errorf("get from space %s: %w", s.name, err)
	}
	stored, ok := reply.([]any)
	if !ok || len(stored) != len(keys) {
		return nil, fmt.Errorf("get from space %s: unexpected reply of type %T", s.name, reply)
	}
	entries := make([]storage.Entry, len(keys))
	for i, key := range keys {
		entries[i].Key = key
		if stored[i] == nil {
			continue
		}
		if entries[i], err = entry(key, stored[i]); err != nil {
			return nil, fmt.Errorf("get from space %s: %w", s.name, err)
		}
	}
	return entries, nil
}

func (s *space) Scan(ctx context.Context, prefix, after string, limit int) ([]storage.Entry, error) {
	from, to := lexRange(prefix, after)
	reply, err := s.db.run(ctx, scanScript, []string{s.meta, s.keys, s.values}, s.generation, from, to, max(limit, 0))
	if err == nil && reply == nil {
		err = storage.ErrNoSpace
	}
	if err != nil {
		return nil, fmt.Errorf("scan space %s: %w", s.name, err)
	}
	both, ok := pairOfLists(reply)
	if !ok {
		return nil, fmt.Errorf("scan space %s: unexpected reply of type %T", s.name, reply)
	}
	entries := make([]storage.Entry, len(both[0]))
	for i := range entries {
		key, _ := both[0][i].(string)
		if entries[i], err = entry(key, both[1][i]); err != nil {
			return nil, fmt.Errorf("scan space %s: %w", s.name, err)
		}
	}
	return entries, nil
}

// Apply implements [storage.Space]. When an answer is lost, the batch is sent
// again under the same id, and Redis, which remembers, tells what became of it. A
// ctx that ends before makes an error that is both ErrUnavailable and ctx's: what
// became of the batch is then not known.
func (s *space) Apply(ctx context.Context, b *storage.Batch) error {
	if err := b.Check(); err != nil {
		return fmt.Errorf("apply to space %s: %w", s.name, err)
	}
	args := make([]any, 0, 2+3*len(b.Ops))
	args = append(args, s.generation, int(remember.Seconds()))
	for _, op := range b.Ops {
		args = append(args, string(rune(op.Kind)), op.Key)
		if op.Kind == storage.Require {
			args = append(args, strconv.FormatUint(op.Version, 10))
		} else {
			args = append(args, op.Value)
		}
	}
	reply, err := s.db.run(ctx, applyScript, []string{s.meta, s.keys, s.values, s.done + newID()}, args...)
	if err != nil {
		return fmt.Errorf("apply to space %s: %w", s.name, err)
	}
	outcome, _ := reply.(string)
	what, key, _ := strings.Cut(outcome, " ")
	switch what {
	case "done":
		return nil
	case "gone":
		return fmt.Errorf("apply to space %s: %w", s.name, storage.ErrNoSpace)
	case "conflict":
		return fmt.Errorf("apply to space %s: %w: key %q has another version", s.name, storage.ErrConflict, key)
	default:
		return fmt.Errorf("apply to space %s: unexpected outcome %.40q", s.name, outcome)
	}
}

// entry decodes VERSION:VALUE.
func entry(key string, stored any) (storage.Entry, error) {
	text, _ := stored.(string)
	digits, value, ok := strings.Cut(text, ":")
	version, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || version == 0 {
		return storage.Entry{}, fmt.Errorf("read %q: what is stored has no version", key)
	}
	return storage.Entry{Key: key, Value: []byte(value), Version: version}, nil
}

// pairOfLists takes apart a reply of two lists of one length.
func pairOfLists(reply any) (lists [2][]any, ok bool) {
	both, ok := reply.([]any)
	if !ok || len(both) != 2 {
		return lists, false
	}
	for i := range lists {
		if lists[i], ok = both[i].([]any); !ok {
			return lists, false
		}
	}
	return lists, len(lists[0]) == len(lists[1])
}
