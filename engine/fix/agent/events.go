package agent

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxShown is how much of a tool's output, or of a text, one entry of the log shows.
const maxShown = 4 << 10

// event is a line of Kilo's standard output with --format json, as far as it
// matters here.
type event struct {
	Type string `json:"type"` // step_start, tool_use, text, step_finish, error, …
	Part struct {
		Tool  string `json:"tool"`
		Text  string `json:"text"`
		State struct {
			Status   string          `json:"status"`
			Title    string          `json:"title"`
			Input    json.RawMessage `json:"input"`
			Output   string          `json:"output"`
			Error    string          `json:"error"`
			Metadata struct {
				Exit *int `json:"exit"`
			} `json:"metadata"`
		} `json:"state"`
		Reason string `json:"reason"`
		Tokens struct {
			Input  int64 `json:"input"`
			Output int64 `json:"output"`
		} `json:"tokens"`
	} `json:"part"`
	Error struct {
		Name string `json:"name"`
		Data struct {
			Message    string `json:"message"`
			StatusCode int    `json:"statusCode"`
		} `json:"data"`
	} `json:"error"`
}

// watch follows what Kilo does. It is safe for concurrent use.
type watch struct {
	log      *stream
	progress *progress
	now      func() time.Time

	mu    sync.Mutex
	last  time.Time // something was heard of Kilo or its model
	steps int       // that were finished
	said  string    // the last text
	fault string    // the last error's name, if it is one
}

// alive notes that something was heard.
func (w *watch) alive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = w.now()
}

// quiet is for how long nothing was heard.
func (w *watch) quiet() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now().Sub(w.last)
}

// event takes a line of Kilo's events. One that is none is noted as it is.
func (w *watch) event(line []byte) {
	w.alive()
	var e event
	if len(line) == 0 || line[0] != '{' || json.Unmarshal(line, &e) != nil || e.Type == "" {
		w.log.line(string(line))
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Type {
	case "tool_use":
		tool := toolName(e.Part.Tool)
		w.progress.uses(tool)
		w.show(tool+" "+e.Part.State.Status, cmp.Or(string(e.Part.State.Input), "{}"))
		if exit := e.Part.State.Metadata.Exit; exit != nil {
			w.show(tool, fmt.Sprintf("exit %d", *exit))
		}
		w.show(tool+" >", e.Part.State.Output)
		w.show(tool+" !", e.Part.State.Error)
	case "text":
		if strings.TrimSpace(e.Part.Text) != "" {
			w.said = e.Part.Text[:min(len(e.Part.Text), maxSaid)]
			w.show("says", e.Part.Text)
		}
	case "step_finish":
		w.steps++
		w.progress.step()
		w.show("step", fmt.Sprintf("%d: %s, %d tokens in, %d out", w.steps, e.Part.Reason, e.Part.Tokens.Input, e.Part.Tokens.Output))
	case "error":
		if w.fault = ""; plainName(e.Error.Name) { // it goes into the supervisor's own log
			w.fault = e.Error.Name
		}
		w.show("error", fmt.Sprintf("%s: %s (status %d)", e.Error.Name, e.Error.Data.Message, e.Error.Data.StatusCode))
	}
}

// show notes a text of several lines, and only so much of it.
func (w *watch) show(what, text string) {
	if text == "" {
		return
	}
	shown := text[:min(len(text), maxRead)]
	n := 0
	for line := range strings.Lines(shown) {
		if n += len(line); n > maxShown {
			w.log.line(fmt.Sprintf("%s … %d bytes in all", what, len(text)))
			return
		}
		w.log.line(what + " " + strings.TrimRight(line, "\n"))
	}
}

// known are the names of Kilo's tools. What the heartbeat tells ends up in a
// comment on GitHub, so it is one of them.
var knownTools = []string{
	"bash", "edit", "write", "read", "glob", "grep", "list", "patch", "apply_patch", "multiedit",
	"todowrite", "todoread", "lsp", "batch", "skill", "codesearch",
}

func toolName(name string) string {
	if slices.Contains(knownTools, name) {
		return name
	}
	return "tool"
}

// end is what came of Kilo's work. fault is the name of the last error that it told
// of, "" if there was none; it may have been overcome.
func (w *watch) end() (steps int, said, fault string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.steps, strings.ToValidUTF8(w.said, ""), w.fault
}
