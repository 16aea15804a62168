package secret

// Keys in the app's space:
//
//	secret/<purpose>  record as JSON: the purpose's data key, wrapped

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/soulcaster/soulcaster/engine/storage"
)

// Keyring holds the data keys, unwrapped. It is made once at start and is safe
// for concurrent use.
type Keyring struct {
	data map[Purpose][KeyBytes]byte
}

// maxTries bounds how often NewKeyring starts again because another replica made or
// wrapped a key at the same moment. Each round but the last loses only to a
// replica that got on, so a handful is plenty.
const maxTries = 10

// NewKeyring reads the data keys from the app's space. It makes those that are
// missing and wraps anew those that an older master key wrapped. masters has
// the current key first and needs at least one.
//
// Replicas that start at once agree on the keys. A [*WrongKeyError] means that
// a data key is there and none of the masters opens it; nothing was changed.
func NewKeyring(ctx context.Context, app storage.Space, masters []Key) (*Keyring, error) {
	if len(masters) == 0 {
		return nil, errors.New("open keyring: no master key")
	}
	for range maxTries {
		k, err := open(ctx, app, masters)
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open keyring: %w", err)
		}
		return k, nil
	}
	return nil, fmt.Errorf("open keyring: %w, %d times", storage.ErrConflict, maxTries)
}

func open(ctx context.Context, app storage.Space, masters []Key) (*Keyring, error) {
	purposes := Purposes()
	keys := make([]string, len(purposes))
	for i, p := range purposes {
		keys[i] = "secret/" + string(p)
	}
	entries, err := app.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("read data keys: %w", err)
	}

	// All of the changes are one batch, made only after every key that is there
	// was opened: a wrong master must not add keys beside the ones it cannot read.
	k := &Keyring{data: make(map[Purpose][KeyBytes]byte, len(purposes))}
	var batch storage.Batch
	for i, p := range purposes {
		var data [KeyBytes]byte
		stale := true
		if entries[i].Exists() {
			var r record
			if err := storage.GetJSON(entries[i], &r); err != nil {
				return nil, err
			}
			if data, err = r.unwrap(p, masters); err != nil {
				return nil, err
			}
			stale = r.Key != masters[0].ID()
		} else {
			rand.Read(data[:])
		}
		k.data[p] = data
		if stale {
			r, err := wrap(p, data, masters[0])
			if err != nil {
				return nil, err
			}
			batch.RequireEntry(storage.Entry{Key: keys[i], Version: entries[i].Version})
			batch.SetJSON(keys[i], r)
		}
	}
	if len(batch.Ops) == 0 {
		return k, nil
	}
	if err := app.Apply(ctx, &batch); err != nil {
		return nil, fmt.Errorf("store data keys: %w", err)
	}
	return k, nil
}

// Hash is the keyed hash of text for a purpose and a tenant: 128 bits of
// HMAC-SHA256 in lower-case base32, 26 characters. The same text gives another
// hash for another tenant or purpose, so that hashes cannot be joined across
// them. Purposes other than those of [Purposes] panic.
func (k *Keyring) Hash(p Purpose, tenant, text string) string {
	key, ok := k.data[p]
	if !ok {
		panic("secret: no key for purpose " + string(p))
	}
	mac := hmac.New(sha256.New, key[:])
	// The length in front keeps ("a", "bc") and ("ab", "c") apart.
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(tenant))))
	mac.Write([]byte(tenant))
	mac.Write([]byte(text))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil)[:16]))
}

// Equal reports whether two hashes are the same, in constant time.
func Equal(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// Seal encrypts what the app stores for a tenant under a name. Only [Keyring.Open]
// with the same tenant and name gives it back, so that a sealed value that is
// moved to another place in the store is refused.
func (k *Keyring) Seal(tenant, name string, plain []byte) ([]byte, error) {
	key := k.data[Sealed]
	return encrypt(key[:], place(tenant, name), plain)
}

// Open decrypts what Seal made for the same tenant and name.
func (k *Keyring) Open(tenant, name string, sealed []byte) ([]byte, error) {
	key := k.data[Sealed]
	plain, err := decrypt(key[:], place(tenant, name), sealed)
	if err != nil {
		return nil, fmt.Errorf("open sealed %s: %w", name, err)
	}
	return plain, nil
}

func place(tenant, name string) []byte {
	ad := binary.BigEndian.AppendUint64(nil, uint64(len(tenant)))
	return append(append(ad, tenant...), name...)
}
