//go:build e2e

package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

// store is where the app keeps what it knows.
type store struct {
	name  string
	dir   string // holds everything that the store wrote
	url   string // SOULCASTER_STORE
	redis *storagetest.RedisServer
}

// eachStore runs a test on both stores, at the same time.
func eachStore(t *testing.T, test func(t *testing.T, s *store)) {
	t.Parallel()
	t.Run("bolt", func(t *testing.T) {
		t.Parallel()
		test(t, newBolt(t))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, newRedis(t))
	})
}

func newBolt(t testing.TB) *store {
	dir := t.TempDir()
	return &store{name: "bolt", dir: dir, url: "bolt:" + filepath.Join(dir, "soulcaster.db")}
}

func newRedis(t testing.TB) *store {
	dir := t.TempDir()
	server := storagetest.Redis(t, "--dir", dir)
	return &store{name: "redis", dir: dir, url: server.URL, redis: server}
}

// holds reports whether the store's files hold the text.
func (s *store) holds(t testing.TB, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() { // a server's socket holds nothing
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found = found || bytes.Contains(data, []byte(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
