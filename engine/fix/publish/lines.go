package publish

import (
	"bytes"
	"slices"
	"strings"

	"github.com/soulcaster/soulcaster/engine/fix/run"
)

// How long two versions of one file are compared: lines that differ, and lines that are
// looked at.
const (
	maxEdits = 1000
	maxSteps = 4 << 20
)

// countLines counts the lines that were added and cut between two versions of a file,
// as `git diff --numstat --minimal` does; nil if what was there is no text. Where the
// versions have so little in common that it would take too long, a line that is in
// both counts as kept, wherever it stands.
func countLines(was, is []byte) *run.Lines {
	if bytes.IndexByte(was, 0) >= 0 || bytes.IndexByte(is, 0) >= 0 {
		return nil
	}
	a, b := slices.Collect(strings.Lines(string(was))), slices.Collect(strings.Lines(string(is)))
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	edits, ok := edits(a, b)
	if !ok {
		edits = strays(a, b)
	}
	// What is added but not cut is what the file grew by.
	return &run.Lines{Added: (edits + len(b) - len(a)) / 2, Cut: (edits + len(a) - len(b)) / 2}
}

// edits is the least number of lines that have to be added and cut to make b of a, if
// it is found in time: Myers, "An O(ND) Difference Algorithm and Its Variations",
// Algorithmica 1 (1986), figure 2.
func edits(a, b []string) (n int, ok bool) {
	if len(a) == 0 || len(b) == 0 {
		return len(a) + len(b), true
	}
	var far [2*maxEdits + 3]int // how far in a one gets on each diagonal
	const middle = maxEdits + 1
	for steps := 0; n <= maxEdits && steps < maxSteps; n++ {
		for k := -n; k <= n; k += 2 {
			x := far[middle+k-1] + 1
			if k == -n || k != n && far[middle+k-1] < far[middle+k+1] {
				x = far[middle+k+1]
			}
			for steps++; x < len(a) && x-k < len(b) && a[x] == b[x-k]; steps++ {
				x++
			}
			if far[middle+k] = x; x >= len(a) && x-k >= len(b) {
				return n, true
			}
		}
	}
	return 0, false
}

// strays counts the lines that only one of the two has.
func strays(a, b []string) (n int) {
	more := make(map[string]int)
	for _, line := range a {
		more[line]++
	}
	for _, line := range b {
		more[line]--
	}
	for _, d := range more {
		n += max(d, -d)
	}
	return n
}
