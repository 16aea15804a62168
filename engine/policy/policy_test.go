package policy

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// everything is the example of the documentation: every key there is.
const everything = `mode: live                     # live | preview (the default)
labels: [soulcaster]
publish: safe
file_after: {errors: 1, reports: 2, posts: 3}
budget: {issues_per_day: 10, runs_per_day: 5}
levels: [error, fatal]
environments: [production]
ignore: ["health check"]
strictness: balanced
fix: {minutes: 30, test: "make test", rounds: 3, paths: ["!deploy/**"], checks: held, repair: true}
watch: {deploy_hours: 2, soak_days: 14}
`

func TestParseEverything(t *testing.T) {
	f, err := Parse([]byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	got := Resolve(false, File{}, f)
	want := Policy{
		Mode: Live, Labels: []string{"soulcaster"}, Publish: Safe,
		FileAfter: Counts{1, 2, 3}, Budget: Budget{10, 5},
		Levels: []string{"error", "fatal"}, Environments: []string{"production"}, Ignore: []string{"health check"},
		Strictness: Balanced,
		Fix:        Fix{Minutes: 30, Test: "make test", Rounds: 3, Paths: []string{"!deploy/**"}, Checks: Held, Repair: true},
		Watch:      Watch{Deploy: 2 * time.Hour, Soak: 14 * 24 * time.Hour},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// What says nothing is no error.
func TestParseNothing(t *testing.T) {
	for _, text := range []string{"", "\n", "# only a comment\n", "---\n", "\ufeff", "mode:\nlabels:\nfix:\n", "{}", "file_after: {errors: null}"} {
		f, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if got, want := Resolve(true, File{}, f), Resolve(true, File{}, File{}); !reflect.DeepEqual(got, want) {
			t.Errorf("Parse(%q) says %+v", text, got)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"mode: live\ncolour: red":                             `line 2: unknown key "colour"`,
		"fix:\n  minutes: 5\n  colour: red":                   `line 3: unknown key "colour"`,
		"file_after: {warnings: 1}":                           `line 1: unknown key "warnings"`,
		"mode: live\nmode: preview":                           `line 2: mapping key "mode" already defined`,
		"# x\nmode: on":                                       `line 2: mode: "on" is not allowed; want live or preview`,
		"mode: Live":                                          `line 1: mode: "Live" is not allowed; want live or preview`,
		"publish: all":                                        `line 1: publish: "all" is not allowed; want safe or full`,
		"strictness: strict":                                  `line 1: strictness: "strict" is not allowed; want careful, balanced or eager`,
		"fix: {checks: off}":                                  `line 1: fix.checks: "off" is not allowed; want held or run`,
		"file_after:\n  errors: 0":                            `line 2: file_after.errors: 0 is not allowed; want a number from 1 to 1000`,
		"file_after: {reports: -1}":                           `file_after.reports: -1 is not allowed`,
		"file_after: {posts: 1001}":                           `file_after.posts: 1001 is not allowed`,
		"file_after: {errors: 1.5}":                           `line 1: file_after.errors: 1.5 is not allowed; want a whole number`,
		"file_after: {errors: many}":                          `line 1: a string stands where a int is wanted`,
		"budget: {issues_per_day: -1}":                        `budget.issues_per_day: -1 is not allowed; want a number from 0 to 1000`,
		"budget: {runs_per_day: 1001}":                        `budget.runs_per_day: 1001`,
		"levels:\n  - error\n  - loud":                        `line 3: levels[1]: "loud" is not allowed; want one of fatal, error, warning, info, debug`,
		"ignore:\n  - x\n  - \"  \"":                          `line 3: ignore[1]: "  " is not allowed; want a line of 1 to 200 characters`,
		"labels: [\"a\\nb\"]":                                 `line 1: labels[0]: "a\nb" is not allowed`,
		"environments: [\"\"]":                                `environments[0]: ""`,
		"fix: {minutes: 0}":                                   `fix.minutes: 0 is not allowed; want a number from 1 to 240`,
		"fix: {rounds: 21}":                                   `fix.rounds: 21`,
		"fix: {test: \"\"}":                                   `fix.test: "" is not allowed`,
		"fix: {paths: [\"\"]}":                                `fix.paths[0]`,
		"fix: {repair: often}":                                `line 1: a string stands where a bool is wanted`,
		"fix: {repair: 1}":                                    `line 1:`,
		"watch:\n  deploy_hours: -1":                          `line 2: watch.deploy_hours: -1 is not allowed; want a number from 0 to 720`,
		"watch: {deploy_hours: 721}":                          `watch.deploy_hours: 721 is not allowed`,
		"watch: {deploy_hours: 0.5}":                          `line 1: watch.deploy_hours: 0.5 is not allowed; want a whole number`,
		"watch: {soak_days: 0}":                               `watch.soak_days: 0 is not allowed; want a number from 1 to 90`,
		"watch: {soak_days: 91}":                              `watch.soak_days: 91`,
		"watch: {days: 3}":                                    `line 1: unknown key "days"`,
		"labels: soulcaster":                                  "line 1: string was used where sequence is expected",
		"fix: 30":                                             "line 1: int was used where mapping is expected",
		"[mode]":                                              "line 1: sequence was used where mapping is expected",
		"live":                                                "line 1: string was used where mapping is expected",
		"mode: [":                                             "line 1: sequence end token ']' not found",
		"labels: &x [a]\nignore: *x":                          "line 1: anchors and aliases are not allowed",
		"labels: *x":                                          "anchors and aliases are not allowed",
		"<<: {mode: live}":                                    "line 1: merge keys are not allowed",
		"mode: !!str live":                                    "line 1: tags are not allowed",
		"mode: live\n---\nmode: preview":                      "line 3: a second document begins",
		"budget: {issues_per_day: 1" + zeros:                  "line 1:",
		strings.Repeat("[", 60_000):                           "nests brackets deeper than 40",
		strings.Repeat("#", MaxBytes+1):                       "the file has 65537 bytes; the most is 65536",
		"labels: [" + strings.Repeat("a,", 20) + "b]":         "line 1: labels: a list of 21 is not allowed; want at most 20",
		"ignore: [\"" + strings.Repeat("é", 201) + "\"]":      "want a line of 1 to 200 characters",
		"labels: [\"" + strings.Repeat("long ", 20) + "\"]":   `labels[0]: "long long long long long long long long …" is not allowed`,
		"mode: a\npublish: b\nfix:\n  rounds: 99\nignore: []": `line 1: mode: "a"`,
	} {
		f, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.80q) = %v\nwant %s", text, err, want)
		}
		if !reflect.DeepEqual(f, File{}) {
			t.Errorf("Parse(%.80q) returned %+v with its error", text, f)
		}
	}
}

const zeros = "00000000000000000000000}"

// All wrong values are named at once.
func TestParseNamesAll(t *testing.T) {
	_, err := Parse([]byte("mode: a\npublish: b\nfix:\n  rounds: 99\n"))
	want := []ValueError{
		{1, "mode", `"a"`, "live or preview"},
		{2, "publish", `"b"`, "safe or full"},
		{4, "fix.rounds", "99", "a number from 0 to 20"},
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != len(want) {
		t.Fatalf("got %v", err)
	}
	for i, one := range joined.Unwrap() {
		var got *ValueError
		if !errors.As(one, &got) || *got != want[i] {
			t.Errorf("got %v, want %v", one, &want[i])
		}
	}
}

func TestResolveDefaults(t *testing.T) {
	public, private := Resolve(false, File{}, File{}), Resolve(true, File{}, File{})
	if public.Publish != Safe || private.Publish != Full {
		t.Errorf("public repositories publish %s, private ones %s", public.Publish, private.Publish)
	}
	private.Publish = Safe
	want := Policy{
		Mode: Preview, Labels: []string{"soulcaster"}, Publish: Safe, FileAfter: Counts{1, 2, 3}, Budget: Budget{10, 5},
		Strictness: Balanced, Fix: Fix{Minutes: 30, Rounds: 3, Checks: Held}, Watch: Watch{Deploy: 24 * time.Hour, Soak: 7 * 24 * time.Hour},
	}
	for _, got := range []Policy{public, private} {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
}

// The repository's file wins where it speaks, key by key, also inside a group;
// where it is silent the operator's holds.
func TestResolveLayers(t *testing.T) {
	server := parse(t, "mode: live\nlabels: [ops]\npublish: full\nfile_after: {errors: 4, posts: 9}\nignore: [x]\nlevels: [error]\nfix: {minutes: 10, test: make, repair: true}\nwatch: {deploy_hours: 3, soak_days: 2}")
	repo := parse(t, "mode: preview\nlabels: []\nfile_after: {errors: 2}\nlevels: [fatal]\nfix: {minutes: 20, repair: false}\nwatch: {deploy_hours: 0}")
	got := Resolve(false, server, repo)
	want := Resolve(false, File{}, File{})
	want.Publish = Full
	want.Labels = nil
	want.FileAfter = Counts{Errors: 2, Reports: 2, Posts: 9}
	want.Ignore = []string{"x"}
	want.Levels = []string{"fatal"}
	want.Fix = Fix{Minutes: 20, Test: "make", Rounds: 3, Checks: Held}
	want.Watch = Watch{Deploy: 0, Soak: 2 * 24 * time.Hour}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	got.Levels[0] = "changed"
	if repo.Levels[0] != "fatal" {
		t.Error("the policy shares memory with the file")
	}
}

// A file is stored as JSON: what was said must come back, and an empty list that
// was written down must not turn into silence.
func TestFileAsJSON(t *testing.T) {
	for _, text := range []string{"", everything, "labels: []\nignore: []\nfix: {paths: []}", "budget: {issues_per_day: 0}", "fix: {repair: false}\nwatch: {deploy_hours: 0}"} {
		f := parse(t, text)
		data, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var back File
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, f) {
			t.Errorf("%s\ncame back as %+v\nwant %+v", data, back, f)
		}
	}
}

// The server's file holds the same keys below `repositories`.
func TestFileInsideAnother(t *testing.T) {
	var server struct {
		Repositories map[string]File `yaml:"repositories"`
	}
	text := "repositories:\n  acme/web: {mode: live, budget: {issues_per_day: 3}}\n  acme/api:\n    levels: [loud]\n"
	if err := yaml.UnmarshalWithOptions([]byte(text), &server, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	web := server.Repositories["acme/web"]
	if err := web.Check(); err != nil {
		t.Error(err)
	}
	if p := Resolve(false, web, File{}); p.Mode != Live || p.Budget.Issues != 3 {
		t.Errorf("got %+v", p)
	}
	err := server.Repositories["acme/api"].Check()
	if want := `levels[0]: "loud" is not allowed; want one of fatal, error, warning, info, debug`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	bad := "repositories:\n  acme/web: {mood: live}\n"
	if err := yaml.UnmarshalWithOptions([]byte(bad), &server, yaml.Strict()); err == nil || !strings.Contains(err.Error(), `unknown field "mood"`) {
		t.Errorf("an unknown key gave %v", err)
	}
}

func parse(t *testing.T, text string) File {
	t.Helper()
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{everything, "", "a: &x [*x]", "mode: !!binary aGk=", "? mode\n: live", "labels:\n- a\n-\n - b", "fix: {test: |\n  a\n  b}", "mode: \"\\x00\"", "levels: [.inf, .nan, 0x1]", "{", "'", "- - -", "%YAML 1.2\n---\nmode: live", "mode: live\n...\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			if s := err.Error(); s == "" || len(s) > 64<<10 {
				t.Errorf("an error of %d bytes", len(s))
			}
			return
		}
		if err := file.Check(); err != nil {
			t.Errorf("what Parse returned is not allowed: %v", err)
		}
		if p := Resolve(false, File{}, file); p.Mode == "" || p.Publish == "" || p.Strictness == "" || p.Fix.Checks == "" || p.FileAfter.Errors < 1 {
			t.Errorf("a question without an answer: %+v", p)
		}
	})
}
