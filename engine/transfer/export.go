package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/secret"
	"github.com/soulcaster/soulcaster/engine/storage"
)

// Format is the version of the form of the lines.
const Format = 1

const (
	headKind = "export"
	endKind  = "end"
)

// head is the first line.
type head struct {
	Kind         string    `json:"kind"`
	Format       int       `json:"format"`
	Store        int       `json:"store"` // storage.Format of the store that it is from
	Installation int64     `json:"installation"`
	At           time.Time `json:"at"`
	Sealed       bool      `json:"sealed"`
}

// end is the last line.
type end struct {
	Kind  string `json:"kind"`
	Lines int    `json:"lines"` // between the first and this one
}

// line is one entry.
type line struct {
	Kind   string          `json:"kind"`
	Space  string          `json:"space"`
	Key    string          `json:"key"`
	Value  json.RawMessage `json:"value,omitempty"`
	Text   string          `json:"text,omitempty"`
	Base64 []byte          `json:"base64,omitempty"`
}

// Options of an export.
type Options struct {
	Sealed bool // with what only the same secret key opens
	Now    time.Time
	// Progress is called after each page with how many lines were written; may be nil.
	Progress func(lines int) error
	// Without says which projects are left out; nil: none.
	Without func(p project.Project) bool
}

// page is how many entries are read at once: values can be large.
const page = 100

// Export writes all of an installation; storage.ErrNoSpace if there is no such
// installation, or not any more. What is changed meanwhile is written as it was before
// or after; for a picture of one moment, stop the app.
func Export(ctx context.Context, projects *project.Registry, installation int64, to io.Writer, o Options) error {
	home, err := projects.Space(ctx, installation)
	if err != nil {
		return fmt.Errorf("export installation %d: %w", installation, err)
	}
	x := &exporter{ctx: ctx, enc: json.NewEncoder(to), o: o}
	x.enc.SetEscapeHTML(false)
	if err := x.enc.Encode(head{headKind, Format, storage.Format, installation, o.Now.UTC(), o.Sealed}); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	names, err := projects.Projects(ctx, installation)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := x.project(projects, name); err != nil {
			return fmt.Errorf("export %s: %w", name, err)
		}
	}
	if err := x.app(projects, installation); err != nil {
		return err
	}
	if err := x.entries(home, ""); err != nil {
		return fmt.Errorf("export installation %d: %w", installation, err)
	}
	if err := x.enc.Encode(end{endKind, x.lines}); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

type exporter struct {
	ctx   context.Context
	enc   *json.Encoder
	o     Options
	lines int
}

// project writes what is in the space of a project, unless it is left out.
func (x *exporter) project(projects *project.Registry, name string) error {
	space, err := projects.Open(x.ctx, name)
	if err != nil {
		return err
	}
	if x.o.Without != nil {
		p, _, err := project.Load(x.ctx, space)
		switch {
		case errors.Is(err, project.ErrNoProject): // there is nothing of anybody's in it
		case err != nil:
			return err
		case x.o.Without(p):
			return nil
		}
	}
	return x.entries(space, "")
}

// app writes what the app's space says of the installation.
func (x *exporter) app(projects *project.Registry, installation int64) error {
	app, err := projects.Open(x.ctx, project.AppSpace)
	if errors.Is(err, storage.ErrNoSpace) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the app's space: %w", err)
	}
	for _, prefix := range ofTenant(installation, x.o.Sealed) {
		if err := x.entries(app, prefix); err != nil {
			return fmt.Errorf("export %s: %w", prefix, err)
		}
	}
	return nil
}

// ofTenant is what keys of the app's space begin with that go along.
func ofTenant(installation int64, sealed bool) []string {
	prefixes := []string{
		"run-count/" + project.InstallationSpace(installation) + "/",
		"run-count/" + project.Space(installation, ""),
	}
	if sealed {
		prefixes = append(prefixes, secret.Prefix)
	}
	return prefixes
}

// leftOut is what keys begin with that say only what a process is at.
const leftOut = "work/run/"

// entries writes the entries of a space below a prefix.
func (x *exporter) entries(space storage.Space, prefix string) error {
	for after := ""; ; {
		entries, err := space.Scan(x.ctx, prefix, after, page)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if after = e.Key; strings.HasPrefix(e.Key, leftOut) {
				continue
			}
			if err := x.entry(space.Name(), e); err != nil {
				return err
			}
		}
		if x.o.Progress != nil {
			if err := x.o.Progress(x.lines); err != nil {
				return err
			}
		}
		if len(entries) < page {
			return nil
		}
	}
}

func (x *exporter) entry(space string, e storage.Entry) error {
	l := line{Kind: kindOf(e.Key), Space: space, Key: e.Key}
	value := e.Value
	if strings.HasPrefix(e.Key, proofPrefix) && !x.o.Sealed {
		return nil
	}
	if strings.HasPrefix(e.Key, sourcePrefix) && !x.o.Sealed {
		var err error
		if value, err = bare(value); err != nil {
			return nil // nobody knows what of it is secret
		}
	}
	switch {
	case len(value) == 0:
	case !utf8.Valid(value):
		l.Base64 = value
	case faithful(value):
		l.Value = value
	default:
		l.Text = string(value)
	}
	if err := x.enc.Encode(l); err != nil {
		return err
	}
	x.lines++
	return nil
}

// faithful reports whether a value is JSON that comes back as it is.
func faithful(value []byte) bool {
	var b bytes.Buffer
	return json.Compact(&b, value) == nil && bytes.Equal(b.Bytes(), value) && string(value) != "null"
}

const (
	sourcePrefix = "source/"
	proofPrefix  = "key/" // of the API: their digests are what they are found by
)

// bare is a source's record without all that holds something sealed or a digest.
func bare(value []byte) ([]byte, error) {
	var record map[string]any
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&record); err != nil {
		return nil, err
	}
	strip(record)
	return json.Marshal(record)
}

// secretly are the names of members that hold what proves a source, in whatever form.
var secretly = []string{"sealed", "digest"}

// strip takes such objects out, at any depth.
func strip(in map[string]any) {
	for name, v := range in {
		switch v := v.(type) {
		case map[string]any:
			if holds(v) {
				delete(in, name)
			} else {
				strip(v)
			}
		case []any:
			var kept []any
			for _, e := range v {
				o, is := e.(map[string]any)
				if is && holds(o) {
					continue
				}
				if is {
					strip(o)
				}
				kept = append(kept, e)
			}
			if kept == nil {
				delete(in, name)
			} else {
				in[name] = kept
			}
		}
		if slices.Contains(secretly, name) {
			delete(in, name)
		}
	}
}

func holds(o map[string]any) bool {
	for _, name := range secretly {
		if _, there := o[name]; there {
			return true
		}
	}
	return false
}

// kinds are those kinds of entries that are not called as their keys begin.
var kinds = map[string]string{
	"fb": "feedback", "of": "membership", "vec": "vector", "fp": "fingerprint", "todo": "waiting", "log": "change",
	"repo": "repository", "repo-id": "repository",
}

// Kinds are those kinds of lines whose keys begin with another word, by that word. All
// others are called as their keys begin: "cluster", "issue", "run", "action", "audit",
// "source", "held".
func Kinds() map[string]string { return maps.Clone(kinds) }

func kindOf(key string) string {
	word, _, _ := strings.Cut(key, "/")
	if kind, ok := kinds[word]; ok {
		return kind
	}
	return word
}
