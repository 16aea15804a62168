package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What a request may have at most.
const (
	maxMessages = 10_000
	maxParts    = 10_000 // of one message
	maxTools    = 1000
	maxCalls    = 1000 // of one message
	maxStops    = 100
)

// rule says what is wrong with a value.
type rule func(v json.RawMessage) error

// shape is an object by the keys that it may have.
type shape map[string]rule

// requests is all that a request may have. What is not known here does not pass:
// providers look things up and fetch them where a key says so, which would be a way
// out of the agent's closed network, and cost what the budget does not see.
func requests(models []string) shape {
	return shape{
		"model": func(v json.RawMessage) error {
			if name, ok := text(v); !ok || !slices.Contains(models, name) {
				return fmt.Errorf("this gateway serves %s", strings.Join(models, ", "))
			}
			return nil
		},
		"messages":            array(maxMessages, messages().check),
		"tools":               null(array(maxTools, tools())),
		"tool_choice":         null(either(word("auto", "none", "required"), choice())),
		"parallel_tool_calls": null(boolean),
		"stream":              null(boolean),
		"stream_options":      null(shape{"include_usage": null(boolean)}.check),
		"n":                   null(one),

		"max_tokens":            null(number),
		"max_completion_tokens": null(number),
		"temperature":           null(number),
		"top_p":                 null(number),
		"seed":                  null(number),
		"presence_penalty":      null(number),
		"frequency_penalty":     null(number),
		"stop":                  null(either(words, array(maxStops, words))),
		"user":                  null(words),
		"reasoning_effort":      null(words),
		"response_format": null(shape{
			"type": word("text", "json_object", "json_schema"),
			"json_schema": null(shape{
				"name": words, "description": null(words), "schema": null(anyObject), "strict": null(boolean),
			}.check),
		}.check),
		// What Gemini is told of how the model thinks.
		"extra_body": null(shape{"google": shape{"thinking_config": anyObject}.check}.check),
	}
}

func messages() shape {
	return shape{
		"role":         word("system", "developer", "user", "assistant", "tool"),
		"content":      null(either(words, array(maxParts, parts()))),
		"name":         null(words),
		"tool_call_id": null(words),
		"tool_calls": null(array(maxCalls, shape{
			"id": null(words), "type": word("function"), "index": null(number),
			"function":      shape{"name": words, "arguments": null(words)}.check,
			"extra_content": null(signed()),
			"cache_control": cached(),
		}.check)),
		"reasoning_content": null(words),
		"refusal":           null(words),
		"extra_content":     null(signed()),
		"cache_control":     cached(),
	}
}

// cached is up to where the provider keeps a conversation for the next request; Kilo
// says it of Claude's, beside whatever comes last.
func cached() rule { return null(shape{"type": word("ephemeral"), "ttl": words}.check) }

// signed is what Gemini wants back with what it made.
func signed() rule {
	return shape{"google": shape{"thought_signature": null(words), "thought": null(boolean)}.check}.check
}

// parts are what a message holds itself, and never what the provider would fetch.
func parts() rule {
	kinds := map[string]shape{
		"text":    {"type": words, "text": words, "cache_control": cached()},
		"refusal": {"type": words, "refusal": words},
		"image_url": {"type": words, "cache_control": cached(),
			"image_url": shape{"url": inline, "detail": null(words)}.check},
	}
	return func(v json.RawMessage) error {
		o, err := readObject(v)
		if err != nil {
			return err
		}
		kind, _ := text(o.get("type"))
		shape, ok := kinds[kind]
		if !ok {
			return errors.New("type: only text, refusal and image_url pass this gateway")
		}
		return shape.members(o)
	}
}

func inline(v json.RawMessage) error {
	if at, ok := text(v); !ok || !strings.HasPrefix(at, "data:") {
		return errors.New("only data: passes this gateway")
	}
	return nil
}

func tools() rule {
	tool := shape{"type": word("function"), "function": shape{
		"name": words, "description": null(words), "parameters": null(anyObject), "strict": null(boolean),
	}.check}
	return func(v json.RawMessage) error {
		o, err := readObject(v)
		if err != nil {
			return err
		}
		if o.get("type") == nil {
			return errors.New("type: only functions")
		}
		return tool.members(o)
	}
}

func choice() rule {
	return shape{"type": word("function"), "function": shape{"name": words}.check}.check
}

// check checks an object.
func (s shape) check(v json.RawMessage) error {
	o, err := readObject(v)
	if err != nil {
		return err
	}
	return s.members(o)
}

// members checks the members of an object. Keys count letter by letter: some
// readers of JSON do not tell upper and lower case apart.
func (s shape) members(o object) error {
	for _, m := range o.members {
		check, ok := s[m.key]
		if !ok {
			return fmt.Errorf("%.40q: not through this gateway", m.key)
		}
		if err := check(m.value); err != nil {
			return fmt.Errorf("%s: %w", m.key, err)
		}
	}
	return nil
}

// array checks an array and each of its values.
func array(most int, check rule) rule {
	return func(v json.RawMessage) error {
		i := 0
		_, err := walk(v, '[', most, func(_ []byte, start, end int) error {
			if err := check(v[start:end:end]); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
			i++
			return nil
		})
		return err
	}
}

// null lets null pass too.
func null(check rule) rule {
	return func(v json.RawMessage) error {
		if isNull(v) {
			return nil
		}
		return check(v)
	}
}

// either checks strings by the one rule and all else by the other.
func either(ofString, other rule) rule {
	return func(v json.RawMessage) error {
		if len(v) > 0 && v[0] == '"' {
			return ofString(v)
		}
		return other(v)
	}
}

// word checks for one of some strings.
func word(of ...string) rule {
	return func(v json.RawMessage) error {
		if s, ok := text(v); !ok || !slices.Contains(of, s) {
			return fmt.Errorf("only %s passes this gateway", strings.Join(of, ", "))
		}
		return nil
	}
}

func words(v json.RawMessage) error {
	if len(v) == 0 || v[0] != '"' {
		return errors.New("want a string")
	}
	return nil
}

func number(v json.RawMessage) error {
	if len(v) == 0 || v[0] != '-' && (v[0] < '0' || v[0] > '9') {
		return errors.New("want a number")
	}
	return nil
}

func boolean(v json.RawMessage) error {
	if s := string(v); s != "true" && s != "false" {
		return errors.New("want true or false")
	}
	return nil
}

func one(v json.RawMessage) error {
	if string(v) != "1" {
		return errors.New("one answer at a time")
	}
	return nil
}

func anyObject(v json.RawMessage) error {
	if len(v) == 0 || v[0] != '{' {
		return errors.New("want an object")
	}
	return nil
}
