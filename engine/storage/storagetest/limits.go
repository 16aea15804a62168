package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/storage"
)

func limits(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	for _, c := range []struct {
		name  string
		build func(b *storage.Batch)
	}{
		{"too many operations", func(b *storage.Batch) {
			for i := range storage.MaxOps + 1 {
				b.Set(fmt.Sprint(i), nil)
			}
		}},
		{"too many bytes", func(b *storage.Batch) { b.Set("k", make([]byte, storage.MaxBytes)) }},
		{"empty key", func(b *storage.Batch) { b.Set("ok", nil); b.Set("", nil) }},
		{"long key", func(b *storage.Batch) { b.Set("ok", nil); b.Delete(strings.Repeat("k", storage.MaxKeyBytes+1)) }},
		{"key that is not UTF-8", func(b *storage.Batch) { b.Set("ok", nil); b.Require("\xff", 0) }},
		{"key with a zero byte", func(b *storage.Batch) { b.Set("ok", nil); b.Set("a\x00b", nil) }},
		{"value that has no JSON", func(b *storage.Batch) { b.Set("ok", nil); b.SetJSON("k", func() {}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, "Apply", apply(ctx, s, c.build), storage.ErrInvalid)
			if got := scanned(ctx, t, s, "", "", 10); len(got) != 0 {
				t.Errorf("something was kept: %q", keys(got))
			}
		})
	}
	_, err := s.Get(ctx, make([]string, storage.MaxOps+1)...)
	wantError(t, "Get of too many keys", err, storage.ErrInvalid)
	_, err = s.Get(ctx, "ok", "")
	wantError(t, "Get of an empty key", err, storage.ErrInvalid)
	_, err = db.Create(ctx, "")
	wantError(t, "Create without a name", err, storage.ErrInvalid)
	_, err = db.Open(ctx, "a\x00")
	wantError(t, "Open with a bad name", err, storage.ErrInvalid)
	wantError(t, "Drop with a bad name", db.Drop(ctx, ""), storage.ErrInvalid)
}

func largestBatch(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	var asked []string
	err := apply(ctx, s, func(b *storage.Batch) {
		for i := range storage.MaxOps {
			key := fmt.Sprintf("%0*d", storage.MaxKeyBytes, i)
			asked = append(asked, key)
			b.Set(key, bytes.Repeat([]byte{byte(i)}, storage.MaxBytes/storage.MaxOps-storage.MaxKeyBytes))
		}
	})
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	entries, err := s.Get(ctx, asked...)
	if err != nil {
		t.Fatalf("Get of %d keys: %v", len(asked), err)
	}
	for i, e := range entries {
		if e.Key != asked[i] || len(e.Value) == 0 || e.Value[0] != byte(i) {
			t.Fatalf("entry %d is %q with %d bytes", i, e.Key, len(e.Value))
		}
	}
	var big storage.Batch
	big.Set("k", make([]byte, storage.MaxBytes-1))
	if err := s.Apply(ctx, &big); err != nil {
		t.Errorf("a value of the greatest size: %v", err)
	}
	if e := get(ctx, t, s, "k"); len(e.Value) != storage.MaxBytes-1 {
		t.Errorf("a value of the greatest size came back with %d bytes", len(e.Value))
	}
}

func values(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for name, value := range map[string]string{
		"empty": "", "zero": "\x00", "every byte": string(every), "like a version": "12:34", "newline": "\r\n",
		"like a reply": "$5\r\nhello\r\n", "not UTF-8": "\xff\xfe", "number": "1e400",
	} {
		set(ctx, t, s, name, value)
		wantValue(ctx, t, s, name, value)
	}
}

func valuesAreCopies(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	value := []byte("before")
	if err := apply(ctx, s, func(b *storage.Batch) { b.Set("k", value) }); err != nil {
		t.Fatalf("Apply: %v", err)
	}
	copy(value, "after!")
	e := wantValue(ctx, t, s, "k", "before")
	copy(e.Value, "after!")
	wantValue(ctx, t, s, "k", "before")
}

func cancelledContext(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	done, cancel := context.WithCancel(ctx)
	cancel()
	for name, call := range map[string]func() error{
		"Create": func() error { _, err := db.Create(done, "new"); return err },
		"Open":   func() error { _, err := db.Open(done, "s"); return err },
		"List":   func() error { _, err := db.List(done, "", "", 10); return err },
		"Drop":   func() error { return db.Drop(done, "s") },
		"Ping":   func() error { return db.Ping(done) },
		"Get":    func() error { _, err := s.Get(done, "k"); return err },
		"Scan":   func() error { _, err := s.Scan(done, "", "", 1); return err },
		"Apply":  func() error { return apply(done, s, func(b *storage.Batch) { b.Set("k", nil) }) },
	} {
		err := call()
		if !errors.Is(err, context.Canceled) || !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%s with a cancelled context: %v, want it to be both Canceled and ErrUnavailable", name, err)
		}
	}
	wantAbsent(ctx, t, s, "k")
}

func closing(ctx context.Context, t *testing.T, db storage.DB) {
	s := create(ctx, t, db, "s")
	if err := db.Ping(ctx); err != nil {
		t.Errorf("Ping: %v", err)
	}
	for range 2 {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	wantError(t, "Ping of a closed store", db.Ping(ctx), storage.ErrUnavailable)
	wantError(t, "Apply to a closed store", apply(ctx, s, func(b *storage.Batch) { b.Set("k", nil) }), storage.ErrUnavailable)
	_, err := s.Get(ctx, "k")
	wantError(t, "Get from a closed store", err, storage.ErrUnavailable)
}
