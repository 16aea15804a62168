// Package standin plays Kilo's part where Kilo is not installed, in the demo, or
// is too slow to start, in most end-to-end tests. It takes the command line that
// the agent gives Kilo, talks to the same model by the same protocol, knows four of
// Kilo's tools (read, write, edit, bash) and prints the same events. It is no coding
// agent: what is said well or badly about a bug is said by the model behind it.
package standin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Limits: it is there for scripts of a few turns.
const (
	maxTurns  = 50
	maxTries  = 3 // for one turn
	maxPrompt = 1 << 20
	maxAnswer = 8 << 20
	patience  = 2 * time.Minute // for one turn
)

// Coder is one run of the stand-in.
type Coder struct {
	Args []string  // as Kilo gets them: run --auto --format json -m PROVIDER/MODEL
	Env  []string  // KILO_CONFIG names the configuration
	Dir  string    // the work tree
	In   io.Reader // the prompt
	Out  io.Writer // events, one a line
	Err  io.Writer
}

// Run works until the model has nothing more to do. Like Kilo it fails only when it
// cannot go on, not when nothing was changed.
func (c Coder) Run(ctx context.Context) error {
	model := ""
	for i, a := range c.Args {
		if (a == "-m" || a == "--model") && i+1 < len(c.Args) {
			_, model, _ = strings.Cut(c.Args[i+1], "/")
		}
	}
	if model == "" {
		return errors.New("no model: want -m PROVIDER/MODEL")
	}
	url, key, err := c.endpoint()
	if err != nil {
		return err
	}
	prompt, err := io.ReadAll(io.LimitReader(c.In, maxPrompt))
	if err != nil {
		return fmt.Errorf("read prompt: %w", err)
	}
	messages := []json.RawMessage{
		encode(map[string]any{"role": "system", "content": "You are a stand-in for a coding agent."}),
		encode(map[string]any{"role": "user", "content": string(prompt)}),
	}
	for range maxTurns {
		c.event("step_start", map[string]any{})
		answer, usage, err := insist(ctx, url, key, model, messages)
		if err != nil {
			c.event("error", map[string]any{"name": "APIError", "data": map[string]any{"message": err.Error()}})
			return err
		}
		messages = append(messages, answer.raw)
		if answer.text != "" {
			c.event("text", map[string]any{"text": answer.text})
		}
		reason := "tool-calls"
		if len(answer.calls) == 0 {
			reason = "stop"
		}
		for _, call := range answer.calls {
			output := c.use(ctx, call)
			messages = append(messages, encode(map[string]any{"role": "tool", "tool_call_id": call.ID, "content": output}))
		}
		c.event("step_finish", map[string]any{"reason": reason, "cost": 0,
			"tokens": map[string]any{"input": usage.Prompt, "output": usage.Completion, "reasoning": 0}})
		if len(answer.calls) == 0 {
			return nil
		}
	}
	return fmt.Errorf("more than %d turns", maxTurns)
}

