package script

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxBody bounds a request, and maxKept how many are kept.
const (
	maxBody = 32 << 20
	maxKept = 1000
)

// Model answers POST …/chat/completions from a script. It is safe for concurrent
// use; its fields are set before the first request.
type Model struct {
	Key   string // that callers must bring; "" lets in anybody
	Turns []Turn
	// Loose lets tool calls come back without their signature.
	Loose bool

	mu       sync.Mutex
	requests []Request
	ids      int
}

// Request is one that came.
type Request struct {
	Body         []byte
	Header       http.Header
	Conversation *Conversation // nil if it could not be read
	Status       int           // what it was answered with
	Problem      string        // why it was refused; "" if it was not
}

// Requests returns those that came, the latest thousand, in their order.
func (m *Model) Requests() []Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Request(nil), m.requests...)
}

// ServeHTTP answers.
func (m *Model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/chat/completions") {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	kept := Request{Body: body, Header: r.Header.Clone(), Status: http.StatusOK}
	refuse := func(status int, problem string) {
		kept.Status, kept.Problem = status, problem
		m.keep(kept)
		fail(w, status, problem)
	}
	if err != nil {
		refuse(http.StatusBadRequest, "the body could not be read")
		return
	}
	if m.Key != "" && r.Header.Get("Authorization") != "Bearer "+m.Key {
		refuse(http.StatusUnauthorized, "API key not valid.")
		return
	}
	var in wire
	if err := json.Unmarshal(body, &in); err != nil {
		refuse(http.StatusBadRequest, "Invalid JSON payload received.")
		return
	}
	c := in.conversation()
	kept.Conversation = c
	if problem := m.unsigned(c); problem != "" {
		refuse(http.StatusBadRequest, problem)
		return
	}
	turn := m.turn(c)
	if turn.Status != 0 && turn.Status != http.StatusOK {
		if turn.After > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(int(turn.After/time.Second)))
		}
		refuse(turn.Status, http.StatusText(turn.Status))
		return
	}
	m.keep(kept)
	if turn.Hang {
		<-r.Context().Done()
		return
	}
	a := answer{model: c.Model, turn: turn, usage: turn.Usage, calls: m.calls(turn.Calls)}
	if a.usage == (Usage{}) {
		a.usage = Usage{Input: int64(len(body) / 4), Output: int64(len(turn.Text)/4 + 20*len(turn.Calls) + 1)}
	}
	if in.Stream {
		a.stream(w, r, in.StreamOptions.IncludeUsage)
	} else {
		a.whole(w)
	}
}

func (m *Model) keep(r Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.requests) == maxKept {
		m.requests = m.requests[1:]
	}
	m.requests = append(m.requests, r)
}

// turn is the one to play. A request that offers no tools is one of the agent's own,
// for a title or a summary, and no part of the script.
func (m *Model) turn(c *Conversation) Turn {
	if len(c.Tools) == 0 {
		return Turn{Text: "A scripted model said this."}
	}
	for _, t := range m.Turns {
		if t.When == nil || t.When(c) {
			return t
		}
	}
	return Turn{Text: "The script has nothing for this."}
}

// callPrefix begins the ids of calls that this model made.
const callPrefix = "function-call-"

// made is a call as it goes out.
type made struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
	Extra map[string]any `json:"extra_content,omitempty"`
}

func (m *Model) calls(calls []Call) (out []made) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range calls {
		m.ids++
		call := made{ID: fmt.Sprintf("%s%d", callPrefix, m.ids), Type: "function"}
		call.Function.Name, call.Function.Arguments = c.Name, c.arguments()
		call.Extra = map[string]any{"google": map[string]string{"thought_signature": m.signature(call.ID, c.Name)}}
		out = append(out, call)
	}
	return out
}

// signature is what a call must come back with: opaque, with all the characters
// that base64 has.
func (m *Model) signature(id, name string) string {
	mac := hmac.New(sha256.New, []byte("thought signature"))
	fmt.Fprintf(mac, "%s\n%s", id, name)
	return base64.StdEncoding.EncodeToString(append([]byte{0xfb, 0xff, 0xbe}, mac.Sum(nil)...))
}

// unsigned is what is wrong with the calls that came back, as Gemini says it.
func (m *Model) unsigned(c *Conversation) string {
	if m.Loose {
		return ""
	}
	for i, message := range c.Messages {
		for _, call := range message.Calls {
			switch {
			case !strings.HasPrefix(call.ID, callPrefix):
			case call.Signature == "":
				return fmt.Sprintf("Function call is missing a thought_signature in functionCall parts. "+
					"Additional data, function call `default_api:%s` , position %d.", call.Name, i+1)
			case call.Signature != m.signature(call.ID, call.Name):
				return "Thought signature is not valid."
			}
		}
	}
	return ""
}

// fail answers an error as Gemini's endpoint does: in a list of one.
func fail(w http.ResponseWriter, status int, message string) {
	names := map[int]string{400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED",
		404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
	body, err := json.Marshal([]any{map[string]any{"error": map[string]any{
		"code": status, "message": message, "status": names[status]}}})
	if err != nil {
		body = []byte("[]")
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}
