package publish

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// Every path that is taken, git takes too, with all its protections on; and no link
// that is taken leads out of the folder it is in.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"a/b.go", ".git/x", "a/../b", ".g\u200cit", "git~1", "GIT~1/x", ".git . ", ".git:x", "a\\b", "ſ/K", ".gitmodules", "a/", "x:y"} {
		f.Add(s, "../x")
	}
	f.Fuzz(func(t *testing.T, p, target string) {
		if badPath(p) == "" {
			if path.Clean(p) != p || path.IsAbs(p) || strings.HasPrefix(p, "../") || !utf8.ValidString(p) {
				t.Errorf("%q is taken", p)
			}
			for name := range strings.SplitSeq(strings.ToLower(p), "/") {
				if strings.TrimRight(name, ". ") == ".git" || strings.HasPrefix(name, ".git:") {
					t.Errorf("%q is taken", p)
				}
			}
			if badLink(p, target) == "" {
				if to := path.Join(path.Dir(p), target); path.IsAbs(target) || to == ".." || strings.HasPrefix(to, "../") {
					t.Errorf("a link at %q to %q is taken: it leads to %q", p, target, to)
				}
			}
		}
		protected(p)
	})
}

// Names that some file system takes for one are one: the letters are those of
// Unicode's CaseFolding.txt, with accents in one character and in two.
func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"docs/README.md", "Docs/readme.MD", "docs/ReadMe.md"},
		{"caf\u00e9.go", "cafe\u0301.go", "CAF\u00c9.go", "CAFE\u0301.go"},
		{"stra\u00dfe", "STRASSE", "stra\u1e9ee"},
		{".GITHUB/WOR\u212aFLOWS", ".github/workflows", ".github/workflow\u017f"},
		{"\u00c5ngstr\u00f6m", "\u212bngstro\u0308m"},
	} {
		for _, p := range same[1:] {
			if fold(p) != fold(same[0]) {
				t.Errorf("%+q and %+q are two", p, same[0])
			}
		}
	}
	for _, p := range []string{"cafe", "\u0131", "i", "a/b", "a b", "ab"} {
		for _, q := range []string{"caf\u00e9", "I\u0307", "j", "a.b", "a_b", "a"} {
			if fold(p) == fold(q) {
				t.Errorf("%+q and %+q are one", p, q)
			}
		}
	}
	for _, p := range []string{".github/wor\u212aflows/x.yml", "CODEOWNER\u017f", ".GITATTRIBUTE\u017f"} {
		if rule, _ := protected(p); rule == "" {
			t.Errorf("%+q may be changed", p)
		}
	}
	for pattern, p := range map[string]string{
		"!caf\u00e9/**": "CAFE\u0301/x", "!caf?/**": "caf\u00e9/x", "!caf[\u00e9\u00e8]/**": "cafe\u0301/x", "!r?sum?.md": "RE\u0301SUME\u0301.md",
		"!??/**": "\ud55c\uad6d/x", "!stra?e/**": "stra\u00dfe/x", "!STRASSE": "stra\u00dfe",
	} {
		if readPatterns([]string{pattern}).refuse(p) == "" {
			t.Errorf("%+q does not exclude %+q", pattern, p)
		}
	}
}

func TestPathsThatGitTakes(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is missing")
	}
	dir := filepath.Join(t.TempDir(), "x.git")
	git := func(stdin string, args ...string) error {
		cmd := exec.Command("git", append([]string{"-c", "core.protectHFS=true", "-c", "core.protectNTFS=true"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_DIR="+dir, "GIT_INDEX_FILE="+dir+".index")
		cmd.Stdin = strings.NewReader(stdin)
		return cmd.Run()
	}
	if err := git("", "init", "-q", "--bare", dir); err != nil {
		t.Fatal(err)
	}
	names := []string{".git", ".GIT", "git~1", "git~2", ".git ", ".git.", ".git:x", ".g\u200cit", ".gi\u0307t", ".gitx", "x.git", "git", ".git~1", "..", ".", "a", "a b", ".gitmodules", "gitmod~1", "\u200e", "...", "a\\b"}
	for _, name := range names {
		for _, p := range []string{name, name + "/x", "x/" + name, "x/" + name + "/y"} {
			err := git("100644 e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\t"+p+"\x00", "update-index", "-z", "--index-info")
			if badPath(p) == "" && err != nil {
				t.Errorf("%q is taken, but not by git", p)
			}
			git("0 0000000000000000000000000000000000000000\t"+p+"\x00", "update-index", "-z", "--index-info")
		}
	}
}
