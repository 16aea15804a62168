package redis_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

// TestSentinel fails over from one server to its replica under a store that
// knows only the Sentinel.
func TestSentinel(t *testing.T) {
	t.Parallel()
	master := storagetest.Redis(t)
	host, port, _ := strings.Cut(master.Addr, ":")
	replica := storagetest.Redis(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	sentinel := master.Sentinel("main")
	db := open(t, sentinel.URL+"?master_name=main")
	s := create(t, db, "s")
	set := func(key string) error {
		return s.Apply(t.Context(), batch(func(b *storage.Batch) { b.Set(key, nil) }))
	}
	if err := set("before"); err != nil {
		t.Fatal(err)
	}
	// Nothing is lost in this failover: the replica has all.
	behind := raw(t, replica.Addr)
	for until(t) {
		if n, err := behind.HExists(t.Context(), "soulcaster:{s}:values", "before").Result(); err == nil && n {
			break
		}
	}

	watcher := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr})
	t.Cleanup(func() { watcher.Close() })
	for until(t) { // it first has to find the replica
		if watcher.Failover(t.Context(), "main").Err() == nil {
			break
		}
	}
	for until(t) {
		addr, err := watcher.GetMasterAddrByName(t.Context(), "main").Result()
		if err == nil && strings.Join(addr, ":") == replica.Addr {
			break
		}
	}
	// The old master would take writes, to lose them, until it is told.
	master.Kill()
	for until(t) {
		err := set("after")
		if err == nil {
			break
		}
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Fatalf("Apply during the failover: %v", err)
		}
	}
	if !get(t, s, "before").Exists() || !get(t, s, "after").Exists() {
		t.Error("something was lost")
	}
	if n, err := behind.HExists(t.Context(), "soulcaster:{s}:values", "after").Result(); err != nil || !n {
		t.Errorf("the batch is not on the new master: %v, %v", n, err)
	}
}

// until paces the questions of a test that waits for another program; they end
// with the test's time.
func until(t *testing.T) bool {
	t.Helper()
	deadline, ok := t.Deadline()
	if ok && !time.Now().Before(deadline.Add(-time.Second)) {
		t.Fatal("never happened")
	}
	<-time.After(10 * time.Millisecond)
	return true
}
