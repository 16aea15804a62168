package publish

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/fix/run"
)

// What is counted is what git counts.
func TestLinesAsGitCountsThem(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is missing")
	}
	pairs := [][2]string{{"", "a\n"}, {"a\n", ""}, {"a", "a\n"}, {"a\nb\n", "b\na\n"}, {"a\r\n", "a\n"}, {"a\n\n", "\na\n"}, {"a\n", "a\n"}}
	chance := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range chance.IntN(30) {
			b.WriteString(strings.Repeat("x", chance.IntN(6)) + "\n")
		}
		return b.String() + strings.Repeat("end", chance.IntN(2))
	}
	for range 60 {
		pairs = append(pairs, [2]string{text(), text()})
	}
	dir := t.TempDir()
	for i, p := range pairs {
		for side, content := range p {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d-%d", side, i)), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		// It exits with 1 where there is a difference.
		cmd := exec.Command("git", "diff", "--no-index", "--numstat", "--minimal", fmt.Sprintf("0-%d", i), fmt.Sprintf("1-%d", i))
		cmd.Dir = dir
		out, _ := cmd.Output()
		var want run.Lines
		if len(out) > 0 {
			if _, err := fmt.Sscan(string(out), &want.Added, &want.Cut); err != nil {
				t.Fatalf("git says %q: %v", out, err)
			}
		}
		if got := countLines([]byte(p[0]), []byte(p[1])); got == nil || *got != want {
			t.Errorf("%q to %q: %+v, git counts %+v", p[0], p[1], got, want)
		}
	}
}

// Two long files that have nothing in common, or everything in another order, are
// compared in a time that is bounded, and the sum is right.
func TestLinesOfAnythingAreCounted(t *testing.T) {
	var one, two, turned strings.Builder
	const n = 100_000
	for i := range n {
		fmt.Fprintf(&one, "a%d\n", i)
		fmt.Fprintf(&two, "b%d\n", i)
		fmt.Fprintf(&turned, "a%d\n", n-i)
	}
	for name, c := range map[string]struct {
		was, is string
		want    *run.Lines
	}{
		"nothing in common": {one.String(), two.String() + "more\n", &run.Lines{Added: n + 1, Cut: n}},
		"all is new":        {"", two.String(), &run.Lines{Added: n}},
		"turned round":      {one.String(), turned.String(), &run.Lines{Added: 1, Cut: 1}}, // a0 went, and another one came
		"no text":           {"a\x00b\n", "a\n", nil},
	} {
		got := countLines([]byte(c.was), []byte(c.is))
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
