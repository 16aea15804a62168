package script

import (
	"encoding/json"
	"strings"
	"time"
)

// Turn is one answer of the script. The first of a script whose When holds is
// played; nil always holds.
type Turn struct {
	When func(c *Conversation) bool

	Calls []Call // tools to call, or
	Text  string // what is said, or both

	Status int           // 0: 200; anything else is an error of the provider
	After  time.Duration // with a Status: Retry-After
	Wait   time.Duration // before the first byte and between chunks
	Hold   chan struct{} // if not nil: after the first chunk nothing comes until it is closed
	Hang   bool          // nothing comes until the caller hangs up
	Cut    bool          // the connection breaks in the middle
	Usage  Usage         // what it says that it cost; zero: counted from the text
}

// Call is a call of a tool.
type Call struct {
	Name      string
	Arguments any // encodes to a JSON object
}

// Usage is what an answer says that it cost, in tokens.
type Usage struct {
	Input, Cached, Output int64
	Thought               int64 // in the total alone, as Gemini counts it
}

// Steps has each turn answer once, in their order: the first when the model has
// said nothing yet, the second after one answer, and so on. A turn's own When is
// asked too. The last one answers ever after.
func Steps(turns ...Turn) []Turn {
	out := make([]Turn, len(turns))
	for i, t := range turns {
		when, last := t.When, i == len(turns)-1
		t.When = func(c *Conversation) bool {
			at := c.Steps() == i || last && c.Steps() > i
			return at && (when == nil || when(c))
		}
		out[i] = t
	}
	return out
}

// If has turns answer only where a condition holds, in addition to their own.
func If(holds func(c *Conversation) bool, turns ...Turn) []Turn {
	out := make([]Turn, len(turns))
	for i, t := range turns {
		when := t.When
		t.When = func(c *Conversation) bool { return holds(c) && (when == nil || when(c)) }
		out[i] = t
	}
	return out
}

// Asked holds where people said all of the texts in the prompt.
func Asked(texts ...string) func(c *Conversation) bool {
	return func(c *Conversation) bool {
		said := c.Said("user")
		for _, t := range texts {
			if !strings.Contains(said, t) {
				return false
			}
		}
		return true
	}
}

// The calls of Kilo's own tools, as version 7.7 takes them.

// Bash runs a command.
func Bash(command string) Call {
	return Call{"bash", map[string]string{"command": command, "description": "run a command"}}
}

// Read reads a file, which Kilo wants before it edits one.
func Read(path string) Call { return Call{"read", map[string]string{"filePath": path}} }

// Write writes a file.
func Write(path, content string) Call {
	return Call{"write", map[string]string{"filePath": path, "content": content}}
}

// Edit puts one text in the place of another in a file.
func Edit(path, old, with string) Call {
	return Call{"edit", map[string]string{"filePath": path, "oldString": old, "newString": with}}
}

func (c Call) arguments() string {
	data, err := json.Marshal(c.Arguments)
	if err != nil {
		return "{}"
	}
	return string(data)
}
