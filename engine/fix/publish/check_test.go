package publish_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/fix/publish"
)

// rules are those that a change breaks, each once.
func rules(t *testing.T, d *desk, c publish.Change) []string {
	t.Helper()
	refused, err := d.Check(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	set := make(map[string]bool)
	for _, r := range refused {
		set[r.Rule] = true
		if r.Why == "" {
			t.Errorf("no words for %s at %q", r.Rule, r.Path)
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func TestGates(t *testing.T) {
	commit := strings.Repeat("1", 40)
	d := newDesk(t, map[string]string{
		"cart.js": "let a = 1\n", "lib/keep.js": "keep\n", "160000 vendored": commit, "120000 link": "lib", "README.md": "read\n",
	})
	long := strings.Repeat("a", 256)
	tests := []struct {
		path, content string
		want          string // rules, by comma; "" if it is let through
	}{
		{"cart.js", "let a = 2\n", ""},
		{"- cart.js", "", ""},
		{"lib/new.js", "new\n", ""},
		{"a b/ünï.txt", "new\n", ""},
		{".github/ISSUE_TEMPLATE/bug.md", "new\n", ""},
		{"docs/workflows/ci.yml", "new\n", ""},
		{".gitignore", "x\n", ""},
		{".gitkeep", "", ""},

		{"../x", "", "path"}, {"/etc/passwd", "", "path"}, {"a//b", "", "path"}, {"./a", "", "path"}, {"a/..", "", "path"}, {`a\b`, "", "path"},
		{".git/config", "", "path"}, {"a/.GIT/hooks/x", "", "path"}, {"git~1/config", "", "path"}, {".git ./x", "", "path"}, {".git::$INDEX_ALLOCATION/x", "", "path"},
		{".g\u200cit/config", "", "path"}, {"a\nb", "", "path"}, {"a\x00b", "", "path"}, {"a\u202eb", "", "path"}, {"a\xff", "", "path"},
		{long, "", "path"}, {strings.Repeat("a/", 260) + "b", "", "path"}, {"con.", "", "path"}, {"trail ", "", "path"},
		{"Cart.js", "", "path"}, {"LIB/x.js", "", "path"}, {"cart.js/x", "", "path"}, {"lib", "", "path"}, {"link/x", "", "path"}, {"readme.MD", "", "path"},
		{"- lib", "", "path"},
		{"README.md::$DATA", "", "path"}, {"a/aux.js", "", "path"}, {"NUL", "", "path"}, {"com1.txt", "", "path"}, {"LPT².log", "", "path"}, {"what?.md", "", "path"},
		{"GITHUB~1/workflows/x.yml", "", "path"}, {"CODEOW~1", "", "path"}, {"README~12.MD", "", "path"},
		{"console.js", "", ""}, {"lib/command.txt", "", ""}, {"com.js/x", "", ""}, {"a~b/c~.txt", "", ""},

		{".devcontainer/devcontainer.json", "", "machine"}, {"sub/.vscode/tasks.json", "", "machine"}, {".Husky/pre-commit", "", "machine"}, {"- .idea/x.xml", "", "machine"},
		{".githooks", "", "machine"}, {".devcontainer.json", "", "machine"}, {"docs/.vscodeignore", "", ""},
		{".mcp.json", "", "machine"}, {"web/.claude/settings.json", "", "machine"}, {".cursor/mcp.json", "", "machine"}, {".KiloCode/mcp.json", "", "machine"},
		{"kilo.json", "", "machine"}, {".opencode/plugin/x.ts", "", "machine"}, {".pre-commit-config.yaml", "", "machine"}, {".envrc", "", "machine"},
		{"AGENTS.md", "", "instructions"}, {"src/Agents.MD", "", "instructions"}, {"- CLAUDE.md", "", "instructions"}, {".github/copilot-instructions.md", "", "instructions"},
		{".github/instructions/x.instructions.md", "", "instructions"}, {"src/agents.go", "", ""}, {"docs/about-agents.md", "", ""},
		{".circleci/config.yml", "", "workflow"}, {"Jenkinsfile", "", "workflow"}, {".gitlab-ci.yml", "", "workflow"}, {"azure-pipelines.yml", "", "workflow"},
		{"ci/Jenkinsfile", "", "workflow"}, {"Jenkinsfile.release", "", "workflow"}, {"lib/netlify.toml", "", ""}, {"netlify.toml", "", "workflow"},
		{"src/CONTEXT.md", "", "instructions"}, {"lefthook-local.toml", "", "machine"}, {".gitpod.yml", "", "machine"}, {"lib/lefthook", "", ""},
		{"config\ufe0e.go", "", "path"}, {"con\u034ffig.go", "", "path"}, {"a\u3164b", "", "path"}, {"\u115fx", "", "path"},
		{"action.yml", "", "workflow"}, {".github/dependabot.yml", "", "workflow"}, {"actions/deploy/action.yml", "", "workflow"},

		{".github/workflows/ci.yml", "", "workflow"}, {".GitHub/Workflows/ci.yml", "", "workflow"}, {".github/actions/x/action.yml", "", "workflow"},
		{"- .github/workflows/ci.yml", "", "workflow"}, {"120000 .github/workflows", "x", "workflow"}, {"120000 .github", "x", "workflow"},
		{".github/wor\u212aflows/ci.yml", "", "workflow"}, {".github/workflowſ/ci.yml", "", "workflow"},
		{"CODEOWNERS", "", "owners"}, {".github/CODEOWNERS", "", "owners"}, {"docs/codeowners", "", "owners"}, {"lib/CODEOWNERS", "", ""},
		{".gitmodules", "", "submodule"}, {"sub/.gitmodules", "", "submodule"}, {"GITMOD~1", "", "path"},
		{"160000 other", commit, "submodule"}, {"vendored", "", "submodule"}, {"- vendored", "", "submodule"}, {"vendored/x", "", "submodule"},
		{".gitattributes", "", "attributes"}, {"lib/.gitattributes", "", "attributes"},
		{".github/soulcaster.yml", "", "settings"},
		{"040000 dir", "", "mode"},

		{"120000 in", "lib/keep.js", ""}, {"120000 lib/in", "../cart.js", ""}, {"120000 lib/deep/in", "../../cart.js", ""}, {"120000 here", ".", ""},
		{"120000 out", "/etc/passwd", "link"}, {"120000 out", "../x", "link"}, {"120000 lib/out", "../../x", "link"}, {"120000 out", "lib/../../x", "link"},
		{"120000 out", "link/../x", "link"}, {"120000 out", ".git/config", "link"}, {"120000 out", "lib/.GIT/config", "link"}, {"120000 out", "", "link"},
		{"120000 out", `C:\x`, "link"}, {"120000 out", "c:x", "link"}, {"120000 out", "a\nb", "link"},

		{"x.bin", "a\x00b", "binary"}, {"x.txt", "caf\xe9", "binary"},
		{"big.txt", strings.Repeat("a\n", 256<<10) + "b", "size"},
		{"key.pem", privateKey, "secret"},
	}
	for _, test := range tests {
		c := d.change(map[string]string{test.path: test.content})
		if got := strings.Join(rules(t, d, c), ","); got != test.want {
			t.Errorf("%q: refused by %q, want %q", test.path, got, test.want)
		}
	}
}

func TestGatesOfTheWhole(t *testing.T) {
	d := newDesk(t, shop)
	c := d.change(map[string]string{"a.txt": "x\n", "A.txt": "x\n"})
	if got := rules(t, d, c); !slices.Equal(got, []string{"path"}) {
		t.Errorf("two that are one on many file systems: %v", got)
	}
	for _, contradicts := range []map[string]string{
		{"120000 n": "lib", "n/x.txt": "x\n"}, {"n": "x\n", "N/x.txt": "x\n"}, {"n": "x\n", "n/a/b.txt": "x\n"},
	} {
		if got := rules(t, d, d.change(contradicts)); !slices.Contains(got, "path") {
			t.Errorf("%v: %v", contradicts, got)
		}
	}
	many := make(map[string]string)
	for i := range 101 {
		many[strings.Repeat("a", i+1)] = "x\n"
	}
	if got := rules(t, d, d.change(many)); !slices.Equal(got, []string{"files"}) {
		t.Errorf("101 files: %v", got)
	}
	heavy := make(map[string]string)
	for i := range 5 {
		heavy[strings.Repeat("a", i+1)] = strings.Repeat("x\n", 250<<10)
	}
	if got := rules(t, d, d.change(heavy)); !slices.Equal(got, []string{"size"}) {
		t.Errorf("2.5 MB: %v", got)
	}
	c = d.change(nil)
	c.Result.TooMuch = "3 GB"
	if got := rules(t, d, c); !slices.Equal(got, []string{"too_much"}) {
		t.Errorf("too much: %v", got)
	}
	c = d.change(map[string]string{"cart.js": "x\n"})
	c.Result.Base = strings.Repeat("1", 40)
	if got := rules(t, d, c); !slices.Equal(got, []string{"base"}) {
		t.Errorf("another base: %v", got)
	}
	if _, _, err := d.Commit(t.Context(), c); err == nil {
		t.Error("a change of another base was committed")
	}
	// What is remembered is bounded, and holds nothing of strangers but a path.
	bad := make(map[string]string)
	for i := range 60 {
		bad[".github/workflows/"+strings.Repeat("x", i+1)] = "x\n"
	}
	refused, err := d.Check(t.Context(), d.change(bad))
	if err != nil || len(refused) != 31 || refused[30].Rule != "more" {
		t.Errorf("%d refusals, %v", len(refused), err)
	}
}

func TestPaths(t *testing.T) {
	tests := []struct {
		patterns string
		path     string
		ok       bool
	}{
		{"", "any/thing.go", true},
		{"!deploy/**", "deploy/x/y.tf", false}, {"!deploy/**", "src/deploy/x", true}, {"!deploy", "src/deploy/x", false}, {"!deploy/", "deploy/x", false},
		{"!/deploy", "src/deploy/x", true}, {"!/deploy", "deploy/x", false},
		{"!*.pem", "a/b/key.PEM", false}, {"!Deploy/**", "deploy/x", false},
		{"src/**", "src/a/b.go", true}, {"src/**", "lib/a.go", false}, {"src", "src/a/b.go", true}, {"src/*.go", "src/a/b.go", false}, {"src/*.go", "src/b.go", true},
		{"*.go", "a/b.go", true}, {"*.go", "a/b.js", false}, {"SRC/**", "src/a.go", false},
		{"src/** !src/gen/**", "src/gen/x.go", false}, {"!src/gen/** src/**", "src/gen/x.go", false}, {"src/** !src/gen/**", "src/x.go", true},
		{"{src,test}/**", "test/x.go", true}, {"[a-", "a", false}, {"!", "a", false}, {"/", "a", false},
	}
	d := newDesk(t, nil)
	for _, test := range tests {
		c := d.change(map[string]string{test.path: "x\n"})
		if test.patterns != "" {
			c.Fix.Paths = strings.Fields(test.patterns)
		}
		want := []string(nil)
		if !test.ok {
			want = []string{"policy"}
		}
		if got := rules(t, d, c); !slices.Equal(got, want) {
			t.Errorf("%q lets %s through: %v", test.patterns, test.path, got)
		}
	}
}

func TestConversions(t *testing.T) {
	const crlf = "a\r\nb\r\n"
	d := newDesk(t, map[string]string{
		".gitattributes": "[attr]media filter=lfs diff=lfs\n* text=auto\n*.png binary\n*.dat filter=lfs -text\n*.mp4 media\nplain.dat !filter\n" +
			"*.u16 working-tree-encoding=UTF-16\n*.id ident\n*.bat eol=crlf\n*.raw -text\nstrict.txt text\n# *.js filter=x\n" +
			"{a,b}.js filter=x\n\"q q.txt\" filter=x\nold.* crlf\n[Mm]ake filter=x\n",
		"sub/.gitattributes": "*.dat -filter\n/here.txt filter=x\nx/**/z.txt filter=x\ntrap.js/ filter=x\n",
		// What cannot be read for sure counts for all, if it asks for a conversion.
		"odd/.gitattributes": "[[:alpha:]].odd filter=x\n", "even/.gitattributes": "*.x filter=x\n[[:alpha:]].x -filter\n",
		"kept.txt": crlf, "strict.txt": crlf, "far/.gitattributes": "*.dat text\n", "120000 linked/.gitattributes": "../.gitattributes",
	})
	tests := []struct {
		path, content string
		ok            bool
	}{
		{"x.js", "a\n", true}, {"x.js", crlf, false}, {"kept.txt", crlf + "c\r\n", true}, {"strict.txt", crlf + "c\r\n", false}, {"strict.txt", "a\n", true},
		{"x.dat", "a\n", false}, {"sub/x.dat", "a\n", true}, {"sub/deep/x.dat", "a\n", true}, {"far/x.dat", "a\n", false}, {"plain.dat", "a\n", true}, {"x.mp4", "a\n", false},
		{"x.u16", "a\n", false}, {"x.id", "$Id: 1 $\n", false}, {"x.id", "a\n", true}, {"x.bat", "a\n", true}, {"x.bat", crlf, false}, {"x.raw", crlf, true}, {"x.png", crlf, true},
		{"a.js", "a\n", true}, {"{a,b}.js", "a\n", false}, {"q q.txt", "a\n", false}, {"old.js", crlf, false},
		{"make", "a\n", false}, {"sub/make", "a\n", false},
		{"sub/here.txt", "a\n", false}, {"here.txt", "a\n", true}, {"sub/x/y/z.txt", "a\n", false}, {"sub/x/z.txt", "a\n", false}, {"sub/trap.js", "a\n", true},
		{"linked/x.dat", "a\n", false},
	}
	for _, test := range tests {
		c := d.change(map[string]string{test.path: test.content})
		got := rules(t, d, c)
		if (len(got) == 0) != test.ok || len(got) > 0 && !slices.Equal(got, []string{"conversion"}) {
			t.Errorf("%s with %q: refused by %v", test.path, test.content, got)
		}
	}
	if got := rules(t, d, d.change(map[string]string{"- x.dat": ""})); len(got) > 0 {
		t.Errorf("deleted: %v", got)
	}
}

func TestUnreadableAttributesRefuse(t *testing.T) {
	d := newDesk(t, map[string]string{".gitattributes": strings.Repeat("# long\n", 200_000)})
	if got := rules(t, d, d.change(map[string]string{"x.js": "a\n"})); !slices.Equal(got, []string{"conversion"}) {
		t.Errorf("attributes too long to be read: %v", got)
	}
}

const privateKey = `-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQyNTUx
OQAAACDJq3c0Yk1mZ3hRZ0x5c2VhZHNmYXNkZmFzZGZhc2RmYXNkZgAAAJhQx3vVUMd71QAAAAtz
-----END OPENSSH PRIVATE KEY-----
`

func TestSecrets(t *testing.T) {
	token := "ghs_" + strings.Repeat("aB3dE5.", 74) // of 2026: dots, 520 characters
	aws := "AKIAQYLPMN5HHHFPZAM2"
	d := newDesk(t, map[string]string{
		"old.js": "const key = '" + aws + "'\n", "cart.js": "let a = 1\n",
	})
	tests := []struct {
		name  string
		files map[string]string
		ok    bool
	}{
		{"none", map[string]string{"cart.js": "let a = 2\n"}, true},
		{"ours", map[string]string{"cart.js": "let a = '" + token + "'\n"}, false},
		{"github's of before", map[string]string{"cart.js": "let a = 'ghp_0123456789abcdefghijABCDEFGHIJ012345'\n"}, false},
		{"github's fine-grained", map[string]string{"cart.js": "github_pat_11ABCDEFG0123456789_abcdefghijklmnopqrstuvwxyz\n"}, false},
		{"aws", map[string]string{"cart.js": "let a = '" + strings.Replace(aws, "M2", "M3", 1) + "'\n"}, false},
		{"a private key", map[string]string{"cart.js": privateKey}, false},
		{"one that says that it is none", map[string]string{"cart.js": "let a = '" + strings.Replace(aws, "M2", "M3", 1) + "' // gitleaks:allow\n"}, false},
		{"where the scanner does not look", map[string]string{"node_modules/x.svg": "let a = '" + strings.Replace(aws, "M2", "M3", 1) + "'\n"}, false},
		{"encoded", map[string]string{"cart.js": "let a = 'Z2hwXzAxMjM0NTY3ODlhYmNkZWZnaGlqQUJDREVGR0hJSjAxMjM0NQ=='\n"}, false},
		{"old, carried along", map[string]string{"old.js": "// new\nconst key = '" + aws + "'\n"}, true},
		{"old, moved", map[string]string{"- old.js": "", "new.js": "const key = '" + aws + "'\n"}, true},
		{"old, and another", map[string]string{"old.js": "const key = '" + strings.Replace(aws, "M2", "M4", 1) + "'\n"}, false},
		{"a lock file", map[string]string{"package-lock.json": `{"node_modules/a":{"version":"1.2.3","integrity":"sha512-oK8cbPp8o2YqIq0sFZ3mQ2o1z7VqkYIqFmmmCkqYb1bqQkXbG8cV0mH2Z3Nw5bC3Bqk3cTgkq0n1fY1mJm1s9A=="}}` + "\n"}, true},
		{"go.sum", map[string]string{"go.sum": "github.com/bmatcuk/doublestar/v4 v4.10.4 h1:Lm3Zr0VAnPtdkDkkCFSbBUZ6C0rhdO4hZ0HRyLVGsXM=\n"}, true},
	}
	for _, test := range tests {
		got := rules(t, d, d.change(test.files))
		if (len(got) == 0) != test.ok || len(got) > 0 && !slices.Equal(got, []string{"secret"}) {
			t.Errorf("%s: refused by %v", test.name, got)
		}
	}
	refused, err := d.Check(t.Context(), d.change(map[string]string{"cart.js": "\n\nlet a = '" + token + "'\n"}))
	if err != nil || len(refused) == 0 || !strings.Contains(refused[0].Why, "line 3") {
		t.Errorf("%+v, %v", refused, err)
	}
	for _, r := range refused {
		if strings.Contains(r.Why+r.Path, "aB3d") {
			t.Errorf("the secret is told: %s", r.Why)
		}
	}
}
