package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"strings"
)

// WrongKeyError says that a data key was wrapped by a master key that is not
// among those given. Nothing was changed.
type WrongKeyError struct {
	Purpose Purpose
	Wrapped string   // the id of the master key that wrapped it
	Origins []string // where the keys came from that were tried
}

func (e *WrongKeyError) Error() string {
	return fmt.Sprintf("the store's key for %s was encrypted with master key %s, which is not in %s: "+
		"put that key back, behind a new one if it is being rotated; nothing was changed",
		e.Purpose, e.Wrapped, strings.Join(e.Origins, " or "))
}

// record is a data key as it is stored.
type record struct {
	Key     string `json:"key"`     // the id of the master key that wrapped it
	Wrapped []byte `json:"wrapped"` // nonce and AES-256-GCM of the data key
}

func wrap(p Purpose, data [KeyBytes]byte, master Key) (record, error) {
	key, err := master.wrapping(p)
	if err != nil {
		return record{}, err
	}
	id := master.ID()
	wrapped, err := encrypt(key, wrapPlace(p, id), data[:])
	if err != nil {
		return record{}, fmt.Errorf("wrap key for %s: %w", p, err)
	}
	return record{Key: id, Wrapped: wrapped}, nil
}

func (r record) unwrap(p Purpose, masters []Key) (data [KeyBytes]byte, err error) {
	wrong := &WrongKeyError{Purpose: p, Wrapped: r.Key}
	for _, m := range masters {
		if len(wrong.Origins) == 0 || wrong.Origins[len(wrong.Origins)-1] != m.origin {
			wrong.Origins = append(wrong.Origins, m.origin)
		}
		if m.ID() != r.Key {
			continue
		}
		key, err := m.wrapping(p)
		if err != nil {
			return data, err
		}
		plain, err := decrypt(key, wrapPlace(p, r.Key), r.Wrapped)
		if err != nil || len(plain) != KeyBytes {
			return data, fmt.Errorf("the store's key for %s is damaged: restore %q from a backup; nothing was changed", p, "secret/"+string(p))
		}
		return [KeyBytes]byte(plain), nil
	}
	return data, wrong
}

// wrapPlace binds a wrapped key to its purpose and master, so that one cannot be
// passed off as another.
func wrapPlace(p Purpose, id string) []byte { return []byte(string(p) + "\x00" + id) }

// encrypt is AES-256-GCM under a random nonce of 96 bits, which comes first in
// what it returns. One key may encrypt 2^32 messages so (NIST SP 800-38D, 8.3);
// the app stores some thousands.
func encrypt(key, place, plain []byte) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(nil, nil, plain, place), nil
}

func decrypt(key, place, sealed []byte) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nil, sealed, place)
	if err != nil {
		return nil, errors.New("not made with this key for this place, or damaged")
	}
	return plain, nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return gcm, nil
}
