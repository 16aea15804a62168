package run

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
	"github.com/soulcaster/soulcaster/engine/storage"
)

const (
	logPrefix    = "run-log/"
	resultPrefix = "run-result/"

	// pieceBytes is how much of a result one value holds.
	pieceBytes = 256 << 10
	// MaxResult is the longest result, as JSON, in bytes: more than the limits of
	// a brief let through.
	MaxResult = 8 << 20
)

// Handover says that the result of an attempt is there, whole.
type Handover struct {
	// Writer is who wrote the pieces: a word of chance. Whoever else writes a result
	// of the attempt at the same time writes other pieces.
	Writer string    `json:"writer,omitempty"`
	Pieces int       `json:"pieces"`
	Bytes  int       `json:"bytes"`
	At     time.Time `json:"at"`
}

func resultKey(id string, attempt int) string {
	return fmt.Sprintf("%s%s/%d", resultPrefix, id, attempt)
}

// piece is the key of a piece of the result that key stands for.
func (h Handover) piece(key string, n int) string {
	return fmt.Sprintf("%s/%s-%03d", key, h.Writer, n)
}

// StoreResult stores the result of an attempt, a piece at a time. finish adds to the
// batch that makes it whole; that batch conflicts if a result is there already. Of
// those who store at once, the first to get this far wins; the pieces of the others
// are removed.
func StoreResult(ctx context.Context, space storage.Space, id string, result *brief.Result, at time.Time, finish func(b *storage.Batch)) error {
	data, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encode result of run %s: %w", id, err)
	}
	if len(data) > MaxResult {
		return fmt.Errorf("result of run %s: %d bytes, the most is %d", id, len(data), MaxResult)
	}
	key := resultKey(id, result.Attempt)
	h := Handover{Writer: strings.ToLower(rand.Text()), Bytes: len(data), At: at.UTC()}
	if err := h.store(ctx, space, key, data, finish); err != nil {
		// What cannot be removed here goes with the result, or when it is forgotten.
		tidying, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
		defer cancel()
		return errors.Join(fmt.Errorf("store result of run %s: %w", id, err),
			trim(tidying, space, key, func(piece string) bool { return strings.HasPrefix(piece, h.Writer+"-") }))
	}
	// Nobody adds a piece now that the result is there. What is left of others is no
	// reason to have the result sent again: it goes when this one is forgotten.
	_ = trim(ctx, space, key, func(piece string) bool { return !strings.HasPrefix(piece, h.Writer+"-") })
	return nil
}

// tidyTime bounds removing the pieces of a result that was not stored.
const tidyTime = 5 * time.Second

func (h *Handover) store(ctx context.Context, space storage.Space, key string, data []byte, finish func(b *storage.Batch)) error {
	for piece := range slices.Chunk(data, pieceBytes) {
		var b storage.Batch
		b.Require(key, 0)
		b.Set(h.piece(key, h.Pieces), piece)
		if err := space.Apply(ctx, &b); err != nil {
			return err
		}
		h.Pieces++
	}
	var b storage.Batch
	b.Require(key, 0)
	b.SetJSON(key, h)
	finish(&b)
	return space.Apply(ctx, &b)
}

// trim removes those pieces of a result whose name says so.
func trim(ctx context.Context, space storage.Space, key string, goes func(piece string) bool) error {
	prefix := key + "/"
	for after := ""; ; {
		entries, err := space.Scan(ctx, prefix, after, storage.MaxOps)
		if err != nil {
			return fmt.Errorf("remove pieces of a result: %w", err)
		}
		var b storage.Batch
		for _, e := range entries {
			if after = e.Key; goes(e.Key[len(prefix):]) {
				b.Delete(e.Key)
			}
		}
		if len(b.Ops) > 0 {
			if err := space.Apply(ctx, &b); err != nil {
				return fmt.Errorf("remove pieces of a result: %w", err)
			}
		}
		if len(entries) < storage.MaxOps {
			return nil
		}
	}
}

// ResultOf returns the result of an attempt, nil if none was handed over.
func ResultOf(ctx context.Context, space storage.Space, id string, attempt int) (*brief.Result, error) {
	key := resultKey(id, attempt)
	var h Handover
	if err := get(ctx, space, key, &h); err != nil || h.Pieces == 0 {
		return nil, err
	}
	var data []byte
	for i := range h.Pieces {
		entries, err := space.Get(ctx, h.piece(key, i))
		if err != nil {
			return nil, fmt.Errorf("read result of run %s: %w", id, err)
		}
		data = append(data, entries[0].Value...)
	}
	if len(data) != h.Bytes {
		return nil, fmt.Errorf("read result of run %s: %d of %d bytes are there", id, len(data), h.Bytes)
	}
	r := new(brief.Result)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("read result of run %s: %w", id, err)
	}
	return r, nil
}

// HandedOver reports whether an attempt has handed over its result, also one that
// was forgotten since.
func HandedOver(ctx context.Context, space storage.Space, id string, attempt int) (bool, error) {
	entries, err := space.Get(ctx, resultKey(id, attempt))
	if err != nil {
		return false, fmt.Errorf("look for result of run %s: %w", id, err)
	}
	return entries[0].Exists(), nil
}

