package secret_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/storage"
)

const setting = "SOULCASTER_SECRET_KEY"

// key is the master key whose bytes are all b.
func key(t *testing.T, b ...byte) []secret.Key {
	t.Helper()
	var parts []string
	for _, b := range b {
		parts = append(parts, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, secret.KeyBytes)))
	}
	keys, err := secret.ParseKeys(setting, strings.Join(parts, ","))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func open(t *testing.T, space storage.Space, masters []secret.Key) *secret.Keyring {
	t.Helper()
	k, err := secret.NewKeyring(t.Context(), space, masters)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// stored is everything that a keyring keeps in the space.
func stored(t *testing.T, space storage.Space) []storage.Entry {
	t.Helper()
	var keys []string
	for _, p := range secret.Purposes() {
		keys = append(keys, "secret/"+string(p))
	}
	entries, err := space.Get(t.Context(), keys...)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestHashDependsOnAllOfItsInput(t *testing.T) {
	k := open(t, newSpace(t), key(t, 1))
	seen := map[string]string{}
	for _, in := range []struct {
		p            secret.Purpose
		tenant, text string
	}{
		{secret.Authors, "101", "alice"},
		{secret.Authors, "102", "alice"},
		{secret.Authors, "101", "bob"},
		{secret.Markers, "101", "alice"},
		{secret.Authors, "10", "1alice"}, // the border between tenant and text counts
		{secret.Authors, "", "101alice"},
	} {
		h := k.Hash(in.p, in.tenant, in.text)
		if len(h) != 26 {
			t.Errorf("Hash(%v) = %q: want 26 characters", in, h)
		}
		if h != k.Hash(in.p, in.tenant, in.text) {
			t.Errorf("Hash(%v) differs from call to call", in)
		}
		if other, ok := seen[h]; ok {
			t.Errorf("Hash(%v) is that of %s", in, other)
		}
		seen[h] = fmt.Sprint(in)
		if !secret.Equal(h, h) || secret.Equal(h, h[:25]+"!") {
			t.Errorf("Equal is wrong about %q", h)
		}
	}
	if other := open(t, newSpace(t), key(t, 1)); other.Hash(secret.Authors, "101", "alice") == k.Hash(secret.Authors, "101", "alice") {
		t.Error("two stores with one master key make the same hashes: the data key is not random")
	}
}

func TestRotationKeepsHashesAndSealed(t *testing.T) {
	space := newSpace(t)
	before := open(t, space, key(t, 1))
	want := before.Hash(secret.Authors, "101", "alice")
	sealed, err := before.Seal("101", "token", []byte("hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	wrapped := stored(t, space)

	// Started again with the same key: nothing is written.
	open(t, space, key(t, 1))
	if got := stored(t, space); !reflect.DeepEqual(got, wrapped) {
		t.Error("opening with the same key changed what is stored")
	}

	// A new key in front, then the old one gone.
	for _, masters := range [][]secret.Key{key(t, 2, 1), key(t, 2)} {
		k := open(t, space, masters)
		if got := k.Hash(secret.Authors, "101", "alice"); got != want {
			t.Errorf("after rotation the hash is %s, was %s", got, want)
		}
		plain, err := k.Open("101", "token", sealed)
		if err != nil || string(plain) != "hunter2" {
			t.Errorf("after rotation Open = %q, %v", plain, err)
		}
	}

	// The old key opens nothing now, and trying leaves the store alone.
	rotated := stored(t, space)
	_, err = secret.NewKeyring(t.Context(), space, key(t, 1))
	var wrong *secret.WrongKeyError
	if !errors.As(err, &wrong) {
		t.Fatalf("with the old key: %v, want a WrongKeyError", err)
	}
	if !strings.Contains(err.Error(), setting) || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("the error does not name the setting and that nothing was changed: %v", err)
	}
	if got := stored(t, space); !reflect.DeepEqual(got, rotated) {
		t.Error("a wrong key changed what is stored")
	}
}

func TestWrongKeyAddsNothing(t *testing.T) {
	space := newSpace(t)
	open(t, space, key(t, 1))
	// As left by a build that knew fewer purposes.
	var b storage.Batch
	b.Delete("secret/" + string(secret.Markers))
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	before := stored(t, space)
	if _, err := secret.NewKeyring(t.Context(), space, key(t, 9)); err == nil {
		t.Fatal("a wrong key opened the keyring")
	}
	if got := stored(t, space); !reflect.DeepEqual(got, before) {
		t.Error("a wrong key made the missing data key")
	}
}

func TestDamagedOrMovedDataKey(t *testing.T) {
	authors, markers := "secret/"+string(secret.Authors), "secret/"+string(secret.Markers)
	for name, change := range map[string]func(a, m storage.Entry) []byte{
		"another purpose's": func(_, m storage.Entry) []byte { return m.Value },
		"a flipped bit": func(a, _ storage.Entry) []byte {
			return bytes.Replace(a.Value, []byte(`"wrapped":"`), []byte(`"wrapped":"AAAA`), 1)
		},
		"no JSON": func(storage.Entry, storage.Entry) []byte { return []byte("{") },
	} {
		t.Run(name, func(t *testing.T) {
			space := newSpace(t)
			open(t, space, key(t, 1))
			entries, err := space.Get(t.Context(), authors, markers)
			if err != nil {
				t.Fatal(err)
			}
			var b storage.Batch
			b.Set(authors, change(entries[0], entries[1]))
			if err := space.Apply(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
			if _, err := secret.NewKeyring(t.Context(), space, key(t, 1)); err == nil || !strings.Contains(err.Error(), "authors") {
				t.Errorf("got %v, want an error that names the authors' key", err)
			}
		})
	}
}

func TestReplicasAgree(t *testing.T) {
	space := newSpace(t)
	const replicas = 8
	hashes := make([]string, replicas)
	var wg sync.WaitGroup
	for i := range replicas {
		wg.Go(func() {
			k, err := secret.NewKeyring(t.Context(), space, key(t, 1))
			if err != nil {
				t.Error(err)
				return
			}
			hashes[i] = k.Hash(secret.Authors, "101", "alice")
		})
	}
	wg.Wait()
	for i, h := range hashes {
		if h != hashes[0] {
			t.Errorf("replica %d hashes to %s, replica 0 to %s", i, h, hashes[0])
		}
	}
}

// raced runs before once, between the reading and the writing of a keyring.
type raced struct {
	storage.Space
	before func()
	once   sync.Once
}

func (r *raced) Apply(ctx context.Context, b *storage.Batch) error {
	r.once.Do(r.before)
	return r.Space.Apply(ctx, b)
}

func TestLosingARaceTakesTheWinnersKey(t *testing.T) {
	space := newSpace(t)
	var winner *secret.Keyring
	loser := open(t, &raced{Space: space, before: func() { winner = open(t, space, key(t, 1)) }}, key(t, 1))
	if w, l := winner.Hash(secret.Authors, "1", "x"), loser.Hash(secret.Authors, "1", "x"); w != l {
		t.Errorf("the loser hashes to %s, the winner to %s", l, w)
	}
}

func TestSealIsBoundToItsPlace(t *testing.T) {
	k := open(t, newSpace(t), key(t, 1))
	sealed, err := k.Seal("101", "token", []byte("hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("hunter2")) {
		t.Error("what was sealed can be read")
	}
	if again, _ := k.Seal("101", "token", []byte("hunter2")); bytes.Equal(again, sealed) {
		t.Error("sealing twice gives the same bytes: the nonce is not fresh")
	}
	for _, tt := range []struct {
		name, tenant, as string
		sealed           []byte
		ok               bool
	}{
		{"as it was", "101", "token", sealed, true},
		{"another tenant", "102", "token", sealed, false},
		{"another name", "101", "token2", sealed, false},
		{"border moved", "101t", "oken", sealed, false},
		{"cut", "101", "token", sealed[:len(sealed)-1], false},
		{"empty", "101", "token", nil, false},
	} {
		plain, err := k.Open(tt.tenant, tt.as, tt.sealed)
		if ok := err == nil && string(plain) == "hunter2"; ok != tt.ok {
			t.Errorf("%s: Open = %q, %v", tt.name, plain, err)
		}
	}
}

func TestNoMasterKey(t *testing.T) {
	if _, err := secret.NewKeyring(t.Context(), newSpace(t), nil); err == nil {
		t.Error("a keyring without a master key")
	}
}
