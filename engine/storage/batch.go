package storage

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Batch collects preconditions, sets and deletes that happen together. All
// preconditions are checked against the state before the batch; then sets and
// deletes happen in the order given. The zero value is an empty batch.
type Batch struct {
	Ops []Op
	err error
}

// Kind says what an operation does.
type Kind byte

// The operations of a batch.
const (
	Set     Kind = 's' // Key becomes Value
	Delete  Kind = 'd' // Key goes; no error if it was not there
	Require Kind = 'r' // Key must have Version, or not be there if that is 0
)

// Op is one operation of a batch.
type Op struct {
	Kind    Kind
	Key     string
	Value   []byte
	Version uint64
}

// Set makes value the value of key.
func (b *Batch) Set(key string, value []byte) {
	b.Ops = append(b.Ops, Op{Kind: Set, Key: key, Value: value})
}

// SetJSON makes the JSON form of v the value of key. What cannot be encoded
// makes [Batch.Check] fail, and so the batch.
func (b *Batch) SetJSON(key string, v any) {
	data, err := json.Marshal(v)
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("encode %s: %w", key, err)
	}
	b.Set(key, data)
}

// Delete removes key, if it is there.
func (b *Batch) Delete(key string) {
	b.Ops = append(b.Ops, Op{Kind: Delete, Key: key})
}

// Require makes the batch conflict unless key has the version, or is absent if
// the version is 0.
func (b *Batch) Require(key string, version uint64) {
	b.Ops = append(b.Ops, Op{Kind: Require, Key: key, Version: version})
}

// RequireEntry makes the batch conflict unless the entry is as it was read.
func (b *Batch) RequireEntry(e Entry) { b.Require(e.Key, e.Version) }

// Bytes is the size of the batch as MaxBytes counts it.
func (b *Batch) Bytes() int {
	n := 0
	for _, op := range b.Ops {
		n += len(op.Key) + len(op.Value)
	}
	return n
}

// Check says what is wrong with the batch, if anything: too many operations,
// too many bytes, a bad key, a value that could not be encoded. Stores call it
// first.
func (b *Batch) Check() error {
	if b.err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, b.err)
	}
	if len(b.Ops) > MaxOps {
		return fmt.Errorf("%w: a batch of %d operations, the most is %d", ErrInvalid, len(b.Ops), MaxOps)
	}
	if n := b.Bytes(); n > MaxBytes {
		return fmt.Errorf("%w: a batch of %d bytes, the most is %d", ErrInvalid, n, MaxBytes)
	}
	for _, op := range b.Ops {
		if err := CheckKey(op.Key); err != nil {
			return err
		}
	}
	return nil
}

// CheckKey says what is wrong with a key, or the name of a space: it must be
// valid UTF-8 without a zero byte, not empty, and at most MaxKeyBytes long.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: empty key", ErrInvalid)
	case len(key) > MaxKeyBytes:
		return fmt.Errorf("%w: a key of %d bytes, the most is %d", ErrInvalid, len(key), MaxKeyBytes)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: key %q is not UTF-8", ErrInvalid, key)
	}
	for i := range len(key) {
		if key[i] == 0 {
			return fmt.Errorf("%w: key %q holds a zero byte", ErrInvalid, key)
		}
	}
	return nil
}

// CheckKeys says what is wrong with the keys of one Get: more than MaxOps, or a
// bad key among them.
func CheckKeys(keys []string) error {
	if len(keys) > MaxOps {
		return fmt.Errorf("%w: %d keys, the most is %d", ErrInvalid, len(keys), MaxOps)
	}
	for _, key := range keys {
		if err := CheckKey(key); err != nil {
			return err
		}
	}
	return nil
}

// GetJSON decodes the value of an entry into v; it leaves v alone if there is
// no such entry.
func GetJSON(e Entry, v any) error {
	if !e.Exists() {
		return nil
	}
	if err := json.Unmarshal(e.Value, v); err != nil {
		return fmt.Errorf("decode %s: %w", e.Key, err)
	}
	return nil
}
