package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/config"
	"github.com/soulcaster/soulcaster/engine/policy"
	"github.com/soulcaster/soulcaster/engine/source"
)

// load reads a YAML file with this text.
func load(t testing.TB, text string, env ...string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "soulcaster.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(append(env, "SOULCASTER_CONFIG="+path))
}

func TestExampleFile(t *testing.T) {
	text, err := os.ReadFile("example.yml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := load(t, string(text), "ACME_SENTRY_SECRET=s1", "ACME_APP_KEY=k1")
	if err != nil {
		t.Fatal(err)
	}
	live := policy.Live
	want := []config.Installation{{
		ID: 101,
		Sources: []source.Source{
			{Installation: 101, ID: "acme-sentry", Kind: source.Sentry, Secrets: []string{"s1"}, Repository: "acme/web",
				Routes: map[string]string{"api": "acme/api", "frontend": "acme/web"}},
			{Installation: 101, ID: "acme-app", Kind: source.Feedback, Secrets: []string{"k1"}, Repository: "acme/web"},
		},
		Repositories: map[string]policy.File{"acme/web": {Mode: &live}},
		Runs:         config.RunLimits{AtOnce: 4, PerDay: 20, PerMonth: 200, Dollars: 100},
		Quotas:       config.Quotas{ReportsPerDay: 100_000, Clusters: 50_000, Megabytes: 5000, Dollars: 50},
	}}
	if !reflect.DeepEqual(c.Installations, want) {
		t.Errorf("got %#v", c.Sources())
	}
	if len(c.Sources()) != 2 {
		t.Errorf("%d sources", len(c.Sources()))
	}
}

func TestExpansion(t *testing.T) {
	for _, tt := range []struct{ yaml, want string }{
		{`"${A}"`, "alpha"},
		{`${A}`, "alpha"},
		{`'x-${A}-${B_2}-y'`, "x-alpha-beta-y"},
		{`"$${A}"`, "${A}"},
		{`"$A $ $$ ${A}$"`, "$A $ $$ alpha$"},
		{`"${NESTED}"`, "${A}"}, // what comes from the environment is not read again
		{"|-\n            ${A}\n            ${B_2}", "alpha\nbeta"},
		{`"0123"`, "0123"},
	} {
		c, err := load(t, "installations:\n  - id: ${ID}\n    sources:\n      - id: a\n        kind: reddit\n        repository: ${A}/web\n        public: ${YES}\n        secrets:\n          - "+tt.yaml+"\n",
			"A=alpha", "B_2=beta", "NESTED=${A}", "ID=101", "YES=true")
		if err != nil {
			t.Errorf("%s: %v", tt.yaml, err)
			continue
		}
		s := c.Sources()[0]
		if s.Secrets[0] != tt.want || s.Repository != "alpha/web" || s.Installation != 101 || !s.Public {
			t.Errorf("%s is %q, want %q; the source is in %s of %d", tt.yaml, s.Secrets[0], tt.want, s.Repository, s.Installation)
		}
	}
}

func TestFileWithoutInstallations(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", "---\n", "installations: []\n"} {
		if c, err := load(t, text); err != nil || len(c.Installations) != 0 {
			t.Errorf("%q: %v, %v", text, c.Installations, err)
		}
	}
}

