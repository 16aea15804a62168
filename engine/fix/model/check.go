package model

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Check asks the first model for a word or two, which costs next to nothing and
// counts for no run. The error says what the provider answered, and holds no key.
func (g *Gateway) Check(ctx context.Context) error {
	name := g.c.Models[0]
	body, err := json.Marshal(map[string]any{
		"model": name, "messages": []map[string]string{{"role": "user", "content": "Answer with the word ready."}},
	})
	if err != nil {
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
		Choices []json.RawMessage `json:"choices"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer)
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("ask model %s: the provider refuses the key (%s)", name, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("ask model %s: the provider answers %s", name, resp.Status)
	case err != nil || len(answer.Choices) == 0:
		return fmt.Errorf("ask model %s: the answer is not that of an OpenAI-compatible API", name)
	}
	return nil
}
