package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
	"github.com/soulcaster/soulcaster/engine/storage/storagetest"
)

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", "store.db")
	open(t, path)
	for _, c := range []struct {
		path string
		want os.FileMode
	}{{path, 0o600}, {filepath.Dir(path), 0o700}} {
		info, err := os.Stat(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != c.want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(c.path), got, c.want)
		}
	}
}

func TestSecondOpenNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	open(t, path)
	_, err := bolt.Open(t.Context(), path)
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("Open of a file in use: %v, want an error that names it and says why", err)
	}
}

func TestReopenKeepsAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db := open(t, path)
	s, err := db.Create(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	var b storage.Batch
	b.Set("k", []byte("v"))
	b.Set("only for its version", nil)
	if err := s.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	before, err := s.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	s, err = open(t, path).Open(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	after, err := s.Get(t.Context(), "k")
	if err != nil || string(after[0].Value) != "v" || after[0].Version != before[0].Version {
		t.Errorf("after reopening: %+v, %v, want %+v", after, err, before)
	}
	b = storage.Batch{}
	b.Set("k2", nil)
	if err := s.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Get(t.Context(), "k2"); err != nil || e[0].Version <= before[0].Version {
		t.Errorf("a new version after reopening: %+v, %v, want more than %d", e, err, before[0].Version)
	}
}

func TestForeignFiles(t *testing.T) {
	bucket := func(name, key, value string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			file, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			err = file.Update(func(tx *bbolt.Tx) error {
				b, err := tx.CreateBucket([]byte(name))
				if err != nil {
					return err
				}
				return b.Put([]byte(key), []byte(value))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		says string
	}{
		{"newer format", bucket("about", "format", "2"), "run a newer build"},
		{"older format", bucket("about", "format", "0"), "migrate"},
		{"unreadable format", bucket("about", "format", "x"), "read format"},
		{"another program's", bucket("photos", "a", "b"), "another program"},
		{"no store at all", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("hello\n", 2000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "no store"},
		{"a folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			c.make(t, path)
			for range 2 { // the second time shows that the first let go of the file and changed nothing
				db, err := bolt.Open(t.Context(), path)
				if err == nil {
					t.Fatal("Open succeeded", db.Close())
				}
				if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
					t.Errorf("Open: %v, want it to name the file and say %q", err, c.says)
				}
				var format *storage.FormatError
				if strings.HasSuffix(c.name, "er format") != errors.As(err, &format) {
					t.Errorf("Open: %v, a FormatError: %v", err, format)
				}
			}
		})
	}
}

// TestClosingFinishesWhatIsAccepted closes the store under a flood: each writer
// gets a clear answer, and what was acknowledged is in the file.
func TestClosingFinishesWhatIsAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db := open(t, path)
	s, err := db.Create(t.Context(), "flood")
	if err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	closed := make(chan error, 1)
	err = storagetest.Flood(t.Context(), s, "1", func(batch string) {
		if acknowledged = append(acknowledged, batch); len(acknowledged) == 50 {
			go func() { closed <- db.Close() }()
		}
	})
	if !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("writing while the store closes: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	s, err = open(t, path).Open(t.Context(), "flood")
	if err != nil {
		t.Fatal(err)
	}
	storagetest.CheckFlood(t, s, acknowledged)
}

// crashStore names the store to the process that TestCrash starts and kills.
const crashStore = "STORAGETEST_CRASH_STORE"

// TestCrash kills a process that writes, at random, over and over on one file.
func TestCrash(t *testing.T) {
	if path := os.Getenv(crashStore); path != "" {
		writeUntilKilled(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "store.db")
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	var acknowledged []string
	for round := range 6 {
		acknowledged = append(acknowledged, crash(t, path, round, 1+random.IntN(300))...)
		db := open(t, path)
		s, err := db.Open(t.Context(), "flood")
		if err != nil {
			t.Fatal(err)
		}
		storagetest.CheckFlood(t, s, acknowledged)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			t.Fatalf("round %d, seed %d", round, seed)
		}
	}
}

// crash runs this test in a process of its own, kills it after that many
// acknowledged batches, and returns all that it acknowledged.
func crash(t *testing.T, path string, round, after int) (acknowledged []string) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCrash$")
	child.Env = append(os.Environ(), crashStore+"="+path, fmt.Sprintf("STORAGETEST_CRASH_ROUND=%d", round))
	var complaints strings.Builder
	child.Stderr = &complaints
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(line, "kept ")
		if !ok {
			t.Fatalf("the writer says %q", line)
		}
		if acknowledged = append(acknowledged, strings.TrimSpace(name)); len(acknowledged) == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); len(acknowledged) < after {
		t.Fatalf("the writer ended by itself after %d batches: %v\n%s", len(acknowledged), err, &complaints)
	}
	return acknowledged
}

func writeUntilKilled(t *testing.T, path string) {
	s, err := open(t, path).Create(t.Context(), "flood")
	if err != nil {
		t.Fatal(err)
	}
	err = storagetest.Flood(t.Context(), s, os.Getenv("STORAGETEST_CRASH_ROUND"), func(batch string) {
		fmt.Println("kept", batch)
	})
	t.Fatalf("nobody killed this process: %v", err)
}
