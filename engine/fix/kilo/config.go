package kilo

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

// provider is the one model provider that Kilo knows. Kilo's client for
// OpenAI-compatible models keeps the thought signatures of Gemini's tool calls under
// the provider's name and sends them back from under google alone; without them
// Gemini refuses the next turn.
const provider = "google"

// maxOutput is how much a model may write at once, in tokens.
const maxOutput = 32_000

// Model is what Kilo is told of a model that takes so many tokens. One that takes
// little at once writes less.
func Model(name string, context int) brief.Model {
	return brief.Model{Name: name, Context: context, Output: min(maxOutput, context/4)}
}

// Config is Kilo's configuration, all of it: what a repository brings is switched off
// by [Switches]. url is where the model answers, without a key; instructions is the
// path of a file that Kilo obeys as if it were the repository's AGENTS.md, or "". The
// permissions are guard rails that save the model detours, and no boundary.
func Config(m brief.Model, url, instructions string) ([]byte, error) {
	model := provider + "/" + m.Name
	config := map[string]any{
		"$schema":    "https://app.kilo.ai/config.json",
		"autoupdate": false,
		"share":      "disabled",
		// Without this Kilo may ask a question about it that nobody answers.
		"snapshot":           false,
		"model":              model,
		"small_model":        model,
		"enabled_providers":  []string{provider},
		"disabled_providers": []string{"kilo"},
		"provider": map[string]any{provider: map[string]any{
			"npm":  "@ai-sdk/openai-compatible", // comes with Kilo
			"name": "Soulcaster",
			"options": map[string]any{
				"baseURL":      url,
				"apiKey":       "none", // who holds the token adds it
				"timeout":      (10 * time.Minute).Milliseconds(),
				"chunkTimeout": (5 * time.Minute).Milliseconds(),
			},
			"models": map[string]any{m.Name: map[string]any{
				"name":      m.Name,
				"tool_call": true,
				"limit":     map[string]int{"context": m.Context, "output": m.Output},
			}},
		}},
		"permission": map[string]any{
			"*": "allow", "question": "deny", "webfetch": "deny", "websearch": "deny",
			"external_directory": "deny", "task": "deny",
			"bash": map[string]string{"*": "allow", "git push*": "deny", "git remote*": "deny", "gh *": "deny"},
			"edit": map[string]string{"*": "allow", ".github/workflows/**": "deny"},
		},
	}
	if instructions != "" {
		config["instructions"] = []string{instructions}
	}
	data, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode kilo's configuration: %w", err)
	}
	return data, nil
}
