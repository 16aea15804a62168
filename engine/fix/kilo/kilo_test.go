package kilo

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soulcaster/soulcaster/engine/fix/brief"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// TestGolden holds how Kilo is run to the letter. What is switched off there is
// what it would otherwise do: ask questions that nobody answers, try for ever, call
// home, fetch plugins, believe the repository. A line that goes has to be missed.
func TestGolden(t *testing.T) {
	config, err := Config(brief.Model{Name: "scripted-1", Context: 128_000, Output: 8_000}, "http://127.0.0.1:1234/v1", "/run/AGENTS.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"kilo.json": string(config) + "\n",
		"switches":  strings.Join(Switches("/run/kilo.json"), "\n") + "\n",
		"arguments": strings.Join(Arguments("scripted-1", "run r1"), "\n") + "\n",
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s changed; look at it, and run with -update if it is meant:\n%s", path, got)
		}
	}
}

func TestNoInstructions(t *testing.T) {
	config, err := Config(brief.Model{Name: "m"}, "http://127.0.0.1:1234/v1", "")
	if err != nil || strings.Contains(string(config), "instructions") {
		t.Errorf("without instructions: %v\n%s", err, config)
	}
}