func TestBadFiles(t *testing.T) {
	// source is a source on line 4 with these keys in place of the usual ones.
	source := func(keys string) string {
		return "installations:\n  - id: 101\n    sources:\n      - {" + keys + "}\n"
	}
	repository := func(value string) string {
		return "installations:\n  - id: 101\n    repositories:\n      " + value + "\n"
	}
	for _, tt := range []struct {
		name, text string
		want       []string // one part per problem, in order; each begins with its line
	}{
		{"syntax", "installations: [\n", []string{"1: sequence end token ']' not found"}},
		{"not a mapping", "- a\n", []string{"1: the file: want keys and values"}},
		{"unknown key", "instalations: []\n", []string{`1: the file: unknown key "instalations"; did you mean installations?`}},
		{"key twice", "installations: []\ninstallations: []\n", []string{`2: mapping key "installations" already defined`}},
		{"second document", "installations: []\n---\na: b\n", []string{"3: a second document"}},
		{"no list", "installations: hunter2\n", []string{"1: installations: want a list"}},
		{"null", "installations: [null]\n", []string{"1: installations[0]: want keys and values", "1: installations[0].id: is missing"}},
		{"no id", "installations:\n  - sources: []\n", []string{"2: installations[0].id: is missing"}},
		{"bad id", "installations:\n  - id: hunter2\n", []string{"2: installations[0].id: want GitHub's installation id"}},
		{"octal id", "installations:\n  - id: 0x10\n", []string{"2: installations[0].id: want"}},
		{"huge id", "installations:\n  - id: 99999999999999999999\n", []string{"2: installations[0].id: want"}},
		{"installation twice", "installations:\n  - id: 1\n  - id: 1\n", []string{"3: installations[1]: this id has an entry already"}},
		{"anchor", "installations: &a []\n", []string{"1: anchors, aliases and tags"}},
		{"alias", "installations:\n  - *a\n", []string{"2: anchors, aliases and tags"}},
		{"tag", "installations: !!seq []\n", []string{"1: anchors, aliases and tags"}},
		{"merge", "installations:\n  - <<: {id: 1}\n", []string{"2: merge keys"}},
		{"fraction", "installations:\n  - id: 1.5\n", []string{"2: want a whole number"}},
		{"variable unset", source("id: a, kind: reddit, secrets: ['${NO}', '${SUCH}'], repository: a/b"),
			[]string{"4: ${NO} is not set", "4: ${SUCH} is not set"}},
		{"broken reference", source("id: a, kind: reddit, secrets: ['${hunter2'], repository: a/b"), []string{"4: ${ begins no ${NAME}"}},
		{"empty source", source(""), []string{"4: installations[0].sources[0].id: is missing", "kind: is missing", "secrets: is missing", "name a repository, or routes"}},
		{"all wrong", source("id: A_b, kind: hunter2, secrets: [], repository: hunter2, legacy: maybe"),
			[]string{"4: installations[0].sources[0].id: want 1 to 63", "kind: want sentry, reddit or feedback", "repository: want owner/name", "legacy: want true or false", "secrets: name at least one", "legacy: is for sources of the kind sentry"}},
		{"long id", source("id: " + strings.Repeat("a", 64) + ", kind: reddit, secrets: [x], repository: a/b"), []string{"4: installations[0].sources[0].id: want"}},
		{"id with a dash first", source("id: -a, kind: reddit, secrets: [x], repository: a/b"), []string{"4: installations[0].sources[0].id: want"}},
		{"number as text", source("id: a, kind: reddit, secrets: [0123], repository: a/b"),
			[]string{"4: installations[0].sources[0].secrets[0]: want text", "secrets[0]: is empty", "name at least one"}},
		{"empty secret", source("id: a, kind: reddit, secrets: ['${EMPTY}', x], repository: a/b"), []string{"4: installations[0].sources[0].secrets[0]: is empty"}},
		{"secret from a secret key", source("id: '${SECRET}', kind: '${SECRET}', secrets: [x], repository: '${SECRET}'"),
			[]string{"4: installations[0].sources[0].id: want", "kind: want", "repository: want"}},
		{"misspelt", source("id: a, kind: reddit, secret: [x], repository: a/b"), []string{`4: installations[0].sources[0]: unknown key "secret"; did you mean secrets?`, "secrets: is missing"}},
		{"routes of reddit", source("id: a, kind: reddit, secrets: [x], routes: {web: a/b}"), []string{"routes: is for sources of the kind sentry"}},
		{"bad route", source("id: a, kind: sentry, secrets: [x], routes: {web: b}"), []string{"4: installations[0].sources[0].routes[web]: want owner/name"}},
		{"ids in two installations", source("id: a, kind: reddit, secrets: [x], repository: a/b") + "  - id: 102\n    sources:\n      - {id: a, kind: reddit, secrets: [x], repository: a/b}\n",
			[]string{"7: installations[1].sources[0].id: is that of the source on line 4"}},
		{"repository name", repository("web: {mode: live}"), []string{"4: installations[0].repositories: want owner/name before"}},
		{"repository twice", repository("a/b: {}\n      A/B: {}"), []string{"5: installations[0].repositories[A/B]: is there twice"}},
		{"policy key", repository("a/b:\n        mood: live"), []string{`5: installations[0].repositories[a/b]: unknown key "mood"`}},
		{"policy type", repository("a/b:\n        labels: hunter2"), []string{"5: installations[0].repositories[a/b]: "}},
		{"policy number", repository("a/b:\n        budget: {issues_per_day: hunter2}"), []string{"5: installations[0].repositories[a/b]: want a number"}},
		{"policy values", repository("a/b: {mode: '${SECRET}', strictness: hunter2}"), []string{"4: installations[0].repositories[a/b].mode: want", "strictness: want"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.text, "EMPTY=", "SECRET=hunter2 hunter2")
			if err == nil {
				t.Fatal("no problem")
			}
			got := err.(interface{ Unwrap() []error }).Unwrap()
			if len(got) != len(tt.want) {
				t.Errorf("%d problems, want %d", len(got), len(tt.want))
			}
			for i := range min(len(got), len(tt.want)) {
				if text := got[i].Error(); !strings.HasPrefix(text, "SOULCASTER_CONFIG: ") || !strings.Contains(text, tt.want[i]) {
					t.Errorf("problem %d is %s, want %q in it", i, text, tt.want[i])
				}
			}
			if strings.Contains(err.Error(), "hunter2") || t.Failed() {
				t.Errorf("got:\n%v", err)
			}
		})
	}
}

func TestFileIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"large":     "#" + strings.Repeat("x", 1<<20),
		"not UTF-8": "installations: \xff\n",
	} {
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), "SOULCASTER_CONFIG") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := config.Load([]string{"SOULCASTER_CONFIG=" + t.TempDir()}); err == nil {
		t.Error("a folder was read as a file")
	}
}

// FuzzFile looks for text that makes the reader panic, or show a value that came
// from the environment.
func FuzzFile(f *testing.F) {
	example, err := os.ReadFile("example.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(example), "", "a: [", "installations:\n- ${S}: ${S}\n", "installations: [{id: ${S}, sources: [{id: ${S}, secrets: {a: ${S}}}]}]",
		"installations: [{id: 1, repositories: {a/b: {mode: '${S}', labels: '${S}', fix: ${S}}}}]", "? a\n: b", "- - - *x", "installations:\n- sources:\n  -"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 || strings.Count(text, "[")+strings.Count(text, "{") > 100 {
			return // the parser's time grows with the square of the depth
		}
		c, err := load(t, text, "S=hunter2hunter2hunter2")
		if err != nil && strings.Contains(err.Error(), "hunter2hunter2") {
			t.Errorf("the error shows a value: %v", err)
		}
		for _, s := range c.Sources() {
			if err == nil && (s.ID == "" || len(s.Secrets) == 0 || s.Installation == 0 || (s.Repository == "" && len(s.Routes) == 0)) {
				t.Errorf("a source without what it needs: %s of %d", s.ID, s.Installation)
			}
		}
	})
}
