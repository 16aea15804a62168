// Command gen writes docs/configuration.md from the table of settings and the
// example file of package config. Run it with: go generate ./config
package main

import (
	"fmt"
	"os"
)

// Where the files are, seen from the folder of package config, in which go
// generate runs commands.
const (
	page    = "../docs/configuration.md"
	example = "example.yml"
)

func main() {
	yml, err := os.ReadFile(example)
	if err == nil {
		err = os.WriteFile(page, []byte(markdown(string(yml))), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "write configuration page:", err)
		os.Exit(1)
	}
}
