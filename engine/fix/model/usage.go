package model

import (
	"bytes"
	"encoding/json"
	"math"
)

// tokens is what one request used.
type tokens struct{ input, cached, output int64 }

// most bounds what one request can be said to have used, so that sums and prices
// stay within an int64.
const most = 10_000_000

// usage is what an answer says of its cost, in OpenAI's form.
type usage struct {
	Prompt     float64 `json:"prompt_tokens"`
	Completion float64 `json:"completion_tokens"`
	Total      float64 `json:"total_tokens"`
	Details    struct {
		Cached float64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// tokens counts as output whatever is not input: Gemini leaves what the model
// thought out of completion_tokens, and bills it as output.
func (u usage) tokens() tokens {
	t := tokens{input: whole(u.Prompt), cached: whole(u.Details.Cached), output: whole(u.Completion)}
	t.output = max(t.output, whole(u.Total)-t.input)
	t.cached = min(t.cached, t.input)
	return t
}

func whole(f float64) int64 {
	if math.IsNaN(f) || f < 0 {
		return 0
	}
	return int64(math.Min(f, most))
}

// longestLine bounds the memory that a stream takes: a line that is longer is not
// looked into. Lines that say what was used are short, or come again.
const longestLine = 1 << 20

// meter reads on the side what an answer says of its cost.
type meter struct {
	stream bool
	bytes  int64 // all that went by
	used   tokens
	said   bool // used is what the provider says

	line  []byte // so far; of a whole answer, all of it
	skips bool   // the line is too long
}

// Write takes the next piece of the answer, cut anywhere. It never fails.
func (m *meter) Write(p []byte) (int, error) {
	m.bytes += int64(len(p))
	if !m.stream {
		m.collect(p)
		return len(p), nil
	}
	for rest := p; len(rest) > 0; {
		i := bytes.IndexAny(rest, "\r\n")
		if i < 0 {
			m.collect(rest)
			break
		}
		m.collect(rest[:i])
		m.endLine()
		rest = rest[i+1:]
	}
	return len(p), nil
}

func (m *meter) collect(p []byte) {
	limit := longestLine
	if !m.stream {
		limit = maxAnswer
	}
	if m.skips = m.skips || len(m.line)+len(p) > limit; m.skips {
		m.line = nil
		return
	}
	m.line = append(m.line, p...)
}

// end says that the answer is all there.
func (m *meter) end() { m.endLine() }

func (m *meter) endLine() {
	line, skips := m.line, m.skips
	m.line, m.skips = m.line[:0], false
	if skips {
		return
	}
	if m.stream {
		data, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok {
			return
		}
		line = data
	}
	m.read(line)
}

// read takes the usage out of a chunk or a whole answer. Providers that say it in
// every chunk count on: the largest is the last.
func (m *meter) read(data []byte) {
	if !bytes.Contains(data, []byte(`"usage"`)) {
		return
	}
	var chunk struct {
		Usage *usage `json:"usage"`
	}
	if json.Unmarshal(data, &chunk) != nil || chunk.Usage == nil {
		return
	}
	t := chunk.Usage.tokens()
	m.used.input = max(m.used.input, t.input)
	m.used.cached = max(m.used.cached, t.cached)
	m.used.output = max(m.used.output, t.output)
	m.said = m.said || t.input > 0 || t.output > 0
}
