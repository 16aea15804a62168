package backfill

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/soulcaster/soulcaster/engine/feedback"
	"github.com/soulcaster/soulcaster/engine/intake"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// How large a part becomes, if what is said last in it is not: two readings of at
// most 256 KB.
const (
	partBytes    = 128 << 10
	partReadings = 250
	// maxStored is how many bytes the parts of one import may take up.
	maxStored = 48 << 20
)

// reading is a feedback.Reading as it is stored.
type reading struct {
	Feedback   json.RawMessage `json:"feedback"`
	Event      string          `json:"event,omitempty"`
	StateOnly  bool            `json:"state_only,omitempty"`
	Removed    bool            `json:"removed,omitempty"`
	AuthorGone bool            `json:"author_gone,omitempty"`
}

// pack makes values of parts out of readings that could be read. The bytes are
// theirs together.
func pack(readings []feedback.Reading) (parts [][]byte, size int, err error) {
	var one []reading
	in := 0
	flush := func() error {
		if len(one) == 0 {
			return nil
		}
		var value bytes.Buffer
		e := json.NewEncoder(&value)
		e.SetEscapeHTML(false) // text full of < would be six times as long
		if err := e.Encode(one); err != nil {
			return fmt.Errorf("encode readings: %w", err)
		}
		parts, size = append(parts, value.Bytes()), size+value.Len()
		one, in = nil, 0
		return nil
	}
	for n, r := range readings {
		// What is said of one report stays together.
		if (in >= partBytes || len(one) >= partReadings) && r.Feedback.ID != readings[n-1].Feedback.ID {
			if err := flush(); err != nil {
				return nil, 0, err
			}
		}
		raw, err := intake.Encode(r.Feedback)
		if err != nil {
			return nil, 0, err
		}
		one = append(one, reading{Feedback: raw, Event: r.Event, StateOnly: r.StateOnly, Removed: r.Removed, AuthorGone: r.AuthorGone})
		in += len(raw)
	}
	return parts, size, flush()
}

// readings returns those of a part.
func readings(ctx context.Context, space storage.Space, id string, n int) ([]feedback.Reading, error) {
	entries, err := space.Get(ctx, partKey(id, n))
	if err != nil {
		return nil, fmt.Errorf("read part %d of import %s: %w", n, id, err)
	}
	if !entries[0].Exists() {
		return nil, fmt.Errorf("part %d of import %s is gone", n, id)
	}
	var stored []reading
	if err := storage.GetJSON(entries[0], &stored); err != nil {
		return nil, err
	}
	out := make([]feedback.Reading, len(stored))
	for i, s := range stored {
		f := new(feedback.Feedback)
		if err := json.Unmarshal(s.Feedback, f); err != nil {
			return nil, fmt.Errorf("read part %d of import %s: %w", n, id, err)
		}
		out[i] = feedback.Reading{Index: i, Feedback: f, Event: s.Event, StateOnly: s.StateOnly, Removed: s.Removed, AuthorGone: s.AuthorGone}
	}
	return out, nil
}

func partKey(id string, n int) string { return fmt.Sprintf("%s%s/%06d", partPrefix, id, n) }
