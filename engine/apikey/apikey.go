// Package apikey holds the keys with which programs use the API of an installation.
//
// A key stands for whoever made it, in the repositories and up to the permission that were
// chosen then: what its maker may not do at GitHub any more, it may not do either. Who that
// is, GitHub's id says, whatever they are called by now. It is shown once; kept is its
// digest.
//
// # Keys
//
// In an installation's space:
//
//	key/<digest>   record: a key, under the SHA-256 of its text in hexadecimal
//	key-made       id of the one that was made last
package apikey

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Prefix is what every key begins with.
const Prefix = "sck_"

const (
	prefix  = "key/"
	lastKey = "key-made"
)

// Limits of an installation's keys.
const (
	MaxKeys         = 50
	MaxRepositories = 20 // of one key
	MaxName         = 80 // characters
	MaxLife         = 366 * 24 * time.Hour
	textLength      = 26 // of what is random in a key: 130 bits
)

var (
	// ErrNone says that there is no such key, or not any more.
	ErrNone = errors.New("apikey: no such key")
	// ErrFull says that an installation has as many keys as it may have.
	ErrFull = errors.New("apikey: there are as many keys as there may be: revoke one first; none was made")
)

// Key is what is known of a key.
type Key struct {
	ID           string            `json:"id"` // names it to people; it opens nothing
	Name         string            `json:"name"`
	By           string            `json:"by"`    // login of who made it, as it was then
	ByID         int64             `json:"by_id"` // GitHub's id of the same; a key without one opens nothing
	May          github.Permission `json:"may"`   // at most
	Repositories []int64           `json:"repositories"`
	Made         time.Time         `json:"made"`
	Until        time.Time         `json:"until"`
}

// Make adds to the batch a key for an installation, whose space home is, and returns its
// text, which is nowhere else. The caller has checked what its maker may do. The batch is
// a conflict where another key was made meanwhile.
func Make(ctx context.Context, b *storage.Batch, home storage.Space, installation int64, k Key) (text string, _ Key, err error) {
	last, err := home.Get(ctx, lastKey)
	if err != nil {
		return "", k, fmt.Errorf("make a key: %w", err)
	}
	all, err := List(ctx, home)
	if err != nil {
		return "", k, err
	}
	if len(all) >= MaxKeys {
		return "", k, ErrFull
	}
	text = Prefix + strconv.FormatInt(installation, 10) + "_" + rand.Text()
	at := key(text)
	k.ID = at[len(prefix) : len(prefix)+12]
	b.RequireEntry(last[0]) // of two at once, one is made, and the other counts it
	b.Set(lastKey, []byte(k.ID))
	b.Require(at, 0)
	b.SetJSON(at, k)
	return text, k, nil
}

// Revoke adds to the batch that a key opens nothing any more; ErrNone if there is no key
// of that id.
func Revoke(ctx context.Context, b *storage.Batch, home storage.Space, id string) (Key, error) {
	if len(id) != 12 {
		return Key{}, ErrNone
	}
	entries, err := home.Scan(ctx, prefix+id, "", 1)
	if err != nil {
		return Key{}, fmt.Errorf("look for a key: %w", err)
	}
	if len(entries) == 0 {
		return Key{}, ErrNone
	}
	var k Key
	if err := storage.GetJSON(entries[0], &k); err != nil {
		return k, err
	}
	b.RequireEntry(entries[0])
	b.Delete(entries[0].Key)
	return k, nil
}

// List returns the keys of an installation, the newest first.
func List(ctx context.Context, home storage.Space) ([]Key, error) {
	entries, err := home.Scan(ctx, prefix, "", storage.MaxOps)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	all := make([]Key, len(entries))
	for i, e := range entries {
		if err := storage.GetJSON(e, &all[i]); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b Key) int { return cmp.Or(b.Made.Compare(a.Made), strings.Compare(a.ID, b.ID)) })
	return all, nil
}

// Installation returns the installation that a key says it is of, without looking for it;
// false if the text is no key.
func Installation(text string) (int64, bool) {
	rest, ok := strings.CutPrefix(text, Prefix)
	number, secret, cut := strings.Cut(rest, "_")
	id, err := strconv.ParseInt(number, 10, 64)
	return id, ok && cut && err == nil && id > 0 && len(secret) == textLength
}

// Find returns the key of a text; ErrNone if there is none, or it is over. What is looked
// up is the digest, so that the time it takes says nothing of any key.
func Find(ctx context.Context, home storage.Space, text string, now time.Time) (Key, error) {
	entries, err := home.Get(ctx, key(text))
	if err != nil {
		return Key{}, fmt.Errorf("look for a key: %w", err)
	}
	if !entries[0].Exists() {
		return Key{}, ErrNone
	}
	var k Key
	if err := storage.GetJSON(entries[0], &k); err != nil {
		return k, err
	}
	if !now.Before(k.Until) {
		return k, ErrNone
	}
	return k, nil
}

func key(text string) string {
	sum := sha256.Sum256([]byte(text))
	return prefix + hex.EncodeToString(sum[:])
}
