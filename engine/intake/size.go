package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// errTooBig says that a batch would be larger than a store takes.
var errTooBig = errors.New("too much for one batch")

func fits(b *storage.Batch) error {
	if b.Bytes() > storage.MaxBytes || len(b.Ops) > storage.MaxOps {
		return errTooBig
	}
	return nil
}

// maxStored is the most that one feedback takes up in the store, in bytes. The
// limits of its parts allow more: eight stacks of fifty calls with long names.
const maxStored = 256 << 10

// Encode returns the JSON of a feedback as it is stored, of at most 256 KB. Of one that is too long,
// the oldest calls go first: the newest say what failed.
func Encode(f *feedback.Feedback) ([]byte, error) {
	var b bytes.Buffer
	for {
		b.Reset()
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false) // text full of < would be six times as long
		if err := e.Encode(f); err != nil {
			return nil, fmt.Errorf("encode feedback %s: %w", f.ID, err)
		}
		if b.Len() <= maxStored || !shorten(f) {
			return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
		}
	}
}

// shorten takes out the older half of the longest stack or, if all are short, the
// last link of the chain, which is the furthest from the root cause. It reports
// whether there was anything to take.
func shorten(f *feedback.Feedback) bool {
	f.Exceptions = slices.Clone(f.Exceptions) // a reading may share them
	longest := 0
	for i, e := range f.Exceptions {
		if len(e.Frames) > len(f.Exceptions[longest].Frames) {
			longest = i
		}
	}
	switch n := len(f.Exceptions); {
	case n == 0:
		return false
	case len(f.Exceptions[longest].Frames) > 1:
		e := &f.Exceptions[longest]
		e.Frames = slices.Clone(e.Frames[len(e.Frames)/2:])
	default:
		f.Exceptions = f.Exceptions[:n-1]
	}
	return true
}