// ForgetResult removes the result of an attempt, once it is published or refused, and
// what was left of others. What stays says that it was there.
func ForgetResult(ctx context.Context, space storage.Space, id string, attempt int) error {
	key := resultKey(id, attempt)
	var b storage.Batch
	b.SetJSON(key, Handover{}) // first: a result without its pieces could not be read
	if err := space.Apply(ctx, &b); err != nil {
		return fmt.Errorf("forget result of run %s: %w", id, err)
	}
	if err := trim(ctx, space, key, func(string) bool { return true }); err != nil {
		return fmt.Errorf("forget result of run %s: %w", id, err)
	}
	return nil
}

// ErrLogFull says that the log of an attempt is as long as it may be.
var ErrLogFull = errors.New("run: the log is full")

// maxPieces bounds how many pieces a log may have: one every two seconds of the
// longest run.
const maxPieces = 8000

// logged says how much of an attempt's log is stored.
type logged struct {
	End    int64 `json:"end"` // what begins before this offset was stored
	Bytes  int64 `json:"bytes"`
	Pieces int   `json:"pieces"`
}

// TakesLog reports whether a piece of the log of an attempt that begins at an offset
// would be stored: false if it was before. ErrLogFull if there is no room left.
func TakesLog(ctx context.Context, space storage.Space, id string, attempt int, offset, most int64) (bool, error) {
	var at logged
	if err := get(ctx, space, fmt.Sprintf("%s%s/%d", logPrefix, id, attempt), &at); err != nil {
		return false, err
	}
	switch {
	case offset < at.End:
		return false, nil
	case at.Bytes >= most || at.Pieces >= maxPieces:
		return false, fmt.Errorf("store log of run %s: %w", id, ErrLogFull)
	}
	return true, nil
}

// AddLog stores a piece of the log of an attempt, which goes on to the offset end in
// what was sent; the text itself may have changed its length since, and is cut to
// what is left of most bytes. Pieces come in order: one that begins before the end
// of another was stored before, and is not stored again. ErrLogFull if there is no
// room left; the batch conflicts if two are stored at once.
func AddLog(ctx context.Context, space storage.Space, id string, l brief.Log, end, most int64) error {
	key := fmt.Sprintf("%s%s/%d", logPrefix, id, l.Attempt)
	entries, err := space.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("store log of run %s: %w", id, err)
	}
	var at logged
	if err := storage.GetJSON(entries[0], &at); err != nil {
		return err
	}
	if l.Offset < at.End {
		return nil
	}
	left := most - at.Bytes
	if left <= 0 || at.Pieces >= maxPieces {
		return fmt.Errorf("store log of run %s: %w", id, ErrLogFull)
	}
	if int64(len(l.Text)) > left {
		l.Text = strings.ToValidUTF8(l.Text[:left], "")
	}
	var b storage.Batch
	b.RequireEntry(entries[0])
	b.SetJSON(key, logged{End: end, Bytes: at.Bytes + int64(len(l.Text)), Pieces: at.Pieces + 1})
	b.Set(fmt.Sprintf("%s/%012d", key, l.Offset), []byte(l.Text))
	if err := space.Apply(ctx, &b); err != nil {
		return fmt.Errorf("store log of run %s: %w", id, err)
	}
	return nil
}

// LogOf returns the log of an attempt from the piece after `after` on, at most
// limit pieces, and where to go on.
func LogOf(ctx context.Context, space storage.Space, id string, attempt int, after string, limit int) (text, next string, err error) {
	prefix := fmt.Sprintf("%s%s/%d/", logPrefix, id, attempt)
	if after != "" {
		after = prefix + after
	}
	entries, err := space.Scan(ctx, prefix, after, min(limit, storage.MaxOps))
	if err != nil {
		return "", "", fmt.Errorf("read log of run %s: %w", id, err)
	}
	var all strings.Builder
	for _, e := range entries {
		all.Write(e.Value)
		next = e.Key[len(prefix):]
	}
	return all.String(), next, nil
}

// LogSize returns how much of the log of an attempt is stored, in bytes.
func LogSize(ctx context.Context, space storage.Space, id string, attempt int) (int64, error) {
	var at logged
	err := get(ctx, space, fmt.Sprintf("%s%s/%d", logPrefix, id, attempt), &at)
	return at.Bytes, err
}

// longestPiece is longer than any piece of a log is when it is sent.
const longestPiece = 128 << 10

// LogTail returns the end of the log of an attempt, about most bytes of it and no more,
// and whether there is something before it.
func LogTail(ctx context.Context, space storage.Space, id string, attempt int, most int64) (text string, cut bool, err error) {
	var at logged
	if err := get(ctx, space, fmt.Sprintf("%s%s/%d", logPrefix, id, attempt), &at); err != nil {
		return "", false, err
	}
	after := ""
	if at.Bytes > most {
		// Pieces are found by where they began in what was sent, which may have been
		// longer or shorter than what is stored of it.
		from := at.End - longestPiece - most*max(at.End, at.Bytes)/at.Bytes
		if from > 0 {
			after, cut = fmt.Sprintf("%012d", from), true
		}
	}
	var all strings.Builder
	for range maxPieces/storage.MaxOps + 1 {
		more, next, err := LogOf(ctx, space, id, attempt, after, storage.MaxOps)
		if err != nil {
			return "", false, err
		}
		all.WriteString(more)
		if next == "" {
			break
		}
		after = next
	}
	if text = all.String(); int64(len(text)) > most {
		text, cut = strings.ToValidUTF8(text[int64(len(text))-most:], ""), true
	}
	return text, cut, nil
}
