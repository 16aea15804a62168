package script

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// answer is what is sent for a turn.
type answer struct {
	model string
	turn  Turn
	usage Usage
	calls []made
}

// created is the moment that all answers say they were made at.
const created = 1_790_000_000

// choice is one chunk's, or a whole answer's.
type choice struct {
	Index   int            `json:"index"`
	Delta   map[string]any `json:"delta,omitempty"`
	Message map[string]any `json:"message,omitempty"`
	Finish  string         `json:"finish_reason,omitempty"`
}

type chunk struct {
	Choices []choice       `json:"choices"`
	Created int            `json:"created"`
	ID      string         `json:"id"`
	Model   string         `json:"model"`
	Object  string         `json:"object"`
	Usage   map[string]any `json:"usage,omitempty"`
}

func (a *answer) chunk(object string, c choice) chunk {
	return chunk{Choices: []choice{c}, Created: created, ID: "scripted", Model: a.model, Object: object}
}

func (a *answer) used() map[string]any {
	used := map[string]any{
		"prompt_tokens":     a.usage.Input,
		"completion_tokens": a.usage.Output,
		"total_tokens":      a.usage.Input + a.usage.Output + a.usage.Thought,
	}
	if a.usage.Cached > 0 {
		used["prompt_tokens_details"] = map[string]any{"cached_tokens": a.usage.Cached}
	}
	return used
}

// stream sends the answer as events. Gemini makes no difference between an answer
// and a call in how a stream finishes.
func (a *answer) stream(w http.ResponseWriter, r *http.Request, usage bool) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	var deltas []map[string]any
	for _, piece := range pieces(a.turn.Text) {
		deltas = append(deltas, map[string]any{"role": "assistant", "content": piece})
	}
	for _, call := range a.calls {
		deltas = append(deltas, map[string]any{"role": "assistant", "tool_calls": []made{call}})
	}
	for i, delta := range deltas {
		if !pause(r.Context(), a.turn.Wait) {
			return
		}
		event(w, a.chunk("chat.completion.chunk", choice{Delta: delta}))
		out.Flush()
		if a.turn.Cut && i == len(deltas)/2 {
			panic(http.ErrAbortHandler)
		}
		if a.turn.Hold != nil && i == 0 {
			select {
			case <-a.turn.Hold:
			case <-r.Context().Done():
				return
			}
		}
	}
	last := a.chunk("chat.completion.chunk", choice{Delta: map[string]any{"role": "assistant", "content": ""}, Finish: "stop"})
	if usage {
		last.Usage = a.used()
	}
	event(w, last)
	fmt.Fprint(w, "data: [DONE]\n\n")
}

func event(w http.ResponseWriter, c chunk) {
	data, err := json.Marshal(c)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	fmt.Fprintf(w, "data: %s\n\n", data)
}

// whole sends the answer at once.
func (a *answer) whole(w http.ResponseWriter) {
	message, finish := map[string]any{"role": "assistant"}, "stop"
	if a.turn.Text != "" {
		message["content"] = a.turn.Text
	}
	if len(a.calls) > 0 {
		message["tool_calls"], finish = a.calls, "tool_calls"
	}
	c := a.chunk("chat.completion", choice{Message: message, Finish: finish})
	c.Usage = a.used()
	data, err := json.Marshal(c)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Write(data)
}

// pieces cuts a text into a few, between characters.
func pieces(text string) (out []string) {
	const size = 40
	for runes := []rune(text); len(runes) > 0; {
		n := min(size, len(runes))
		out = append(out, string(runes[:n]))
		runes = runes[n:]
	}
	return out
}

// pause waits; it reports false if nobody waits for the answer any more.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
