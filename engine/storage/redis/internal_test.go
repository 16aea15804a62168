package redis

import (
	"errors"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

func openStore(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), storagetest.Redis(t).URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestLateBatch has a batch arrive after its sender asked again on another
// connection and was told that it is in conflict: when it arrives, its
// precondition holds, and it must do nothing all the same.
func TestLateBatch(t *testing.T) {
	db := openStore(t)
	made, err := db.Create(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	s := made.(*space)
	send := func(id string) any {
		t.Helper()
		keys := []string{s.meta, s.keys, s.values, s.done + id}
		reply, err := db.run(t.Context(), applyScript, keys, s.generation, 120, "r", "k", "0", "s", "k", "late")
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	change := func(build func(b *storage.Batch)) {
		t.Helper()
		var b storage.Batch
		build(&b)
		if err := s.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	change(func(b *storage.Batch) { b.Set("k", []byte("another's")) })
	if got := send("same id"); got != "conflict k" {
		t.Fatalf("the batch: %v, want a conflict", got)
	}
	change(func(b *storage.Batch) { b.Delete("k") })
	if got := send("same id"); got != "conflict k" {
		t.Errorf("the same batch, late: %v, want the answer that was given", got)
	}
	if e, err := s.Get(t.Context(), "k"); err != nil || e[0].Exists() {
		t.Errorf("the late batch was applied: %+v, %v", e, err)
	}
	if got := send("another id"); got != "done" {
		t.Errorf("a new batch: %v, want it done", got)
	}
}

// TestLateDropKeepsTheListed has the last step of a drop come when the space was
// made again meanwhile: the living space must stay on the list.
func TestLateDropKeepsTheListed(t *testing.T) {
	db := openStore(t)
	create := func() (nonce string) {
		t.Helper()
		if _, err := db.Create(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		_, nonces, err := db.registered(t.Context(), "", "", 10)
		if err != nil || len(nonces) != 1 {
			t.Fatalf("registered: %q, %v", nonces, err)
		}
		return nonces[0]
	}
	before := create()
	if err := db.Drop(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	after := create()
	for _, c := range []struct {
		nonce string
		left  int
	}{{before, 1}, {"", 1}, {after, 0}} {
		if _, err := db.run(t.Context(), unregisterScript, registry, "s", c.nonce); err != nil {
			t.Fatal(err)
		}
		if names, _, err := db.registered(t.Context(), "", "", 10); err != nil || len(names) != c.left {
			t.Errorf("%q are registered (%v) after %q was taken off, want %d; nonces were %q and %q", names, err, c.nonce, c.left, before, after)
		}
	}
}

type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

func TestAgain(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{errors.New("dial tcp: connection refused"), true},
		{errors.New("EOF"), true},
		{reply("LOADING Redis is loading the dataset in memory"), true},
		{reply("READONLY You can't write against a read only replica."), true},
		{reply("CLUSTERDOWN The cluster is down"), true},
		{reply("MASTERDOWN Link with MASTER is down"), true},
		{reply("TRYAGAIN Multiple keys request during rehashing of slot"), true},
		{reply("BUSY Redis is busy running a script."), true},
		{reply("OOM command not allowed when used memory > 'maxmemory'."), false},
		{reply("NOPERM this user has no permissions"), false},
		{reply("WRONGPASS invalid username-password pair"), false},
		{reply("ERR unknown command"), false},
	} {
		if got := again(c.err); got != c.want {
			t.Errorf("again(%q) = %v, want %v", c.err, got, c.want)
		}
	}
}

// TestCleanHidesArguments is about servers before version 6: they do not know
// HELLO and repeat it, password and all.
func TestCleanHidesArguments(t *testing.T) {
	db := &DB{secrets: []string{"hunter2"}}
	err := reply("ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `hunter2`")
	if got := db.clean(err); strings.Contains(got, "hunter2") || !strings.Contains(got, "HELLO") {
		t.Errorf("clean = %s", got)
	}
}

func FuzzLexRange(f *testing.F) {
	f.Add("", "", "a")
	f.Add("b/", "b/1", "b/2")
	f.Add("b/", "a", "b/")
	f.Add("\xff", "", "\xff\xff")
	f.Add("a\xff", "", "b")
	f.Fuzz(func(t *testing.T, prefix, after, key string) {
		if key == "" {
			return // no key is
		}
		from, to := lexRange(prefix, after)
		in := key >= from[1:]
		if from[0] == '(' {
			in = key > from[1:]
		}
		if to != "+" {
			in = in && to[0] == '(' && key < to[1:]
		}
		if want := strings.HasPrefix(key, prefix) && key > after; in != want {
			t.Errorf("prefix %q, after %q: %q in [%q, %q] is %v, want %v", prefix, after, key, from, to, in, want)
		}
	})
}

func FuzzEntry(f *testing.F) {
	for _, seed := range []string{"", "1:", "1:a:b", "0:x", "-1:x", "x", ":", "18446744073709551616:x", "+1:x", "1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, stored string) {
		e, err := entry("k", stored)
		if err == nil && (!e.Exists() || !strings.HasSuffix(stored, ":"+string(e.Value))) {
			t.Errorf("%q became %+v", stored, e)
		}
	})
}

func FuzzVolatile(f *testing.F) {
	f.Add("# Persistence\r\naof_enabled:1\r\n# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n")
	f.Add("aof_enabled:0\r\nmaxmemory:5\r\nmaxmemory_policy:volatile-ttl\r\n")
	f.Add("aof_enabled")
	f.Add("")
	f.Fuzz(func(t *testing.T, info string) {
		if !strings.Contains(info, "aof_enabled:1") && len(volatile(info)) == 0 {
			t.Errorf("%q passes for durable", info)
		}
	})
}

// FuzzConnect reads a URL with a password in it; no error may hold it.
func FuzzConnect(f *testing.F) {
	for _, seed := range []string{"", "/", "?", "#", "%", "@", ":", "/1", "?a=b", "?addr=x:1&", "?master_name=m&x="} {
		f.Add("", seed, "@host:6379")
	}
	f.Add("p", "", "@host:6379?addr=host:1")
	f.Fuzz(func(t *testing.T, before, after, rest string) {
		const secret = "hunter2secret"
		client, _, err := connect("redis://:" + before + secret + after + "@h" + rest)
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%v", err)
		}
		if err == nil {
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
