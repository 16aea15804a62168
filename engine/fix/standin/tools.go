package standin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tools are the tools that the model is told of, with Kilo's names and arguments.
func tools() []map[string]any {
	return []map[string]any{
		tool("read", "filePath"), tool("write", "filePath", "content"),
		tool("edit", "filePath", "oldString", "newString"), tool("bash", "command"),
	}
}

func tool(name string, arguments ...string) map[string]any {
	properties := map[string]any{}
	for _, a := range arguments {
		properties[a] = map[string]any{"type": "string"}
	}
	return map[string]any{"type": "function", "function": map[string]any{
		"name": name, "parameters": map[string]any{"type": "object", "properties": properties, "required": arguments},
	}}
}

// maxOutput is how much of a tool's output the model gets.
const maxOutput = 64 << 10

// use does what the model wants and returns what came of it.
func (c Coder) use(ctx context.Context, call call) string {
	var in struct {
		FilePath  string `json:"filePath,omitempty"`
		Content   string `json:"content,omitempty"`
		OldString string `json:"oldString,omitempty"`
		NewString string `json:"newString,omitempty"`
		Command   string `json:"command,omitempty"`
	}
	output, exit := "", 0
	err := json.Unmarshal([]byte(call.Function.Arguments), &in)
	if err == nil {
		switch call.Function.Name {
		case "read":
			var data []byte
			data, err = os.ReadFile(c.path(in.FilePath))
			output = string(data)
		case "write":
			path := c.path(in.FilePath)
			if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
				err = os.WriteFile(path, []byte(in.Content), 0o644)
			}
		case "edit":
			err = replace(c.path(in.FilePath), in.OldString, in.NewString)
		case "bash":
			output, exit, err = c.bash(ctx, in.Command)
		default:
			err = fmt.Errorf("there is no tool %s", call.Function.Name)
		}
	}
	state := map[string]any{"status": "completed", "input": in, "output": output, "metadata": map[string]any{"exit": exit}}
	if err != nil {
		output = "error: " + err.Error()
		state["status"], state["error"] = "error", err.Error()
	}
	if len(output) > maxOutput {
		output = output[:maxOutput]
	}
	c.event("tool_use", map[string]any{"tool": call.Function.Name, "callID": call.ID, "state": state})
	return strings.ToValidUTF8(output, "\uFFFD")
}

func (c Coder) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.Dir, name)
}

// replace puts one text in the place of another that is there once.
func replace(path, old, with string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := strings.Count(string(data), old); n != 1 || old == "" {
		return fmt.Errorf("oldString is there %d times, want once", n)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.Replace(string(data), old, with, 1)), info.Mode())
}

func (c Coder) bash(ctx context.Context, command string) (output string, exit int, err error) {
	cmd := exec.CommandContext(ctx, "bash", "-c", command)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	out := &bounded{}
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return out.text.String(), failed.ExitCode(), nil
	}
	return out.text.String(), 0, err
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ text strings.Builder }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxOutput - b.text.Len(); room > 0 {
		b.text.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
