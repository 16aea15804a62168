package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// Prefix is what the keys of data keys begin with in the app's space.
const Prefix = "secret/"

// ErrOtherKeys says that a store has data keys of its own, which are others than those
// that are to be carried into it.
var ErrOtherKeys = errors.New("this store has made keys of its own already: what was sealed, and hashed, in the other store means nothing here")

// Carry brings data keys from another store into one that has none: values by the keys
// that they had there, all of which begin with Prefix. masters must open them. Where the
// store has the same ones nothing is to be done; where it has others it is
// ErrOtherKeys.
func Carry(ctx context.Context, app storage.Space, values map[string][]byte, masters []Key) error {
	var b storage.Batch
	for key, value := range values {
		p := Purpose(key[len(Prefix):])
		brought, err := unwrapped(p, value, masters)
		if err != nil {
			return err
		}
		entries, err := app.Get(ctx, key)
		if err != nil {
			return fmt.Errorf("read data keys: %w", err)
		}
		if entries[0].Exists() {
			has, err := unwrapped(p, entries[0].Value, masters)
			if err != nil {
				return err
			}
			if has != brought {
				return ErrOtherKeys
			}
			continue
		}
		b.RequireEntry(entries[0])
		b.Set(key, value)
	}
	if len(b.Ops) == 0 {
		return nil
	}
	if err := app.Apply(ctx, &b); err != nil {
		return fmt.Errorf("store data keys: %w", err)
	}
	return nil
}

func unwrapped(p Purpose, value []byte, masters []Key) (data [KeyBytes]byte, err error) {
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		return data, fmt.Errorf("read the key for %s: %w", p, err)
	}
	return r.unwrap(p, masters)
}
