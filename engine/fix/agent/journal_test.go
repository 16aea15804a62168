package agent

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func TestJournalPieces(t *testing.T) {
	j := newJournal(io.Discard, theClaim, time.Now())
	j.know(1<<20, theToken)
	in := j.stream()
	var want strings.Builder
	for range 5000 {
		in.line(strings.Repeat("x", 50))
	}
	all := string(j.wait)
	offset := int64(0)
	for {
		text, at := j.next()
		if text == "" {
			break
		}
		if again, same := j.next(); again != text || same != at {
			t.Fatal("a piece that was not sent changed")
		}
		in.line("meanwhile") // does not change the piece that is under way
		if now, _ := j.next(); now != text {
			t.Fatal("a piece grew while it was under way")
		}
		if at != offset || len(text) > maxPiece || !strings.HasSuffix(text, "\n") {
			t.Fatalf("a piece of %d bytes at %d, want it at %d", len(text), at, offset)
		}
		offset += int64(len(text))
		want.WriteString(text)
		j.sent(len(text))
		if want.Len() >= len(all) {
			break
		}
	}
	if !strings.HasPrefix(want.String(), all) {
		t.Error("the pieces are not the log")
	}
}

func TestJournalLimit(t *testing.T) {
	j := newJournal(io.Discard, "", time.Now())
	j.know(64 << 10)
	in := j.stream()
	for range 10_000 {
		in.line(strings.Repeat("x", 100))
	}
	j.printf("how it ended")
	got := string(j.wait)
	if len(got) > 64<<10 || !strings.Contains(got, "is longer than") || !strings.HasSuffix(got, "how it ended\n") {
		t.Errorf("%d bytes, the end is %q", len(got), got[len(got)-200:])
	}
}

func TestJournalLines(t *testing.T) {
	var out strings.Builder
	j := newJournal(&out, theClaim, time.Now())
	j.know(1<<20, theClaim, theToken)
	in := j.stream()
	j.printf("token %s\nsecond line", theToken)
	in.line("\x1b[31mred\x1b[0m " + theClaim)
	for _, l := range []string{"-----BEGIN PRIVATE KEY-----", "MIIEvQIBADANBg", "kqhkiG9w0BAQ", "-----END PRIVATE KEY----- after"} {
		in.line(l)
	}
	in.line(strings.Repeat("é", maxLine))
	in.line("\xff\xfe")
	got := string(j.wait)
	for _, secret := range []string{theClaim, theToken, "MIIEvQ", "kqhkiG", "\x1b"} {
		if strings.Contains(got, secret) || strings.Contains(out.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
	for _, want := range []string{"token [redacted] second line", "red [redacted]", " after", "é…", "��"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in the log", want)
		}
	}
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("the supervisor's own log holds more than its lines: %q", out.String())
	}
}

// What looks like the beginning of a private key and is none costs a bounded part of
// one stream, and the log says so.
func TestJournalKeyWithoutEnd(t *testing.T) {
	j := newJournal(io.Discard, "", time.Now())
	j.know(1 << 20)
	one, other := j.stream(), j.stream()
	one.line("grep: -----BEGIN RSA PRIVATE KEY-----")
	for i := range maxKeyLines + 50 {
		one.line(fmt.Sprintf("one %d.", i))
		other.line(fmt.Sprintf("other %d.", i))
	}
	one.line("-----BEGIN EC PRIVATE KEY-----")
	one.line("MHcCAQEEIBkg")
	one.line("-----END EC PRIVATE KEY-----")
	one.line("the end")
	got := string(j.wait)
	for i := range maxKeyLines + 50 {
		if want := i >= maxKeyLines; strings.Contains(got, fmt.Sprintf("  one %d.", i)) != want {
			t.Errorf("line %d is in the log: %v, want %v", i, !want, want)
		}
		if !strings.Contains(got, fmt.Sprintf("  other %d.", i)) {
			t.Errorf("line %d of another stream is left out", i)
		}
	}
	if strings.Count(got, "* a private key begins here") != 2 || strings.Count(got, "* 100 lines were left out") != 1 {
		t.Error("the log does not say what is left out")
	}
	if strings.Contains(got, "MHcCAQ") || !strings.HasSuffix(got, "the end\n") {
		t.Errorf("the end is %q", got[len(got)-300:])
	}
}
