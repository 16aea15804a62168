//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// version is what the binaries that are tested call themselves.
const version = "e2e-1.2.3"

// The binaries, built once for all tests: the one that people run, and the one
// that kills itself where SOULCASTER_FAULT says. Both have the race detector in
// them; what it finds fails the test whose process it was.
var (
	binary       string
	faultyBinary string
)

// built is where the binaries are already, for a test that runs itself again.
const built = "SOULCASTER_E2E_BUILT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(built); dir != "" {
		name(dir)
		os.Exit(m.Run())
	}
	os.Exit(build(m.Run))
}

func name(dir string) {
	binary, faultyBinary = filepath.Join(dir, "soulcaster"), filepath.Join(dir, "soulcaster-faulty")
}

// build makes the binaries, runs, and removes them.
func build(run func() int) int {
	dir, err := os.MkdirTemp("", "soulcaster-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	name(dir)
	for out, tags := range map[string]string{binary: "", faultyBinary: "faults"} {
		cmd := exec.Command("go", "build", "-race", "-tags", tags, "-ldflags", "-X main.buildVersion="+version, "-o", out, "..")
		if output, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "e2e: %s: %v\n%s", strings.Join(cmd.Args, " "), err, output)
			return 1
		}
	}
	return run()
}
