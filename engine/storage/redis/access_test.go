package redis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
	store "github.com/soulcaster/soulcaster/engine/storage/redis"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

func TestLeastPrivilege(t *testing.T) {
	server := storagetest.Redis(t)
	url := user(t, server, "least", store.Rights)
	storagetest.Run(t, func(t *testing.T) storage.DB {
		flush(t, server)
		return open(t, url)
	})
}

// TestMissingPrivilege takes one command away at a time: Open must find out.
func TestMissingPrivilege(t *testing.T) {
	server := storagetest.Redis(t)
	for _, command := range []string{"eval", "set", "hset", "hsetnx", "hdel", "hincrby", "zadd", "zrem", "zrangebylex", "unlink", "del", "info"} {
		t.Run(command, func(t *testing.T) {
			url := user(t, server, "no"+command, store.Rights+" -"+command)
			db, err := store.Open(t.Context(), url, store.Options{})
			if err == nil {
				t.Fatal("Open succeeded", db.Close())
			}
			if !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "+"+command) {
				t.Errorf("Open: %v, want it to say what is missing", err)
			}
		})
	}
}

// user makes a user with these rights on the server, and returns its URL.
func user(t *testing.T, server *storagetest.RedisServer, name, rights string) (url string) {
	t.Helper()
	const password = "pa55-word"
	rules := append([]string{"reset", "on", ">" + password}, strings.Fields(rights)...)
	client := raw(t, server.Addr)
	if err := client.ScriptFlush(t.Context()).Err(); err != nil { // so that eval is needed
		t.Fatal(err)
	}
	if err := client.ACLSetUser(t.Context(), name, rules...).Err(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("redis://%s:%s@%s", name, password, server.Addr)
}

// TestPasswordsStayOut opens what cannot be opened, in many ways.
func TestPasswordsStayOut(t *testing.T) {
	t.Parallel()
	server := storagetest.Redis(t, "--requirepass", "the real one")
	const secret = "hunter2"
	for _, url := range []string{
		"redis://:" + secret + "@" + server.Addr,
		"redis://user:" + secret + "@" + server.Addr + "/0",
		"redis://:" + secret + "@" + server.Addr + "?addr=" + server.Addr,
		"redis://" + server.Addr + "?master_name=m&password=" + secret,
		"redis://:" + secret + "@127.0.0.1:1",
		"rediss://:" + secret + "@" + server.Addr,
		"redis://:" + secret + "@no.such.host.invalid:6379",
		"redis://:" + secret + "@host:port",
		"redis://:" + secret + "/x@host:6379",
		"redis://:1/" + secret + "@host:6379",
		"redis://:" + secret + "?x@host:6379",
		"redis://:1?" + secret + "@host:6379",
		"redis://:" + secret + "#x@host:6379",
		"redis://:%zz" + secret + "@host:6379",
		"redis://:" + secret + "@host:6379/database",
		"redis://:" + secret + "@host:6379?nonsense=1",
		"http://:" + secret + "@host:6379",
		":" + secret + "@host",
	} {
		db, err := store.Open(t.Context(), url, store.Options{AllowVolatile: true})
		if err == nil {
			t.Errorf("Open(%q) succeeded: %v", url, db.Close())
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("Open(%q): %v", url, err)
		}
	}
	for _, c := range []struct{ url, says string }{
		{"redis://host:6379?nonsense=1", "nonsense"},
		{"http://host", `"http"`},
		{"host:6379", "redis://"},
		{"redis://host:port", "redis://"},
	} {
		if _, err := store.Open(t.Context(), c.url, store.Options{}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("Open(%q): %v, want it to say %s", c.url, err, c.says)
		}
	}
}
