package model

import (
	"fmt"
	"strings"
	"testing"
)

// gemini is a stream as Gemini's endpoint sends it: what was used, so far, in every
// chunk, and what the model thought in the total alone.
const gemini = `data: {"choices":[{"delta":{"content":"a \"usage\" of words","role":"assistant"},"index":0}],"usage":{"completion_tokens":2,"prompt_tokens":90,"total_tokens":122}}

data: {"choices":[{"delta":{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"bash","arguments":"{}"}}]},"finish_reason":"stop","index":0}],"usage":{"completion_tokens":12,"prompt_tokens":90,"total_tokens":142,"prompt_tokens_details":{"cached_tokens":40}}}

data: [DONE]

`

const openAI = ": comment\r\n\r\ndata:{\"choices\":[{\"delta\":{\"content\":\"hi\"}}],\"usage\":null}\r\n\r\n" +
	"event: x\r\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\r\n\r\ndata: [DONE]\r\n\r\n"

func TestUsageIsReadWhateverTheChunks(t *testing.T) {
	for name, tt := range map[string]struct {
		stream bool
		text   string
		want   tokens
		said   bool
	}{
		"Gemini":         {true, gemini, tokens{90, 40, 52}, true},
		"OpenAI":         {true, openAI, tokens{7, 0, 3}, true},
		"no end of line": {true, `data: {"usage":{"prompt_tokens":7,"completion_tokens":3}}`, tokens{7, 0, 3}, true},
		"lines with CR":  {true, "data: {\"usage\":{\"prompt_tokens\":7}}\r\rdata: [DONE]\r\r", tokens{7, 0, 0}, true},
		"whole":          {false, `{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":30}}`, tokens{7, 0, 23}, true},
		"none":           {true, "data: {\"choices\":[]}\n\ndata: [DONE]\n\n", tokens{}, false},
		"nonsense":       {true, "data: {\"usage\":{\"prompt_tokens\":-5,\"completion_tokens\":1e300,\"prompt_tokens_details\":{\"cached_tokens\":9}}}\n", tokens{0, 0, most}, true},
		"not a number":   {true, "data: {\"usage\":{\"prompt_tokens\":\"7\"}}\n", tokens{}, false},
		"after a giant":  {true, "data: " + strings.Repeat("x", longestLine) + "\n" + openAI, tokens{7, 0, 3}, true},
		"a giant":        {true, `data: {"usage":{"prompt_tokens":7},"x":"` + strings.Repeat("x", longestLine) + "\"}\n", tokens{}, false},
	} {
		for _, size := range []int{1, 2, 3, 7, 64, 1 << 20} {
			if size < 64 && len(tt.text) > 1<<20 {
				continue
			}
			m := meter{stream: tt.stream}
			for rest := []byte(tt.text); len(rest) > 0; {
				n := min(size, len(rest))
				m.Write(rest[:n])
				rest = rest[n:]
			}
			m.end()
			if m.used != tt.want || m.said != tt.said || m.bytes != int64(len(tt.text)) {
				t.Errorf("%s, %d bytes at once: %+v %v, want %+v %v", name, size, m.used, m.said, tt.want, tt.said)
			}
		}
	}
}

// FuzzUsage cuts a stream anywhere: what is read stays the same, bounded in number
// and in memory.
func FuzzUsage(f *testing.F) {
	f.Add([]byte(gemini), uint16(5), true)
	f.Add([]byte(openAI), uint16(40), true)
	f.Add([]byte(`{"usage":{"prompt_tokens":1e9,"completion_tokens":-1}}`), uint16(3), false)
	f.Fuzz(func(t *testing.T, text []byte, at uint16, stream bool) {
		whole, parts := meter{stream: stream}, meter{stream: stream}
		whole.Write(text)
		whole.end()
		cut := min(int(at), len(text))
		parts.Write(text[:cut])
		parts.Write(text[cut:])
		parts.end()
		if whole.used != parts.used || whole.said != parts.said || whole.bytes != parts.bytes {
			t.Fatalf("at once %+v, in parts %+v", whole.used, parts.used)
		}
		u := whole.used
		if u.input < 0 || u.output < 0 || u.cached < 0 || u.cached > u.input || u.input > most || u.output > most {
			t.Fatalf("out of bounds: %+v", u)
		}
	})
}

func TestCost(t *testing.T) {
	p := Price{Input: 750_000, Cached: 75_000, Output: 3_750_000}
	for _, tt := range []struct {
		used tokens
		want int64
	}{
		{tokens{1_000_000, 0, 0}, 750_000},
		{tokens{1_000_000, 1_000_000, 0}, 75_000},
		{tokens{0, 0, 1_000_000}, 3_750_000},
		{tokens{1, 0, 0}, 1},
		{tokens{}, 0},
		{tokens{most, 0, most}, 45_000_000},
	} {
		if got := p.cost(tt.used); got != tt.want {
			t.Errorf("%+v costs %d, want %d", tt.used, got, tt.want)
		}
	}
	dearest := Price{Input: 100_000_000_000, Output: 100_000_000_000}
	if got := dearest.cost(tokens{most, 0, most}); got <= 0 {
		t.Errorf("the dearest request costs %d", got)
	}
}

func TestListPrices(t *testing.T) {
	for i, l := range list() {
		t.Run(fmt.Sprint(i, l.model), func(t *testing.T) {
			if l.price.Input <= 0 || l.price.Cached <= 0 || l.price.Cached > l.price.Input || l.price.Output < l.price.Input {
				t.Errorf("%+v", l)
			}
			if got, ok := ListPrice(l.model, l.from); !ok || got != l.price {
				t.Errorf("on its first day it is %+v, %v", got, ok)
			}
		})
	}
	if _, ok := ListPrice("gpt-x", list()[0].from); ok {
		t.Error("a model that is not Google's has a price")
	}
}
