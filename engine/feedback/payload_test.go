package feedback

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// now is the moment at which everything arrives in the tests.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testReader() *Reader {
	return &Reader{
		SourceID: "src",
		Hash:     func(s string) string { return "<" + s + ">" }, // readable, so that a test sees who is meant
		Now:      now,
		Sent:     now.Add(-time.Minute),
	}
}

// payload reads a captured request, which lie beside the repository and are no
// part of it.
func payload(t testing.TB, parts ...string) []byte {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	file := filepath.Join(append([]string{filepath.Dir(dir), "shared", "payloads"}, parts...)...)
	body, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		t.Skipf("the captured payload %s is not here", file)
	}
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// one returns the only reading, which must be readable.
func one(t *testing.T, readings []Reading, err error) Reading {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(readings) != 1 || readings[0].Err != nil {
		t.Fatalf("want one readable reading, got %+v", readings)
	}
	return readings[0]
}

func date(s string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return at.UTC()
}

// fields compares what a test names with what it got.
type fields map[string][2]any

func (f fields) check(t *testing.T) {
	t.Helper()
	for name, pair := range f {
		got, want := pair[0], pair[1]
		if a, ok := got.(time.Time); ok {
			if b, ok := want.(time.Time); ok && a.Equal(b) {
				continue
			}
		}
		if a, ok := got.([]string); ok {
			got = strings.Join(a, ",")
		}
		if got != want {
			t.Errorf("%s: got %#v, want %#v", name, got, want)
		}
	}
}
