package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	fixrun "github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/fix/script"
)

func cases(t *testing.T) []*bug {
	t.Helper()
	all, err := load("testdata", regexp.MustCompile(""))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCases proves each case: its repository's own test says nothing of the bug, the
// hidden test finds it, and finds it gone once the answer is in.
func TestCases(t *testing.T) {
	for _, c := range cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if missing := c.missing(); missing != "" {
				t.Skipf("%s is not installed: this case is not proven here", missing)
			}
			s := &suite{dir: t.TempDir(), cache: goCache(t.Context())}
			for _, tt := range []struct {
				name    string
				parts   []string
				command []string
				passes  bool
			}{
				{"its own test", []string{"repo"}, c.Visible, true},
				{"the hidden test on the bug", []string{"repo", "hidden"}, c.Hidden, false},
				{"the hidden test on the answer", []string{"repo", "answer", "hidden"}, c.Hidden, true},
				{"its own test on the answer", []string{"repo", "answer"}, c.Visible, true},
			} {
				tree := filepath.Join(t.TempDir(), "tree")
				if err := c.place(tree, tt.parts...); err != nil {
					t.Fatal(err)
				}
				passed, said, err := s.test(t.Context(), c, tree, tt.command)
				if err != nil {
					t.Fatal(err)
				}
				if passed != tt.passes {
					t.Errorf("%s: passed is %v, want %v\n%s", tt.name, passed, tt.passes, said)
				}
			}
		})
	}
}

// The answer and the hidden test must be known to nobody who reads the repository.
func TestHiddenIsHidden(t *testing.T) {
	for _, c := range cases(t) {
		for path, text := range c.files["repo"] {
			if want, ok := c.files["hidden"][path]; ok {
				t.Errorf("%s: the hidden file %s is in the repository (the same: %v)", c.Name, path, want == text)
			}
			if strings.Contains(strings.ToLower(text), "hidden") {
				t.Errorf("%s: %s speaks of what is hidden", c.Name, path)
			}
		}
		for path, text := range c.files["answer"] {
			if c.files["repo"][path] == text {
				t.Errorf("%s: the answer changes nothing in %s", c.Name, path)
			}
		}
	}
}

