package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/policy"
)

// page is one page of the documentation.
type page struct {
	path   string // from the folder of this test
	text   string
	prose  string // the text without blocks and code
	code   []string
	blocks []block
}

// block is a fenced block; code in a line is in page.code alone.
type block struct{ language, text string }

var (
	fenced = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")
	inline = regexp.MustCompile("`[^`\n]+`")
)

// pages reads the README and all of docs.
func pages(t *testing.T) []page {
	t.Helper()
	paths, err := filepath.Glob("../docs/*.md")
	if err != nil || len(paths) < 7 {
		t.Fatalf("found %d pages in docs (%v)", len(paths), err)
	}
	var all []page
	for _, path := range append(paths, "../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		p := page{path: path, text: string(text)}
		for _, m := range fenced.FindAllStringSubmatch(p.text, -1) {
			p.blocks = append(p.blocks, block{m[1], m[2]})
			p.code = append(p.code, m[2])
		}
		rest := fenced.ReplaceAllString(p.text, "")
		if strings.Contains(rest, "```") {
			t.Errorf("%s: a block does not end, or begins with something odd", path)
		}
		for _, m := range inline.FindAllString(rest, -1) {
			p.code = append(p.code, strings.Trim(m, "`"))
		}
		p.prose = inline.ReplaceAllString(rest, "")
		all = append(all, p)
	}
	return all
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// Every link to a file or a heading of the repository leads somewhere.
func TestDocsLinks(t *testing.T) {
	anchors := make(map[string][]string) // by path of the page
	all := pages(t)
	for _, p := range all {
		anchors[filepath.Clean(p.path)] = headings(p.text)
	}
	for _, p := range all {
		for _, m := range link.FindAllStringSubmatch(p.prose, -1) {
			to, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			target := filepath.Clean(p.path)
			if to != "" {
				target = filepath.Join(filepath.Dir(p.path), to)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", p.path, m[1])
			} else if anchor != "" && !slices.Contains(anchors[target], anchor) {
				t.Errorf("%s: %s has no heading %q", p.path, target, anchor)
			}
		}
	}
}

var heading = regexp.MustCompile(`(?m)^#+ (.*)$`)

// headings returns the anchors that GitHub gives a page's headings.
func headings(text string) (anchors []string) {
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		anchors = append(anchors, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return anchors
}

// The index names every page and every example, and what is in docs is used.
func TestDocsIndex(t *testing.T) {
	index, rest := "", ""
	for _, p := range pages(t) {
		if p.path == "../docs/README.md" {
			index = p.text
		} else {
			rest += p.text
		}
	}
	err := fs.WalkDir(os.DirFS("../docs"), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir() || path == "README.md":
			return err
		case strings.HasPrefix(path, "images/"):
			if !strings.Contains(rest, path) {
				t.Errorf("no page shows docs/%s", path)
			}
		case !strings.Contains(index, "]("+path+")"):
			t.Errorf("docs/README.md does not list %s", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	called = regexp.MustCompile(`(^|[^\w./-]|bin/|/)soulcaster ([a-z][a-z-]*)`)
	option = regexp.MustCompile(`(?:^|\s)--([a-z][a-z-]*)`)
)

// Every command that is mentioned exists, and every option of one: of the
// program, and of comments.
func TestDocsCommands(t *testing.T) {
	program, options := helps(t)
	var comments []string
	for _, s := range command.Table() {
		comments = append(comments, s.Name)
	}
	found := 0
	for _, p := range pages(t) {
		for _, code := range p.code {
			for line := range strings.Lines(code) {
				for _, m := range called.FindAllStringSubmatch(line, -1) {
					known := program
					if m[1] == "/" {
						known = comments
					}
					if !slices.Contains(known, m[2]) {
						t.Errorf("%s: there is no command %q: %s", p.path, m[2], line)
					}
					found++
				}
				if !called.MatchString(line) && !strings.HasPrefix(code, "--") {
					continue
				}
				for _, m := range option.FindAllStringSubmatch(line, -1) {
					if !strings.Contains(options, "\n  -"+m[1]) {
						t.Errorf("%s: no command has an option --%s: %s", p.path, m[1], line)
					}
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("%d commands are mentioned: are they looked for in the right way?", found)
	}
}

// helps returns the names of the program's commands, and all that their help says.
func helps(t *testing.T) (names []string, said string) {
	t.Helper()
	var out bytes.Buffer
	for _, c := range commands() {
		if c.summary == "" {
			continue // it is no one's to call
		}
		names = append(names, c.name)
		if status := run(t.Context(), &environment{out: &out, err: os.Stderr}, []string{c.name, "--help"}); status != exitDone {
			t.Errorf("%s --help ends with %d", c.name, status)
		}
	}
	return append(names, "help"), out.String()
}

var (
	variable = regexp.MustCompile(`\b(?:SOULCASTER|GITHUB|GEMINI|GOOGLE)_[A-Z0-9_]+\b`)
	target   = regexp.MustCompile(`(?m)^make ([a-z][a-z0-9]*)$`)
)

// Every setting that is mentioned is one, and every target of make.
func TestDocsSettings(t *testing.T) {
	var settings []string
	for _, s := range config.Settings() {
		settings = append(settings, s.Name)
	}
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages(t) {
		for _, name := range variable.FindAllString(p.text, -1) {
			if !slices.Contains(settings, name) {
				t.Errorf("%s: %s is no setting", p.path, name)
			}
		}
		for _, m := range target.FindAllStringSubmatch(strings.Join(p.code, "\n"), -1) {
			if !bytes.Contains(makefile, []byte("\n"+m[1]+":")) {
				t.Errorf("%s: the Makefile cannot make %s", p.path, m[1])
			}
		}
	}
}

var (
	logged = regexp.MustCompile(`(?m)^\| (?:error|warn|info) \| (.*?) \|`)
	metric = regexp.MustCompile(`soulcaster_[a-z_]+`)
)

// Every log message and every metric that operators are told to watch is one.
func TestDocsSignals(t *testing.T) {
	var source strings.Builder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "node_modules" {
			return fs.SkipDir
		}
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		source.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, p := range pages(t) {
		for _, row := range logged.FindAllStringSubmatch(p.text, -1) {
			for _, m := range inline.FindAllString(row[1], -1) {
				message := strings.TrimSuffix(strings.Trim(m, "`"), "…")
				if found++; !strings.Contains(source.String(), `Msg("`+message) {
					t.Errorf("%s: nothing logs %q", p.path, message)
				}
			}
		}
		for _, name := range metric.FindAllString(p.text, -1) {
			if found++; !strings.Contains(source.String(), `"`+name+`"`) {
				t.Errorf("%s: there is no metric %s", p.path, name)
			}
		}
	}
	if found < 10 {
		t.Errorf("%d signals are mentioned: are they looked for in the right way?", found)
	}
}

// Every YAML example is the server's file or a repository's, and can be read.
func TestDocsYAML(t *testing.T) {
	found := map[bool]int{}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language != "yaml" {
				continue
			}
			server := strings.Contains(b.text, "installations:")
			found[server]++
			switch {
			case server:
				readServerFile(t, p.path, b.text)
			case strings.HasPrefix(b.text, "# .github/soulcaster.yml\n"):
				if _, err := policy.Parse([]byte(b.text)); err != nil {
					t.Errorf("%s: a repository's file: %v", p.path, err)
				}
			default:
				t.Errorf("%s: which file is this?\n%s", p.path, b.text)
			}
		}
	}
	if found[true] < 2 || found[false] < 1 {
		t.Errorf("found %d examples of the server's file and %d of a repository's", found[true], found[false])
	}
	text, err := os.ReadFile("../docs/examples/soulcaster.yml")
	if err != nil {
		t.Fatal(err)
	}
	readServerFile(t, "docs/examples/soulcaster.yml", string(text))
}

var reference = regexp.MustCompile(`\$\{([A-Z0-9_]+)\}`)

func readServerFile(t *testing.T, where, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "soulcaster.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"SOULCASTER_CONFIG=" + file}
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		env = append(env, m[1]+"=a-secret")
	}
	if cfg, err := config.Load(env); err != nil || len(cfg.Installations) == 0 {
		t.Errorf("%s: the server's file: %v", where, err)
	}
}
