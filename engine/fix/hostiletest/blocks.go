package hostiletest

import (
	"regexp"
	"strings"
	"testing"
)

// Block is a text of somebody's in what the agent is asked.
type Block struct {
	Head, Text string
}

// begins is how what the agent is asked tells where blocks begin.
var begins = regexp.MustCompile(`A block begins with a line "<<(soul-[a-z0-9]+)"`)

// Blocks takes what the agent is asked apart, as it says itself that it is to be read.
// outside is what stands in no block.
func Blocks(t testing.TB, prompt string) (blocks []Block, outside string) {
	t.Helper()
	m := begins.FindStringSubmatch(prompt)
	if m == nil {
		t.Fatalf("it does not say where blocks begin:\n%s", prompt)
	}
	var in *Block
	for line := range strings.Lines(prompt) {
		head, first := strings.CutPrefix(line, "<<"+m[1]+" ")
		switch {
		case in == nil && first:
			in = &Block{Head: strings.TrimSuffix(head, "\n")}
		case in == nil:
			outside += line
		case strings.TrimSuffix(line, "\n") == m[1]+">>":
			blocks = append(blocks, *in)
			in = nil
		case strings.Contains(line, m[1]):
			t.Errorf("the boundary stands in a block: %q", line)
		default:
			in.Text += line
		}
	}
	if in != nil {
		t.Errorf("the block %q does not end", in.Head)
	}
	return blocks, outside
}