// TestCover: what models' commands run under finds the cases nowhere, whoever it is,
// and the disk is as it was.
func TestCover(t *testing.T) {
	repository := t.TempDir()
	cases := filepath.Join(repository, "cases")
	if err := errors.Join(os.Chmod(repository, 0o755), os.Mkdir(cases, 0o755), os.WriteFile(filepath.Join(cases, "answer"), []byte("the answer"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := git(t.Context(), repository, nil, "init", "--quiet"); err != nil {
		t.Fatal(err)
	}
	c := newCover(t.Context(), cases)
	if !c.is() {
		if got := c.told(cases); !strings.Contains(got, "can find them") {
			t.Errorf("without a cover it says %q", got)
		}
		t.Skip("SKIPPED: there is no right to mount here, so that nothing can be covered")
	}
	look := "id -u; cat " + cases + "/answer " + repository + "/.git/HEAD"
	for want, command := range map[string][]string{
		"0\n":                         c.starts("/bin/sh", "-c", look), // the app is root; the coders of its agents are not
		strconv.Itoa(bareUser) + "\n": c.startsApart("/bin/sh", "-c", "umount "+cases+"; "+look),
	} {
		out, _ := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
		if got := string(out); !strings.Contains(got, want) || strings.Contains(got, "the answer") || strings.Contains(got, "refs/heads") {
			t.Errorf("user %s finds: %s", strings.TrimSpace(want), got)
		}
	}
	if text, err := os.ReadFile(filepath.Join(cases, "answer")); err != nil || string(text) != "the answer" {
		t.Errorf("afterwards there is %q, %v", text, err)
	}
}

func TestTestsAreBounded(t *testing.T) {
	t.Setenv("SOULCASTER_MODEL_KEY", "a-key-that-nobody-may-see")
	s := &suite{dir: t.TempDir()}
	passed, said, err := s.test(t.Context(), nil, t.TempDir(), []string{"sh", "-c", "env; yes | head -c 100000; exit 1"})
	if err != nil || passed || len(said) > maxSaid {
		t.Errorf("passed %v, %d bytes, %v", passed, len(said), err)
	}
	passed, said, err = s.test(t.Context(), nil, t.TempDir(), []string{"env"})
	if err != nil || !passed || strings.Contains(said, "nobody-may-see") {
		t.Errorf("a test's environment: %v %v\n%s", passed, err, said)
	}
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestPlaceReplacesLinks(t *testing.T) {
	c := &bug{files: map[string]map[string]string{"hidden": {"a_test.go": "ours"}}}
	outside, tree := filepath.Join(t.TempDir(), "outside"), t.TempDir()
	if err := os.WriteFile(outside, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(tree, "a_test.go")); err != nil {
		t.Fatal(err)
	}
	if err := c.place(tree, "hidden"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != "theirs" {
		t.Errorf("the link's target holds %q, %v", text, err)
	}
	if text, err := os.ReadFile(filepath.Join(tree, "a_test.go")); err != nil || string(text) != "ours" {
		t.Errorf("the test holds %q, %v", text, err)
	}
}

func TestNotMeasured(t *testing.T) {
	var out, progress bytes.Buffer
	env := []string{"PATH=" + os.Getenv("PATH"), "SOULCASTER_MODEL_CONTEXT=100000", "GITHUB_APP_INTEGRATION_ID=1"}
	if err := run(t.Context(), []string{"--cases", "testdata"}, env, &out, &progress); err != nil {
		t.Fatal(err)
	}
	if out.String() != notMeasured {
		t.Errorf("without a model it says %q", out.String())
	}
}

func TestModelOf(t *testing.T) {
	for name, tt := range map[string]struct {
		env   []string
		url   string
		price string // as the app is told
	}{
		"Gemini's key": {[]string{"GEMINI_API_KEY=k", "SOULCASTER_MODEL=gemini-3.5-flash"},
			"https://generativelanguage.googleapis.com/v1beta/openai", "SOULCASTER_MODEL_PRICE=1.500000/0.150000/9.000000"},
		"a model of unknown price": {[]string{"SOULCASTER_MODEL_URL=http://127.0.0.1:1/v1", "SOULCASTER_MODEL=m"}, "http://127.0.0.1:1/v1", ""},
		"a price": {[]string{"SOULCASTER_MODEL_URL=http://127.0.0.1:1/v1", "SOULCASTER_MODEL=m", "SOULCASTER_MODEL_PRICE=0.3/2.5",
			"SOULCASTER_LAUNCHER=ecs"}, "http://127.0.0.1:1/v1", "SOULCASTER_MODEL_PRICE=0.300000/0.300000/2.500000"},
	} {
		m, ok, err := modelOf(tt.env, false)
		if err != nil || !ok || m.url != tt.url {
			t.Errorf("%s: %+v, %v, %v", name, m, ok, err)
		}
		told := ""
		for _, s := range m.settings("http://127.0.0.1:2") {
			if strings.HasPrefix(s, "SOULCASTER_MODEL_PRICE=") {
				told = s
			}
			if strings.Contains(s, "KEY") {
				t.Errorf("%s: the app is given a key: %s", name, s)
			}
		}
		if told != tt.price {
			t.Errorf("%s: the app is told %q, want %q", name, told, tt.price)
		}
	}
	if _, _, err := modelOf([]string{"SOULCASTER_MODEL_URL=nowhere"}, false); err == nil {
		t.Error("a wrong address is taken")
	}
}

// TestMachinery takes one case the whole way, and the other way too.
func TestMachinery(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the whole app")
	}
	var out, progress bytes.Buffer
	err := run(t.Context(), []string{"--scripted", "--stand-in", "--json", "--cases", "testdata", "--only", "shell", "--minutes", "2"}, os.Environ(), &out, &progress)
	if err != nil {
		t.Fatalf("%v\n%s%s", err, &progress, &out)
	}
	var got struct {
		About      string
		Soulcaster sums
		Bare       sums `json:"bare_kilo"`
		Rows       []row
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.About, "proves the machinery only") {
		t.Errorf("it does not say what it shows: %q", got.About)
	}
	for name, s := range map[string]sums{"soulcaster": got.Soulcaster, "bare": got.Bare} {
		if s.Attempts != 1 || s.Changed != 1 || s.Passed != 1 || s.Tokens == 0 || s.Each == nil {
			t.Errorf("%s: %+v\n%s", name, s, &out)
		}
	}
}

// TestConfiguredModel has a model that is configured as people do it, and that only
// talks: it is asked with its key by both ways, what it says is counted at its price,
// and nothing is taken for a fix.
func TestConfiguredModel(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the whole app")
	}
	talker := &script.Model{Key: "the-provider's-key", Turns: []script.Turn{{Text: "I see nothing wrong.", Usage: script.Usage{Input: 1000, Output: 100}}}}
	provider := httptest.NewServer(talker)
	defer provider.Close()
	binary := filepath.Join(t.TempDir(), "soulcaster")
	if err := tool(t.Context(), "", "go", "build", "-o", binary, "github.com/soulcaster/soulcaster/app"); err != nil {
		t.Fatal(err)
	}
	// As root, the agent's coder is another user, who passes through.
	for dir := filepath.Dir(binary); strings.Contains(dir, t.Name()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	env := append(os.Environ(), "SOULCASTER_MODEL_URL="+provider.URL+"/v1", "SOULCASTER_MODEL_KEY="+talker.Key, "SOULCASTER_MODEL=talker",
		"SOULCASTER_MODEL_PRICE=1/2", `SOULCASTER_KILO=["`+binary+`","stand-in"]`)
	var out, progress bytes.Buffer
	if err := run(t.Context(), []string{"--json", "--cases", "testdata", "--only", "js-last", "--minutes", "2"}, env, &out, &progress); err != nil {
		t.Fatalf("%v\n%s%s", err, &progress, &out)
	}
	var got struct {
		About      string
		Soulcaster sums
		Bare       sums `json:"bare_kilo"`
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := sums{Attempts: 1, Empty: 1, Micros: 1200, Tokens: 1100}
	if got.Soulcaster != want || got.Bare != want || got.About != "" {
		t.Errorf("got %+v, want both %+v\n%s%s", got, want, &progress, &out)
	}
	for _, r := range talker.Requests() {
		if r.Status != 200 {
			t.Errorf("the provider answered %d: %s", r.Status, r.Problem)
		}
	}
	if n := len(talker.Requests()); n != 2 {
		t.Errorf("the provider was asked %d times, want once by each", n)
	}
	if strings.Contains(out.String()+progress.String(), talker.Key) {
		t.Error("the key is shown")
	}
}

func TestTable(t *testing.T) {
	used := func(micros, tokens int64) fixrun.Usage {
		return fixrun.Usage{Micros: micros, Input: tokens, Priced: true}
	}
	all := &table{Model: "m", Priced: true, Kilo: "the real Kilo", Rows: []row{
		{Case: "a", Language: "Go", Whole: &attempt{Outcome: changed, Hidden: true, Seconds: 60, Usage: used(200_000, 1000)},
			Bare: &attempt{Outcome: changed, Seconds: 30, Usage: used(100_000, 500), Said: "FAIL: one"}},
		{Case: "b", Language: "C", Whole: &attempt{Outcome: empty, Seconds: 20, Usage: used(50_000, 300)},
			Bare: &attempt{Outcome: failed, Note: "kilo ended with status 1", Usage: used(1, 1)}},
		{Case: "c", Language: "Go", Whole: &attempt{Outcome: changed, Hidden: true, Seconds: 120, Usage: used(400_000, 3000)},
			Bare: &attempt{Outcome: notRun, Note: "the budget of --dollars is spent"}},
		{Case: "d", Language: "Java", NotRun: "javac is not installed"},
	}}
	var out bytes.Buffer
	if err := all.write(&out, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"d     Java      not run: javac is not installed",
		"Soulcaster: 3 tried; pull requests: 2, empty: 1, failed: 0; hidden tests passed: 2; $0.6500 in all, $0.3000 and 90 s for each that passed\n",
		"Bare Kilo:  2 tried; changes: 1, empty: 0, failed: 1; hidden tests passed: 0; $0.1000 in all\n",
		"b, bare kilo: kilo ended with status 1", "    FAIL: one",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "machinery") {
		t.Error("a real model is called scripted")
	}
	all.Priced = false
	out.Reset()
	if err := all.write(&out, false); err != nil || !strings.Contains(out.String(), "4300 tokens in all, 2000 tokens and 90 s") || strings.Contains(out.String(), "$") {
		t.Errorf("without a price: %v\n%s", err, &out)
	}
}

func TestBudget(t *testing.T) {
	b := budget{micros: 100, tokens: 1000}
	for want, u := range map[string]fixrun.Usage{
		"": {Micros: 99, Input: 500, Output: 499}, "the budget of --dollars is spent": {Micros: 100},
		"the budget of --tokens is spent": {Input: 500, Output: 500},
	} {
		if got := b.spent(u); got != want {
			t.Errorf("%+v: %q, want %q", u, got, want)
		}
	}
}
