package gemini_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/embed/gemini"
)

// askRequest is the body of generateContent.
type askRequest struct {
	Contents          []struct{ Parts []struct{ Text string } }
	SystemInstruction struct{ Parts []struct{ Text string } }
	GenerationConfig  struct {
		Temperature     *float64
		MaxOutputTokens int
		ThinkingConfig  *struct {
			ThinkingBudget *int
			ThinkingLevel  string
		}
	}
}

func TestAskSendsWhatTheModelNeeds(t *testing.T) {
	for _, tt := range []struct {
		model  string
		path   string
		level  string
		budget bool // a budget of 0
	}{
		{"", "gemini-3.8-flash", "LOW", false},
		{"gemini-2.5-flash-lite", "gemini-2.5-flash-lite", "", true},
		{"gemma-4", "gemma-4", "", false},
	} {
		var got askRequest
		g := newGoogle(t, func(w http.ResponseWriter, _ *http.Request, body []byte, _ int) {
			if err := json.Unmarshal(body, &got); err != nil {
				t.Error(err)
			}
			io.WriteString(w, `{"candidates": [{"content": {"parts": [{"text": "hm, hm", "thought": true}, {"text": " yes\n"}]}}]}`)
		})
		c := g.client(t, func(o *gemini.Options) { o.SummaryModel = tt.model })
		answer, err := c.Ask(t.Context(), "Answer yes or no.", "Is it one problem?", 100)
		if err != nil || answer != "yes" {
			t.Errorf("%s: Ask = %q, %v", tt.path, answer, err)
		}
		if want := "POST /v1beta/models/" + tt.path + ":generateContent"; g.paths[0] != want {
			t.Errorf("asked %s, want %s", g.paths[0], want)
		}
		if len(got.SystemInstruction.Parts) != 1 || got.SystemInstruction.Parts[0].Text != "Answer yes or no." {
			t.Errorf("system is %v", got.SystemInstruction)
		}
		if len(got.Contents) != 1 || len(got.Contents[0].Parts) != 1 || got.Contents[0].Parts[0].Text != "Is it one problem?" {
			t.Errorf("user is %v", got.Contents)
		}
		c2 := got.GenerationConfig
		if c2.Temperature == nil || *c2.Temperature != 0 || c2.MaxOutputTokens < 100 || c2.MaxOutputTokens > 5000 {
			t.Errorf("%s: temperature %v, at most %d tokens", tt.path, c2.Temperature, c2.MaxOutputTokens)
		}
		think := c2.ThinkingConfig
		if (think != nil && think.ThinkingBudget != nil && *think.ThinkingBudget == 0) != tt.budget || (think != nil && think.ThinkingLevel != tt.level) || (think == nil && tt.level != "") {
			t.Errorf("%s: thinking is %+v", tt.path, think)
		}
	}
}

func TestAskAnswers(t *testing.T) {
	for _, tt := range []struct{ name, body, answer, problem string }{
		{"cut on a rune", `{"candidates": [{"content": {"parts": [{"text": "aééééééé"}]}}]}`, "aéé", ""},
		{"blocked", `{"promptFeedback": {"blockReason": "SAFETY"}}`, "", "blocked: SAFETY"},
		{"nothing", `{}`, "", "no answer"},
		{"no content", `{"candidates": [{"finishReason": "RECITATION"}]}`, "", "no answer"},
		{"only thoughts", `{"candidates": [{"content": {"parts": [{"text": "x", "thought": true}]}, "finishReason": "MAX_TOKENS"}]}`, "", "empty (MAX_TOKENS)"},
	} {
		g := newGoogle(t, func(w http.ResponseWriter, _ *http.Request, _ []byte, _ int) { io.WriteString(w, tt.body) })
		answer, err := g.client(t, nil).Ask(t.Context(), "s", "u", 6)
		if answer != tt.answer || (err == nil) != (tt.problem == "") || (err != nil && !strings.Contains(err.Error(), tt.problem)) {
			t.Errorf("%s: Ask = %q, %v; want %q, %q", tt.name, answer, err, tt.answer, tt.problem)
		}
	}
}

func TestAskRetries(t *testing.T) {
	g := newGoogle(t, func(w http.ResponseWriter, _ *http.Request, _ []byte, n int) {
		if n < 3 {
			fail(w, 503, "busy", "")
			return
		}
		io.WriteString(w, `{"candidates": [{"content": {"parts": [{"text": "no"}]}}]}`)
	})
	if answer, err := g.client(t, nil).Ask(t.Context(), "s", "u", 6); answer != "no" || err != nil {
		t.Errorf("Ask = %q, %v after %d requests", answer, err, len(g.paths))
	}
}