// endpoint reads from Kilo's configuration where the model is.
func (c Coder) endpoint() (url, key string, err error) {
	path := c.env("KILO_CONFIG")
	data, err := os.ReadFile(path)
	if err != nil {
		return "", "", fmt.Errorf("read KILO_CONFIG: %w", err)
	}
	var config struct {
		Provider map[string]struct {
			Options struct {
				BaseURL string `json:"baseURL"`
				APIKey  string `json:"apiKey"`
			} `json:"options"`
		} `json:"provider"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return "", "", fmt.Errorf("read KILO_CONFIG: %w", err)
	}
	for _, p := range config.Provider {
		if p.Options.BaseURL != "" {
			return c.expand(p.Options.BaseURL), c.expand(p.Options.APIKey), nil
		}
	}
	return "", "", errors.New("KILO_CONFIG names no provider")
}

// expand puts a variable in the place of {env:NAME}.
func (c Coder) expand(s string) string {
	if name, ok := strings.CutPrefix(s, "{env:"); ok {
		return c.env(strings.TrimSuffix(name, "}"))
	}
	return s
}

func (c Coder) env(name string) string {
	for _, e := range c.Env {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// event prints one event as Kilo does.
func (c Coder) event(kind string, part map[string]any) {
	line := map[string]any{"type": kind, "timestamp": time.Now().UnixMilli(), "sessionID": "ses_standin"}
	if kind == "error" {
		line["error"] = part
	} else {
		part["type"] = strings.ReplaceAll(kind, "_", "-")
		line["part"] = part
	}
	c.Out.Write(append(encode(line), '\n'))
}

func encode(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps and strings alone
	}
	return data
}

// call is a tool that the model wants used.
type call struct {
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// answer is a turn of the model; raw is how it goes back to it, with everything in
// it that we do not know.
type answer struct {
	raw   json.RawMessage
	text  string
	calls []call
}

type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
}

// insist asks the model until it answers, a few times, as Kilo does: the app may be
// away for a moment, or begin anew in the middle of an answer.
func insist(ctx context.Context, url, key, model string, messages []json.RawMessage) (a answer, u usage, err error) {
	for try := range maxTries {
		if a, u, err = ask(ctx, url, key, model, messages); err == nil || errors.Is(err, errRefused) {
			return a, u, err
		}
		select {
		case <-ctx.Done():
			return a, u, err
		case <-time.After(time.Second << try):
		}
	}
	return a, u, err
}

// errRefused is an answer that would be the same again.
var errRefused = errors.New("the model refuses")

// ask asks the model for its next turn, as a stream, as Kilo does.
func ask(ctx context.Context, url, key, model string, messages []json.RawMessage) (answer, usage, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body := encode(map[string]any{
		"model": model, "messages": messages, "stream": true,
		"stream_options": map[string]any{"include_usage": true}, "tools": tools(),
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(url, "/")+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return answer{}, usage{}, fmt.Errorf("ask model: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, usage{}, fmt.Errorf("ask model: %w", err)
	}
	defer resp.Body.Close()
	if code := resp.StatusCode; code >= 400 && code < 500 && code != http.StatusTooManyRequests {
		return answer{}, usage{}, fmt.Errorf("ask model: %w: %s", errRefused, resp.Status)
	}
	if resp.StatusCode != http.StatusOK {
		return answer{}, usage{}, fmt.Errorf("ask model: %s", resp.Status)
	}
	return read(io.LimitReader(resp.Body, maxAnswer))
}

// read puts the pieces of a stream together. Fields of a tool call that are not
// known, such as a thought signature, are kept.
func read(stream io.Reader) (a answer, u usage, err error) {
	calls := map[int]map[string]json.RawMessage{}
	arguments := map[int]*strings.Builder{}
	var order []int
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if data = strings.TrimSpace(data); !ok || data == "[DONE]" {
			continue
		}
		var chunk struct {
			Choices []struct {
				Delta struct {
					Content   string                       `json:"content"`
					ToolCalls []map[string]json.RawMessage `json:"tool_calls"`
				} `json:"delta"`
			} `json:"choices"`
			Usage *usage `json:"usage"`
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			return a, u, fmt.Errorf("read the model's answer: %w", err)
		}
		if chunk.Usage != nil {
			u = *chunk.Usage
		}
		for _, c := range chunk.Choices {
			a.text += c.Delta.Content
			for _, piece := range c.Delta.ToolCalls {
				// Gemini numbers no calls: there, one that has an id is another one.
				index := max(0, len(order)-1)
				if raw, ok := piece["index"]; ok {
					if err := json.Unmarshal(raw, &index); err != nil {
						return a, u, fmt.Errorf("read the model's answer: %w", err)
					}
				} else if _, ok := piece["id"]; ok {
					index = len(order)
				}
				if calls[index] == nil {
					calls[index], arguments[index] = map[string]json.RawMessage{}, new(strings.Builder)
					order = append(order, index)
				}
				var f struct {
					Name      string `json:"name"`
					Arguments string `json:"arguments"`
				}
				if raw, ok := piece["function"]; ok {
					if err := json.Unmarshal(raw, &f); err != nil {
						return a, u, fmt.Errorf("read the model's answer: %w", err)
					}
				}
				arguments[index].WriteString(f.Arguments)
				for name, value := range piece {
					if name == "function" && f.Name == "" || name == "index" {
						continue
					}
					calls[index][name] = value
				}
			}
		}
	}
	if err := lines.Err(); err != nil {
		return a, u, fmt.Errorf("read the model's answer: %w", err)
	}
	message := map[string]any{"role": "assistant", "content": a.text}
	var back []map[string]json.RawMessage
	for _, index := range order {
		var c call
		if err := json.Unmarshal(encode(calls[index]), &c); err != nil {
			return a, u, fmt.Errorf("read the model's answer: %w", err)
		}
		c.Function.Arguments = arguments[index].String()
		calls[index]["function"] = encode(c.Function)
		back = append(back, calls[index])
		a.calls = append(a.calls, c)
	}
	if len(back) > 0 {
		message["tool_calls"] = back
	}
	a.raw = encode(message)
	return a, u, nil
}
