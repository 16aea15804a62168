package storage_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/storage"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(b *storage.Batch)
		says  string // empty if the batch is good
	}{
		{"empty", func(*storage.Batch) {}, ""},
		{"largest", func(b *storage.Batch) { b.Set("k", make([]byte, storage.MaxBytes-1)) }, ""},
		{"one byte too many", func(b *storage.Batch) { b.Set("kk", make([]byte, storage.MaxBytes-1)) }, "bytes"},
		{"longest key", func(b *storage.Batch) { b.Delete(strings.Repeat("k", storage.MaxKeyBytes)) }, ""},
		{"longer key", func(b *storage.Batch) { b.Delete(strings.Repeat("k", storage.MaxKeyBytes+1)) }, "key"},
		{"most operations", func(b *storage.Batch) {
			for range storage.MaxOps {
				b.Require("k", 1)
			}
		}, ""},
		{"one operation too many", func(b *storage.Batch) {
			for range storage.MaxOps + 1 {
				b.Require("k", 1)
			}
		}, "operations"},
		{"JSON", func(b *storage.Batch) { b.SetJSON("k", map[string]int{"a": 1}) }, ""},
		{"no JSON", func(b *storage.Batch) { b.SetJSON("the key", make(chan int)); b.Set("later", nil) }, "the key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b storage.Batch
			c.build(&b)
			err := b.Check()
			if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, storage.ErrInvalid) || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("Check: %v, want it to say %q", err, c.says)
			}
		})
	}
}

func TestJSONRoundTrip(t *testing.T) {
	type value struct{ N int }
	var b storage.Batch
	b.SetJSON("k", value{7})
	got := value{1}
	if err := storage.GetJSON(storage.Entry{Key: "k", Value: b.Ops[0].Value, Version: 1}, &got); err != nil || got.N != 7 {
		t.Errorf("GetJSON = %+v, %v", got, err)
	}
	if err := storage.GetJSON(storage.Entry{Key: "none"}, &got); err != nil || got.N != 7 {
		t.Errorf("GetJSON of what is not there = %+v, %v", got, err)
	}
	if err := storage.GetJSON(storage.Entry{Key: "k", Value: []byte("{"), Version: 1}, &got); err == nil || !strings.Contains(err.Error(), "k") {
		t.Errorf("GetJSON of half an object: %v", err)
	}
}

func TestCheckKeys(t *testing.T) {
	if err := storage.CheckKeys(nil); err != nil {
		t.Errorf("no keys: %v", err)
	}
	if err := storage.CheckKeys([]string{"a", "b"}); err != nil {
		t.Errorf("two keys: %v", err)
	}
	for _, bad := range [][]string{{"a", ""}, make([]string, storage.MaxOps+1)} {
		if err := storage.CheckKeys(bad); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("%d keys: %v, want ErrInvalid", len(bad), err)
		}
	}
}

func FuzzCheckKey(f *testing.F) {
	for _, seed := range []string{"", "a", "p/1/web", "日本語", "\xff", "a\x00", strings.Repeat("k", storage.MaxKeyBytes+1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		good := key != "" && len(key) <= storage.MaxKeyBytes && utf8.ValidString(key) && !strings.Contains(key, "\x00")
		if err := storage.CheckKey(key); (err == nil) != good || err != nil && !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("CheckKey(%q) = %v", key, err)
		}
	})
}

func TestFormatErrorSaysWhatToDo(t *testing.T) {
	newer, older := &storage.FormatError{Found: 2, Want: 1}, &storage.FormatError{Found: 1, Want: 2}
	if !strings.Contains(newer.Error(), "newer build") || !strings.Contains(older.Error(), "migrate") {
		t.Errorf("%v; %v", newer, older)
	}
}
