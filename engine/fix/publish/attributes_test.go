package publish

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/github"
)

// one is a repository that holds .gitattributes at the top and in sub, and nothing
// else that is ever asked for.
type one struct {
	Objects
	top, sub string
}

func (o one) Tree(_ context.Context, _ github.At, sha string, _ bool) ([]github.TreeEntry, bool, error) {
	if sha == "top" {
		return []github.TreeEntry{{Path: ".gitattributes", Mode: "100644", Type: "blob", SHA: "top"}, {Path: "sub", Mode: "040000", Type: "tree", SHA: "sub"}}, false, nil
	}
	return []github.TreeEntry{{Path: ".gitattributes", Mode: "100644", Type: "blob", SHA: "sub"}}, false, nil
}

func (o one) Blob(_ context.Context, _ github.At, sha string) ([]byte, error) {
	if sha == "top" {
		return []byte(o.top), nil
	}
	return []byte(o.sub), nil
}

// What git itself says of an attribute is what is read here; where the pattern cannot
// be read for sure, it may be more.
func TestAttributesAsGitReadsThem(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is missing")
	}
	dir := t.TempDir()
	git := func(args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	git("init", "-q")
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	patterns := []string{
		"*", "*.js", "a.js", "/a.js", "sub", "sub/", "sub/*", "/sub/*", "sub/**", "**/a.js", "sub/**/a.js", "x/*.js", "*/a.js", "**", "?.js", "[ab].js", "[!a].js", "[a-c].js",
		"{a,b}.js", "a.*", "*a*", "a**js", "su?/a.js", `"a b.js"`, `"a\tb.js"`, `a\*.js`, "[]a].js", "[[:alpha:]].js", "!a.js", "[attr]m", ".*", "*.JS", "deep", "x/", "./a.js", "sub/./a.js", "[a", `a\`,
	}
	paths := []string{
		"a.js", "b.js", "1.js", "{a,b}.js", "a b.js", "a*.js", ".x.js", "a", "x/a.js", "x/y/a.js", "sub/a.js", "sub/b.js", "sub/x/a.js", "sub/deep/x/a.js", "sub/.hid", "sub/sub/a.js", "aXXjs", "a/b/js", "].js", "A.JS",
	}
	settings := []string{"filter=x", "-filter", "!filter", "filter", "filter=", "m", "text=auto filter=y"}
	for i, p := range patterns {
		for j, s := range settings {
			top := "* filter=base\n" + p + " " + s + "\n"
			sub := patterns[(i+7*j+1)%len(patterns)] + " " + settings[(i+j)%len(settings)] + "\n"
			if j%2 == 0 {
				top = "[attr]m filter=macro\n" + top
			}
			for name, content := range map[string]string{".gitattributes": top, "sub/.gitattributes": sub} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			a := newAttributes(&base{host: one{top: top, sub: sub}, tree: "top", dirs: make(map[string]map[string]github.TreeEntry)})
			sure := true
			for _, folder := range []string{"", "sub"} {
				lines, err := a.in(t.Context(), folder)
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range lines {
					sure = sure && l.sure
				}
			}
			out := strings.Split(git(append([]string{"check-attr", "-z", "filter", "--"}, paths...)...), "\x00")
			for k, path := range paths {
				want := out[3*k+2]
				if want == "unset" || want == "unspecified" {
					want = ""
				}
				is, err := a.of(t.Context(), path)
				if err != nil {
					t.Fatal(err)
				}
				got := is["filter"]
				if sure && got != want && (got != "set" || want != "") || want != "" && got == "" {
					t.Errorf("%s with %q and %q: filter is %q, git says %q (sure: %t)", path, top, sub, got, want, sure)
				}
			}
		}
	}
}

func FuzzAttributes(f *testing.F) {
	f.Add("* text=auto\n*.bin filter=lfs -text\n", "sub/x.bin")
	f.Add("[attr]m filter=x\n\"q\\\" x\" m\n[[:a:]] -m\n", "q x")
	f.Fuzz(func(t *testing.T, content, path string) {
		a := newAttributes(&base{host: one{top: content}, tree: "top", dirs: make(map[string]map[string]github.TreeEntry)})
		if _, err := a.refuse(t.Context(), path, []byte("a\r\n"), nil); err != nil {
			t.Fatal(err)
		}
	})
}
