package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// module is the prefix of our own packages.
const module = "github.com/soulcaster/soulcaster/"

// sdks say in which packages of ours a vendor's packages may be imported. The
// packages below those that are named are allowed too.
var sdks = []struct {
	prefix string
	leaves []string
}{
	{"github.com/google/go-github/", []string{"engine/github", "handlers/github"}},
	{"github.com/palantir/go-githubapp/", []string{"engine/github", "handlers/github"}},
	{"github.com/bradleyfalzon/ghinstallation/", []string{"engine/github", "handlers/github"}},
	{"github.com/redis/go-redis/", []string{"engine/storage/redis", "engine/storage/storagetest"}},
	{"go.etcd.io/bbolt/", []string{"engine/storage/bolt"}},
	{"google.golang.org/genai/", []string{"engine/embed/gemini"}},
	{"github.com/aws/", []string{"engine/fix/ecs"}},
}

// importer is a package with what it imports, as go list tells it.
type importer struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func TestImports(t *testing.T) {
	graph := listImports(t)
	if len(graph) < 50 {
		t.Fatalf("the graph has %d packages: go list did not tell all", len(graph))
	}
	for _, v := range violations(graph) {
		t.Error(v)
	}
}

// listImports is everything that the module's packages import, and what that
// imports in turn.
func listImports(t *testing.T) []importer {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags=e2e",
		"-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = ".."
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var graph []importer
	for d := json.NewDecoder(&stdout); ; {
		var p importer
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return graph
		}
		if err != nil {
			t.Fatal(err)
		}
		graph = append(graph, p)
	}
}

// violations is one line for each import that breaks a rule of the house.
func violations(graph []importer) []string {
	var found []string
	byPath := map[string]importer{}
	for _, p := range graph {
		byPath[p.ImportPath] = p
		from, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		for _, imported := range p.Imports {
			if to, ok := strings.CutPrefix(imported, module); ok {
				if rule := breaks(from, to); rule != "" {
					found = append(found, fmt.Sprintf("%s imports %s: %s", from, to, rule))
				}
			}
			if imported == "testing" && !isTestHelper(from) {
				found = append(found, fmt.Sprintf("%s imports testing: only tests and packages whose name ends in test may", from))
			}
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for _, sdk := range sdks {
				if strings.HasPrefix(imported+"/", sdk.prefix) && !slices.ContainsFunc(sdk.leaves, func(leaf string) bool { return within(from, leaf) }) {
					found = append(found, fmt.Sprintf("%s imports %s: only %s may", from, imported, strings.Join(sdk.leaves, " and ")))
				}
			}
		}
	}
	found = append(found, wronglyLinked(byPath)...)
	slices.Sort(found)
	return slices.Compact(found)
}

// breaks is the rule that the import of one of our packages by another breaks, ""
// if it breaks none. Dependencies point down: app, handlers, engine, storage.
func breaks(from, to string) string {
	switch {
	case within(to, "app") && !within(from, "app"):
		return "nothing imports app"
	case to == "config" && !within(from, "app") && !within(from, "config"):
		return "only app reads the settings"
	case within(from, "engine/storage") && !within(to, "engine/storage"):
		return "storage knows nothing of what it stores"
	case within(from, "engine") && !within(to, "engine"):
		return "engine imports only engine"
	case within(from, "handlers") && within(to, "handlers") && to != "handlers" && !within(to, from) && !within(from, to):
		return "handlers do not import each other"
	case from == "handlers" && within(to, "handlers"):
		return "what handlers share does not know them"
	case within(from, "handlers") && !within(to, "handlers") && !within(to, "engine"):
		return "handlers import only engine"
	case within(from, "config") && !within(to, "config") && !within(to, "engine"):
		return "config imports only engine"
	}
	return ""
}

// goGitHub is the root of one major version of go-github.
var goGitHub = regexp.MustCompile(`^github\.com/google/go-github(/v\d+)?(/|$)`)

// wronglyLinked looks at what ends up in the binary.
func wronglyLinked(byPath map[string]importer) (found []string) {
	linked := map[string]bool{}
	queue := []string{module + "app"}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if !linked[p] {
			linked[p] = true
			queue = append(queue, byPath[p].Imports...)
		}
	}
	versions := map[string]bool{}
	for p := range linked {
		if m := goGitHub.FindString(p); m != "" {
			versions[strings.TrimSuffix(m, "/")] = true
		}
		if rel, ours := strings.CutPrefix(p, module); ours && isTestHelper(rel) {
			found = append(found, fmt.Sprintf("app links %s: it is for tests", rel))
		}
	}
	if len(versions) != 1 {
		found = append(found, fmt.Sprintf("app links %d versions of go-github, not one: their types do not mix %v", len(versions), sortedKeys(versions)))
	}
	return found
}

func sortedKeys(m map[string]bool) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// isTestHelper reports whether a package is there for tests, which its name says.
func isTestHelper(p string) bool {
	return strings.HasSuffix(path.Base(p), "test") || within(p, "app/e2e")
}

