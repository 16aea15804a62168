package secret

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// KeyBytes is the length of every key: 256 bits.
const KeyBytes = 32

// Key is a master key and where it came from. Printing one shows only that.
type Key struct {
	bytes  [KeyBytes]byte
	origin string
}

// ParseKeys reads master keys from text: base64 of 32 bytes each, several by
// comma, the current one first. Standard and URL alphabets are taken, with or
// without padding. origin is the setting or the file that text came from; it is
// what errors name, never the text itself.
func ParseKeys(origin, text string) ([]Key, error) {
	var keys []Key
	for i, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			return nil, fmt.Errorf("key %d is empty", i+1)
		}
		raw, err := decodeBase64(part)
		if err != nil {
			return nil, fmt.Errorf("key %d is not base64", i+1)
		}
		if len(raw) != KeyBytes {
			return nil, fmt.Errorf("key %d has %d bytes, want %d", i+1, len(raw), KeyBytes)
		}
		if *(*[KeyBytes]byte)(raw) == ([KeyBytes]byte{}) {
			return nil, fmt.Errorf("key %d is all zeros", i+1)
		}
		keys = append(keys, Key{bytes: [KeyBytes]byte(raw), origin: origin})
	}
	return keys, nil
}

// String names where the key came from, not the key.
func (k Key) String() string { return "[key from " + k.origin + "]" }

// GoString is String, so that %#v shows no key either.
func (k Key) GoString() string { return k.String() }

// Format is String for every verb: %x and %d would show the bytes.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// MarshalText is String for JSON and logs.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// ID names the key without giving anything of it away: eight bytes derived from
// it, in hex.
func (k Key) ID() string {
	id, err := hkdf.Key(sha256.New, k.bytes[:], nil, "soulcaster key id", 8)
	if err != nil {
		panic("secret: HKDF of 8 bytes: " + err.Error()) // only for lengths over 8,160 bytes
	}
	return hex.EncodeToString(id)
}

// wrapping is the key that wraps the data key of a purpose.
func (k Key) wrapping(p Purpose) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, k.bytes[:], nil, "soulcaster wrap "+string(p), KeyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive wrapping key: %w", err)
	}
	return key, nil
}

func makeKey(origin string) Key {
	k := Key{origin: origin}
	rand.Read(k.bytes[:]) // never fails: crypto/rand ends the program instead
	return k
}

func (k Key) text() string { return base64.StdEncoding.EncodeToString(k.bytes[:]) }

func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if raw, err := enc.DecodeString(s); err == nil {
			return raw, nil
		}
	}
	return nil, errors.New("not base64")
}
