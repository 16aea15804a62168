package intake

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/feedback"
)

// What is too long for the store loses its oldest calls first and keeps the root
// cause; what is not is stored as it is.
func TestEncodeShortens(t *testing.T) {
	link := func(kind string, calls int) feedback.Exception {
		e := feedback.Exception{Type: kind}
		for range calls {
			e.Frames = append(e.Frames, feedback.Frame{Function: strings.Repeat("f", 250), Module: strings.Repeat("€", 250), File: strings.Repeat("\"", 250)})
		}
		if calls > 0 {
			e.Frames[calls-1].Function = "newest"
		}
		return e
	}
	for _, c := range []struct {
		name  string
		chain []feedback.Exception
		whole bool
	}{
		{"no stack", nil, true},
		{"a common one", []feedback.Exception{link("Root", 20), link("Outer", 20)}, true},
		{"the longest", []feedback.Exception{link("Root", 50), link("B", 50), link("C", 50), link("D", 50), link("E", 50), link("F", 50), link("G", 50), link("H", 50)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &feedback.Feedback{ID: "x", Body: strings.Repeat("<", feedback.MaxBody), Exceptions: c.chain}
			data, err := Encode(f)
			if err != nil {
				t.Fatal(err)
			}
			var got feedback.Feedback
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			calls := 0
			for i, e := range got.Exceptions {
				calls += len(e.Frames)
				if e.Type != c.chain[i].Type || e.Frames[len(e.Frames)-1].Function != "newest" {
					t.Errorf("link %d: %s without its newest call", i, e.Type)
				}
			}
			if c.chain == nil && len(data) > 2*feedback.MaxBody {
				t.Errorf("%d bytes for a text of %d", len(data), feedback.MaxBody)
			}
			want := 0
			for _, e := range c.chain {
				want += len(e.Frames)
			}
			if len(data) > maxStored || (calls == want) != c.whole || got.Body != f.Body {
				t.Errorf("%d bytes, %d of %d calls", len(data), calls, want)
			}
			if len(c.chain) > 0 && len(c.chain[0].Frames) != len(c.chain[len(c.chain)-1].Frames) {
				t.Error("the reading was changed")
			}
		})
	}
}
