package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

const (
	maxLine  = 16 << 10 // bytes of one line of the log
	maxPiece = 64 << 10 // bytes of one upload
	// ownShare of the log is kept for the supervisor's lines: they say how it ended.
	ownShare = 16 << 10
)

// journal is the log of one attempt. Everything in it is redacted before it is
// kept. Its length is bounded, so is what waits to be uploaded. It is safe for
// concurrent use.
type journal struct {
	out   io.Writer // gets the supervisor's own lines as well
	start time.Time

	one sync.Mutex // held while a piece is uploaded

	mu     sync.Mutex
	redact *redactor
	limit  int64
	taken  int64 // bytes of the log so far
	full   bool  // the coder's share is used up
	wait   []byte
	offset int64 // of wait in the log
	in     string
}

// newJournal is one whose log is not known to anybody yet: know tells it the
// secrets and the limit.
func newJournal(out io.Writer, claim string, now time.Time) *journal {
	return &journal{out: out, start: now, redact: newRedactor(claim), limit: 2 * ownShare}
}

// know has the journal redact more and keep up to limit bytes.
func (j *journal) know(limit int64, secrets ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.redact, j.limit = newRedactor(secrets...), max(limit, 2*ownShare)
}

// printf notes a line of the supervisor's.
func (j *journal) printf(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := j.redact.clean(oneLine(fmt.Sprintf(format, args...)))
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	fmt.Fprintln(j.out, "soulcaster agent: "+text)
	j.add("* "+text, j.limit)
}

func (j *journal) add(text string, limit int64) bool {
	text = fmt.Sprintf("%6.1f %s\n", time.Since(j.start).Seconds(), text)
	if j.taken+int64(len(text)) > limit {
		return false
	}
	j.taken += int64(len(text))
	j.wait = append(j.wait, text...)
	return true
}

// oneLine leaves out what moves a terminal's cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r':
			return ' '
		case r < ' ' && r != '\t', r == 0x7f, r >= 0x80 && r < 0xa0 && r != utf8.RuneError:
			return -1
		}
		return r
	}, s)
}

// next returns what to upload next: whole lines, and the same again until it is
// marked as sent.
func (j *journal) next() (text string, offset int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.in == "" && len(j.wait) > 0 {
		n := len(j.wait)
		if n > maxPiece {
			n = bytes.LastIndexByte(j.wait[:maxPiece], '\n') + 1
		}
		j.in = string(j.wait[:n])
	}
	return j.in, j.offset
}

func (j *journal) sent(n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wait, j.offset, j.in = j.wait[n:], j.offset+int64(n), ""
}

// ship uploads what there is, piece by piece, until all is sent, the app is away, or
// it refuses: a log is no reason to end a run.
func (j *journal) ship(ctx context.Context, a *app, attempt int) error {
	j.one.Lock()
	defer j.one.Unlock()
	for {
		text, offset := j.next()
		if text == "" {
			return nil
		}
		err := a.send(ctx, http.MethodPost, a.path("log"), brief.Log{Attempt: attempt, Offset: offset, Text: text}, nil)
		if err != nil && passing(err) {
			return err
		}
		j.sent(len(text))
	}
}

// shipping uploads every now and then until the context ends.
func (j *journal) shipping(ctx context.Context, a *app, attempt int, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = j.ship(ctx, a, attempt) // what was not sent is sent next time
		}
	}
}
