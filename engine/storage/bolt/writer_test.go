package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/soulcaster/soulcaster/engine/storage"
)

func openStore(t *testing.T) (*DB, *space) {
	t.Helper()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := db.Create(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	return db, s.(*space)
}

// block keeps the writer busy until the returned function is called.
func block(t *testing.T, db *DB) (release func()) {
	t.Helper()
	began, end := make(chan struct{}), make(chan struct{})
	go db.submit(context.Background(), 0, func(*bbolt.Tx) error {
		close(began)
		<-end
		return nil
	})
	<-began
	return func() { close(end) }
}

// queue hands over a batch without waiting for its answer.
func queue(t *testing.T, s *space, b *storage.Batch) <-chan error {
	t.Helper()
	ops := prepareOps(b.Ops)
	j := &job{ctx: t.Context(), size: b.Bytes(), done: make(chan error, 1), do: func(tx *bbolt.Tx) error {
		return apply(s.bucket(tx), ops)
	}}
	if err := s.db.hand(j); err != nil {
		t.Fatal(err)
	}
	return j.done
}

func setBatch(key string, value []byte) *storage.Batch {
	b := &storage.Batch{}
	b.Set(key, value)
	return b
}

func exists(t *testing.T, s *space, key string) bool {
	t.Helper()
	e, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return e[0].Exists()
}

// TestWaitingBatchesShareOneTransaction also shows that they see each other in
// order, and that a conflict among them fails itself alone.
func TestWaitingBatchesShareOneTransaction(t *testing.T) {
	db, s := openStore(t)
	release := block(t, db)
	var transactions int
	countTransactions(t, db, &transactions)
	var answers []<-chan error
	for i := range 10 {
		b := setBatch("same", fmt.Append(nil, i))
		if i > 0 && i != 5 {
			b.Set(fmt.Sprint(i), nil)
		}
		if i == 0 || i == 5 { // five conflicts with the one that goes first
			b.Require("same", 0)
		}
		answers = append(answers, queue(t, s, b))
	}
	release()
	for i, answer := range answers {
		if err := <-answer; (i == 5) != errors.Is(err, storage.ErrConflict) || i != 5 && err != nil {
			t.Errorf("batch %d: %v", i, err)
		}
	}
	countTransactions(t, db, &transactions)
	if transactions != 2 { // the blocker's and theirs
		t.Errorf("%d transactions for 10 batches that waited together, want 1", transactions-1)
	}
	for i := 1; i < 10; i++ {
		if exists(t, s, fmt.Sprint(i)) != (i != 5) {
			t.Errorf("batch %d: there is %v", i, i == 5)
		}
	}
}

// countTransactions sets n to how many were committed since n was set before.
func countTransactions(t *testing.T, db *DB, n *int) {
	t.Helper()
	err := db.file.View(func(tx *bbolt.Tx) error {
		*n = tx.ID() - *n
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFullDiskFailsOnlyWhatHasNoRoom plays a full disk by bbolt's limit on the
// file: in a group, what fits is kept, what does not is refused, and once there
// is room everything works again.
func TestFullDiskFailsOnlyWhatHasNoRoom(t *testing.T) {
	db, s := openStore(t)
	release := block(t, db)
	small, large := setBatch("small", []byte("x")), &storage.Batch{}
	for i := range 20 {
		large.Set(fmt.Sprint(i), make([]byte, 50_000))
	}
	first, second, third := queue(t, s, small), queue(t, s, large), queue(t, s, setBatch("small too", nil))
	db.file.MaxSize = 128 << 10 // the writer is blocked and reads it only after the release
	release()
	if err := <-first; err != nil {
		t.Errorf("a small batch on a full disk, beside a large one: %v", err)
	}
	if err := <-second; !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a large batch on a full disk: %v, want ErrUnavailable", err)
	}
	if err := <-third; err != nil {
		t.Errorf("a small batch after a large one: %v", err)
	}
	if !exists(t, s, "small") || !exists(t, s, "small too") || exists(t, s, "0") {
		t.Error("what was kept is not what was acknowledged")
	}

	release = block(t, db)
	db.file.MaxSize = 0
	again := queue(t, s, large)
	release()
	if err := <-again; err != nil {
		t.Errorf("with room again: %v", err)
	}
	if !exists(t, s, "19") {
		t.Error("acknowledged and not there")
	}
}

// TestGivingUpWhileWaiting ends a caller's context while its batch is queued.
func TestGivingUpWhileWaiting(t *testing.T) {
	db, s := openStore(t)
	release := block(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Apply(ctx, setBatch("k", []byte("v"))) }()
	for len(db.jobs) == 0 { // until it is queued
		select {
		case err := <-ended:
			t.Fatalf("Apply did not wait: %v", err)
		default:
		}
	}
	cancel()
	err := <-ended
	if !errors.Is(err, context.Canceled) || !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("Apply: %v, want both the context's error and ErrUnavailable", err)
	}
	release()
	if err := s.Apply(t.Context(), &storage.Batch{}); err != nil {
		t.Fatal(err)
	}
	if exists(t, s, "k") {
		t.Error("a batch that nobody waited for any more was applied")
	}
}

// TestQueuedBatchIsACopy changes a batch that is still to be written, as a caller
// that gave up waiting for it may.
func TestQueuedBatchIsACopy(t *testing.T) {
	db, s := openStore(t)
	release := block(t, db)
	b := setBatch("k", []byte("before"))
	answer := queue(t, s, b)
	copy(b.Ops[0].Value, "after!")
	b.Ops[0].Key = "other"
	release()
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
	if e, err := s.Get(t.Context(), "k"); err != nil || string(e[0].Value) != "before" {
		t.Errorf("k = %q, %v", e[0].Value, err)
	}
}

func TestLanded(t *testing.T) {
	db, s := openStore(t)
	if err := s.Apply(t.Context(), setBatch("k", nil)); err != nil {
		t.Fatal(err)
	}
	var last int
	countTransactions(t, db, &last)
	if !db.landed(last) {
		t.Error("the last transaction is not seen in the file")
	}
	if db.landed(last + 1) {
		t.Error("a transaction that never was is seen in the file")
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("1234567"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x01"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x01value"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		e, err := entry([]byte("k"), stored)
		if err == nil && stored != nil && len(e.Value) != len(stored)-versionBytes {
			t.Errorf("%q: %d bytes of value", stored, len(e.Value))
		}
		if err == nil && len(e.Value) > 0 {
			before := e.Value[0]
			stored[versionBytes]++
			if e.Value[0] != before {
				t.Error("the value is not a copy")
			}
		}
	})
}
