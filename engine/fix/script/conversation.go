package script

import (
	"encoding/json"
	"strings"
)

// Conversation is what a request holds, as far as a script looks at it.
type Conversation struct {
	Model    string
	Stream   bool
	Messages []Message
	Tools    []string // names of those that are offered
}

// Message is one of a conversation.
type Message struct {
	Role  string // system, user, assistant, tool
	Text  string
	Calls []Made // of an assistant
	Call  string // of a tool: the id of the call that this is the result of
}

// Made is a tool call that came back.
type Made struct {
	ID        string
	Name      string
	Arguments string // JSON
	Signature string
}

// Steps is how many answers of the model came before.
func (c *Conversation) Steps() (n int) {
	for _, m := range c.Messages {
		if m.Role == "assistant" {
			n++
		}
	}
	return n
}

// Said is all that was said in a role.
func (c *Conversation) Said(role string) string {
	var all strings.Builder
	for _, m := range c.Messages {
		if m.Role == role {
			all.WriteString(m.Text)
			all.WriteByte('\n')
		}
	}
	return all.String()
}

// Last is the text of the last message: what a tool gave back, mostly.
func (c *Conversation) Last() string {
	if len(c.Messages) == 0 {
		return ""
	}
	return c.Messages[len(c.Messages)-1].Text
}

// wire is a request as it comes.
type wire struct {
	Model         string `json:"model"`
	Stream        bool   `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	Messages []struct {
		Role      string          `json:"role"`
		Content   json.RawMessage `json:"content"`
		ToolCall  string          `json:"tool_call_id"`
		ToolCalls []struct {
			ID       string `json:"id"`
			Function struct {
				Name      string `json:"name"`
				Arguments string `json:"arguments"`
			} `json:"function"`
			Extra struct {
				Google struct {
					Signature string `json:"thought_signature"`
				} `json:"google"`
			} `json:"extra_content"`
		} `json:"tool_calls"`
	} `json:"messages"`
	Tools []struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tools"`
}

func (w *wire) conversation() *Conversation {
	c := &Conversation{Model: w.Model, Stream: w.Stream}
	for _, m := range w.Messages {
		message := Message{Role: m.Role, Text: content(m.Content), Call: m.ToolCall}
		for _, call := range m.ToolCalls {
			message.Calls = append(message.Calls, Made{
				ID: call.ID, Name: call.Function.Name, Arguments: call.Function.Arguments,
				Signature: call.Extra.Google.Signature,
			})
		}
		c.Messages = append(c.Messages, message)
	}
	for _, t := range w.Tools {
		c.Tools = append(c.Tools, t.Function.Name)
	}
	return c
}

// content is a string, or a list of parts.
func content(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return ""
	}
	var all strings.Builder
	for _, p := range parts {
		all.WriteString(p.Text)
	}
	return all.String()
}