// within reports whether p is the package of that path or one below it.
func within(p, parent string) bool { return p == parent || strings.HasPrefix(p, parent+"/") }

func TestViolationsAreFound(t *testing.T) {
	const github = "github.com/google/go-github/v66/github"
	// ours is a package of ours; an import that begins with ./ is one too.
	ours := func(name string, imports ...string) importer {
		p := importer{ImportPath: module + name}
		for _, i := range imports {
			if rel, ok := strings.CutPrefix(i, "./"); ok {
				i = module + rel
			}
			p.Imports = append(p.Imports, i)
		}
		return p
	}
	// house breaks no rule; every case adds to it.
	house := []importer{
		ours("app", "./config", "./handlers/github", "./handlers/web", "./engine/storage/bolt", "fmt"),
		ours("app/e2e", "testing", "net/http"),
		ours("config", "./engine/source"),
		ours("config/gen", "./config"),
		ours("handlers", "./engine/storage"),
		ours("handlers/github", github, "./handlers", "./engine/issue"),
		ours("handlers/web", "./handlers", "./handlers/web/page"),
		ours("engine/issue", "./engine/storage", "./engine/cluster"),
		ours("engine/storage/bolt", "go.etcd.io/bbolt", "./engine/storage"),
		ours("engine/storage/storagetest", "testing", "./engine/storage", "github.com/redis/go-redis/v9"),
		ours("engine/embed/gemini", "google.golang.org/genai"),
		{ImportPath: github, Imports: []string{"net/http"}},
		{ImportPath: "example.com/else", Imports: []string{"testing", "github.com/aws/smithy-go"}},
	}
	if got := violations(house); len(got) != 0 {
		t.Fatalf("a house in order: %q", got)
	}
	for _, tt := range []struct {
		add  importer
		want string
	}{
		{ours("handlers/github", github, "./handlers/web"), "handlers/github imports handlers/web: handlers do not import each other"},
		{ours("handlers", "./handlers/web"), "handlers imports handlers/web: what handlers share does not know them"},
		{ours("handlers/web", "./config"), "handlers/web imports config: only app reads the settings"},
		{ours("handlers/web", "./deploy/x"), "handlers/web imports deploy/x: handlers import only engine"},
		{ours("engine/work", "./handlers"), "engine/work imports handlers: engine imports only engine"},
		{ours("engine/work", "./config"), "engine/work imports config: only app reads the settings"},
		{ours("engine/work", "./app"), "engine/work imports app: nothing imports app"},
		{ours("config", "./handlers"), "config imports handlers: config imports only engine"},
		{ours("engine/storage", "./engine/feedback"), "engine/storage imports engine/feedback: storage knows nothing of what it stores"},
		{ours("engine/storage/redis", "./engine/work"), "engine/storage/redis imports engine/work: storage knows nothing of what it stores"},
		{ours("engine/issue", github), "engine/issue imports " + github + ": only engine/github and handlers/github may"},
		{ours("handlers/web", "github.com/palantir/go-githubapp/oauth2"), "handlers/web imports github.com/palantir/go-githubapp/oauth2: only engine/github and handlers/github may"},
		{ours("engine/work", "github.com/redis/go-redis/v9"), "engine/work imports github.com/redis/go-redis/v9: only engine/storage/redis and engine/storage/storagetest may"},
		{ours("engine/work", "go.etcd.io/bbolt"), "engine/work imports go.etcd.io/bbolt: only engine/storage/bolt may"},
		{ours("engine/embed", "google.golang.org/genai"), "engine/embed imports google.golang.org/genai: only engine/embed/gemini may"},
		{ours("engine/fix", "github.com/aws/aws-sdk-go-v2/service/ecs"), "engine/fix imports github.com/aws/aws-sdk-go-v2/service/ecs: only engine/fix/ecs may"},
		{importer{ImportPath: module + "engine/work", XTestImports: []string{"go.etcd.io/bbolt"}}, "engine/work imports go.etcd.io/bbolt: only engine/storage/bolt may"},
		{importer{ImportPath: module + "engine/work", TestImports: []string{"go.etcd.io/bbolt"}}, "engine/work imports go.etcd.io/bbolt: only engine/storage/bolt may"},
		{ours("engine/work", "testing"), "engine/work imports testing: only tests and packages whose name ends in test may"},
		{ours("engine/storage/bolt", "./engine/storage/storagetest"), "app links engine/storage/storagetest: it is for tests"},
		{ours("engine/storage/bolt", "example.com/old"), "app links 2 versions of go-github, not one: their types do not mix [github.com/google/go-github/v66 github.com/google/go-github/v72]"},
		{ours("handlers/github", "./handlers"), "app links 0 versions of go-github, not one: their types do not mix []"},
	} {
		graph := slices.Clone(house)
		graph = append(graph, importer{ImportPath: "example.com/old", Imports: []string{"github.com/google/go-github/v72/github"}})
		graph = slices.DeleteFunc(graph, func(p importer) bool { return p.ImportPath == tt.add.ImportPath })
		if got := violations(append(graph, tt.add)); !slices.Equal(got, []string{tt.want}) {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
