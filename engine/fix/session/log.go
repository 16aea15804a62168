package session

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/storage"
)

const (
	// MaxPiece is the longest piece of a log, in bytes.
	MaxPiece = 128 << 10
	// maxOffset bounds how much of a log may be left out.
	maxOffset = 1 << 36
)

// Log stores a piece of the attempt's log, redacted once more. A piece is made of
// whole lines, so that no secret of one line lies across two pieces, where neither
// would look like one. (A key of several lines is for the container to leave out,
// which sees them all.) Pieces come in order; one that begins before the end of what
// is stored was stored before, and that is a success. What is more than the limit is left out: then, and for every
// piece that follows, the error is ErrTooLarge. An attempt that is over may still
// send the rest of its log.
func (x *Session) Log(ctx context.Context, l brief.Log) error {
	switch {
	case l.Attempt != x.attempt:
		return invalid("attempt: the token is that of attempt %d", x.attempt)
	case l.Offset < 0 || l.Offset > maxOffset:
		return invalid("offset: out of range")
	case len(l.Text) > MaxPiece:
		return tooLarge("a piece of a log has at most %d bytes", MaxPiece)
	case l.Text == "":
		return nil
	case !strings.HasSuffix(l.Text, "\n"):
		return invalid("text: a piece ends where a line ends")
	}
	// To look for secrets takes time, which a piece must be worth.
	takes, err := run.TakesLog(ctx, x.space, x.id, x.attempt, l.Offset, x.s.c.Limits.LogBytes)
	if err == nil && !takes {
		return nil
	}
	if err == nil {
		end := l.Offset + int64(len(l.Text))
		l.Text = x.redact(l.Text)
		err = run.AddLog(ctx, x.space, x.id, l, end, x.s.c.Limits.LogBytes)
	}
	switch {
	case errors.Is(err, run.ErrLogFull):
		return tooLarge("the log is full: it has %d bytes at most", x.s.c.Limits.LogBytes)
	case errors.Is(err, storage.ErrConflict):
		return fmt.Errorf("%w: another piece is being stored", ErrNotYet)
	}
	return gone(err)
}

// redact takes out what looks like a secret, and the two that are known. The
// container has done that before, with the others that it knows.
func (x *Session) redact(text string) string {
	text = strings.NewReplacer(
		Token(x.s.c.Mac, x.space.Name(), x.id, x.attempt), "[token]",
		Claim(x.s.c.Mac, x.space.Name(), x.id, x.attempt), "[token]",
	).Replace(strings.ToValidUTF8(text, "\uFFFD"))
	return feedback.Redact(text)
}
