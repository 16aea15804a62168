package gemini

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/genai"
)

const (
	// maxPrompt bounds what is sent of system and user text, in bytes each.
	maxPrompt = 60_000
	// thinking is how many tokens the model may spend before it answers. They
	// count against the limit of the output, and models since 2.5 think unasked.
	thinking = 2048
)

// Ask puts one question to the summary model and returns its answer, trimmed and
// cut to at most max bytes. It is meant for a yes or no, or a line. The
// temperature is 0. The text in user is data to the model as much as it can be:
// system says what to do with it.
//
// Errors are as those of [Embedder.Embed], but for refused documents. An answer
// that was withheld or is empty is an error.
func (c *Client) Ask(ctx context.Context, system, user string, max int) (string, error) {
	answer, err := c.ask(ctx, system, user, max)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", c.options.SummaryModel, err)
	}
	return answer, nil
}

func (c *Client) ask(ctx context.Context, system, user string, max int) (string, error) {
	zero := float32(0)
	config := &genai.GenerateContentConfig{
		SystemInstruction: genai.NewContentFromText(cut(system, maxPrompt), genai.RoleUser),
		Temperature:       &zero,
		CandidateCount:    1,
		MaxOutputTokens:   int32(thinking + max), // a token is at least a byte
		ThinkingConfig:    think(c.options.SummaryModel),
	}
	var answer *genai.GenerateContentResponse
	err := c.try(ctx, summarySetting, func(ctx context.Context) (err error) {
		answer, err = c.api.Models.GenerateContent(ctx, c.options.SummaryModel, genai.Text(cut(user, maxPrompt)), config)
		return err
	})
	if err != nil {
		return "", err
	}
	if m := answer.UsageMetadata; m != nil {
		c.options.Used(ctx, Usage{c.options.SummaryModel, int64(m.PromptTokenCount), int64(m.CandidatesTokenCount) + int64(m.ThoughtsTokenCount)})
	}
	if f := answer.PromptFeedback; f != nil && f.BlockReason != "" {
		return "", fmt.Errorf("the question was blocked: %s", f.BlockReason)
	}
	if len(answer.Candidates) == 0 || answer.Candidates[0] == nil || answer.Candidates[0].Content == nil {
		return "", errors.New("no answer came")
	}
	var text strings.Builder
	for _, part := range answer.Candidates[0].Content.Parts {
		if part != nil && !part.Thought {
			text.WriteString(part.Text)
		}
	}
	line := strings.TrimSpace(cut(strings.TrimSpace(text.String()), max))
	if line == "" {
		return "", fmt.Errorf("the answer is empty (%s)", answer.Candidates[0].FinishReason)
	}
	return line, nil
}

// think asks for as little thinking as the model knows to do: a yes or no is not
// worth more. Gemini 2.5 takes a budget, later ones a level (the 3.7 and 3.8
// Flash refuse "minimal"); neither takes the other's field.
func think(model string) *genai.ThinkingConfig {
	model = strings.TrimPrefix(model, "models/")
	switch {
	case strings.HasPrefix(model, "gemini-2.5-flash"):
		none := int32(0)
		return &genai.ThinkingConfig{ThinkingBudget: &none}
	case strings.HasPrefix(model, "gemini-3"):
		return &genai.ThinkingConfig{ThinkingLevel: genai.ThinkingLevelLow}
	}
	return nil
}
