package run_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/storage/bolt"
)

const id = "aaaabbbbccccdddd"

func newSpace(t *testing.T) storage.Space {
	t.Helper()
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	space, err := db.Create(t.Context(), "p/101/web")
	if err != nil {
		t.Fatal(err)
	}
	return space
}

// large is a result of several pieces.
func large(said string) *brief.Result {
	return &brief.Result{Attempt: 1, Said: said, Files: []brief.File{{Path: "a", Mode: brief.ModeFile, Content: []byte(strings.Repeat(said, 500_000))}}}
}

func nothing(*storage.Batch) {}

// pieces is how many pieces of results are stored.
func pieces(t *testing.T, space storage.Space) int {
	t.Helper()
	entries, err := space.Scan(t.Context(), "run-result/"+id+"/1/", "", storage.MaxOps)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestResultsThatAreStoredAtOnceDoNotMix(t *testing.T) {
	lost := errors.New("the other one was taken all the same")
	for name, between := range map[string]func(t *testing.T, space storage.Space) error{
		// What another writes while this one is about to end, and then does not end.
		"another is interrupted": func(t *testing.T, space storage.Space) error {
			err := run.StoreResult(t.Context(), space, id, large("other"), time.Now(), func(b *storage.Batch) { b.Require("run/"+id, 7) })
			if !errors.Is(err, storage.ErrConflict) {
				t.Errorf("the other one: %v, want a conflict", err)
			}
			return nil
		},
		"another is first": func(t *testing.T, space storage.Space) error {
			if err := run.StoreResult(t.Context(), space, id, large("other"), time.Now(), nothing); err != nil {
				t.Fatal(err)
			}
			return lost
		},
	} {
		t.Run(name, func(t *testing.T) {
			space := newSpace(t)
			var first error
			err := run.StoreResult(t.Context(), space, id, large("mine"), time.Now(), func(*storage.Batch) { first = between(t, space) })
			want := "mine"
			if first != nil {
				want = "other"
			}
			if errors.Is(err, storage.ErrConflict) != (first != nil) {
				t.Errorf("this one: %v", err)
			}
			got, err := run.ResultOf(t.Context(), space, id, 1)
			if err != nil || got == nil || got.Said != want || string(got.Files[0].Content) != strings.Repeat(want, 500_000) {
				t.Fatalf("what is stored is not what %s wrote: %v", want, err)
			}
			if n, most := pieces(t, space), len(want)*500_000*4/3/(256<<10)+1; n != most {
				t.Errorf("%d pieces are left, want the %d of the one that was taken", n, most)
			}
		})
	}
}

func TestWhatIsLeftOfOthersGoes(t *testing.T) {
	space := newSpace(t)
	err := run.StoreResult(t.Context(), space, id, large("mine"), time.Now(), func(b *storage.Batch) { b.Require("run/"+id, 7) })
	if n := pieces(t, space); !errors.Is(err, storage.ErrConflict) || n != 0 {
		t.Errorf("%v, and %d pieces are left", err, n)
	}
	var b storage.Batch
	b.Set("run-result/"+id+"/1/crashed-000", []byte("x"))
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if err := run.StoreResult(t.Context(), space, id, &brief.Result{Attempt: 1, Said: "mine"}, time.Now(), nothing); err != nil {
		t.Fatal(err)
	}
	if n := pieces(t, space); n != 1 {
		t.Errorf("%d pieces are left, want one", n)
	}
}

func TestForgettingLeavesNoPieces(t *testing.T) {
	space := newSpace(t)
	// More than one batch removes, as if many writers had crashed.
	for i := range storage.MaxOps {
		var b storage.Batch
		b.Set(fmt.Sprintf("run-result/%s/1/crashed-%03d", id, i), []byte("x"))
		b.Set(fmt.Sprintf("run-result/%s/2/other-%03d", id, i), []byte("x"))
		if err := space.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	var b storage.Batch
	b.Set("run-result/"+id+"/1/crashed-more", []byte("x"))
	if err := space.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if err := run.ForgetResult(t.Context(), space, id, 1); err != nil {
		t.Fatal(err)
	}
	if n := pieces(t, space); n != 0 {
		t.Errorf("%d pieces are left", n)
	}
	if others, err := space.Scan(t.Context(), "run-result/"+id+"/2/", "", storage.MaxOps); err != nil || len(others) != storage.MaxOps {
		t.Errorf("%d pieces of another attempt are left, %v", len(others), err)
	}
	there, err := run.HandedOver(t.Context(), space, id, 1)
	if got, errOf := run.ResultOf(t.Context(), space, id, 1); !there || err != nil || got != nil || errOf != nil {
		t.Errorf("handed over: %v, %v; the result: %+v, %v", there, err, got, errOf)
	}
}

// The end of a log is found without reading all of it, however long its pieces are and
// however much was taken out of them.
func TestLogTail(t *testing.T) {
	const most = 1000
	for name, c := range map[string]struct{ pieces, sent, stored int }{
		"nothing":                {0, 0, 0},
		"short":                  {3, 100, 100},
		"just enough":            {10, 100, 100},
		"long":                   {700, 1000, 1000},
		"pieces that are longer": {40, 60_000, 60_000},
		"one piece":              {1, 60_000, 60_000},
		"much was taken out":     {200, 10_000, 100},
		"much was put in":        {50, 10, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			space := newSpace(t)
			var whole strings.Builder
			for i := range c.pieces {
				text := fmt.Sprintf("%d:", i) + strings.Repeat("x", c.stored)
				text = text[:c.stored]
				whole.WriteString(text)
				l := brief.Log{Attempt: 1, Offset: int64(i * c.sent), Text: text}
				if err := run.AddLog(t.Context(), space, id, l, l.Offset+int64(c.sent), 1<<30); err != nil {
					t.Fatal(err)
				}
			}
			size, err := run.LogSize(t.Context(), space, id, 1)
			if err != nil || size != int64(whole.Len()) {
				t.Errorf("its size is %d (%v), want %d", size, err, whole.Len())
			}
			text, cut, err := run.LogTail(t.Context(), space, id, 1, most)
			if err != nil {
				t.Fatal(err)
			}
			want := whole.String()[max(0, whole.Len()-most):]
			if text != want || cut != (whole.Len() > most) {
				t.Errorf("%d bytes that end in %.20q, cut %v; want %d", len(text), text[max(0, len(text)-20):], cut, len(want))
			}
		})
	}
}
