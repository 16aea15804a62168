package script_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/fix/script"
)

// talk is a client that keeps the conversation as it came.
type talk struct {
	*testing.T
	url      string
	messages []json.RawMessage
	tools    bool
}

func newTalk(t *testing.T, m *script.Model) *talk {
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	return &talk{T: t, url: server.URL + "/v1/chat/completions", tools: true}
}

// say adds a message, asks, and keeps the answer.
func (k *talk) say(message string) (status int, body string) {
	k.Helper()
	k.messages = append(k.messages, json.RawMessage(message))
	status, body = k.ask(false)
	var answer struct {
		Choices []struct{ Message json.RawMessage }
	}
	if status == http.StatusOK {
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			k.Fatal(err)
		}
		k.messages = append(k.messages, answer.Choices[0].Message)
	}
	return status, body
}

func (k *talk) ask(stream bool) (status int, body string) {
	k.Helper()
	request := map[string]any{"model": "m", "messages": k.messages, "stream": stream,
		"stream_options": map[string]bool{"include_usage": true}}
	if k.tools {
		request["tools"] = []any{map[string]any{"type": "function", "function": map[string]string{"name": "bash"}}}
	}
	data, err := json.Marshal(request)
	if err != nil {
		k.Fatal(err)
	}
	r, err := http.NewRequestWithContext(k.Context(), http.MethodPost, k.url, strings.NewReader(string(data)))
	if err != nil {
		k.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer k")
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		k.Fatal(err)
	}
	defer got.Body.Close()
	out, err := io.ReadAll(got.Body)
	if err != nil {
		k.Fatal(err)
	}
	return got.StatusCode, string(out)
}

func user(text string) string {
	return fmt.Sprintf(`{"role":"user","content":[{"type":"text","text":%q}]}`, text)
}

func TestAScriptIsPlayed(t *testing.T) {
	m := &script.Model{Key: "k", Turns: append(
		script.If(script.Asked("shop", "Helo"), script.Steps(
			script.Turn{Calls: []script.Call{script.Read("a.js"), script.Edit("a.js", "Helo", "Hello")}},
			script.Turn{Text: "It says Hello now."},
		)...),
		script.Turn{Text: "What shop?"},
	)}
	k := newTalk(t, m)
	if _, body := k.say(user("the shop says Helo")); !strings.Contains(body, `oldString`) || !strings.Contains(body, `"tool_calls"`) {
		t.Errorf("first %s", body)
	}
	if _, body := k.say(`{"role":"tool","tool_call_id":"function-call-1","content":"ok"}`); !strings.Contains(body, "It says Hello now.") {
		t.Errorf("then %s", body)
	}
	if _, body := k.say(user("and now?")); !strings.Contains(body, "It says Hello now.") {
		t.Errorf("ever after %s", body)
	}
	if _, body := newTalk(t, m).say(user("hello")); !strings.Contains(body, "What shop?") {
		t.Errorf("something else: %s", body)
	}
	requests := m.Requests()
	if c := requests[1].Conversation; len(requests) != 4 || c.Steps() != 1 || c.Last() != "ok" || len(c.Messages[1].Calls) != 2 {
		t.Errorf("%d requests; the second holds %+v", len(requests), c)
	}
	title := newTalk(t, m)
	title.tools = false
	if _, body := title.say(user("the shop says Helo")); strings.Contains(body, "tool_calls") {
		t.Errorf("a request without tools is part of the script: %s", body)
	}
}

func TestItStreamsAsGeminiDoes(t *testing.T) {
	m := &script.Model{Turns: []script.Turn{{Text: strings.Repeat("word ", 20), Calls: []script.Call{script.Bash("ls"), script.Bash("pwd")},
		Usage: script.Usage{Input: 9, Cached: 4, Output: 3, Thought: 2}}}}
	k := newTalk(t, m)
	k.messages = append(k.messages, json.RawMessage(user("x")))
	_, body := k.ask(true)
	events := strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n")
	if events[len(events)-1] != "data: [DONE]" {
		t.Fatalf("the end is %q", events[len(events)-1])
	}
	said, calls := "", 0
	for i, e := range events[:len(events)-1] {
		var chunk struct {
			Choices []struct {
				Delta struct {
					Content   string
					ToolCalls []struct {
						Index *int
						Extra struct{ Google map[string]string } `json:"extra_content"`
					} `json:"tool_calls"`
				}
				Finish string `json:"finish_reason"`
			}
			Usage map[string]any
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(e, "data: ")), &chunk); err != nil {
			t.Fatal(err)
		}
		said += chunk.Choices[0].Delta.Content
		for _, call := range chunk.Choices[0].Delta.ToolCalls {
			calls++
			if call.Index != nil || call.Extra.Google["thought_signature"] == "" {
				t.Errorf("a call has an index or no signature: %s", e)
			}
		}
		last := i == len(events)-2
		if (chunk.Choices[0].Finish == "stop") != last || (chunk.Usage["total_tokens"] == 14.0) != last {
			t.Errorf("chunk %d: %s", i, e)
		}
	}
	if said != strings.Repeat("word ", 20) || calls != 2 {
		t.Errorf("said %q and called %d", said, calls)
	}
}

func TestSignatures(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(message string) string
		loose  bool
		want   int
	}{
		"as it was":   {func(m string) string { return m }, false, 200},
		"without":     {func(m string) string { return strings.Replace(m, "extra_content", "x", 1) }, false, 400},
		"another":     {func(m string) string { return strings.Replace(m, `signature":"`, `signature":"A`, 1) }, false, 400},
		"of no other": {func(m string) string { return strings.Replace(m, `"id":"function-call-1"`, `"id":"mine"`, 1) }, false, 200},
		"never mind":  {func(m string) string { return strings.Replace(m, "extra_content", "x", 1) }, true, 200},
	} {
		k := newTalk(t, &script.Model{Key: "k", Loose: tt.loose, Turns: script.Steps(script.Turn{Calls: []script.Call{script.Bash("ls")}}, script.Turn{Text: "ok"})})
		k.say(user("x"))
		k.messages[1] = json.RawMessage(tt.change(string(k.messages[1])))
		status, body := k.say(`{"role":"tool","tool_call_id":"function-call-1","content":"ok"}`)
		if status != tt.want || (status == 400) != strings.Contains(body, "INVALID_ARGUMENT") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

func TestBadDays(t *testing.T) {
	for name, tt := range map[string]struct {
		model *script.Model
		want  int
	}{
		"the wrong key": {&script.Model{Key: "other"}, 401},
		"down":          {&script.Model{Turns: []script.Turn{{Status: 500}}}, 500},
		"too many":      {&script.Model{Turns: []script.Turn{{Status: 429, After: 3e9}}}, 429},
	} {
		if status, body := newTalk(t, tt.model).say(user("x")); status != tt.want || !strings.HasPrefix(body, "[{") {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if r := tt.model.Requests(); len(r) != 1 || r[0].Status != tt.want || r[0].Problem == "" {
			t.Errorf("%s: kept %+v", name, r)
		}
	}
	hang := &script.Model{Turns: []script.Turn{{Hang: true}}}
	server := httptest.NewServer(hang)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for len(hang.Requests()) == 0 {
			if ctx.Err() != nil {
				return
			}
		}
		cancel()
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/chat/completions", strings.NewReader(`{"tools":[{}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := http.DefaultClient.Do(r); !errors.Is(err, context.Canceled) {
		t.Errorf("it answered: %v", err)
	}
}
