package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxRequest is the longest request, in bytes.
const MaxRequest = 20 << 20

// request is what is asked of a model, as it goes to the provider.
type request struct {
	body   []byte
	model  string
	stream bool
	output int64 // tokens that the answer may have as the request says; 0 if it does not
}

// readRequest checks a request and makes what goes on: the same bytes, but for
// stream_options.include_usage, which is added where it is missing. The error's
// text is for whoever asks.
func readRequest(body []byte, models []string) (request, error) {
	o, err := readObject(body)
	if err != nil {
		return request{}, fmt.Errorf("the request: %w", err)
	}
	for _, m := range o.members {
		// Some readers of JSON do not tell these apart.
		if lower := strings.ToLower(m.key); lower != m.key && slices.Contains(judged, lower) {
			return request{}, fmt.Errorf("%.40q: write it in lower case", m.key)
		}
	}
	r := request{body: body}
	var ok bool
	if r.model, ok = text(o.get("model")); !ok || !slices.Contains(models, r.model) {
		return request{}, fmt.Errorf("model: this gateway serves %s", strings.Join(models, ", "))
	}
	if n := o.get("n"); !isNull(n) && string(n) != "1" {
		return request{}, errors.New("n: one answer at a time")
	}
	switch s := o.get("stream"); {
	case isNull(s) || string(s) == "false":
	case string(s) == "true":
		r.stream = true
	default:
		return request{}, errors.New("stream: want true or false")
	}
	if err := within(o); err != nil {
		return request{}, err
	}
	// One of the two holds, by the model. What is no such number is the provider's to
	// refuse.
	r.output = max(limit(o.get("max_tokens")), limit(o.get("max_completion_tokens")))
	if r.stream {
		r.body, err = withUsage(o)
	}
	return r, err
}

// judged are the keys that are looked at.
var judged = []string{"model", "n", "stream", "stream_options", "tools", "functions", "messages",
	"max_tokens", "max_completion_tokens", "web_search_options", "service_tier", "extra_body"}

// limit is a number of tokens, 0 if v is none.
func limit(v json.RawMessage) int64 {
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return min(n, most)
}

// withUsage has the stream say at its end what it cost.
func withUsage(o object) ([]byte, error) {
	v := o.get("stream_options")
	if isNull(v) {
		return o.with("stream_options", `{"include_usage":true}`), nil
	}
	options, err := readObject(v)
	if err != nil {
		return nil, fmt.Errorf("stream_options: %w", err)
	}
	if string(options.get("include_usage")) == "true" {
		return o.text, nil
	}
	return o.with("stream_options", string(options.with("include_usage", "true"))), nil
}

// within refuses what would have the provider do more than answer: look things up
// and fetch them, which would be a way out of the agent's closed network, and cost
// what the budget does not see.
func within(o object) error {
	if !isNull(o.get("web_search_options")) {
		return errors.New("web_search_options: not through this gateway")
	}
	if v := o.get("service_tier"); !isNull(v) {
		if tier, ok := text(v); !ok || tier != "auto" && tier != "default" && tier != "standard" && tier != "flex" {
			return errors.New("service_tier: not through this gateway")
		}
	}
	if v := o.get("extra_body"); !isNull(v) {
		if err := onlyThinking(v); err != nil {
			return err
		}
	}
	if v := o.get("tools"); !isNull(v) {
		tools, err := readArray(v)
		if err != nil {
			return fmt.Errorf("tools: %w", err)
		}
		for i, t := range tools {
			tool, err := readObject(t)
			if err != nil {
				return fmt.Errorf("tools[%d]: %w", i, err)
			}
			if kind, ok := text(tool.get("type")); !ok || kind != "function" {
				return fmt.Errorf("tools[%d].type: only functions", i)
			}
		}
	}
	return onlyText(o.get("messages"))
}

// onlyThinking lets through what Gemini's extra_body says of how the model thinks.
func onlyThinking(v json.RawMessage) error {
	const message = "extra_body: only google.thinking_config passes this gateway"
	extra, err := readObject(v)
	if err != nil {
		return fmt.Errorf("extra_body: %w", err)
	}
	for _, m := range extra.members {
		if m.key != "google" {
			return errors.New(message)
		}
		google, err := readObject(m.value)
		if err != nil {
			return fmt.Errorf("extra_body.google: %w", err)
		}
		for _, m := range google.members {
			if m.key != "thinking_config" {
				return errors.New(message)
			}
		}
	}
	return nil
}

// onlyText refuses messages that point to something that the provider would fetch.
// What they hold themselves may pass.
func onlyText(v json.RawMessage) error {
	messages, err := readArray(v)
	if err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	for i, m := range messages {
		message, err := readObject(m)
		if err != nil {
			return fmt.Errorf("messages[%d]: %w", i, err)
		}
		content := message.get("content")
		if len(content) == 0 || content[0] != '[' {
			continue
		}
		parts, err := readArray(content)
		if err != nil {
			return fmt.Errorf("messages[%d].content: %w", i, err)
		}
		for j, p := range parts {
			if err := onlyInline(p); err != nil {
				return fmt.Errorf("messages[%d].content[%d]: %w", i, j, err)
			}
		}
	}
	return nil
}

func onlyInline(part json.RawMessage) error {
	p, err := readObject(part)
	if err != nil {
		return err
	}
	switch kind, _ := text(p.get("type")); kind {
	case "text", "refusal":
		return nil
	case "image_url":
		image, err := readObject(p.get("image_url"))
		if err != nil {
			return fmt.Errorf("image_url: %w", err)
		}
		if at, ok := text(image.get("url")); !ok || !strings.HasPrefix(at, "data:") {
			return errors.New("image_url.url: only data: passes this gateway")
		}
		return nil
	}
	return errors.New("type: only text, refusal and image_url pass this gateway")
}
