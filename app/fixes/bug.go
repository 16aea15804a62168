package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/soulcaster/soulcaster/engine/fix/script"
)

// bug is a case of the table: a folder with case.json, and with the folders repo,
// what the agent gets; hidden, the test that it never sees and that is copied over
// its result; and answer, files over repo's that fix the bug, which prove the test.
type bug struct {
	Name     string   `json:"-"`
	Title    string   `json:"title"`
	Language string   `json:"language"`
	Needs    []string `json:"needs"`   // programs
	Visible  []string `json:"visible"` // the repository's own test, which knows nothing of the bug
	Hidden   []string `json:"hidden"`
	Report   report   `json:"report"`

	files map[string]map[string]string // by folder, path
}

// report is what a user says, or Sentry.
type report struct {
	Kind   string `json:"kind"` // "report" or "sentry"
	Author string `json:"author"`
	Title  string `json:"title"`
	Body   string `json:"body"`

	// Of Sentry.
	Type        string  `json:"type"`
	Value       string  `json:"value"`
	Culprit     string  `json:"culprit"`
	Platform    string  `json:"platform"`
	Release     string  `json:"release"`
	Environment string  `json:"environment"`
	Frames      []frame `json:"frames"` // oldest call first
}

type frame struct {
	File     string `json:"file"`
	Function string `json:"function"`
	Module   string `json:"module"`
	Line     int    `json:"line"`
}

// load reads the cases whose name matches.
func load(folder string, match *regexp.Regexp) ([]*bug, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read the cases: %w (run it in the repository's root, or say --cases)", err)
	}
	var all []*bug
	for _, e := range entries {
		if !e.IsDir() || !match.MatchString(e.Name()) {
			continue
		}
		c, err := read(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", e.Name(), err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("no case matches")
	}
	return all, nil
}

func read(folder string) (*bug, error) {
	file, err := os.Open(filepath.Join(folder, "case.json"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	c := &bug{Name: filepath.Base(folder), files: map[string]map[string]string{}}
	d := json.NewDecoder(file)
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("case.json: %w", err)
	}
	if len(c.Visible) == 0 || len(c.Hidden) == 0 || c.Language == "" || cmp.Or(c.Report.Title, c.Report.Type) == "" {
		return nil, errors.New("case.json: language, visible, hidden and report are required")
	}
	for _, part := range []string{"repo", "hidden", "answer"} {
		if c.files[part], err = filesBelow(filepath.Join(folder, part)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func filesBelow(folder string) (map[string]string, error) {
	files := map[string]string{}
	root := os.DirFS(folder)
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, path)
		files[path] = string(data)
		return err
	})
	if err == nil && len(files) == 0 {
		err = errors.New("is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(folder), err)
	}
	return files, nil
}

// missing is the first program that the case needs and that is not there, "" if all
// are.
func (c *bug) missing() string {
	for _, name := range c.Needs {
		if _, err := exec.LookPath(name); err != nil {
			return name
		}
	}
	return ""
}

// place writes the files of some of the case's folders below dir, the later ones
// over the earlier ones. What is in the way of a file, such as a link, goes.
func (c *bug) place(dir string, parts ...string) error {
	for _, part := range parts {
		for path, text := range c.files[part] {
			full := filepath.Join(dir, path)
			if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.RemoveAll(full)); err != nil {
				return fmt.Errorf("write %s: %w", part, err)
			}
			if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
				return fmt.Errorf("write %s: %w", part, err)
			}
		}
	}
	return nil
}

// script has a model apply the known answer by tool calls, and say why.
func (c *bug) script() *script.Model {
	var reads, writes []script.Call
	for _, path := range slices.Sorted(maps.Keys(c.files["answer"])) {
		if _, there := c.files["repo"][path]; there {
			reads = append(reads, script.Read(path))
		}
		writes = append(writes, script.Write(path, c.files["answer"][path]))
	}
	turns := []script.Turn{{Calls: writes}, {Text: "## What was wrong\n\n" + c.Title + ".\n\n## What I changed and why\n\nThe known answer, from a script.\n"}}
	if len(reads) > 0 {
		turns = append([]script.Turn{{Text: "I read it first.", Calls: reads}}, turns...)
	}
	return &script.Model{Turns: script.Steps(turns...)}
}

// text is the report as somebody would paste it.
func (r report) text() string {
	if r.Kind != "sentry" {
		return r.Title + "\n\n" + r.Body + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\nin %s, release %s, %s\n\nStack, most recent call last:\n", r.Type, r.Value, r.Culprit, r.Release, r.Environment)
	for _, f := range r.Frames {
		fmt.Fprintf(&b, "  %s:%d in %s (%s)\n", f.File, f.Line, f.Function, f.Module)
	}
	return b.String()
}
