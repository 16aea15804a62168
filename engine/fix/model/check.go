package model

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Check asks the first model to use a tool, as the agent will: that costs next to
// nothing and counts for no run. The error says what the provider answered, and holds
// no key.
func (g *Gateway) Check(ctx context.Context) error {
	name := g.c.Models[0]
	body, err := json.Marshal(map[string]any{
		"model": name, "messages": []any{map[string]string{"role": "user", "content": "Call the tool report with the state ready."}},
		"tools": []any{map[string]any{"type": "function", "function": map[string]any{
			"name": "report", "description": "Reports a state.", "parameters": map[string]any{
				"type": "object", "required": []string{"state"}, "properties": map[string]any{"state": map[string]string{"type": "string"}},
			},
		}}},
	})
	if err != nil {
		return fmt.Errorf("ask model %s: %w", name, err)
	}
	if _, err := readRequest(body, g.c.Models); err != nil {
		return fmt.Errorf("ask model %s: %w", name, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask model %s: %w", name, err)
	}
	r.Header.Set("Content-Type", "application/json")
	if g.c.Key != "" {
		r.Header.Set("Authorization", "Bearer "+g.c.Key)
	}
	resp, err := (&http.Client{Transport: g.c.Transport}).Do(r)
	if err != nil {
		return fmt.Errorf("ask model %s: %w", name, err)
	}
	defer resp.Body.Close()
	var answer struct {
		Choices []struct {
			Message struct {
				Calls []json.RawMessage `json:"tool_calls"`
			} `json:"message"`
		} `json:"choices"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer)
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("ask model %s: the provider refuses the key (%s)", name, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("ask model %s: the provider answers %s", name, resp.Status)
	case err != nil || len(answer.Choices) == 0:
		return fmt.Errorf("ask model %s: the answer is not that of an OpenAI-compatible API", name)
	case len(answer.Choices[0].Message.Calls) == 0:
		return fmt.Errorf("ask model %s: it answers, and does not call the tool that it was told to call: the agent needs a model that uses tools", name)
	}
	return nil
}
